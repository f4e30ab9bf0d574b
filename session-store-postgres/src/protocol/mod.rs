//! The statements. Each decides and changes in one step, by the server's clock, which a change reads after its rows
//! are locked (clauses T2 and X1), and a read before it looks (K1).
//!
//! No statement waits for a row that another one holds: it skips it and says `busy`, and is asked again. All that may
//! be waited for, and not for long, is another transaction that is just inserting the same key. So nobody is held up by
//! rows of others, and two nodes cannot deadlock.
//!
//! Rows are looked up one by one in a `LATERAL`, so that a plan made while the table was small is no full scan when it is
//! large, and changed at the place where they were locked (`ctid`), without a second look into the index. Arrays come out of a `SELECT`, so that the server does not see how long they are, and keeps one plan for all.

use std::sync::Arc;

use crate::names::Names;

/// The statements on one table.
#[derive(Debug)]
pub(crate) struct Sql {
    pub(crate) get: Statement,
    /// For any mode.
    pub(crate) set: Statement,
    /// For those that create no session.
    pub(crate) save: Statement,
    pub(crate) touch: Statement,
    pub(crate) destroy: Statement,
    pub(crate) rotate: Arc<str>,
    pub(crate) list_by_user: Arc<str>,
    pub(crate) destroy_by_user: Arc<str>,
    pub(crate) prune: Arc<str>,
    pub(crate) count: Arc<str>,
    pub(crate) clear: Arc<str>,
}

/// A statement for many sessions, whose values are arrays, and the same for one, which is quicker.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) many: Arc<str>,
    pub(crate) one: Arc<str>,
}

impl Sql {
    pub(crate) fn new(names: &Names) -> Self {
        let table = names.table();
        let fill = |text: &str| -> Arc<str> {
            let parts = [
                ("{ended}", ENDED),
                ("{clock}", CLOCK),
                ("{patience}", PATIENCE),
                ("{is_held}", IS_HELD),
                ("{now}", NOW),
                ("{began}", BEGAN),
                // Last, because a table may have any name.
                ("{table}", &table),
            ];
            parts.iter().fold(text.to_owned(), |text, (place, part)| text.replace(place, part)).into()
        };
        let change = |text: &str, values: &[(&str, &str)]| Statement {
            many: fill(&text.replace("{want}", &many(values))),
            one: fill(&text.replace("{want}", &one(values))),
        };
        Self {
            get: Statement { many: fill(GET), one: fill(GET_ONE) },
            set: change(&SET.replace("{insert}", INSERT).replace("{inserted}", INSERTED), &SET_VALUES),
            save: change(&SET.replace("{insert}", "").replace("{inserted}", ""), &SET_VALUES),
            touch: change(TOUCH, &[KEY, ("idle", "bigint")]),
            destroy: change(DESTROY, &[KEY]),
            rotate: fill(ROTATE),
            list_by_user: fill(LIST_BY_USER),
            destroy_by_user: fill(DESTROY_BY_USER),
            prune: fill(PRUNE),
            count: fill(COUNT),
            clear: fill(CLEAR),
        }
    }
}

const KEY: (&str, &str) = ("key", "bytea");

/// One row for each element of the arrays.
fn many(values: &[(&str, &str)]) -> String {
    let arrays = values.iter().enumerate().map(|(n, (_, of))| format!("(SELECT ${}::{of}[])", n + 1));
    let names = values.iter().map(|(name, _)| *name);
    format!(
        "MATERIALIZED (SELECT * FROM unnest({}) AS w({}))",
        arrays.collect::<Vec<_>>().join(", "),
        names.collect::<Vec<_>>().join(", ")
    )
}

/// The same for values that are no arrays.
fn one(values: &[(&str, &str)]) -> String {
    let columns = values.iter().enumerate().map(|(n, (name, of))| format!("${}::{of} AS {name}", n + 1));
    format!("(SELECT {})", columns.collect::<Vec<_>>().join(", "))
}

/// How long a statement may be held up by a transaction that is inserting one of its keys, where it could deadlock with
/// it otherwise. A setting of the transaction, so that nothing stays behind in a session that others share.
const PATIENCE: &str = "(SELECT set_config('lock_timeout', '50', true)) AS patience";

/// The server's clock in milliseconds, at this moment.
const NOW: &str = "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// The same when the statement came in, which is before it looks at any row.
const BEGAN: &str = "floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint";

/// The time of a change. It is read when all rows are locked, because they are counted first.
const CLOCK: &str = "clock AS MATERIALIZED (
    SELECT {now} AS now, count(*) AS locked FROM locked
)";

