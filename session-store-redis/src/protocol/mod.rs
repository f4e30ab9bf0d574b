//! The commands and scripts, and how their answers are read.

pub(crate) mod change;
pub(crate) mod read;
pub(crate) mod scan;
pub(crate) mod script;
pub(crate) mod user;

use redis::{Cmd, Value};
use session_store_core::backend::Verdict;
use session_store_core::{Entry, Owner, SessionKey, Timestamp, UserId, Write};

use crate::error::Error;
use crate::record::{Stored, decode};

/// Adds timeouts, owner, user and data.
pub(crate) fn add_write(call: &mut Cmd, write: &Write) {
    let (owner, user) = match write.owner() {
        Owner::Keep => ("keep", ""),
        Owner::Anonymous => ("none", ""),
        Owner::User(user) => ("user", user.as_str()),
    };
    // Timeouts are at the most ten years.
    for timeout in [write.idle(), write.absolute()] {
        call.arg(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
    }
    call.arg(owner).arg(user).arg(&write.data()[..]);
}

/// Returns the bytes of a key, or none.
pub(crate) fn key_bytes_or_empty(key: Option<&SessionKey>) -> &[u8] {
    key.map_or(&[], |key| key.as_bytes())
}

pub(crate) fn parse<T: redis::FromRedisValue>(answer: Value) -> Result<T, Error> {
    redis::from_redis_value(answer).map_err(|_| Error::Unexpected)
}

/// Reads the answer of a script that writes a session.
pub(crate) fn verdict(answer: &Value) -> Result<Verdict, Error> {
    let Value::BulkString(text) = answer else { return Err(Error::Unexpected) };
    Ok(match text.as_slice() {
        b"OK" => Verdict::Done,
        b"EXISTS" | b"TO_EXISTS" => Verdict::AlreadyExists,
        b"MISSING" => Verdict::NotFound,
        b"CONFLICT" => Verdict::Conflict,
        b"CORRUPT" => Verdict::Corrupt,
        b"TO_CORRUPT" => Verdict::TargetCorrupt,
        _ => return Err(Error::Unexpected),
    })
}

/// Whether a script has answered that it has written nothing, so that no replica has to confirm it. A destroy that found
/// nothing is none: what it says is gone must be gone on the replicas.
pub(crate) fn is_refusal(answer: &Value) -> bool {
    const REFUSALS: [&[u8]; 7] = [b"EXISTS", b"MISSING", b"CONFLICT", b"CORRUPT", b"TO_EXISTS", b"TO_CORRUPT", b"MARK"];
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
        Err(_) => Listed::Corrupt,
    }
}

/// Reads the answer of TIME.
pub(crate) fn server_time(answer: Value) -> Result<Timestamp, Error> {
    let (seconds, micros): (i64, i64) = parse(answer)?;
    let millis = seconds.checked_mul(1_000).and_then(|millis| millis.checked_add(micros / 1_000));
    millis.map(Timestamp::from_millis).ok_or(Error::Unexpected)
}
