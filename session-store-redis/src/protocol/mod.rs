//! What the scripts are given, and what they answer.

use redis::{Cmd, Value};
use session_store_core::{
    Entry, Error, Owner, Result, SessionKey, UserId, Write, corrupt_record_skipped, timeout_millis,
};

use crate::record::{Stored, decode, no_record};
use crate::shared::unexpected;

/// Timeouts, owner, user and data.
pub(crate) fn add_write(call: &mut Cmd, write: &Write) -> Result<()> {
    let (owner, user) = match write.owner() {
        Owner::Keep => ("keep", ""),
        Owner::Anonymous => ("none", ""),
        Owner::User(user) => ("user", user.as_str()),
    };
    call.arg(timeout_millis(write.idle())?).arg(timeout_millis(write.absolute())?);
    call.arg(owner).arg(user).arg(&write.data()[..]);
    Ok(())
}

/// A key, or nothing.
pub(crate) fn or_nothing(key: Option<&SessionKey>) -> &[u8] {
    key.map_or(&[], |key| key.as_bytes())
}

pub(crate) fn parse<T: redis::FromRedisValue>(answer: Value) -> Result<T> {
    redis::from_redis_value(answer).map_err(|_| unexpected())
}

/// The same of a write, which has then been done for all one knows.
pub(crate) fn parse_written<T: redis::FromRedisValue>(answer: Value) -> Result<T> {
    parse(answer).map_err(Error::with_outcome_unknown)
}

/// The answer of a script that writes `key`, and for a rotation also `to`.
pub(crate) fn status(answer: &[u8], key: &SessionKey, to: &SessionKey) -> Result<()> {
    match answer {
        b"OK" => Ok(()),
        b"EXISTS" => Err(Error::already_exists(key)),
        b"MISSING" => Err(Error::not_found(key)),
        b"CONFLICT" => Err(Error::conflict(key)),
        b"CORRUPT" => Err(no_record(key)),
        b"TO_EXISTS" => Err(Error::already_exists(to)),
        b"TO_CORRUPT" => Err(no_record(to)),
        _ => Err(unexpected().with_outcome_unknown()),
    }
}

/// Whether a script has answered that it has written nothing. Not a destroy: what it says is gone must be gone on the
/// replicas.
pub(crate) fn is_refusal(answer: &Value) -> bool {
    const REFUSALS: [&[u8]; 6] = [b"EXISTS", b"MISSING", b"CONFLICT", b"TO_EXISTS", b"TO_CORRUPT", b"MARK"];
    match answer {
        Value::Array(parts) => parts.first().is_some_and(is_refusal),
        Value::BulkString(text) => REFUSALS.contains(&text.as_slice()),
        _ => false,
    }
}

/// What a list reads under a key that an index names.
pub(crate) enum Listed {
    Entry(Entry),
    /// Another user's session, or none.
    Stale,
    /// A rotation has just given the session another key.
    Moved,
    Corrupt,
}

/// Reads the head of a listed session, whose user is verified (clause L2).
pub(crate) fn listed(key: SessionKey, head: &[u8], user: &UserId) -> Listed {
    if head.is_empty() {
        return Listed::Stale;
    }
    match decode(&key, head) {
        Ok(Stored::Session(head)) if head.meta.user.as_ref() == Some(user) => {
            Listed::Entry(Entry { key, meta: head.meta })
        }
        Ok(Stored::Session(_)) => Listed::Stale,
        Ok(Stored::Moved) => Listed::Moved,
        Err(_) => {
            corrupt_record_skipped("redis");
            Listed::Corrupt
        }
    }
}
