//! Operations on many sessions, in pieces.

use session_store_core::backend::{BulkPage, CountPage, Counted, ListPage, Next, ScannedPage};
use session_store_core::{SessionKey, UserId};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::{Statements, query};
use crate::error::Error;
use crate::record::{self, count, value};

/// How many rows one statement changes: some milliseconds, in which no other connection writes.
pub(crate) const PIECE: u32 = 500;

/// How many rows one statement counts.
const COUNTED_PIECE: u32 = 10_000;

/// How many free pages a prune gives back to the file system at once.
const FREED_PAGES: &str = "PRAGMA incremental_vacuum(200)";

/// L1 to L3: `?1` user, `?2` the key to begin after, `?3` limit.
pub(super) const LIST: &str = "
SELECT t.key, {meta} FROM {table} AS t WHERE t.owner = ?1 AND t.key > ?2 AND t.expires_at > {now} ORDER BY t.key LIMIT ?3";

/// B1: `?1` user, `?2` the key to spare, `?3` how many rows.
pub(super) const DESTROY_BY_USER: &str = "
DELETE FROM {table} WHERE key IN (SELECT key FROM {table} WHERE owner = ?1 AND key <> ?2 LIMIT ?3)
RETURNING expires_at > {now}, owner, created_at, last_seen_at, expires_at, deadline, version";

/// P1 to P3: `?1` how many rows. Of the sessions that are due, it removes those that are dead.
pub(super) const PRUNE: &str = "
DELETE FROM {table} WHERE key IN (SELECT key FROM {table} WHERE prune_at <= {now} ORDER BY prune_at LIMIT ?1)
    AND expires_at <= {now}";

/// Of the sessions that are due, it makes those that live due again when they expire: `?1` how many rows.
pub(super) const POSTPONE: &str = "
UPDATE {table} SET prune_at = expires_at
WHERE key IN (SELECT key FROM {table} WHERE prune_at <= {now} ORDER BY prune_at LIMIT ?1) AND expires_at > {now}";

/// C1: `?1` the key to begin after, `?2` how many rows. It returns how many sessions of these are live, and the last key.
pub(super) const COUNT: &str = "
SELECT count(*) FILTER (WHERE expires_at > {now}), max(key)
FROM (SELECT key, expires_at FROM {table} WHERE key > ?1 ORDER BY key LIMIT ?2)";

/// C1: `?1` the key to begin after, `?2` how many rows. It returns the keys that it removed, and whether each was live.
pub(super) const CLEAR: &str = "
DELETE FROM {table} WHERE key IN (SELECT key FROM {table} WHERE key > ?1 ORDER BY key LIMIT ?2)
RETURNING expires_at > {now}, key";

/// A1 to A3: `?1` the key to begin after, `?2` how many rows. It returns all of these rows, and whether each is live.
pub(super) const SCAN: &str = "
SELECT t.key, {meta}, t.expires_at > {now} FROM {table} AS t WHERE t.key > ?1 ORDER BY t.key LIMIT ?2";

/// H1: a query on the table, which also finds that it exists.
pub(super) const PING: &str = "SELECT count(*) FROM (SELECT key FROM {table} LIMIT 1)";

/// Returns the key to begin after: the cursor's, or before all keys.
fn after(cursor: Option<&[u8]>) -> Vec<u8> {
    cursor.unwrap_or_default().to_vec()
}

/// Returns whether a piece was full, so that more may follow.
fn is_full(rows: &[SqliteRow], limit: u32) -> bool {
    rows.len() as u64 >= u64::from(limit)
}

pub(crate) async fn list(
    connection: &mut SqliteConnection,
    statements: &Statements,
    user: &UserId,
    from: Option<&[u8]>,
    limit: u32,
) -> Result<ListPage<SessionKey>, Error> {
    let query = query(&statements.list).bind(user.as_str().to_owned()).bind(after(from)).bind(i64::from(limit));
    let rows = query.fetch_all(connection).await.map_err(Error::Statement)?;
    let mut page = ListPage { entries: Vec::with_capacity(rows.len()), corrupt: 0, next: None };
    for row in &rows {
        match record::entry(row, 0) {
            Ok(entry) => page.entries.push(entry),
            Err(Error::Corrupt(_)) => page.corrupt += 1,
            Err(error) => return Err(error),
        }
    }
    page.next = rows.last().filter(|_| is_full(&rows, limit)).map(|row| record::key(row, 0)).transpose()?;
    Ok(page)
}

