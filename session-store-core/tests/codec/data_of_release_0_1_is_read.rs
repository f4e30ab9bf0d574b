//! M1: what release 0.1 wrote is read, and the plain form is still written byte for byte.
//!
//! The files in `release_0_1/` are never written anew. A release that changes the layout gets a folder of
//! its own beside it.

use crate::sample_sessions::{Session, session};
use session_store_core::codec::Codec;

const KEY: session_store_core::SessionKey = session_store_core::SessionKey::from_bytes([7; 32]);

const PLAIN: &[u8] = include_bytes!("../release_0_1/plain.envelope");

#[test]
fn plain() {
    assert_eq!(Codec::new().decode::<Session>(&KEY, PLAIN).unwrap(), session(4711));
}

#[test]
fn plain_is_still_written() {
    assert_eq!(Codec::new().encode(&KEY, &session(4711)).unwrap(), PLAIN);
}

#[cfg(feature = "compression")]
#[test]
fn compressed() {
    let data = include_bytes!("../release_0_1/compressed.envelope");
    assert_eq!(Codec::new().decode::<Vec<Session>>(&KEY, data).unwrap(), crate::sample_sessions::sessions(0..12));
}

#[cfg(feature = "compression")]
#[test]
fn compressed_with_a_dictionary() {
    use session_store_core::codec::Dictionary;

    let dictionary = Dictionary::from_bytes(include_bytes!("../release_0_1/dictionary.zdict")).unwrap();
    let codec = Codec::new().with_dictionary(dictionary);
    let data = include_bytes!("../release_0_1/compressed_with_dictionary.envelope");
    assert_eq!(codec.decode::<Session>(&KEY, data).unwrap(), session(4711));
}

#[test]
fn with_a_policy_of_the_login() {
    use session_store_core::Policy;
    use std::time::Duration;

    const DAY: Duration = Duration::from_hours(24);
    let data: &[u8] = include_bytes!("../release_0_1/with_policy.envelope");
    let policy = Policy::new(14 * DAY, 90 * DAY).unwrap();
    assert_eq!(Codec::new().decode_with::<Session>(&KEY, data).unwrap(), (session(4711), Some(policy)));
    assert_eq!(Codec::new().encode_with(&KEY, &session(4711), Some(policy)).unwrap(), data);
    assert_eq!(Codec::new().decode_with::<Session>(&KEY, PLAIN).unwrap(), (session(4711), None));
}

/// libsodium has encrypted these, by way of `PyNaCl`, from the description of the envelope alone.
#[cfg(feature = "encryption")]
mod encrypted {
    use std::time::Duration;

    use session_store_core::Policy;
    use session_store_core::codec::{EncryptionKey, KeyRing};

    use super::*;

    fn codec() -> Codec {
        let key = EncryptionKey::from_bytes(&std::array::from_fn(|n| u8::try_from(n).unwrap()));
        assert_eq!(key.id(), "f444f1e142bbd0d2");
        Codec::new().with_encryption(KeyRing::new(key))
    }

    #[test]
    fn by_a_key() {
        let data = include_bytes!("../release_0_1/encrypted.envelope");
        assert_eq!(codec().decode_with::<Session>(&KEY, data).unwrap(), (session(4711), None));
        assert!(codec().is_current(data));
    }

    #[test]
    fn by_a_key_with_a_policy_of_the_login() {
        const DAY: Duration = Duration::from_hours(24);
        let data = include_bytes!("../release_0_1/encrypted_with_policy.envelope");
        let policy = Policy::new(14 * DAY, 90 * DAY).unwrap();
        assert_eq!(codec().decode_with::<Session>(&KEY, data).unwrap(), (session(4711), Some(policy)));
    }

    #[cfg(feature = "compression")]
    #[test]
    fn by_a_key_compressed_with_a_dictionary_and_a_policy() {
        use session_store_core::codec::Dictionary;
        use session_store_core::{MAX_TIMEOUT, MIN_TIMEOUT};

        let dictionary = Dictionary::from_bytes(include_bytes!("../release_0_1/dictionary.zdict")).unwrap();
        let data = include_bytes!("../release_0_1/all_of_it.envelope");
        let policy = Policy::new(MIN_TIMEOUT, MAX_TIMEOUT).unwrap();
        let read = codec().with_dictionary(dictionary).decode_with::<Session>(&KEY, data).unwrap();
        assert_eq!(read, (session(4711), Some(policy)));
    }
}
