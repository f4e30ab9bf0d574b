//! M1: what release 0.1 wrote is read, and the plain form is still written byte for byte.
//!
//! The files in `release_0_1/` are never written anew. A release that changes the layout gets a folder of
//! its own beside it.
#![cfg(feature = "codec")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod sample_sessions;

use sample_sessions::{Session, session};
use session_store_core::codec::Codec;

const PLAIN: &[u8] = include_bytes!("release_0_1/plain.envelope");

#[test]
fn plain() {
    assert_eq!(Codec::new().decode::<Session>(PLAIN).unwrap(), session(4711));
}

#[test]
fn plain_is_still_written() {
    assert_eq!(Codec::new().encode(&session(4711)).unwrap(), PLAIN);
}

#[cfg(feature = "compression")]
#[test]
fn compressed() {
    let data = include_bytes!("release_0_1/compressed.envelope");
    assert_eq!(Codec::new().decode::<Vec<Session>>(data).unwrap(), sample_sessions::sessions(0..12));
}

#[cfg(feature = "compression")]
#[test]
fn compressed_with_a_dictionary() {
    use session_store_core::codec::Dictionary;

    let dictionary = Dictionary::from_bytes(include_bytes!("release_0_1/dictionary.zdict")).unwrap();
    let codec = Codec::new().with_dictionary(dictionary);
    let data = include_bytes!("release_0_1/compressed_with_dictionary.envelope");
    assert_eq!(codec.decode::<Session>(data).unwrap(), session(4711));
}
