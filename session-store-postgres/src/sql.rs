//! The statements. Each decides and changes in one step, by the server's clock, which a change reads after its rows
//! are locked (clauses T2 and X1), and a read before it looks (K1).
//!
//! A batch skips rows that others hold (`busy`); its callers ask again, one by one, and wait then. All that a batch
//! waits for is a key that another one is just inserting; both insert in the order of keys, so they cannot deadlock.
//! Rows are looked up one by one in a `LATERAL`, so that a plan made while the table was small is no full scan when it is
//! large; arrays come out of a `SELECT`, so that the server does not see how long they are, and keeps one plan for all.

use std::sync::Arc;
use std::time::Duration;

use crate::names::Names;

/// The statements on one table.
#[derive(Debug)]
pub(crate) struct Sql {
    pub(crate) get: Arc<str>,
    pub(crate) set: Lock,
    pub(crate) touch: Lock,
    pub(crate) destroy: Lock,
    pub(crate) rotate: Arc<str>,
    pub(crate) list_by_user: Arc<str>,
    pub(crate) destroy_by_user: Arc<str>,
    pub(crate) prune: Arc<str>,
    pub(crate) count: Arc<str>,
    pub(crate) clear: Arc<str>,
}

/// A statement on rows that others may hold.
#[derive(Debug)]
pub(crate) struct Lock {
    /// It skips those rows: for many sessions at once.
    pub(crate) skips: Arc<str>,
    /// It waits for them: for one session.
    pub(crate) waits: Arc<str>,
}

impl Sql {
    pub(crate) fn new(names: &Names, operation_timeout: Duration) -> Self {
        let table = names.table();
        let fill_for = |patience: Duration, text: &str| {
            // No setting of 0, which is to wait for ever.
            let text = text.replace("{lock_timeout}", &patience.as_millis().max(1).to_string());
            let text = text.replace("{now}", NOW).replace("{began}", BEGAN);
            // Last, because a table may have any name.
            text.replace("{table}", &table)
        };
        // So that the server gives up, and says that nothing was changed, before the caller does.
        let patience = operation_timeout * 3 / 4;
        let fill = |text: &str| fill_for(patience, &text.replace("{patience}", PATIENCE));
        let lock = |text: &str| {
            let text = text.replace("{patience}", PATIENCE);
            let skips = text.replace("{lock}", "FOR UPDATE SKIP LOCKED").replace("{is_held}", IS_HELD);
            let waits = text.replace("{lock}", "FOR UPDATE").replace("{is_held}", "false");
            Lock { skips: fill_for(patience.min(LONGEST_STALL), &skips).into(), waits: fill(&waits).into() }
        };
        Self {
            get: fill(GET).into(),
            set: lock(SET),
            touch: lock(TOUCH),
            destroy: lock(DESTROY),
            rotate: fill(ROTATE).into(),
            list_by_user: fill(LIST_BY_USER).into(),
            destroy_by_user: fill(DESTROY_BY_USER).into(),
            prune: fill(PRUNE).into(),
            count: fill(COUNT).into(),
            clear: fill(CLEAR).into(),
        }
    }
}

/// How long a statement may wait for others, each time that it does: a setting of the transaction, so that nothing stays
/// behind in a session that others share.
const PATIENCE: &str = "(SELECT set_config('lock_timeout', '{lock_timeout}', true)) AS patience";

/// How long a batch may be held up by another transaction that has inserted one of its keys, and not committed yet.
const LONGEST_STALL: Duration = Duration::from_millis(100);

/// The server's clock in milliseconds, at this moment.
const NOW: &str = "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// The same when the statement came in, which is before it looks at any row.
const BEGAN: &str = "floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint";

/// Whether a row that could not be locked is there; by `OFFSET`, looked up for each key alone.
const IS_HELD: &str = "EXISTS (SELECT FROM {table} AS t WHERE t.key = want.key OFFSET 0)";

/// G1: `$1` keys. It gives the live ones, each with its place among the keys.
const GET: &str = "
SELECT want.n, clock.now, t.owner, t.created_at, t.last_seen_at, t.expires_at, t.deadline, t.version, t.data
FROM (SELECT {began} AS now OFFSET 0) AS clock, unnest((SELECT $1::bytea[])) WITH ORDINALITY AS want(key, n)
CROSS JOIN LATERAL (SELECT * FROM {table} AS t WHERE t.key = want.key OFFSET 0) AS t
WHERE t.expires_at > clock.now";

