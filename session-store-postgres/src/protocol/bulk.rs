//! Operations on many sessions. They skip rows that other transactions hold.

use session_store_core::SessionKey;
use session_store_core::backend::{BulkPage, CountPage, Counted, ListPage, Next, ScannedPage};
use sqlx::postgres::PgRow;

use crate::error::Error;
use crate::record::{self, count, value};

/// How many rows one statement changes: some milliseconds.
pub(crate) const PIECE: u32 = 1_000;

/// How many rows one statement counts.
pub(crate) const COUNTED_PIECE: u32 = 10_000;

/// Removes what was locked, live, dead or unreadable. Naming all verdicts makes the planner expect few rows.
pub(super) const ENDED: &str = ", {clock}, judged AS MATERIALIZED (
    SELECT locked.key, CASE
        WHEN locked.expires_at > clock.now IS NOT TRUE THEN 'dead'
        WHEN {unreadable locked} THEN 'corrupt'
        ELSE 'live'
    END AS verdict
    FROM clock, locked
), ended AS (
    DELETE FROM {table} AS t USING judged WHERE t.key = judged.key AND judged.verdict IN ('live', 'dead', 'corrupt')
    RETURNING judged.verdict
)";

/// L1 to L3: `$1` user, `$2` the key to begin after, `$3` limit. Two columns are compared, for which there is one index
/// only.
pub(super) const LIST: &str = "
SELECT t.key, t.owner, t.created_at, t.last_seen_at, t.expires_at, t.deadline, t.version
FROM {table} AS t
WHERE t.owner = $1 AND (t.owner, t.key) > ($1, $2) AND t.expires_at > {began}
ORDER BY t.key LIMIT $3";

/// B1: `$1` user, `$2` the key to spare, `$3` how many rows. It returns how many live sessions ended, how many rows
/// were removed, and whether it has left others, or rows that were held or moved.
pub(super) const DESTROY_BY_USER: &str = "
WITH met AS MATERIALIZED (
    SELECT t.key FROM {table} AS t WHERE t.owner = $1 AND t.key <> $2 ORDER BY t.key LIMIT $3::bigint + 1
), locked AS MATERIALIZED (
    SELECT t.* FROM met CROSS JOIN LATERAL (
        SELECT t.key, t.owner, t.created_at, t.expires_at, t.deadline, t.version FROM {table} AS t
        WHERE t.key = met.key AND t.owner = $1 FOR UPDATE SKIP LOCKED
    ) AS t LIMIT $3
){ended}
SELECT count(*) FILTER (WHERE verdict = 'live'), count(*), (SELECT count(*) FROM met) > count(*) FROM ended";

/// P1 to P3: `$1` how many rows. It looks at the sessions that are due, removes those that are dead, and makes the
/// others due again when they expire. It returns how many were looked at, how many of them removed, and whether others
/// are due. `+ 0` keeps the planner from looking each row up by the index on `prune_at`, which takes quadratic time.
pub(super) const PRUNE: &str = "
WITH due AS MATERIALIZED (
    SELECT t.key FROM {table} AS t WHERE t.prune_at <= {began} ORDER BY t.prune_at LIMIT $1::bigint + 1
), locked AS MATERIALIZED (
    SELECT t.* FROM due CROSS JOIN LATERAL (
        SELECT t.key, t.expires_at FROM {table} AS t WHERE t.key = due.key AND t.prune_at + 0 <= {began}
        FOR UPDATE SKIP LOCKED
    ) AS t LIMIT $1
), {clock}, judged AS MATERIALIZED (
    SELECT locked.*, CASE WHEN locked.expires_at > clock.now THEN 'live' ELSE 'dead' END AS verdict FROM clock, locked
), removed AS (
    DELETE FROM {table} AS t USING judged WHERE t.key = judged.key AND judged.verdict = 'dead' RETURNING t.key
), postponed AS (
    UPDATE {table} AS t SET prune_at = judged.expires_at FROM judged
    WHERE t.key = judged.key AND judged.verdict = 'live'
)
SELECT locked, (SELECT count(*) FROM removed), (SELECT count(*) FROM due) > locked FROM clock";

/// C1: `$1` the key to begin after, `$2` how many rows. It returns how many sessions of these are live, and the last
/// key.
pub(super) const COUNT: &str = "
WITH met AS MATERIALIZED (
    SELECT t.key, t.expires_at FROM {table} AS t WHERE t.key > $1 ORDER BY t.key LIMIT $2
)
SELECT count(*) FILTER (WHERE expires_at > {began}), (SELECT key FROM met ORDER BY key DESC LIMIT 1) FROM met";

