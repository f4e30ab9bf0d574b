//! The bytes of a record; `scripts/prelude.lua` describes and writes them.

use bytes::Bytes;
use session_store_core::{Error, Meta, Result, SessionKey, Timestamp, UserId, Version};

/// The longest part that is not data: what lists on Cluster read.
#[cfg(feature = "cluster")]
pub(crate) const LONGEST_HEAD: usize = 50 + UserId::MAX_LEN;

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
pub(crate) fn decode(key: &SessionKey, bytes: &[u8]) -> Result<Stored> {
    let stored = match bytes.split_first() {
        Some((&SESSION, rest)) => head(rest).map(Stored::Session),
        Some((&MOVED, rest)) if rest.len() == Version::LEN => Some(Stored::Moved),
        _ => None,
    };
    let stored = stored.ok_or_else(|| no_record(key))?;
    if let Stored::Session(head) = &stored {
        head.meta.check(key)?;
    }
    Ok(stored)
}

/// The error about bytes that no release has written.
pub(crate) fn no_record(key: &SessionKey) -> Error {
    Error::corrupt(key, "the bytes under the session's key are no record")
}

/// A record of this user, or of nobody, whose times a script fills in.
pub(crate) fn without_times(version: &Version, user: &str, data: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(50 + user.len() + data.len());
    record.push(SESSION);
    record.extend([0; 24]);
    record.extend(version.as_bytes());
    // Its mark: none.
    record.extend([0; 7]);
    // A user's name is short.
    record.extend(u16::try_from(user.len()).unwrap_or(u16::MAX).to_be_bytes());
    record.extend(user.as_bytes());
    record.extend(data);
    record
}

/// The data of a record whose head was read out of the same bytes, not copied.
pub(crate) fn data(bytes: Vec<u8>, head: &Head) -> Bytes {
    Bytes::from(bytes).slice(head.len..)
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
    Some(Head { meta, mark, len: 50 + user_len })
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
            assert_eq!(error.kind(), session_store_core::ErrorKind::Corrupt, "{len} bytes");
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
