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

/// What is in the columns of a record but its data, in their order.
pub(crate) struct Columns {
    pub(crate) owner: Option<Vec<u8>>,
    pub(crate) created_at: i64,
    pub(crate) last_seen_at: i64,
    pub(crate) expires_at: i64,
    pub(crate) deadline: i64,
    pub(crate) version: Vec<u8>,
}

impl Columns {
    fn read(row: &PgRow, first: usize) -> Result<Self> {
        Ok(Self {
            owner: value(row, first)?,
            created_at: value(row, first + 1)?,
            last_seen_at: value(row, first + 2)?,
            expires_at: value(row, first + 3)?,
            deadline: value(row, first + 4)?,
            version: value(row, first + 5)?,
        })
    }

    pub(crate) fn meta(self, key: &SessionKey) -> Result<Meta> {
        let no_record = || no_record(key);
        let meta = Meta {
            user: self.owner.map(|name| user(&name).ok_or_else(no_record)).transpose()?,
            created_at: Timestamp::from_millis(self.created_at),
            last_seen_at: Timestamp::from_millis(self.last_seen_at),
            expires_at: Timestamp::from_millis(self.expires_at),
            deadline: Timestamp::from_millis(self.deadline),
            version: Version::from_bytes(self.version.try_into().map_err(|_| no_record())?),
        };
        meta.check(key)?;
        Ok(meta)
    }
}

/// All of a record but its data, out of six columns from this one on. It refuses what no release has written (clause
/// Z1).
pub(crate) fn meta(key: &SessionKey, row: &PgRow, first: usize) -> Result<Meta> {
    Columns::read(row, first)?.meta(key)
}

fn user(name: &[u8]) -> Option<UserId> {
    UserId::new(std::str::from_utf8(name).ok()?).ok()
}

/// The data in a column.
pub(crate) fn data(row: &PgRow, column: usize) -> Result<Bytes> {
    Ok(Bytes::from(value::<Vec<u8>>(row, column)?))
}

pub(crate) fn no_record(key: &SessionKey) -> Error {
    Error::corrupt(key, "the row under the session's key is no record")
}
