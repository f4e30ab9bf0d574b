//! The bytes under a session's key.

use session_store_core::{Meta, Timestamp, UserId};

use super::KEY;
use crate::error::Error;
use crate::protocol::{Listed, listed};
use crate::record::{CONTRADICTORY, Head, NO_RECORD, Stored, data, decode};

/// `bytes` are a record, which is written back as it was, or they are corrupt.
pub fn record(bytes: &[u8]) {
    match decode(&KEY, bytes) {
        Ok(Stored::Session(head)) => session(&head, bytes),
        Ok(Stored::Moved) => {
            assert_eq!((bytes.len(), bytes.first()), (17, Some(&2)));
            assert!(matches!(listed(KEY, bytes, &user("alice")), Listed::Moved));
        }
        Err(error) => {
            // It shows nothing of what was decoded.
            assert!(matches!(error, Error::Corrupt(NO_RECORD | CONTRADICTORY)), "{error:?}");
            let listed = listed(KEY, bytes, &user("alice"));
            assert!(matches!(listed, Listed::Corrupt) || bytes.is_empty() && matches!(listed, Listed::Stale));
        }
    }
}

fn session(head: &Head, bytes: &[u8]) {
    head.meta.check(&KEY).unwrap();
    assert!(head.len <= 50 + UserId::MAX_LEN, "lists read no more");
    let data = data(bytes.to_vec(), head);
    assert_eq!([&encode(head), &data[..]].concat(), bytes);

    // A list reads the head alone, and shows it to its user only.
    let (alone, _) = bytes.split_at(head.len);
    let owner = head.meta.user.clone();
    let other = user(if owner.as_ref().is_some_and(|user| user.as_str() == "bob") { "alice" } else { "bob" });
    assert!(matches!(listed(KEY, alone, &other), Listed::Stale));
    if let Some(owner) = owner {
        let Listed::Entry(entry) = listed(KEY, alone, &owner) else { panic!("it is not listed") };
        assert_eq!((entry.key, &entry.meta), (KEY, &head.meta));
    }
}

/// A head as `scripts/prelude.lua` writes it.
pub(super) fn encode(head: &Head) -> Vec<u8> {
    let Meta { user, created_at, last_seen_at, expires_at, deadline, version } = &head.meta;
    let user = user.as_ref().map_or("", UserId::as_str);
    let mut bytes = vec![1];
    for time in [created_at, last_seen_at, expires_at, deadline] {
        bytes.extend_from_slice(&time.as_millis().to_be_bytes()[2..]);
    }
    bytes.extend_from_slice(version.as_bytes());
    bytes.extend_from_slice(&head.mark.to_be_bytes()[1..]);
    bytes.extend_from_slice(&u16::try_from(user.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(user.as_bytes());
    bytes
}

/// The head of a session as others have it.
pub(super) fn head_of_alice() -> Head {
    let at = |minute: i64| Timestamp::from_millis(1_764_000_000_000 + minute * 60_000);
    let version = session_store_core::Version::from_bytes(*b"0123456789abcdef");
    let meta = Meta {
        user: Some(user("alice")),
        created_at: at(0),
        last_seen_at: at(5),
        expires_at: at(35),
        deadline: at(720),
        version,
    };
    Head { meta, mark: 0, len: 55 }
}

pub(super) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}