/// S1 to S8: `$1` keys, `$2` modes, `$3` expected versions, `$4` versions, `$5` what becomes of the owners, `$6`
/// owners, `$7` idle, `$8` absolute, `$9` data. It gives the keys with their verdicts; none for a key that another
/// statement has inserted meanwhile.
const SET: &str = "
WITH want AS MATERIALIZED (
    SELECT w.* FROM {patience}, unnest((SELECT $1::bytea[]), (SELECT $2::text[]), (SELECT $3::bytea[]),
        (SELECT $4::bytea[]), (SELECT $5::text[]), (SELECT $6::bytea[]),
        (SELECT $7::bigint[]), (SELECT $8::bigint[]), (SELECT $9::bytea[]))
        AS w(key, mode, expected, version, ownership, owner, idle, absolute, data)
), locked AS MATERIALIZED (
    SELECT t.* FROM want CROSS JOIN LATERAL (
        SELECT t.key, t.owner, t.created_at, t.expires_at, t.version FROM {table} AS t WHERE t.key = want.key {lock}
    ) AS t
), clock AS MATERIALIZED (
    SELECT {now} AS now, count(*) AS locked FROM locked
), judged AS MATERIALIZED (
    SELECT want.key, clock.now, clock.now + want.idle AS idle_end, want.absolute, want.version, want.data,
        locked.key IS NOT NULL AS is_there,
        CASE WHEN locked.expires_at > clock.now THEN locked.created_at ELSE clock.now END AS created_at,
        CASE
            WHEN want.ownership = 'user' THEN want.owner
            WHEN want.ownership = 'keep' AND locked.expires_at > clock.now THEN locked.owner
        END AS owner,
        CASE
            WHEN locked.key IS NULL AND {is_held} THEN 'busy'
            WHEN locked.expires_at > clock.now THEN CASE
                WHEN want.mode = 'create' THEN 'exists'
                WHEN want.mode = 'update' AND locked.version <> want.expected THEN 'conflict'
                ELSE 'ok'
            END
            WHEN want.mode IN ('replace', 'update') THEN 'missing'
            ELSE 'ok'
        END AS verdict
    FROM clock CROSS JOIN want LEFT JOIN locked ON locked.key = want.key
), updated AS (
    UPDATE {table} AS t SET owner = j.owner, created_at = j.created_at, last_seen_at = j.now,
        expires_at = LEAST(j.idle_end, j.created_at + j.absolute), deadline = j.created_at + j.absolute,
        prune_at = LEAST(t.prune_at, j.idle_end, j.created_at + j.absolute), version = j.version, data = j.data
    FROM judged AS j WHERE t.key = j.key AND j.is_there AND j.verdict = 'ok'
    RETURNING t.key
), inserted AS (
    INSERT INTO {table} (key, owner, created_at, last_seen_at, expires_at, deadline, prune_at, version, data)
    SELECT key, owner, now, now, LEAST(idle_end, now + absolute), now + absolute, LEAST(idle_end, now + absolute),
        version, data
    FROM judged WHERE NOT is_there AND verdict = 'ok' ORDER BY key
    ON CONFLICT (key) DO NOTHING
    RETURNING key
)
SELECT key, verdict FROM judged WHERE verdict <> 'ok'
UNION ALL SELECT key, 'ok' FROM updated
UNION ALL SELECT key, 'ok' FROM inserted";