/// C1: `$1` the key to begin after, `$2` how many rows. It returns how many live sessions ended, how many rows were
/// removed, the last key, and whether rows were left that were held or moved.
pub(super) const CLEAR: &str = "
WITH met AS MATERIALIZED (
    SELECT t.key FROM {table} AS t WHERE t.key > $1 ORDER BY t.key LIMIT $2
), locked AS MATERIALIZED (
    SELECT t.* FROM met CROSS JOIN LATERAL (
        SELECT t.key, t.owner, t.created_at, t.expires_at, t.deadline, t.version FROM {table} AS t
        WHERE t.key = met.key FOR UPDATE SKIP LOCKED
    ) AS t
){ended}
SELECT count(*) FILTER (WHERE verdict <> 'dead'), count(*), (SELECT key FROM met ORDER BY key DESC LIMIT 1),
    (SELECT count(*) FROM met) > count(*)
FROM ended";

/// A1 to A3: `$1` the first key to look at, `$2` how many rows. It returns all of these rows, and whether each is live.
pub(super) const SCAN: &str = "
SELECT t.key, t.owner, t.created_at, t.last_seen_at, t.expires_at, t.deadline, t.version, t.expires_at > {began}
FROM {table} AS t WHERE t.key >= $1 ORDER BY t.key LIMIT $2";

pub(crate) fn list_page(rows: &[PgRow], limit: u32) -> Result<ListPage<Vec<u8>>, Error> {
    let entries: Vec<_> = rows.iter().filter_map(|row| record::entry(row, 0)).collect();
    let corrupt = (rows.len() - entries.len()) as u64;
    let last = rows.last().filter(|_| rows.len() == limit as usize);
    Ok(ListPage { entries, corrupt, next: last.map(|row| value(row, 0)).transpose()? })
}

pub(crate) fn destroy_page(row: &PgRow) -> Result<BulkPage<Vec<u8>>, Error> {
    let next = if value(row, 2)? { Next::Again } else { Next::End };
    Ok(BulkPage { live: count(row, 0)?, removed: count(row, 1)?, held: false, next })
}

pub(crate) fn prune_page(row: &PgRow) -> Result<BulkPage<Vec<u8>>, Error> {
    let has_looked_at_some = count(row, 0)? > 0;
    let next = match value(row, 2)? {
        false => Next::End,
        // Also if none of them was dead: they are due later now, so the next statement looks at others.
        true if has_looked_at_some => Next::From(Vec::new()),
        // Other transactions hold what is left.
        true => Next::Again,
    };
    Ok(BulkPage { live: 0, removed: count(row, 1)?, held: false, next })
}

pub(crate) fn count_page(row: &PgRow) -> Result<CountPage<Vec<u8>>, Error> {
    Ok(CountPage { counted: Counted::Sessions(count(row, 0)?), next: value(row, 1)? })
}

pub(crate) fn clear_page(row: &PgRow) -> Result<BulkPage<Vec<u8>>, Error> {
    let next = value::<Option<Vec<u8>>>(row, 2)?.map_or(Next::End, Next::From);
    Ok(BulkPage { live: count(row, 0)?, removed: count(row, 1)?, held: value(row, 3)?, next })
}

pub(crate) fn scan_page(rows: &[PgRow], limit: u32) -> Result<ScannedPage, Error> {
    let (mut entries, mut corrupt) = (Vec::new(), 0);
    for row in rows {
        if value(row, 7)? {
            match record::entry(row, 0) {
                Some(entry) => entries.push(entry),
                None => corrupt += 1,
            }
        }
    }
    let last = rows.last().filter(|_| rows.len() == limit as usize);
    let last = last.map(|row| record::bytes(row, 0)).transpose()?.flatten();
    let next = last.and_then(|key| key_after(&key)).map(|key| key.to_vec());
    Ok(ScannedPage { entries, corrupt, next })
}

/// Returns the first key of a session after these bytes, which may be of any length if the row is corrupt.
fn key_after(bytes: &[u8]) -> Option<[u8; SessionKey::LEN]> {
    let mut key = [0; SessionKey::LEN];
    for (to, from) in key.iter_mut().zip(bytes) {
        *to = *from;
    }
    if bytes.len() < SessionKey::LEN {
        return Some(key);
    }
    for byte in key.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return Some(key);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_goes_on_at_the_next_key_and_never_stands_still() {
        let (zeros, ones) = ([0; SessionKey::LEN], [0xff; SessionKey::LEN]);
        let with_end = |key: [u8; SessionKey::LEN], end: &[u8]| {
            let mut key = key;
            key[SessionKey::LEN - end.len()..].copy_from_slice(end);
            key
        };
        assert_eq!(key_after(&zeros), Some(with_end(zeros, &[1])));
        assert_eq!(key_after(&with_end(zeros, &[7, 0xff, 0xff])), Some(with_end(zeros, &[8, 0, 0])));
        assert_eq!(key_after(&ones), None);
        assert_eq!(key_after(b""), Some(zeros));
        let longer = [&zeros[..], &[5]].concat();
        for odd in [&b"short"[..], &longer, &zeros[1..], &ones[1..]] {
            assert!(key_after(odd).unwrap()[..] > *odd, "{odd:?}");
        }
    }
}