/// The end of what was locked, whether it was live or dead. Naming both verdicts has the planner expect few rows.
const ENDED: &str = ", {clock}, judged AS MATERIALIZED (
    SELECT locked.key, CASE WHEN locked.expires_at > clock.now THEN 'live' ELSE 'dead' END AS verdict
    FROM clock, locked
), ended AS (
    DELETE FROM {table} AS t USING judged WHERE t.key = judged.key AND judged.verdict IN ('live', 'dead')
    RETURNING judged.verdict
)";

/// Whether a row that could not be locked is there; by `OFFSET`, looked up for each key alone.
const IS_HELD: &str = "EXISTS (SELECT FROM {table} AS t WHERE t.key = want.key OFFSET 0)";

/// G1. It gives the live ones, each with its place among the keys.
const GET: &str = "
SELECT want.n, clock.now, t.owner, t.created_at, t.last_seen_at, t.expires_at, t.deadline, t.version, t.data
FROM (SELECT {began} AS now OFFSET 0) AS clock, unnest((SELECT $1::bytea[])) WITH ORDINALITY AS want(key, n)
CROSS JOIN LATERAL (SELECT * FROM {table} AS t WHERE t.key = want.key OFFSET 0) AS t
WHERE t.expires_at > clock.now";

/// The same of one key.
const GET_ONE: &str = "
SELECT 1::bigint, {began}, t.owner, t.created_at, t.last_seen_at, t.expires_at, t.deadline, t.version, t.data
FROM {table} AS t WHERE t.key = $1::bytea AND t.expires_at > {began}";

const SET_VALUES: [(&str, &str); 9] = [
    KEY,
    ("mode", "text"),
    ("expected", "bytea"),
    ("version", "bytea"),
    ("ownership", "text"),
    ("owner", "bytea"),
    ("idle", "bigint"),
    ("absolute", "bigint"),
    ("data", "bytea"),
];

/// S1 to S8. It gives the keys with their verdicts; none for a key that another statement has inserted or changed
/// meanwhile.
const SET: &str = "
WITH want AS {want}, locked AS MATERIALIZED (
    SELECT t.* FROM {patience}, want CROSS JOIN LATERAL (
        SELECT t.key, t.ctid, t.owner, t.created_at, t.expires_at, t.version FROM {table} AS t WHERE t.key = want.key
        FOR UPDATE SKIP LOCKED
    ) AS t
), {clock}, judged AS MATERIALIZED (
    SELECT want.key, clock.now, clock.now + want.idle AS idle_end, want.absolute, want.version, want.data,
        locked.ctid AS place,
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
    FROM judged AS j WHERE t.ctid = j.place AND j.verdict = 'ok'
    RETURNING t.key
){insert}
SELECT key, verdict FROM judged WHERE verdict <> 'ok' UNION ALL SELECT key, 'ok' FROM updated{inserted}";

/// What comes to it where a session may be created: without, a save is a tenth quicker.
const INSERT: &str = ", inserted AS (
    INSERT INTO {table} (key, owner, created_at, last_seen_at, expires_at, deadline, prune_at, version, data)
    SELECT key, owner, now, now, LEAST(idle_end, now + absolute), now + absolute, LEAST(idle_end, now + absolute),
        version, data
    FROM judged WHERE place IS NULL AND verdict = 'ok' ORDER BY key
    ON CONFLICT (key) DO NOTHING
    RETURNING key
)";
const INSERTED: &str = " UNION ALL SELECT key, 'ok' FROM inserted";

/// T1 to T5. It gives the keys with their verdicts; none for a key that another statement has changed meanwhile.
const TOUCH: &str = "
WITH want AS {want}, locked AS MATERIALIZED (
    SELECT t.* FROM want CROSS JOIN LATERAL (
        SELECT t.key, t.ctid, t.last_seen_at, t.expires_at, t.deadline FROM {table} AS t WHERE t.key = want.key
        FOR UPDATE SKIP LOCKED
    ) AS t
), {clock}, judged AS MATERIALIZED (
    SELECT want.key, want.idle, clock.now, locked.ctid AS place, locked.last_seen_at, locked.expires_at, locked.deadline,
        CASE
            WHEN locked.expires_at > clock.now THEN 'ok'
            WHEN locked.key IS NULL AND {is_held} THEN 'busy'
            ELSE 'missing'
        END AS verdict
    FROM clock CROSS JOIN want LEFT JOIN locked ON locked.key = want.key
), touched AS (
    UPDATE {table} AS t SET last_seen_at = GREATEST(j.last_seen_at, j.now),
        expires_at = GREATEST(j.expires_at, LEAST(j.now + j.idle, j.deadline))
    FROM judged AS j WHERE t.ctid = j.place AND j.verdict = 'ok'
    RETURNING t.key
)
SELECT key, verdict FROM judged WHERE verdict <> 'ok' UNION ALL SELECT key, 'ok' FROM touched";

