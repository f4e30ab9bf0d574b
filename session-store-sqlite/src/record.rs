//! Decodes rows into records.

use bytes::Bytes;
use session_store_core::{Entry, Meta, SessionKey, Timestamp, UserId, Version};
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row as _, Sqlite, Type};

use crate::error::{Corruption, Error};

/// The columns of a record but its data, in the order in which [`meta`] reads them.
pub(crate) const META: &str = "t.owner, t.created_at, t.last_seen_at, t.expires_at, t.deadline, t.version";

/// Returns a value of a row.
pub(crate) fn value<'r, T: Decode<'r, Sqlite> + Type<Sqlite>>(row: &'r SqliteRow, column: usize) -> Result<T, Error> {
    row.try_get(column).map_err(|_| Error::UnexpectedAnswer)
}

/// Returns a count of rows.
pub(crate) fn count(row: &SqliteRow, column: usize) -> Result<u64, Error> {
    u64::try_from(value::<i64>(row, column)?).map_err(|_| Error::UnexpectedAnswer)
}

/// Returns the time in a column.
pub(crate) fn time(row: &SqliteRow, column: usize) -> Result<Timestamp, Error> {
    Ok(Timestamp::from_millis(value(row, column)?))
}

/// Returns the key in a column. The table holds no other bytes there.
pub(crate) fn key(row: &SqliteRow, column: usize) -> Result<SessionKey, Error> {
    let bytes = value::<&[u8]>(row, column)?.try_into().map_err(|_| Error::UnexpectedAnswer)?;
    Ok(SessionKey::from_bytes(bytes))
}

/// Returns the data in a column; `None` if it is null.
pub(crate) fn data(row: &SqliteRow, column: usize) -> Result<Option<Bytes>, Error> {
    Ok(value::<Option<Vec<u8>>>(row, column)?.map(Bytes::from))
}

/// Returns the entry in the columns from `first` on: the key and a record without its data.
///
/// # Errors
///
/// `Corrupt` if no release writes such a row (clause Z1).
pub(crate) fn entry(row: &SqliteRow, first: usize) -> Result<Entry, Error> {
    Ok(Entry { key: key(row, first)?, meta: meta(row, first + 1)? })
}

/// Returns a record without its data, from the six columns of [`META`] from `first` on.
///
/// # Errors
///
/// `Corrupt` if no release writes such a row (clause Z1).
pub(crate) fn meta(row: &SqliteRow, first: usize) -> Result<Meta, Error> {
    let form = || Error::Corrupt(Corruption::Form);
    // The driver reads a text as UTF-8, and the database may hold other bytes.
    let owner: Option<&str> = row.try_get(first).map_err(|_| form())?;
    let meta = Meta {
        user: owner.map(|name| UserId::new(name).map_err(|_| form())).transpose()?,
        created_at: time(row, first + 1)?,
        last_seen_at: time(row, first + 2)?,
        expires_at: time(row, first + 3)?,
        deadline: time(row, first + 4)?,
        version: Version::from_bytes(value::<&[u8]>(row, first + 5)?.try_into().map_err(|_| form())?),
    };
    // The key is in the error alone, and the store names it.
    meta.check(&SessionKey::from_bytes([0; SessionKey::LEN])).map_err(|_| Error::Corrupt(Corruption::Times))?;
    Ok(meta)
}
