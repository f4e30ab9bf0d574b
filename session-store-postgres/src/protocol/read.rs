//! Reads of sessions.

use session_store_core::backend::Lookup;
use session_store_core::{IfChanged, Record, Timestamp};
use sqlx::postgres::PgRow;

use super::{Statement, Statements};
use crate::error::Error;
use crate::record::{self, value};
use crate::value::Value;

/// G1: the live ones, each with its place among the keys.
pub(super) const GET: &str = "
SELECT want.n, clock.now, t.owner, t.created_at, t.last_seen_at, t.expires_at, t.deadline, t.version, t.data
FROM (SELECT {began} AS now OFFSET 0) AS clock, unnest((SELECT $1::bytea[])) WITH ORDINALITY AS want(key, n)
CROSS JOIN LATERAL (SELECT * FROM {table} AS t WHERE t.key = want.key OFFSET 0) AS t
WHERE t.expires_at > clock.now";

/// The same of one key.
pub(super) const GET_ONE: &str = "
SELECT 1::bigint, {began}, t.owner, t.created_at, t.last_seen_at, t.expires_at, t.deadline, t.version, t.data
FROM {table} AS t WHERE t.key = $1::bytea AND t.expires_at > {began}";

/// G5: the same with the version that the caller of each key holds. At that version, there is no data.
pub(super) const GET_IF_CHANGED: &str = "
SELECT want.n, clock.now, t.owner, t.created_at, t.last_seen_at, t.expires_at, t.deadline, t.version,
    CASE WHEN t.version = want.known THEN NULL ELSE t.data END
FROM (SELECT {began} AS now OFFSET 0) AS clock,
    unnest((SELECT $1::bytea[]), (SELECT $2::bytea[])) WITH ORDINALITY AS want(key, known, n)
CROSS JOIN LATERAL (SELECT * FROM {table} AS t WHERE t.key = want.key OFFSET 0) AS t
WHERE t.expires_at > clock.now";

/// The same of one key.
pub(super) const GET_ONE_IF_CHANGED: &str = "
SELECT 1::bigint, {began}, t.owner, t.created_at, t.last_seen_at, t.expires_at, t.deadline, t.version,
    CASE WHEN t.version = $2::bytea THEN NULL ELSE t.data END
FROM {table} AS t WHERE t.key = $1::bytea AND t.expires_at > {began}";

/// Returns the statement for these lookups, and its values.
pub(crate) fn statement<'l>(statements: &'l Statements, lookups: &'l [Lookup]) -> (&'l Statement, Vec<Value<'l>>) {
    let keys = Value::ManyBytes(lookups.iter().map(|lookup| Some(&lookup.key.as_bytes()[..])).collect());
    if lookups.iter().all(|lookup| lookup.known.is_none()) {
        return (&statements.get, vec![keys]);
    }
    let known = |lookup: &'l Lookup| lookup.known.as_ref().map(|version| &version.as_bytes()[..]);
    (&statements.get_if_changed, vec![keys, Value::ManyBytes(lookups.iter().map(known).collect())])
}

/// Returns what each lookup found.
pub(crate) fn answers(lookups: &[Lookup], rows: &[PgRow]) -> Result<Vec<Result<IfChanged, Error>>, Error> {
    let mut answers: Vec<_> = lookups.iter().map(|_| Ok(IfChanged::Gone)).collect();
    for row in rows {
        let place = usize::try_from(value::<i64>(row, 0)?).map_err(|_| Error::UnexpectedAnswer)?.wrapping_sub(1);
        *answers.get_mut(place).ok_or(Error::UnexpectedAnswer)? = found(row);
    }
    Ok(answers)
}

fn found(row: &PgRow) -> Result<IfChanged, Error> {
    let read_at = Timestamp::from_millis(value(row, 1)?);
    let meta = record::meta(row, 2)?;
    Ok(match record::data(row, 8)? {
        Some(data) => IfChanged::Changed(Record { meta, data, read_at }),
        None => IfChanged::Unchanged { meta, read_at },
    })
}
