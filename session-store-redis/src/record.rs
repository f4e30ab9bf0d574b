//! The bytes of a record; `scripts/prelude.lua` describes and writes them.

use bytes::{Buf as _, Bytes};
use session_store_core::{Meta, SessionKey, Timestamp, UserId, Version};

use crate::error::Error;

/// The longest part that is not data: what a scan reads.
pub(crate) const LONGEST_HEAD: usize = HEAD + UserId::MAX_LEN;

/// What is before the user.
const HEAD: usize = 50;

const SESSION: u8 = 1;
const MOVED: u8 = 2;

/// What is kept under a session's key.
#[derive(Debug)]
pub(crate) enum Stored {
    Session(Head),
    /// What a rotation on Cluster leaves under the old key: no session.
    Moved,
}

/// All of a record but its data.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) meta: Meta,
    /// The session's mark in its user's index, on Cluster.
    #[cfg_attr(not(any(feature = "cluster", test)), expect(dead_code, reason = "it is read on Cluster only"))]
    pub(crate) mark: u64,
    /// The bytes of the head itself.
    pub(crate) len: usize,
}

/// Reads the head of a record, and refuses what no release has written (clause Z1).
pub(crate) fn decode(key: &SessionKey, bytes: &[u8]) -> Result<Stored, Error> {
    let stored = match bytes.split_first() {
        Some((&SESSION, rest)) => head(rest).map(Stored::Session),
        Some((&MOVED, rest)) if rest.len() == Version::LEN => Some(Stored::Moved),
        _ => None,
    };
    match stored {
        None => Err(Error::Corrupt(NO_RECORD)),
        Some(Stored::Session(head)) if head.meta.check(key).is_err() => Err(Error::Corrupt(CONTRADICTORY)),
        Some(stored) => Ok(stored),
    }
}

/// The reason for bytes that no release has written.
pub(crate) const NO_RECORD: &str = "the bytes under the session's key are no record";

/// The reason for times that no sequence of writes and touches leaves behind.
pub(crate) const CONTRADICTORY: &str = "the times of the record contradict each other";

/// Returns the parts of a record of this user, or of nobody, whose times a script fills in. `len` is that of the user.
pub(crate) fn without_times<'a>(
    version: &'a Version,
    len: &'a [u8; 2],
    user: &'a str,
    data: &'a [u8],
) -> [&'a [u8]; 7] {
    // Its mark: none.
    [&[SESSION], &[0; 24], version.as_bytes(), &[0; 7], len, user.as_bytes(), data]
}

/// A time in six bytes, if it fits.
pub(crate) fn six_bytes(time: Timestamp) -> Option<[u8; 6]> {
    let [0, 0, bytes @ ..] = time.as_millis().to_be_bytes() else { return None };
    Some(bytes)
}

/// The data of a record whose head was read out of the same bytes, not copied.
pub(crate) fn data(bytes: Vec<u8>, head: &Head) -> Bytes {
    let mut bytes = Bytes::from(bytes);
    bytes.advance(head.len);
    bytes
}

fn head(mut bytes: &[u8]) -> Option<Head> {
    let rest = &mut bytes;
    let [created_at, last_seen_at, expires_at, deadline] = [time(rest)?, time(rest)?, time(rest)?, time(rest)?];
    let version = Version::from_bytes(take(rest)?);
    let mark = number(&take::<7>(rest)?);
    let user_len = usize::from(u16::from_be_bytes(take(rest)?));
    let user = match rest.get(..user_len)? {
        [] => None,
        name => Some(UserId::new(std::str::from_utf8(name).ok()?).ok()?),
    };
    let meta = Meta { user, created_at, last_seen_at, expires_at, deadline, version };
    Some(Head { meta, mark, len: HEAD + user_len })
}

fn time(bytes: &mut &[u8]) -> Option<Timestamp> {
    // Six bytes fit.
    i64::try_from(number(&take::<6>(bytes)?)).ok().map(Timestamp::from_millis)
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: SessionKey = SessionKey::from_bytes([7; 32]);

    /// Kept as it was written by release 0.1: later releases must read it (clause M1).
    const OF_RELEASE_0_1: &str = "01\
        019a1b2c3d00019a1b2c3d05019a1b2c4d00019a1b2d3d00\
        000102030405060708090a0b0c0d0e0f\
        06400000000001\
        0005616c696365\
        64617461";

    fn old() -> Vec<u8> {
        let digits = OF_RELEASE_0_1.as_bytes().chunks(2);
        digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    #[test]
    fn a_record_of_release_0_1_is_read() {
        let Stored::Session(head) = decode(&KEY, &old()).unwrap() else { panic!("no session") };
        let at = |millis: i64| Timestamp::from_millis(0x019a_1b2c_0000 + millis);
        assert_eq!(head.meta.created_at, at(0x3d00));
        assert_eq!(head.meta.last_seen_at, at(0x3d05));
        assert_eq!(head.meta.expires_at, at(0x4d00));
        assert_eq!(head.meta.deadline, at(0x1_3d00));
        assert_eq!(head.meta.version.as_bytes()[15], 15);
        assert_eq!(head.mark, 0x06_4000_0000_0001);
        assert_eq!(head.meta.user.as_ref().unwrap().as_str(), "alice");
        assert_eq!(data(old(), &head), "data");
    }

    #[test]
    fn every_truncation_of_the_head_is_corrupt() {
        for len in 0..55 {
            let error = decode(&KEY, &old()[..len]).unwrap_err();
            assert!(matches!(error, Error::Corrupt(_)), "{len} bytes");
        }
    }

    #[test]
    fn a_time_that_does_not_fit_is_refused() {
        for (millis, fits) in [(0, true), (-1, false), ((1 << 48) - 1, true), (1 << 48, false), (i64::MAX, false)] {
            let bytes = six_bytes(Timestamp::from_millis(millis));
            assert_eq!(bytes.map(|bytes| i64::try_from(number(&bytes)).unwrap()), fits.then_some(millis));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_corrupt(bytes in proptest::collection::vec(any::<u8>(), 0..400), layout in 0_u8..4) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = layout;
            }
            if let Ok(Stored::Session(head)) = decode(&KEY, &bytes) {
                prop_assert!(head.len <= bytes.len());
            }
        }
    }
}
