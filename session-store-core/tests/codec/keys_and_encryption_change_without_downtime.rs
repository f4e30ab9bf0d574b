//! Which ring reads what which ring wrote, what it holds for current, and what it makes of it.

use session_store_core::codec::{Codec, KeyRing};
use session_store_core::{ErrorKind, Policy};

use crate::test_keys::{KEY, codec, key, ring};

const NOT_ENCRYPTED: &str = "the data is not encrypted, and this codec takes only what is";
const NOT_IN_THE_RING: &str = "the data is encrypted with a key that is not in the ring";
const NO_KEYS: &str = "the data is encrypted, and this codec has no keys";

/// By which key data is encrypted, if by any.
fn encrypted_by(data: &[u8]) -> Option<u8> {
    (data[1] & 2 != 0).then(|| (1..=3).find(|n| hex::encode(&data[2..10]) == key(*n).id()).unwrap())
}

/// What a codec makes of data: whether it is current, and the key that it encrypts it by anew, or why it refuses.
#[derive(Debug, PartialEq)]
enum Answer {
    Current(Option<u8>),
    Anew(Option<u8>),
    Refused(&'static str),
}
use Answer::{Anew, Current, Refused};

fn answer(codec: &Codec, data: &[u8]) -> Answer {
    let refusals = [NOT_ENCRYPTED, NOT_IN_THE_RING, NO_KEYS];
    let (read, anew) = (codec.decode::<String>(&KEY, data), codec.reencrypt(&KEY, data));
    match read {
        Ok(value) => {
            let anew = anew.unwrap();
            assert_eq!(value, "data");
            assert_eq!(codec.decode::<String>(&KEY, &anew).unwrap(), "data");
            assert!(codec.is_current(&anew), "what is encrypted anew is current");
            assert!(codec.is_current(&codec.encode(&KEY, "data").unwrap()), "and what is encoded");
            if codec.is_current(data) { Current(encrypted_by(&anew)) } else { Anew(encrypted_by(&anew)) }
        }
        Err(error) => {
            assert_eq!((error.kind(), anew.unwrap_err().to_string()), (ErrorKind::Corrupt, error.to_string()));
            let why = refusals.iter().find(|why| **why == error.to_string());
            Refused(why.unwrap())
        }
    }
}

#[test]
fn every_ring_on_every_form_of_data() {
    // What each makes of data that is plain, encrypted by key 1, by key 2, and by key 3.
    let one_and_two = || ring(1).with_former(key(2));
    let two_is_next = || ring(1).with_next(key(2));
    let table: [(&str, Option<KeyRing>, [Answer; 4]); 10] = [
        ("none", None, [Current(None), Refused(NO_KEYS), Refused(NO_KEYS), Refused(NO_KEYS)]),
        (
            "one key",
            Some(ring(1)),
            [Refused(NOT_ENCRYPTED), Current(Some(1)), Refused(NOT_IN_THE_RING), Refused(NOT_IN_THE_RING)],
        ),
        (
            "a former key",
            Some(one_and_two()),
            [Refused(NOT_ENCRYPTED), Current(Some(1)), Anew(Some(1)), Refused(NOT_IN_THE_RING)],
        ),
        (
            "a next key, which others encrypt by already",
            Some(two_is_next()),
            [Refused(NOT_ENCRYPTED), Current(Some(1)), Current(Some(1)), Refused(NOT_IN_THE_RING)],
        ),
        (
            "both",
            Some(two_is_next().with_former(key(3))),
            [Refused(NOT_ENCRYPTED), Current(Some(1)), Current(Some(1)), Anew(Some(1))],
        ),
        (
            "accepting",
            Some(ring(1).accepting_unencrypted()),
            [Anew(Some(1)), Current(Some(1)), Refused(NOT_IN_THE_RING), Refused(NOT_IN_THE_RING)],
        ),
        (
            "accepting, with a former key",
            Some(one_and_two().accepting_unencrypted()),
            [Anew(Some(1)), Current(Some(1)), Anew(Some(1)), Refused(NOT_IN_THE_RING)],
        ),
        (
            "accepting, with a next key",
            Some(two_is_next().accepting_unencrypted()),
            [Anew(Some(1)), Current(Some(1)), Current(Some(1)), Refused(NOT_IN_THE_RING)],
        ),
        (
            "writing unencrypted",
            Some(ring(1).writing_unencrypted()),
            [Current(None), Current(None), Refused(NOT_IN_THE_RING), Refused(NOT_IN_THE_RING)],
        ),
        (
            "writing unencrypted, with all keys",
            Some(two_is_next().with_former(key(3)).writing_unencrypted()),
            [Current(None), Current(None), Current(None), Anew(None)],
        ),
    ];
    let forms = [Codec::new(), codec(ring(1)), codec(ring(2)), codec(ring(3))];
    for (name, ring, expected) in table {
        let reader = ring.map_or_else(Codec::new, codec);
        for (form, expected) in forms.iter().zip(expected) {
            let data = form.encode(&KEY, "data").unwrap();
            assert_eq!(answer(&reader, &data), expected, "{name}, on what {:?} has encrypted", encrypted_by(&data));
        }
    }
}

/// Two nodes at neighbouring steps read each other's data, and neither takes it for out of date for ever.
#[test]
fn neighbouring_steps_of_a_rotation_understand_each_other() {
    let steps = [ring(1), ring(1).with_next(key(2)), ring(2).with_former(key(1)), ring(2)];
    for pair in steps.windows(2).take(2) {
        let [before, after] = [&pair[0], &pair[1]].map(|ring| codec(ring.clone()));
        let [by_before, by_after] = [&before, &after].map(|codec| codec.encode(&KEY, "data").unwrap());
        assert!(before.is_current(&by_after), "or both would encrypt it anew in turn");
        assert_eq!(before.decode::<String>(&KEY, &by_after).unwrap(), "data");
        assert_eq!(after.decode::<String>(&KEY, &by_before).unwrap(), "data");
    }
    let [last_but_one, last] = [&steps[2], &steps[3]].map(|ring| codec(ring.clone()));
    let anew = last_but_one.reencrypt(&KEY, &codec(ring(1)).encode(&KEY, "data").unwrap()).unwrap();
    assert_eq!(last.decode::<String>(&KEY, &anew).unwrap(), "data");
}

#[test]
fn neighbouring_steps_of_an_introduction_understand_each_other() {
    let steps =
        [Codec::new(), codec(ring(1).writing_unencrypted()), codec(ring(1).accepting_unencrypted()), codec(ring(1))];
    for pair in steps[..3].windows(2) {
        for (writer, reader) in [(&pair[0], &pair[1]), (&pair[1], &pair[0])] {
            let data = writer.encode(&KEY, "data").unwrap();
            assert_eq!(reader.decode::<String>(&KEY, &data).unwrap(), "data");
        }
    }
    let anew = steps[2].reencrypt(&KEY, &Codec::new().encode(&KEY, "data").unwrap()).unwrap();
    assert_eq!(steps[3].decode::<String>(&KEY, &anew).unwrap(), "data");
}

#[test]
fn what_is_no_envelope_is_not_current() {
    for codec in [Codec::new(), codec(ring(1)), codec(ring(1).writing_unencrypted())] {
        for data in [&[][..], &[1], &[2, 0, 9, 9, 9, 9, 9], &[1, 8, 9, 9, 9, 9, 9], &[1, 4, 0], &[1, 2], &[1, 2, 0]] {
            assert!(!codec.is_current(data), "{data:?}");
            assert!(codec.reencrypt(&KEY, data).is_err(), "{data:?}");
        }
    }
}

#[test]
fn encrypting_anew_keeps_the_policy() {
    let before = codec(ring(1)).encode_with(&KEY, "data", Some(Policy::OWASP_HIGH_VALUE)).unwrap();
    for after in [codec(ring(2).with_former(key(1))), codec(ring(1).writing_unencrypted())] {
        let anew = after.reencrypt(&KEY, &before).unwrap();
        let read = after.decode_with::<String>(&KEY, &anew).unwrap();
        assert_eq!(read, ("data".to_owned(), Some(Policy::OWASP_HIGH_VALUE)));
    }
}
