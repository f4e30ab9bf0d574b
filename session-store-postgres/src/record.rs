//! Decodes rows into records.

use std::borrow::Cow;

use bytes::Bytes;
use session_store_core::{Entry, Meta, SessionKey, Timestamp, UserId, Version};
use sqlx::postgres::{PgRow, PgValueFormat};
use sqlx::{Decode, Postgres, Row as _, Type, ValueRef as _};

use crate::error::{Corruption, Error};

/// Returns a value of a row.
pub(crate) fn value<'r, T: Decode<'r, Postgres> + Type<Postgres>>(row: &'r PgRow, column: usize) -> Result<T, Error> {
    row.try_get(column).map_err(|_| Error::UnexpectedAnswer)
}

/// Returns a count of rows.
pub(crate) fn count(row: &PgRow, column: usize) -> Result<u64, Error> {
    u64::try_from(value::<i64>(row, column)?).map_err(|_| Error::UnexpectedAnswer)
}

/// Returns the bytes in a column, without a copy unless they arrived as text, as all values do through a transaction
/// pooler. `None` if it is null.
pub(crate) fn bytes(row: &PgRow, column: usize) -> Result<Option<Cow<'_, [u8]>>, Error> {
    let raw = row.try_get_raw(column).map_err(|_| Error::UnexpectedAnswer)?;
    if raw.is_null() {
        return Ok(None);
    }
    let bytes = match raw.format() {
        PgValueFormat::Binary => raw.as_bytes().map(Cow::Borrowed),
        PgValueFormat::Text => <Vec<u8> as Decode<Postgres>>::decode(raw).map(Cow::Owned),
    };
    bytes.map(Some).map_err(|_| Error::UnexpectedAnswer)
}

/// Returns the key in a column; `None` if no session's key has such bytes.
pub(crate) fn key(row: &PgRow, column: usize) -> Result<Option<SessionKey>, Error> {
    let bytes = bytes(row, column)?.ok_or(Error::UnexpectedAnswer)?;
    Ok((*bytes).try_into().ok().map(SessionKey::from_bytes))
}

/// Returns the data in a column; `None` if it is null.
pub(crate) fn data(row: &PgRow, column: usize) -> Result<Option<Bytes>, Error> {
    Ok(bytes(row, column)?.map(|data| Bytes::from(data.into_owned())))
}

/// Returns the entry in the columns from `first` on: the key and a record without its data. `None` if they cannot be
/// read.
pub(crate) fn entry(row: &PgRow, first: usize) -> Option<Entry> {
    let key = key(row, first).ok()??;
    Some(Entry { key, meta: meta(row, first + 1).ok()? })
}

/// Returns a record without its data, from the six columns from `first` on.
///
/// # Errors
///
/// `Corrupt` if no release writes such a row (clause Z1).
pub(crate) fn meta(row: &PgRow, first: usize) -> Result<Meta, Error> {
    Columns::read(row, first)?.decode().map_err(Error::Corrupt)
}

/// The columns of a record but its data, in their order.
pub(crate) struct Columns<'r> {
    pub(crate) owner: Option<Cow<'r, [u8]>>,
    pub(crate) created_at: i64,
    pub(crate) last_seen_at: i64,
    pub(crate) expires_at: i64,
    pub(crate) deadline: i64,
    pub(crate) version: Cow<'r, [u8]>,
}

impl<'r> Columns<'r> {
    fn read(row: &'r PgRow, first: usize) -> Result<Self, Error> {
        Ok(Self {
            owner: bytes(row, first)?,
            created_at: value(row, first + 1)?,
            last_seen_at: value(row, first + 2)?,
            expires_at: value(row, first + 3)?,
            deadline: value(row, first + 4)?,
            version: bytes(row, first + 5)?.ok_or(Error::UnexpectedAnswer)?,
        })
    }

    /// Decodes the columns. `protocol::change::UNREADABLE` is the same check in SQL.
    pub(crate) fn decode(self) -> Result<Meta, Corruption> {
        let meta = Meta {
            user: self.owner.map(|name| decode_user(&name).ok_or(Corruption::Form)).transpose()?,
            created_at: Timestamp::from_millis(self.created_at),
            last_seen_at: Timestamp::from_millis(self.last_seen_at),
            expires_at: Timestamp::from_millis(self.expires_at),
            deadline: Timestamp::from_millis(self.deadline),
            version: Version::from_bytes((*self.version).try_into().map_err(|_| Corruption::Form)?),
        };
        // The key is in the error alone, and the store names it.
        meta.check(&SessionKey::from_bytes([0; SessionKey::LEN])).map_err(|_| Corruption::Times)?;
        Ok(meta)
    }
}

fn decode_user(name: &[u8]) -> Option<UserId> {
    UserId::new(std::str::from_utf8(name).ok()?).ok()
}
