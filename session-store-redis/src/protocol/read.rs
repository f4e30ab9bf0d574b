//! Reads of sessions by their keys.

use redis::{Cmd, RedisResult, Value};
use session_store_core::backend::Lookup;
use session_store_core::{IfChanged, Record, SessionKey, Timestamp};

use super::parse;
use super::script::READ;
use crate::error::Error;
use crate::identifiers::Keys;
use crate::record::{LONGEST_HEAD, Stored, data, decode};

/// About how many bytes the name of a key takes in a command.
const NAME: usize = 80;

/// Reads one session.
pub(crate) fn get(keys: &Keys, key: &SessionKey) -> Cmd {
    let mut get = Cmd::with_capacity(2, NAME);
    get.arg("GET");
    keys.add_session(&mut get, key);
    get
}

/// Reads many sessions at once.
pub(crate) fn mget(keys: &Keys, lookups: &[Lookup]) -> Cmd {
    let mut mget = Cmd::with_capacity(1 + lookups.len(), lookups.len() * NAME);
    mget.arg("MGET");
    for lookup in lookups {
        keys.add_session(&mut mget, &lookup.key);
    }
    mget
}

/// Reads sessions unless they are at the known versions.
pub(crate) fn read_if_changed(keys: &Keys, lookups: &[Lookup]) -> Cmd {
    let mut call = READ.of(lookups.len(), lookups.len() * 2 * NAME);
    for lookup in lookups {
        keys.add_session(&mut call, &lookup.key);
    }
    for lookup in lookups {
        call.arg(lookup.known.as_ref().map_or(&[][..], |version| version.as_bytes()));
    }
    call
}

/// Reads the head of a session, and what comes next.
pub(crate) fn get_head(session: &[u8]) -> Cmd {
    let mut get = Cmd::with_capacity(4, 2 * NAME);
    get.arg("GETRANGE").arg(session).arg(0).arg(LONGEST_HEAD - 1);
    get
}

/// Returns the first bytes under a session's key, none if it is absent. One byte that is no record stands for what cannot
/// be read.
pub(crate) fn head_bytes(answer: RedisResult<Value>) -> Result<Vec<u8>, Error> {
    match answer.map_err(Error::of_record) {
        Ok(answer) => parse(answer),
        Err(Error::Corrupt(_)) => Ok(vec![0]),
        Err(error) => Err(error),
    }
}

/// Returns one answer for each of so many sessions.
pub(crate) fn each(answer: Value, count: usize) -> Result<Vec<Value>, Error> {
    match answer {
        Value::Array(each) if each.len() == count => Ok(each),
        _ => Err(Error::Unexpected),
    }
}

/// Returns the session that was read.
pub(crate) fn read(lookup: &Lookup, answer: Value, read_at: Timestamp) -> Result<IfChanged, Error> {
    let bytes = match answer {
        Value::BulkString(bytes) => bytes,
        Value::Nil => return Ok(IfChanged::Gone),
        other => parse::<Vec<u8>>(other)?,
    };
    Ok(match decode(&lookup.key, &bytes)? {
        Stored::Moved => IfChanged::Gone,
        // The script has left out the data.
        Stored::Session(head) if lookup.known == Some(head.meta.version) => {
            IfChanged::Unchanged { meta: head.meta, read_at }
        }
        Stored::Session(head) => {
            let data = data(bytes, &head);
            IfChanged::Changed(Record { meta: head.meta, data, read_at })
        }
    })
}