/// T1 to T5: `$1` keys, `$2` idle. It gives the keys with their verdicts.
const TOUCH: &str = "
WITH want AS MATERIALIZED (
    SELECT w.* FROM {patience}, unnest((SELECT $1::bytea[]), (SELECT $2::bigint[])) AS w(key, idle)
), locked AS MATERIALIZED (
    SELECT t.*, want.idle FROM want CROSS JOIN LATERAL (
        SELECT t.key, t.last_seen_at, t.expires_at, t.deadline FROM {table} AS t WHERE t.key = want.key {lock}
    ) AS t
), clock AS MATERIALIZED (
    SELECT {now} AS now, count(*) AS locked FROM locked
), judged AS MATERIALIZED (
    SELECT locked.*, clock.now, CASE WHEN locked.expires_at > clock.now THEN 'ok' ELSE 'missing' END AS verdict
    FROM clock, locked
), touched AS (
    UPDATE {table} AS t SET last_seen_at = GREATEST(judged.last_seen_at, judged.now),
        expires_at = GREATEST(judged.expires_at, LEAST(judged.now + judged.idle, judged.deadline))
    FROM judged WHERE t.key = judged.key AND judged.verdict = 'ok'
)
SELECT want.key, CASE WHEN judged.key IS NULL AND {is_held} THEN 'busy' ELSE COALESCE(judged.verdict, 'missing') END
FROM want LEFT JOIN judged ON judged.key = want.key";

/// D1, D2: `$1` keys. It gives the keys with their verdicts.
const DESTROY: &str = "
WITH want AS MATERIALIZED (
    SELECT w.* FROM {patience}, unnest((SELECT $1::bytea[])) AS w(key)
), locked AS MATERIALIZED (
    SELECT t.* FROM want CROSS JOIN LATERAL (
        SELECT t.key, t.expires_at FROM {table} AS t WHERE t.key = want.key {lock}
    ) AS t
), clock AS MATERIALIZED (
    SELECT {now} AS now, count(*) AS locked FROM locked
), judged AS MATERIALIZED (
    SELECT locked.key, CASE WHEN locked.expires_at > clock.now THEN 'ok' ELSE 'missing' END AS verdict
    FROM clock, locked
), gone AS (
    DELETE FROM {table} AS t USING judged WHERE t.key = judged.key AND judged.verdict IN ('ok', 'missing')
)
SELECT want.key, CASE WHEN judged.key IS NULL AND {is_held} THEN 'busy' ELSE COALESCE(judged.verdict, 'missing') END
FROM want LEFT JOIN judged ON judged.key = want.key";

/// R1 to R4: `$1` from, `$2` to, `$3` expected version or null, `$4` version, `$5` what becomes of the owner, `$6`
/// owner, `$7` idle, `$8` absolute, `$9` data. The key changes in place, so that whoever waits for the row finds it.
/// It gives the verdict; a duplicate key, where another statement has inserted `to` meanwhile.
const ROTATE: &str = "
WITH want AS MATERIALIZED (
    SELECT w.key FROM {patience}, (VALUES (LEAST($1::bytea, $2)), (GREATEST($1, $2))) AS w(key) ORDER BY w.key
), locked AS MATERIALIZED (
    SELECT t.* FROM want CROSS JOIN LATERAL (
        SELECT t.key, t.created_at, t.expires_at, t.version FROM {table} AS t WHERE t.key = want.key FOR UPDATE
    ) AS t
), clock AS MATERIALIZED (
    SELECT {now} AS now, count(*) AS locked FROM locked
), judged AS MATERIALIZED (
    SELECT clock.now, old.created_at, old.created_at + $8::bigint AS deadline, CASE
        WHEN old.expires_at > clock.now IS NOT TRUE THEN 'missing'
        WHEN old.version <> $3::bytea THEN 'conflict'
        WHEN new.expires_at > clock.now THEN 'exists'
        ELSE 'ok'
    END AS verdict
    FROM clock LEFT JOIN locked AS old ON old.key = $1 LEFT JOIN locked AS new ON new.key = $2
), leftover AS (
    DELETE FROM {table} AS t USING judged WHERE t.key = $2 AND judged.verdict = 'ok' RETURNING t.key
), removed AS MATERIALIZED (
    SELECT count(*) AS leftovers FROM leftover
), moved AS (
    UPDATE {table} AS t SET key = $2, version = $4, data = $9, last_seen_at = judged.now,
        owner = CASE $5::text WHEN 'keep' THEN t.owner WHEN 'user' THEN $6::bytea END,
        expires_at = LEAST(judged.now + $7::bigint, judged.deadline), deadline = judged.deadline,
        prune_at = LEAST(t.prune_at, judged.now + $7, judged.deadline)
    FROM judged, removed
    WHERE t.key = $1 AND judged.verdict = 'ok' AND removed.leftovers >= 0
)
SELECT verdict FROM judged";

