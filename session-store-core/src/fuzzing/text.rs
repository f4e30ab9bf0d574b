//! Texts from cookies, forms and the environment.

use std::fmt::Debug;

use super::refused::assert_refused;
use crate::{ErrorKind, Result, SessionId, SessionKey, UserId};

/// `bytes` are the text of a session ID, a session key, a user or a secret, as which they are given back, or they are
/// refused. None is both an ID and a key.
pub fn text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (id, key) = (text.parse::<SessionId>(), text.parse::<SessionKey>());
    assert!(id.is_err() || key.is_err());
    if let Some(id) = redacted(id, "SessionId(redacted)") {
        assert_eq!(id.expose_secret(), text);
        assert!((SessionId::MIN_LEN..=SessionId::MAX_LEN).contains(&text.len()));
        let key = SessionKey::from(&id);
        assert_eq!(key.to_text().parse::<SessionKey>().unwrap(), key);
    }
    if let Some(key) = redacted(key, "SessionKey(redacted)") {
        assert_eq!(key.to_text(), text);
    }
    if let Some(user) = redacted(UserId::new(text), "UserId(redacted)") {
        assert_eq!(user.as_str(), text);
        assert!((1..=UserId::MAX_LEN).contains(&text.len()) && !text.contains('\0'));
    }
    #[cfg(feature = "encryption")]
    if let Some(key) = accepted(text.parse::<crate::codec::EncryptionKey>()) {
        assert_eq!(*key.expose_secret(), text);
        assert_eq!(format!("{key:?}"), format!("EncryptionKey({})", key.id()));
    }
    #[cfg(feature = "sessions")]
    if let Some(pepper) = accepted(text.parse::<crate::sessions::Pepper>()) {
        assert_eq!(*pepper.expose_secret(), text);
    }
}

fn redacted<T: Debug>(result: Result<T>, shown: &str) -> Option<T> {
    let value = accepted(result)?;
    assert_eq!(format!("{value:?}"), shown);
    Some(value)
}

fn accepted<T>(result: Result<T>) -> Option<T> {
    result.map_err(|error| assert_refused(&error, ErrorKind::InvalidInput)).ok()
}
