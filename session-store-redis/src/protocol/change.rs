//! Changes of sessions.

use std::time::Duration;

use redis::{Cmd, Value};
use session_store_core::backend::{Change, Destroy, Import, Rotate, Set, Touch, Verdict};
use session_store_core::{Meta, Owner, SetMode, Version};

use super::script::{CHANGE, DESTROY, ROTATE};
use super::{add_write, parse, verdict};
use crate::error::Error;
use crate::identifiers::{Keys, Kind, add_parts};
use crate::record::{six_bytes, without_times};

/// About how many bytes a change takes besides its data.
const OVERHEAD: usize = 256;

/// Returns the script for any number of sets, touches and imports; `scripts/change.lua` describes its arguments.
pub(crate) fn change(keys: &Keys, changes: &[Change]) -> Result<Cmd, Error> {
    let bytes = changes.iter().map(|change| OVERHEAD + change.data_len()).sum();
    let mut call = CHANGE.of(changes.len(), bytes);
    for change in changes {
        keys.add_session(&mut call, change.key());
    }
    call.arg(keys.prefix(Kind::Index));
    for change in changes {
        match change {
            Change::Set(set) => add_set(&mut call, set),
            Change::Touch(Touch { idle, .. }) => {
                call.arg(&millis(*idle)).arg("");
            }
            Change::Import(import) => add_import(&mut call, import)?,
            // They have scripts of their own.
            Change::Destroy(_) | Change::Rotate(_) => return Err(Error::Unexpected),
        }
    }
    Ok(call)
}

fn add_set(call: &mut Cmd, set: &Set) {
    let Set { write, mode, version, .. } = set;
    let (mode, expected) = match mode {
        SetMode::Create => (1, None),
        SetMode::Replace => (2, None),
        SetMode::Update(expected) => (3, Some(expected)),
        SetMode::Upsert => (4, None),
    };
    let (keeps, user) = match write.owner() {
        Owner::Keep => (1, ""),
        Owner::Anonymous => (0, ""),
        Owner::User(user) => (0, user.as_str()),
    };
    let expected = expected.map_or(&[0; Version::LEN], Version::as_bytes);
    let (idle, absolute) = (millis(write.idle()), millis(write.absolute()));
    add_parts(call, &[&[mode, keeps], &idle, &absolute, expected, user.as_bytes()]);
    add_record(call, version, user, write.data());
}

fn add_import(call: &mut Cmd, import: &Import) -> Result<(), Error> {
    let Import { meta, data, .. } = import;
    let user = meta.user.as_ref().map_or("", |user| user.as_str());
    let [created_at, last_seen_at, expires_at, deadline] = times(meta)?;
    add_parts(call, &[&[5, 0], &created_at, &last_seen_at, &expires_at, &deadline, &[0; 4], user.as_bytes()]);
    add_record(call, &meta.version, user, data);
    Ok(())
}

/// Returns the times of an imported record, which must fit into ours.
pub(crate) fn times(meta: &Meta) -> Result<[[u8; 6]; 4], Error> {
    let six_bytes = |time| six_bytes(time).ok_or(Error::Times);
    let Meta { created_at, last_seen_at, expires_at, deadline, .. } = *meta;
    Ok([six_bytes(created_at)?, six_bytes(last_seen_at)?, six_bytes(expires_at)?, six_bytes(deadline)?])
}

fn add_record(call: &mut Cmd, version: &Version, user: &str, data: &[u8]) {
    // A user's name is short.
    let len = u16::try_from(user.len()).unwrap_or(u16::MAX).to_be_bytes();
    add_parts(call, &without_times(version, &len, user, data));
}

/// Returns a timeout, which is at the most ten years, in six bytes.
fn millis(timeout: Duration) -> [u8; 6] {
    let [_, _, millis @ ..] = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX).to_be_bytes();
    millis
}

/// Ends sessions, all at the version if there is one.
pub(crate) fn destroy<K: AsRef<[u8]>>(
    keys: &Keys,
    sessions: impl IntoIterator<Item = K, IntoIter: ExactSizeIterator>,
    version: Option<&Version>,
) -> Cmd {
    let mut call = DESTROY.on(sessions);
    call.arg(keys.prefix(Kind::Index)).arg(version.map_or(&[][..], |version| version.as_bytes()));
    call
}

pub(crate) fn destroy_one(keys: &Keys, destroy_one: &Destroy) -> Cmd {
    destroy(keys, [keys.session(&destroy_one.key)], destroy_one.version.as_ref())
}

/// Reads how many live sessions were ended, and how many records removed.
pub(crate) fn destroyed(answer: Value) -> Result<(u64, u64), Error> {
    parse(answer)
}

/// Reads what became of one session that was to be ended.
pub(crate) fn destroy_verdict(answer: Value) -> Result<Verdict, Error> {
    match answer {
        Value::Array(_) => Ok(if destroyed(answer)?.1 > 0 { Verdict::Done } else { Verdict::NotFound }),
        answer => verdict(&answer).and_then(|verdict| match verdict {
            Verdict::Conflict | Verdict::Corrupt => Ok(verdict),
            _ => Err(Error::Unexpected),
        }),
    }
}

pub(crate) fn rotate(keys: &Keys, rotate: &Rotate) -> Cmd {
    let Rotate { from, to, write, expected, version } = rotate;
    let mut call = ROTATE.of(2, OVERHEAD + write.data().len());
    for key in [from, to] {
        keys.add_session(&mut call, key);
    }
    call.arg(version.as_bytes()).arg(expected.as_ref().map_or(&[][..], |version| version.as_bytes()));
    add_write(&mut call, write);
    call.arg(keys.prefix(Kind::Index));
    call
}

#[cfg(test)]
mod tests {
    use session_store_core::{Timestamp, UserId};

    use super::*;

    #[test]
    fn an_import_whose_times_do_not_fit_is_refused() {
        let meta = |created_at: i64, deadline: i64| Meta {
            user: Some(UserId::new("alice").unwrap()),
            created_at: Timestamp::from_millis(created_at),
            last_seen_at: Timestamp::from_millis(5),
            expires_at: Timestamp::from_millis(6),
            deadline: Timestamp::from_millis(deadline),
            version: Version::from_bytes([1; Version::LEN]),
        };
        assert!(times(&meta(0, (1 << 48) - 1)).is_ok());
        for (created_at, deadline) in [(-1, 7), (0, 1 << 48)] {
            assert!(matches!(times(&meta(created_at, deadline)), Err(Error::Times)));
        }
    }

    #[test]
    fn a_destroy_has_a_verdict() {
        let counts = |ended, removed| Value::Array(vec![Value::Int(ended), Value::Int(removed)]);
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        assert_eq!(destroy_verdict(counts(1, 1)).unwrap(), Verdict::Done);
        // A corrupt record.
        assert_eq!(destroy_verdict(counts(0, 1)).unwrap(), Verdict::Done);
        assert_eq!(destroy_verdict(counts(0, 0)).unwrap(), Verdict::NotFound);
        assert_eq!(destroy_verdict(text("CONFLICT")).unwrap(), Verdict::Conflict);
        assert_eq!(destroy_verdict(text("CORRUPT")).unwrap(), Verdict::Corrupt);
        for answer in [text("OK"), text("EXISTS"), Value::Int(1), Value::Nil] {
            assert!(destroy_verdict(answer).is_err());
        }
    }
}
