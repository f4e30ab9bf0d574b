//! The columns of a session.

use std::borrow::Cow;

use session_store_core::{ErrorKind, Meta, Timestamp, UserId};

use super::KEY;
use crate::error::{Corruption, Error};
use crate::record::Columns;

/// Decodes `bytes` as a row of the protocol (`DataRow`, without its head), of the columns owner, `created_at`,
/// `last_seen_at`, `expires_at`, `deadline` and version. They are a record, which is encoded as it was, or they
/// are corrupt.
pub fn row(bytes: &[u8]) {
    let Some(columns) = columns(bytes) else { return };
    let times = (columns.created_at < columns.deadline) && (columns.expires_at <= columns.deadline);
    let decoded = columns.decode();
    if let Err(corruption) = decoded {
        assert_eq!(session_store_core::Error::from(Error::Corrupt(corruption)).kind(), ErrorKind::Corrupt);
    }
    match decoded {
        Ok(meta) => {
            meta.check(&KEY).unwrap();
            assert!(bytes.starts_with(&encode(&meta)));
        }
        Err(Corruption::Times) => assert!(!times, "the times are those of a record"),
        Err(Corruption::Form) => {}
    }
}

/// Returns `None` if the driver would find that it is no such row.
fn columns(mut bytes: &[u8]) -> Option<Columns<'_>> {
    let rest = &mut bytes;
    if take::<2>(rest)? != 6_u16.to_be_bytes() {
        return None;
    }
    Some(Columns {
        owner: column(rest)?.not_null().map(Cow::Borrowed),
        created_at: time(rest)?,
        last_seen_at: time(rest)?,
        expires_at: time(rest)?,
        deadline: time(rest)?,
        version: column(rest)?.not_null()?.into(),
    })
}

fn time(rest: &mut &[u8]) -> Option<i64> {
    Some(i64::from_be_bytes(column(rest)?.not_null()?.try_into().ok()?))
}

/// A column, or null.
enum Column<'b> {
    Null,
    Of(&'b [u8]),
}

impl<'b> Column<'b> {
    fn not_null(self) -> Option<&'b [u8]> {
        match self {
            Self::Null => None,
            Self::Of(bytes) => Some(bytes),
        }
    }
}

fn column<'b>(rest: &mut &'b [u8]) -> Option<Column<'b>> {
    let len = i32::from_be_bytes(take(rest)?);
    if len == -1 {
        return Some(Column::Null);
    }
    let (column, others) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    *rest = others;
    Some(Column::Of(column))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

/// A row as a server sends it.
pub(super) fn encode(meta: &Meta) -> Vec<u8> {
    let Meta { user, created_at, last_seen_at, expires_at, deadline, version } = meta;
    let times = [created_at, last_seen_at, expires_at, deadline].map(|time| time.as_millis().to_be_bytes());
    let mut columns = vec![user.as_ref().map(|user| user.as_str().as_bytes())];
    columns.extend(times.iter().map(|time| Some(&time[..])));
    columns.push(Some(version.as_bytes()));
    of_columns(&columns)
}

pub(super) fn of_columns(columns: &[Option<&[u8]>]) -> Vec<u8> {
    let mut bytes = u16::try_from(columns.len()).unwrap().to_be_bytes().to_vec();
    for column in columns {
        let len = column.map_or(-1, |column| i32::try_from(column.len()).unwrap());
        bytes.extend_from_slice(&len.to_be_bytes());
        bytes.extend_from_slice(column.unwrap_or_default());
    }
    bytes
}

pub(super) fn alices() -> Meta {
    let at = |minute: i64| Timestamp::from_millis(1_764_000_000_000 + minute * 60_000);
    Meta {
        user: Some(UserId::new("alice").unwrap()),
        created_at: at(0),
        last_seen_at: at(5),
        expires_at: at(35),
        deadline: at(720),
        version: session_store_core::Version::from_bytes(*b"0123456789abcdef"),
    }
}
