//! From rows to records.

use bytes::Bytes;
use session_store_core::{Error, Meta, Result, SessionKey, Timestamp, UserId, Version};
use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row as _, Type};

use crate::error::unexpected;

/// A value of a row.
pub(crate) fn value<'r, T: Decode<'r, Postgres> + Type<Postgres>>(row: &'r PgRow, column: usize) -> Result<T> {
    row.try_get(column).map_err(|_| unexpected())
}

/// The key in a column; `None` where no key has such bytes.
pub(crate) fn key(row: &PgRow, column: usize) -> Result<Option<SessionKey>> {
    let bytes: Vec<u8> = value(row, column)?;
    Ok(bytes.try_into().ok().map(SessionKey::from_bytes))
}

/// All of a record but its data, out of six columns from this one on. It refuses what no release has written (clause
/// Z1).
pub(crate) fn meta(key: &SessionKey, row: &PgRow, first: usize) -> Result<Meta> {
    let time = |column| value(row, column).map(Timestamp::from_millis);
    let owner: Option<Vec<u8>> = value(row, first)?;
    let version: Vec<u8> = value(row, first + 5)?;
    let meta = Meta {
        user: owner.map(|name| user(&name).ok_or_else(|| no_record(key))).transpose()?,
        created_at: time(first + 1)?,
        last_seen_at: time(first + 2)?,
        expires_at: time(first + 3)?,
        deadline: time(first + 4)?,
        version: Version::from_bytes(version.try_into().map_err(|_| no_record(key))?),
    };
    meta.check(key)?;
    Ok(meta)
}

fn user(name: &[u8]) -> Option<UserId> {
    UserId::new(std::str::from_utf8(name).ok()?).ok()
}

/// The data in a column.
pub(crate) fn data(row: &PgRow, column: usize) -> Result<Bytes> {
    Ok(Bytes::from(value::<Vec<u8>>(row, column)?))
}

fn no_record(key: &SessionKey) -> Error {
    Error::corrupt(key, "the row under the session's key is no record")
}