/// L1 to L3: `$1` user, `$2` the key to begin after, `$3` limit.
const LIST_BY_USER: &str = "
SELECT t.key, t.owner, t.created_at, t.last_seen_at, t.expires_at, t.deadline, t.version
FROM {table} AS t
WHERE t.owner = $1 AND t.key > $2 AND t.expires_at > {began}
ORDER BY t.key LIMIT $3";

/// B1: `$1` user, `$2` the key to spare, `$3` how many. It gives how many rows were met, and how many live sessions
/// ended.
const DESTROY_BY_USER: &str = "
WITH locked AS MATERIALIZED (
    SELECT t.key FROM {patience} CROSS JOIN LATERAL (
        SELECT t.key FROM {table} AS t WHERE t.owner = $1 AND t.key <> $2 AND patience.set_config IS NOT NULL
        ORDER BY t.key LIMIT $3 FOR UPDATE
    ) AS t
), clock AS MATERIALIZED (
    SELECT {now} AS now, count(*) AS met FROM locked
), ended AS (
    DELETE FROM {table} AS t USING clock, locked WHERE t.key = locked.key AND t.owner = $1
    RETURNING t.expires_at > clock.now AS was_live
)
SELECT (SELECT met FROM clock), count(*) FILTER (WHERE was_live) FROM ended";

/// P1 to P3: `$1` how many. It looks at the sessions that are due, removes those that are dead, and makes the others
/// due again when they expire. It gives how many were met, how many of them removed, and whether others are due.
const PRUNE: &str = "
WITH due AS MATERIALIZED (
    SELECT t.key FROM {table} AS t WHERE t.prune_at <= {began} ORDER BY t.prune_at LIMIT $1::bigint + 1
), locked AS MATERIALIZED (
    SELECT t.* FROM due CROSS JOIN LATERAL (
        SELECT t.key, t.expires_at FROM {table} AS t WHERE t.key = due.key AND t.prune_at <= {began}
        FOR UPDATE SKIP LOCKED
    ) AS t LIMIT $1
), clock AS MATERIALIZED (
    SELECT {now} AS now, count(*) AS locked FROM locked
), judged AS MATERIALIZED (
    SELECT locked.*, CASE WHEN locked.expires_at > clock.now THEN 'live' ELSE 'dead' END AS verdict FROM clock, locked
), removed AS (
    DELETE FROM {table} AS t USING judged WHERE t.key = judged.key AND judged.verdict = 'dead' RETURNING t.key
), postponed AS (
    UPDATE {table} AS t SET prune_at = judged.expires_at FROM judged
    WHERE t.key = judged.key AND judged.verdict = 'live'
)
SELECT locked, (SELECT count(*) FROM removed), (SELECT count(*) FROM due) > locked FROM clock";

/// C1: `$1` the key to begin after, `$2` how many rows. It gives how many sessions of these are live, and the last
/// key.
const COUNT: &str = "
WITH met AS MATERIALIZED (
    SELECT t.key, t.expires_at FROM {table} AS t WHERE t.key > $1 ORDER BY t.key LIMIT $2
)
SELECT count(*) FILTER (WHERE expires_at > {began}), (SELECT key FROM met ORDER BY key DESC LIMIT 1) FROM met";

/// C1: `$1` the key to begin after, `$2` how many rows. It gives how many live sessions ended, and the last key. A row
/// whose key changes meanwhile is left to the next walk.
const CLEAR: &str = "
WITH met AS MATERIALIZED (
    SELECT t.key FROM {table} AS t WHERE t.key > $1 ORDER BY t.key LIMIT $2
), locked AS MATERIALIZED (
    SELECT t.key FROM {patience}, met CROSS JOIN LATERAL (
        SELECT t.key FROM {table} AS t WHERE t.key = met.key AND patience.set_config IS NOT NULL FOR UPDATE
    ) AS t
), clock AS MATERIALIZED (
    SELECT {now} AS now, count(*) AS locked FROM locked
), ended AS (
    DELETE FROM {table} AS t USING clock, locked WHERE t.key = locked.key
    RETURNING t.expires_at > clock.now AS was_live
)
SELECT count(*) FILTER (WHERE was_live), (SELECT key FROM met ORDER BY key DESC LIMIT 1) FROM ended";
