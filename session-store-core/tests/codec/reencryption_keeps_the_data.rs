//! Encrypting anew touches nothing but the encryption: unknown fields, compression and dictionary stay.

use serde::{Deserialize, Serialize};
use session_store_core::ErrorKind;
use session_store_core::codec::{Codec, Dictionary};

use crate::sample_sessions::{Session, session, sessions};
use crate::test_keys::{KEY, codec, key, ring};

fn dictionaries() -> [Dictionary; 2] {
    [sessions(0..300), sessions(300..600)].map(|samples| Dictionary::train(&samples, 1024).unwrap())
}

/// The payload within, without what encrypts it.
fn plain_form(reader: &Codec, data: &[u8]) -> Vec<u8> {
    reader.reencrypt(&KEY, data).unwrap().to_vec()
}

#[test]
fn fields_that_this_release_does_not_know_are_kept() {
    #[derive(Debug, Deserialize, PartialEq, Serialize)]
    struct Newer {
        name: String,
        came_later: Vec<u32>,
    }
    let newer = || Newer { name: "Ada".into(), came_later: vec![4711; 5] };
    let data = codec(ring(1)).encode(&KEY, &newer()).unwrap();
    let anew = codec(ring(2).with_former(key(1))).reencrypt(&KEY, &data).unwrap();
    assert_eq!(codec(ring(2)).decode::<Newer>(&KEY, &anew).unwrap(), newer());
    assert_eq!(anew.len(), data.len());
}

#[test]
fn the_payload_is_the_same_byte_for_byte() {
    let [older, newer] = dictionaries();
    let forms = [
        Codec::new().with_compression_over(usize::MAX),
        Codec::new().with_compression_over(0),
        Codec::new().with_dictionary(older.clone()),
        Codec::new().with_dictionary(newer.clone()),
        // The last one compresses; the other is for what was written before.
        Codec::new().with_dictionary(newer.clone()).with_dictionary(older.clone()),
    ];
    for form in forms {
        let plain = form.encode(&KEY, &sessions(1..9)).unwrap();
        let data = form.with_encryption(ring(1)).encode(&KEY, &sessions(1..9)).unwrap();
        let with = |ring| codec(ring).with_dictionary(older.clone()).with_dictionary(newer.clone());
        let anew = with(ring(2).with_former(key(1))).reencrypt(&KEY, &data).unwrap();
        assert_eq!(plain_form(&with(ring(2).writing_unencrypted()), &anew), plain);
        assert_eq!(with(ring(2)).decode::<Vec<Session>>(&KEY, &anew).unwrap(), sessions(1..9));
    }
}

#[test]
fn without_its_dictionary_it_is_corrupt() {
    let [dictionary, other] = dictionaries();
    let data = codec(ring(1)).with_dictionary(dictionary).encode(&KEY, &session(1)).unwrap();
    for poorer in [codec(ring(1)), codec(ring(1)).with_dictionary(other)] {
        let error = poorer.reencrypt(&KEY, &data).unwrap_err();
        assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some(&KEY)));
        assert_eq!(error.to_string(), "the data needs a dictionary that this codec was not given");
    }
}

/// What was damaged before encryption was introduced must not become data that authenticates.
#[test]
fn damaged_data_is_not_encrypted_anew() {
    let [dictionary, _] = dictionaries();
    let accepting = codec(ring(1).accepting_unencrypted()).with_dictionary(dictionary.clone());
    let forms = [
        Codec::new().encode(&KEY, &session(1)).unwrap(),
        Codec::new().encode(&KEY, &sessions(1..20)).unwrap(),
        Codec::new().with_dictionary(dictionary).encode(&KEY, &session(1)).unwrap(),
    ];
    for data in forms {
        assert!(accepting.reencrypt(&KEY, &data).is_ok());
        for bit in 0..8 * data.len() {
            let mut damaged = data.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let error = accepting.reencrypt(&KEY, &damaged).unwrap_err();
            assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some(&KEY)), "bit {bit}");
        }
        for len in 0..data.len() {
            assert_eq!(accepting.reencrypt(&KEY, &data[..len]).unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }
}

#[test]
fn the_decoded_limit_holds_for_what_is_encrypted() {
    let text = "x".repeat(10_000);
    let small = codec(ring(1)).with_decoded_limit(9_000);
    assert_eq!(small.encode(&KEY, &text).unwrap_err().kind(), ErrorKind::TooLarge);
    for writer in [codec(ring(1)), codec(ring(1)).with_compression_over(usize::MAX)] {
        let error = small.decode::<String>(&KEY, &writer.encode(&KEY, &text).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "the data is over the codec's decoded limit");
    }
}