/// D1, D2. It gives the keys with their verdicts; none for a key that another statement has changed meanwhile.
const DESTROY: &str = "
WITH want AS {want}, locked AS MATERIALIZED (
    SELECT t.* FROM want CROSS JOIN LATERAL (
        SELECT t.key, t.ctid, t.expires_at FROM {table} AS t WHERE t.key = want.key FOR UPDATE SKIP LOCKED
    ) AS t
), {clock}, judged AS MATERIALIZED (
    SELECT want.key, locked.ctid AS place, CASE
        WHEN locked.expires_at > clock.now THEN 'ok'
        WHEN locked.key IS NULL AND {is_held} THEN 'busy'
        ELSE 'missing'
    END AS verdict
    FROM clock CROSS JOIN want LEFT JOIN locked ON locked.key = want.key
), gone AS (
    DELETE FROM {table} AS t USING judged AS j WHERE t.ctid = j.place AND j.verdict IN ('ok', 'missing')
    RETURNING t.key, j.verdict
)
SELECT key, verdict FROM judged WHERE place IS NULL UNION ALL SELECT key, verdict FROM gone";

/// R1 to R4: `$1` from, `$2` to, `$3` expected version or null, `$4` version, `$5` what becomes of the owner, `$6`
/// owner, `$7` idle, `$8` absolute, `$9` data. The key changes in place, so that whoever looks for the row finds it. It
/// gives the verdict; a duplicate key, where another statement has inserted `to` meanwhile.
const ROTATE: &str = "
WITH want AS MATERIALIZED (
    SELECT w.key FROM {patience}, (VALUES ($1::bytea), ($2)) AS w(key)
), locked AS MATERIALIZED (
    SELECT t.* FROM want CROSS JOIN LATERAL (
        SELECT t.key, t.created_at, t.expires_at, t.version FROM {table} AS t WHERE t.key = want.key FOR UPDATE SKIP LOCKED
    ) AS t
), {clock}, judged AS MATERIALIZED (
    SELECT clock.now, old.created_at, old.created_at + $8::bigint AS deadline, CASE
        WHEN EXISTS (SELECT FROM want WHERE {is_held} AND NOT EXISTS (SELECT FROM locked WHERE locked.key = want.key))
            THEN 'busy'
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

/// L1 to L3: `$1` user, `$2` the key to begin after, `$3` limit. Two columns are compared, for which there is one index
/// only.
const LIST_BY_USER: &str = "
SELECT t.key, t.owner, t.created_at, t.last_seen_at, t.expires_at, t.deadline, t.version
FROM {table} AS t
WHERE t.owner = $1 AND (t.owner, t.key) > ($1, $2) AND t.expires_at > {began}
ORDER BY t.key LIMIT $3";

/// B1: `$1` user, `$2` the key to spare, `$3` how many. It gives how many live sessions ended, how many rows were
/// removed, and whether it has left others, or rows that were held or moved.
const DESTROY_BY_USER: &str = "
WITH met AS MATERIALIZED (
    SELECT t.key FROM {table} AS t WHERE t.owner = $1 AND t.key <> $2 ORDER BY t.key LIMIT $3::bigint + 1
), locked AS MATERIALIZED (
    SELECT t.* FROM met CROSS JOIN LATERAL (
        SELECT t.key, t.expires_at FROM {table} AS t WHERE t.key = met.key AND t.owner = $1 FOR UPDATE SKIP LOCKED
    ) AS t LIMIT $3
){ended}
SELECT count(*) FILTER (WHERE verdict = 'live'), count(*), (SELECT count(*) FROM met) > count(*) FROM ended";

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
), {clock}, judged AS MATERIALIZED (
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

/// C1: `$1` the key to begin after, `$2` how many rows. It gives how many live sessions ended, the last key, and
/// whether rows were left that were held or moved.
const CLEAR: &str = "
WITH met AS MATERIALIZED (
    SELECT t.key FROM {table} AS t WHERE t.key > $1 ORDER BY t.key LIMIT $2
), locked AS MATERIALIZED (
    SELECT t.* FROM met CROSS JOIN LATERAL (
        SELECT t.key, t.expires_at FROM {table} AS t WHERE t.key = met.key FOR UPDATE SKIP LOCKED
    ) AS t
){ended}
SELECT count(*) FILTER (WHERE verdict = 'live'), (SELECT key FROM met ORDER BY key DESC LIMIT 1),
    (SELECT count(*) FROM met) > count(*)
FROM ended";
