//! An envelope that lost or changed anything at all is refused.

use crate::sample_sessions::{Session, session, sessions};
use session_store_core::codec::{Codec, Dictionary};
use session_store_core::{Bytes, ErrorKind};

const KEY: session_store_core::SessionKey = session_store_core::SessionKey::from_bytes([7; 32]);

fn codec() -> Codec {
    Codec::new().with_dictionary(Dictionary::train(&sessions(0..300), 1024).unwrap())
}

/// One of each form: as it is, compressed, compressed with the codec's dictionary.
fn envelopes(codec: &Codec) -> [Bytes; 3] {
    let plain = Codec::new().with_compression_over(usize::MAX).encode(&KEY, &sessions(1..2)).unwrap();
    let compressed = Codec::new().encode(&KEY, &sessions(1..20)).unwrap();
    let with_dictionary = codec.encode(&KEY, &sessions(1..2)).unwrap();
    assert_eq!([plain[1], compressed[1], with_dictionary[1]], [0, 1, 1], "the flags");
    assert!(with_dictionary.len() < plain.len());
    [plain, compressed, with_dictionary]
}

fn kind(codec: &Codec, data: &[u8]) -> Option<ErrorKind> {
    codec.decode::<Vec<Session>>(&KEY, data).err().map(|error| error.kind())
}

#[test]
fn undamaged_envelopes_are_read() {
    let codec = codec();
    let [plain, compressed, with_dictionary] = envelopes(&codec);
    assert_eq!(codec.decode::<Vec<Session>>(&KEY, &plain).unwrap(), [session(1)]);
    assert_eq!(codec.decode::<Vec<Session>>(&KEY, &compressed).unwrap(), sessions(1..20));
    assert_eq!(codec.decode::<Vec<Session>>(&KEY, &with_dictionary).unwrap(), [session(1)]);
}

#[test]
fn every_truncation_is_corrupt() {
    let codec = codec();
    for data in envelopes(&codec) {
        for len in 0..data.len() {
            assert_eq!(kind(&codec, &data[..len]), Some(ErrorKind::Corrupt), "{len} of {} bytes", data.len());
        }
    }
}

#[test]
fn every_flipped_bit_is_corrupt() {
    let codec = codec();
    for data in envelopes(&codec) {
        for bit in 0..8 * data.len() {
            let mut flipped = data.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(kind(&codec, &flipped), Some(ErrorKind::Corrupt), "bit {bit} of {} bytes", data.len());
        }
    }
}

#[test]
fn every_byte_too_many_is_corrupt() {
    let codec = codec();
    for data in envelopes(&codec) {
        for byte in 0..=u8::MAX {
            assert_eq!(kind(&codec, &[&data, [byte].as_slice()].concat()), Some(ErrorKind::Corrupt));
        }
    }
}
