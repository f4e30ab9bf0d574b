//! Data is compressed over the threshold, and only where that makes it smaller.

use crate::sample_sessions::{Session, session, sessions};
use serde::{Serialize, Serializer};
use session_store_core::codec::{Codec, Dictionary};

const KEY: session_store_core::SessionKey = session_store_core::SessionKey::from_bytes([7; 32]);

/// The flags byte of what the codec makes of a text that is so many bytes of MessagePack.
fn flags(codec: &Codec, encoded: usize) -> u8 {
    let marker_and_length = match encoded {
        0..=32 => 1,
        33..=257 => 2,
        _ => 3,
    };
    let data = codec.encode(&KEY, &"x".repeat(encoded - marker_and_length)).unwrap();
    if data[1] == 0 {
        assert_eq!(data.len(), 6 + encoded);
    } else {
        assert!(data.len() < 6 + encoded);
    }
    data[1]
}

fn dictionary() -> Dictionary {
    Dictionary::train(&sessions(0..300), 1024).unwrap()
}

#[test]
fn over_512_bytes_unless_set() {
    assert_eq!([512, 513].map(|len| flags(&Codec::new(), len)), [0, 1]);
}

#[test]
fn over_64_bytes_with_a_dictionary() {
    let codec = Codec::new().with_dictionary(dictionary());
    assert_eq!([64, 65].map(|len| flags(&codec, len)), [0, 1]);
}

#[test]
fn over_the_threshold_that_was_set() {
    let codec = Codec::new().with_compression_over(100);
    assert_eq!([100, 101].map(|len| flags(&codec, len)), [0, 1]);
    let codec = codec.with_dictionary(dictionary());
    assert_eq!([100, 101].map(|len| flags(&codec, len)), [0, 1], "set before the dictionary was given");
    let never = Codec::new().with_compression_over(usize::MAX);
    assert_eq!(flags(&never, 60_000), 0);
}

/// Bytes without a pattern (splitmix64), which nothing makes smaller.
struct Noise;

impl Serialize for Noise {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> =
            (1..=125_u64).flat_map(|n| mixed(n.wrapping_mul(0x9E37_79B9_7F4A_7C15)).to_le_bytes()).collect();
        serializer.serialize_bytes(&bytes)
    }
}

fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

#[test]
fn not_where_it_makes_data_larger() {
    let codec = Codec::new().with_compression_over(0);
    let data = codec.encode(&KEY, &Noise).unwrap();
    assert_eq!((data[1], data.len()), (0, 6 + 3 + 1000));
    let data = codec.encode(&KEY, "short").unwrap();
    assert_eq!((data[1], data.len()), (0, 6 + 1 + 5));
    assert_eq!(codec.decode::<String>(&KEY, &data).unwrap(), "short");
}

#[test]
fn a_dictionary_makes_small_sessions_smaller_by_half() {
    let plain = Codec::new().encode(&KEY, &session(4711)).unwrap();
    let compressed = Codec::new().with_dictionary(dictionary()).encode(&KEY, &session(4711)).unwrap();
    assert_eq!([plain[1], compressed[1]], [0, 1]);
    assert!(2 * compressed.len() < plain.len(), "{} of {} bytes", compressed.len(), plain.len());
}

/// The contexts are reused by all codecs of a thread.
#[test]
fn codecs_on_one_thread_do_not_disturb_each_other() {
    let with_dictionary = Codec::new().with_dictionary(dictionary());
    let without = Codec::new();
    let alone = without.encode(&KEY, &sessions(0..50)).unwrap();
    for n in 0..100 {
        let small = with_dictionary.encode(&KEY, &session(n)).unwrap();
        assert_eq!(without.encode(&KEY, &sessions(0..50)).unwrap(), alone);
        assert!(without.decode::<Vec<Session>>(&KEY, &small).is_err());
        assert_eq!(without.decode::<Vec<Session>>(&KEY, &alone).unwrap(), sessions(0..50));
        assert_eq!(with_dictionary.decode::<Vec<Session>>(&KEY, &alone).unwrap(), sessions(0..50));
        assert_eq!(with_dictionary.decode::<Session>(&KEY, &small).unwrap(), session(n));
    }
}
