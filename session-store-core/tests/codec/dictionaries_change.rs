//! Data names its dictionary, so dictionaries may be replaced while sessions live.

use crate::sample_sessions::{Session, session, sessions};
use session_store_core::ErrorKind;
use session_store_core::codec::{Codec, Dictionary};

const KEY: session_store_core::SessionKey = session_store_core::SessionKey::from_bytes([7; 32]);

fn dictionaries() -> [Dictionary; 2] {
    [sessions(0..300), sessions(300..600)].map(|samples| Dictionary::train(&samples, 1024).unwrap())
}

#[test]
fn an_older_one_stays_readable() {
    let [older, newer] = dictionaries();
    assert_ne!(older.id(), newer.id());
    let before = Codec::new().with_dictionary(older.clone());
    let after = Codec::new().with_dictionary(older).with_dictionary(newer.clone());
    let only_newer = Codec::new().with_dictionary(newer);

    let written_before = before.encode(&KEY, &session(1)).unwrap();
    let written_after = after.encode(&KEY, &session(1)).unwrap();
    assert_eq!([written_before[1], written_after[1]], [1, 1], "both are compressed");
    assert_eq!(after.decode::<Session>(&KEY, &written_before).unwrap(), session(1));
    assert_eq!(
        only_newer.decode::<Session>(&KEY, &written_after).unwrap(),
        session(1),
        "the last one given compresses"
    );
}

#[test]
fn an_unknown_one_is_corrupt() {
    let [older, newer] = dictionaries();
    let data = Codec::new().with_dictionary(newer).encode(&KEY, &session(1)).unwrap();
    for codec in [Codec::new(), Codec::new().with_dictionary(older)] {
        let error = codec.decode::<Session>(&KEY, &data).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert_eq!(error.to_string(), "the data needs a dictionary that this codec was not given");
    }
}

#[test]
fn data_from_before_the_first_one_stays_readable() {
    let [dictionary, _] = dictionaries();
    let data = Codec::new().encode(&KEY, &sessions(0..20)).unwrap();
    assert_eq!(Codec::new().with_dictionary(dictionary).decode::<Vec<Session>>(&KEY, &data).unwrap(), sessions(0..20));
}

/// Every change of one bit that still passes for a dictionary is found where data is decoded.
#[test]
fn a_damaged_one_never_gives_wrong_data() {
    let [dictionary, _] = dictionaries();
    let data = Codec::new().with_dictionary(dictionary.clone()).encode(&KEY, &session(1)).unwrap();
    let mut passed = 0;
    for bit in 0..8 * dictionary.as_bytes().len() {
        let mut bytes = dictionary.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(damaged) = Dictionary::from_bytes(&bytes) else { continue };
        passed += 1;
        let error = Codec::new().with_dictionary(damaged).decode::<Session>(&KEY, &data).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
    assert!(passed > 1_000, "most of a dictionary is plain text: {passed}");
}

/// As `zstd --train --dictID` makes them, when the number is not changed.
#[test]
fn two_of_one_id_are_told_apart() {
    let [older, newer] = dictionaries().map(|dictionary| {
        let mut bytes = dictionary.as_bytes().to_vec();
        bytes[4..8].copy_from_slice(&[1, 0, 0, 0]);
        Dictionary::from_bytes(&bytes).unwrap()
    });
    assert_eq!((older.id(), newer.id()), (1, 1));
    let both = Codec::new().with_dictionary(older.clone()).with_dictionary(newer.clone());
    for written_with in [older, newer] {
        let data = Codec::new().with_dictionary(written_with).encode(&KEY, &session(1)).unwrap();
        assert_eq!(both.decode::<Session>(&KEY, &data).unwrap(), session(1));
    }
}

#[test]
fn its_bytes_are_all_of_it() {
    let [dictionary, _] = dictionaries();
    let restored = Dictionary::from_bytes(dictionary.as_bytes()).unwrap();
    assert_eq!(restored.as_bytes(), dictionary.as_bytes());
    assert_eq!(restored.id(), dictionary.id());
    let data = Codec::new().with_dictionary(dictionary).encode(&KEY, &session(1)).unwrap();
    assert_eq!(Codec::new().with_dictionary(restored).decode::<Session>(&KEY, &data).unwrap(), session(1));
}

#[test]
fn it_shows_nothing_of_the_sessions_it_was_trained_from() {
    let [dictionary, _] = dictionaries();
    assert_eq!(format!("{dictionary:?}"), format!("Dictionary({}, 1024 bytes)", dictionary.id()));
}

#[test]
fn what_is_no_dictionary_is_refused() {
    for bytes in [&b""[..], b"a text", &[0x37, 0xA4, 0x30, 0xEC], &[0x37, 0xA4, 0x30, 0xEC, 1, 0, 0, 0, 9, 9]] {
        assert_eq!(Dictionary::from_bytes(bytes).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn samples_that_are_too_few_are_refused() {
    for (samples, max_size) in [(sessions(0..0), 1024), (sessions(0..2), 1024), (sessions(0..300), 0)] {
        let error = Dictionary::train(&samples, max_size).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(
            error.to_string(),
            "no dictionary can be trained from these samples; give more of them, or a larger size"
        );
    }
    assert_eq!(Dictionary::train(&sessions(0..300), usize::MAX).unwrap_err().kind(), ErrorKind::InvalidInput);
}