pub(crate) async fn destroy_by_user(
    connection: &mut SqliteConnection,
    statements: &Statements,
    user: &UserId,
    except: Option<&SessionKey>,
) -> Result<BulkPage<SessionKey>, Error> {
    let except = after(except.map(|key| &key.as_bytes()[..]));
    let query = query(&statements.destroy_by_user).bind(user.as_str().to_owned()).bind(except).bind(i64::from(PIECE));
    let rows = query.fetch_all(connection).await.map_err(Error::Statement)?;
    let mut page = BulkPage { live: 0, removed: rows.len() as u64, held: false, next: Next::End };
    for row in &rows {
        page.live += u64::from(value::<bool>(row, 0)? && record::meta(row, 1).is_ok());
    }
    if is_full(&rows, PIECE) {
        page.next = Next::Again;
    }
    Ok(page)
}

pub(crate) async fn prune(
    connection: &mut SqliteConnection,
    statements: &Statements,
    limit: u32,
) -> Result<BulkPage<SessionKey>, Error> {
    let limit = limit.min(PIECE);
    let run = async |sql, connection: &mut SqliteConnection| {
        let done = query(sql).bind(i64::from(limit)).execute(connection).await.map_err(Error::Statement)?;
        Ok::<_, Error>(done.rows_affected())
    };
    let removed = run(&statements.prune, &mut *connection).await?;
    let postponed = run(&statements.postpone, &mut *connection).await?;
    // If only some of them were dead, the next statement looks at others.
    let is_full = removed + postponed >= u64::from(limit);
    let next = if is_full { Next::From(SessionKey::from_bytes([0; SessionKey::LEN])) } else { Next::End };
    Ok(BulkPage { live: 0, removed, held: false, next })
}

/// Gives some free pages of the file back to the file system.
pub(crate) async fn shrink(connection: &mut SqliteConnection) -> Result<(), Error> {
    sqlx::query(FREED_PAGES).fetch_all(connection).await.map(drop).map_err(Error::Statement)
}

pub(crate) async fn count_live(
    connection: &mut SqliteConnection,
    statements: &Statements,
    from: Option<&SessionKey>,
) -> Result<CountPage<SessionKey>, Error> {
    let query =
        query(&statements.count).bind(after(from.map(|key| &key.as_bytes()[..]))).bind(i64::from(COUNTED_PIECE));
    let row = query.fetch_one(connection).await.map_err(Error::Statement)?;
    let next = value::<Option<&[u8]>>(&row, 1)?.map(|_| record::key(&row, 1)).transpose()?;
    Ok(CountPage { counted: Counted::Sessions(count(&row, 0)?), next })
}

pub(crate) async fn clear(
    connection: &mut SqliteConnection,
    statements: &Statements,
    from: Option<&SessionKey>,
) -> Result<BulkPage<SessionKey>, Error> {
    let query = query(&statements.clear).bind(after(from.map(|key| &key.as_bytes()[..]))).bind(i64::from(PIECE));
    let rows = query.fetch_all(connection).await.map_err(Error::Statement)?;
    let mut page = BulkPage { live: 0, removed: rows.len() as u64, held: false, next: Next::End };
    let mut last = None;
    for row in &rows {
        page.live += u64::from(value::<bool>(row, 0)?);
        last = last.max(Some(record::key(row, 1)?));
    }
    if let Some(last) = last.filter(|_| is_full(&rows, PIECE)) {
        page.next = Next::From(last);
    }
    Ok(page)
}

pub(crate) async fn scan(
    connection: &mut SqliteConnection,
    statements: &Statements,
    from: Option<&[u8]>,
    limit: u32,
) -> Result<ScannedPage, Error> {
    let query = query(&statements.scan).bind(after(from)).bind(i64::from(limit));
    let rows = query.fetch_all(connection).await.map_err(Error::Statement)?;
    let mut page = ScannedPage { entries: Vec::with_capacity(rows.len()), corrupt: 0, next: None };
    for row in &rows {
        match record::entry(row, 0) {
            Ok(entry) if value(row, 7)? => page.entries.push(entry),
            Err(Error::Corrupt(_)) if value(row, 7)? => page.corrupt += 1,
            Ok(_) | Err(Error::Corrupt(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let last = rows.last().filter(|_| is_full(&rows, limit)).map(|row| record::key(row, 0)).transpose()?;
    page.next = last.map(|key| key.as_bytes().to_vec());
    Ok(page)
}

/// Asks for a real answer, and fails if the table does not exist.
pub(crate) async fn ping(connection: &mut SqliteConnection, statements: &Statements) -> Result<(), Error> {
    query(&statements.ping).fetch_one(connection).await.map(drop).map_err(Error::Statement)
}
