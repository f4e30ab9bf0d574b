//! Changes of sessions.

use std::collections::HashMap;
use std::time::Duration;

use session_store_core::backend::{Change, Deadline, Destroy, Import, Rotate, Set, Touch, Verdict};
use session_store_core::{Owner, SessionKey, SetMode, UserId, Write};
use sqlx::postgres::PgRow;

use super::{Forms, Statements};
use crate::error::Error;
use crate::record::{self, value};
use crate::value::Value;

const KEY: (&str, &str) = ("key", "bytea");

pub(super) const SET_VALUES: [(&str, &str); 9] = [
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

/// S1 to S8. It returns the keys with their verdicts; none for a key that another statement has inserted or changed
/// meanwhile.
const SET: &str = "
WITH want AS {want}, locked AS MATERIALIZED (
    SELECT t.* FROM {brief_wait}want CROSS JOIN LATERAL (
        SELECT t.key, t.ctid, t.owner, t.created_at, t.expires_at, t.deadline, t.version FROM {table} AS t
        WHERE t.key = want.key
        FOR UPDATE{skip}
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
                WHEN {unreadable locked} THEN 'corrupt'
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
    FROM judged AS j WHERE {at} AND j.verdict = 'ok'
    RETURNING t.key
){insert}
SELECT key, verdict FROM judged WHERE verdict <> 'ok' UNION ALL SELECT key, 'ok' FROM updated{inserted}";

/// What is added to it if a session may be created: without it, a save is a tenth faster.
const INSERT: &str = ", inserted AS (
    INSERT INTO {table} (key, owner, created_at, last_seen_at, expires_at, deadline, prune_at, version, data)
    SELECT key, owner, now, now, LEAST(idle_end, now + absolute), now + absolute, LEAST(idle_end, now + absolute),
        version, data
    FROM judged WHERE place IS NULL AND verdict = 'ok' ORDER BY key
    ON CONFLICT (key) DO NOTHING
    RETURNING key
)";
const INSERTED: &str = " UNION ALL SELECT key, 'ok' FROM inserted";

pub(super) fn set_text(may_create: bool) -> String {
    if may_create {
        return SET.replace("{insert}", INSERT).replace("{inserted}", INSERTED);
    }
    // Without an insert, nothing is waited for.
    SET.replace("{brief_wait}", "").replace("{insert}", "").replace("{inserted}", "")
}

pub(super) const TOUCH_VALUES: [(&str, &str); 2] = [KEY, ("idle", "bigint")];

/// T1 to T5. It returns the keys with their verdicts; none for a key that another statement has changed meanwhile.
pub(super) const TOUCH: &str = "
WITH want AS {want}, locked AS MATERIALIZED (
    SELECT t.* FROM want CROSS JOIN LATERAL (
        SELECT t.key, t.ctid, t.last_seen_at, t.expires_at, t.deadline FROM {table} AS t WHERE t.key = want.key
        FOR UPDATE{skip}
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
    FROM judged AS j WHERE {at} AND j.verdict = 'ok'
    RETURNING t.key
)
SELECT key, verdict FROM judged WHERE verdict <> 'ok' UNION ALL SELECT key, 'ok' FROM touched";

pub(super) const DESTROY_VALUES: [(&str, &str); 2] = [KEY, ("expected", "bytea")];

/// D1, D2, D4. It returns the keys with their verdicts; none for a key that another statement has changed meanwhile.
pub(super) const DESTROY: &str = "
WITH want AS {want}, locked AS MATERIALIZED (
    SELECT t.* FROM want CROSS JOIN LATERAL (
        SELECT t.key, t.ctid, t.owner, t.created_at, t.expires_at, t.deadline, t.version FROM {table} AS t
        WHERE t.key = want.key FOR UPDATE{skip}
    ) AS t
), {clock}, judged AS MATERIALIZED (
    SELECT want.key, locked.ctid AS place, CASE
        WHEN locked.expires_at > clock.now THEN CASE
            WHEN want.expected IS NULL THEN 'ok'
            WHEN {unreadable locked} THEN 'corrupt'
            WHEN locked.version <> want.expected THEN 'conflict'
            ELSE 'ok'
        END
        WHEN locked.key IS NULL AND {is_held} THEN 'busy'
        ELSE 'missing'
    END AS verdict
    FROM clock CROSS JOIN want LEFT JOIN locked ON locked.key = want.key
), gone AS (
    DELETE FROM {table} AS t USING judged AS j WHERE {at} AND j.verdict IN ('ok', 'missing')
    RETURNING t.key, j.verdict
)
SELECT key, verdict FROM judged WHERE place IS NULL OR verdict IN ('conflict', 'corrupt')
UNION ALL SELECT key, verdict FROM gone";

pub(super) const IMPORT_VALUES: [(&str, &str); 8] = [
    KEY,
    ("owner", "bytea"),
    ("created_at", "bigint"),
    ("last_seen_at", "bigint"),
    ("expires_at", "bigint"),
    ("deadline", "bigint"),
    ("version", "bytea"),
    ("data", "bytea"),
];

/// W1. It returns the keys with their verdicts; none for a key that another statement has inserted or changed
/// meanwhile.
pub(super) const IMPORT: &str = "
WITH want AS {want}, locked AS MATERIALIZED (
    SELECT t.* FROM {brief_wait}want CROSS JOIN LATERAL (
        SELECT t.key, t.ctid, t.owner, t.created_at, t.expires_at, t.deadline, t.version FROM {table} AS t
        WHERE t.key = want.key FOR UPDATE{skip}
    ) AS t
), {clock}, judged AS MATERIALIZED (
    SELECT want.*, locked.ctid AS place, CASE
        WHEN want.expires_at <= clock.now THEN 'missing'
        WHEN locked.key IS NULL AND {is_held} THEN 'busy'
        WHEN locked.expires_at > clock.now AND {unreadable locked} THEN 'corrupt'
        ELSE 'ok'
    END AS verdict
    FROM clock CROSS JOIN want LEFT JOIN locked ON locked.key = want.key
), updated AS (
    UPDATE {table} AS t SET owner = j.owner, created_at = j.created_at, last_seen_at = j.last_seen_at,
        expires_at = j.expires_at, deadline = j.deadline, prune_at = LEAST(t.prune_at, j.expires_at),
        version = j.version, data = j.data
    FROM judged AS j WHERE {at} AND j.verdict = 'ok'
    RETURNING t.key
), inserted AS (
    INSERT INTO {table} (key, owner, created_at, last_seen_at, expires_at, deadline, prune_at, version, data)
    SELECT key, owner, created_at, last_seen_at, expires_at, deadline, expires_at, version, data
    FROM judged WHERE place IS NULL AND verdict = 'ok' ORDER BY key
    ON CONFLICT (key) DO NOTHING
    RETURNING key
)
SELECT key, verdict FROM judged WHERE verdict <> 'ok' UNION ALL SELECT key, 'ok' FROM updated
UNION ALL SELECT key, 'ok' FROM inserted";

pub(super) const ROTATE_VALUES: usize = 9;

/// R1 to R4: `$1` from, `$2` to, `$3` expected version or null, `$4` version, `$5` what becomes of the owner, `$6`
/// owner, `$7` idle, `$8` absolute, `$9` data. The key changes in place, so that everybody who looks for the row finds
/// it. Rows are locked in the order of their keys, so that two rotations that wait cannot deadlock. It returns the
/// verdict; a duplicate key, if another statement has inserted `to` meanwhile.
pub(super) const ROTATE: &str = "
WITH want AS MATERIALIZED (
    SELECT w.key FROM {wait}, (VALUES ($1::bytea), ($2)) AS w(key) ORDER BY w.key
), locked AS MATERIALIZED (
    SELECT t.* FROM want CROSS JOIN LATERAL (
        SELECT t.key, t.owner, t.created_at, t.expires_at, t.deadline, t.version FROM {table} AS t
        WHERE t.key = want.key FOR UPDATE{skip}
    ) AS t
), {clock}, judged AS MATERIALIZED (
    SELECT clock.now, old.created_at, old.created_at + $8::bigint AS deadline, CASE
        WHEN EXISTS (SELECT FROM want WHERE {is_held} AND NOT EXISTS (SELECT FROM locked WHERE locked.key = want.key))
            THEN 'busy'
        WHEN old.expires_at > clock.now IS NOT TRUE THEN 'missing'
        WHEN {unreadable old} THEN 'corrupt'
        WHEN old.version <> $3::bytea THEN 'conflict'
        WHEN new.expires_at > clock.now THEN CASE WHEN {unreadable new} THEN 'corrupt target' ELSE 'exists' END
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

/// Whether a row cannot be read (clause Z3): the same check as `record::Columns::decode`, for a row with this alias.
/// The owner of nearly every session is ASCII, of which `encode` makes as many bytes. The others take a regular
/// expression, which is slower: a conversion would raise an error if the bytes are not UTF-8.
const UNREADABLE: &str = "(octet_length(t.version) <> 16 OR t.created_at >= t.deadline OR t.expires_at > t.deadline
    OR CASE
        WHEN t.owner IS NULL THEN false
        WHEN octet_length(t.owner) NOT BETWEEN 1 AND 256 THEN true
        WHEN octet_length(encode(t.owner, 'escape')) = octet_length(t.owner) THEN false
        ELSE encode(t.owner, 'hex') !~ '^(?:0[1-9a-f]|[1-7].|(?:c[2-9a-f]|d.)[89ab].|e0[ab].[89ab].|\
    (?:e[1-9a-cef])[89ab].[89ab].|ed[89].[89ab].|f0[9ab].[89ab].[89ab].|f[1-3][89ab].[89ab].[89ab].|\
    f48.[89ab].[89ab].)+$'
    END)";

/// Replaces `{unreadable alias}` by the check of the row with this alias.
pub(super) fn with_unreadable(text: &str) -> String {
    ["locked", "old", "new"].iter().fold(text.to_owned(), |text, alias| {
        text.replace(&format!("{{unreadable {alias}}}"), &UNREADABLE.replace("t.", &format!("{alias}.")))
    })
}

/// Returns the forms of the statement for changes of one kind, and its values; `None` if they are none of these.
/// Rotations have a statement of their own.
pub(crate) fn statement<'c>(statements: &'c Statements, changes: &'c [Change]) -> Option<(&'c Forms, Vec<Value<'c>>)> {
    macro_rules! all {
        ($kind:ident) => {{
            let of_kind = |change: &'c Change| if let Change::$kind(change) = change { Some(change) } else { None };
            changes.iter().map(of_kind).collect::<Option<Vec<_>>>()?
        }};
    }
    Some(match changes.first()? {
        Change::Set(_) => {
            let sets = all!(Set);
            let creates = |set: &&Set| matches!(set.mode, SetMode::Create | SetMode::Upsert);
            let forms = if sets.iter().any(creates) { &statements.set } else { &statements.save };
            (forms, set_values(&sets))
        }
        Change::Touch(_) => (&statements.touch, touch_values(&all!(Touch))),
        Change::Destroy(_) => (&statements.destroy, destroy_values(&all!(Destroy))),
        Change::Import(_) => (&statements.import, import_values(&all!(Import))),
        Change::Rotate(_) => return None,
    })
}

fn set_values<'v>(sets: &[&'v Set]) -> Vec<Value<'v>> {
    let mode = |set: &'v Set| match &set.mode {
        SetMode::Create => ("create", None),
        SetMode::Replace => ("replace", None),
        SetMode::Update(version) => ("update", Some(&version.as_bytes()[..])),
        SetMode::Upsert => ("upsert", None),
    };
    vec![
        many_bytes(sets, |set| Some(set.key.as_bytes())),
        Value::ManyTexts(sets.iter().map(|set| mode(set).0).collect()),
        many_bytes(sets, |set| mode(set).1),
        many_bytes(sets, |set| Some(set.version.as_bytes())),
        Value::ManyTexts(sets.iter().map(|set| owner(&set.write).0).collect()),
        many_bytes(sets, |set| owner(&set.write).1),
        Value::ManyInts(sets.iter().map(|set| millis(set.write.idle())).collect()),
        Value::ManyInts(sets.iter().map(|set| millis(set.write.absolute())).collect()),
        many_bytes(sets, |set| Some(set.write.data())),
    ]
}

fn touch_values<'v>(touches: &[&'v Touch]) -> Vec<Value<'v>> {
    vec![
        many_bytes(touches, |touch| Some(touch.key.as_bytes())),
        Value::ManyInts(touches.iter().map(|touch| millis(touch.idle)).collect()),
    ]
}

fn destroy_values<'v>(destroys: &[&'v Destroy]) -> Vec<Value<'v>> {
    vec![
        many_bytes(destroys, |destroy| Some(destroy.key.as_bytes())),
        many_bytes(destroys, |destroy| destroy.version.as_ref().map(|version| &version.as_bytes()[..])),
    ]
}

fn import_values<'v>(imports: &[&'v Import]) -> Vec<Value<'v>> {
    let time = |time: fn(&Import) -> i64| Value::ManyInts(imports.iter().map(|import| time(import)).collect());
    vec![
        many_bytes(imports, |import| Some(import.key.as_bytes())),
        many_bytes(imports, |import| import.meta.user.as_ref().map(user_bytes)),
        time(|import| import.meta.created_at.as_millis()),
        time(|import| import.meta.last_seen_at.as_millis()),
        time(|import| import.meta.expires_at.as_millis()),
        time(|import| import.meta.deadline.as_millis()),
        many_bytes(imports, |import| Some(import.meta.version.as_bytes())),
        many_bytes(imports, |import| Some(&import.data)),
    ]
}

pub(crate) fn rotate_values(rotate: &Rotate) -> Vec<Value<'_>> {
    let (ownership, owner) = owner(&rotate.write);
    vec![
        Value::Bytes(Some(rotate.from.as_bytes())),
        Value::Bytes(Some(rotate.to.as_bytes())),
        Value::Bytes(rotate.expected.as_ref().map(|version| &version.as_bytes()[..])),
        Value::Bytes(Some(rotate.version.as_bytes())),
        Value::Text(ownership),
        Value::Bytes(owner),
        Value::Int(millis(rotate.write.idle())),
        Value::Int(millis(rotate.write.absolute())),
        Value::Bytes(Some(rotate.write.data())),
    ]
}

fn many_bytes<'v, R>(requests: &[&'v R], value: impl Fn(&'v R) -> Option<&'v [u8]>) -> Value<'v> {
    Value::ManyBytes(requests.iter().copied().map(value).collect())
}

/// Returns what becomes of the owner, as the statements call it, and the new one.
fn owner(write: &Write) -> (&'static str, Option<&[u8]>) {
    match write.owner() {
        Owner::Keep => ("keep", None),
        Owner::Anonymous => ("anonymous", None),
        Owner::User(user) => ("user", Some(user_bytes(user))),
    }
}

fn user_bytes(user: &UserId) -> &[u8] {
    user.as_str().as_bytes()
}

fn millis(timeout: Duration) -> i64 {
    i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX)
}

/// Adds the last value of a statement that waits for its row.
pub(crate) fn with_lock_timeout(mut values: Vec<Value<'_>>, deadline: Deadline) -> Vec<Value<'_>> {
    values.push(Value::LockTimeout(deadline));
    values
}

/// Returns the verdict on each change. A key without one was inserted or changed by another statement meanwhile.
pub(crate) fn verdicts(changes: &[Change], rows: &[PgRow]) -> Result<Vec<Result<Verdict, Error>>, Error> {
    let verdict = |row| Ok((record::key(row, 0)?, verdict(row, 1)?));
    let verdicts: HashMap<Option<SessionKey>, Verdict> = rows.iter().map(verdict).collect::<Result<_, Error>>()?;
    let verdict = |change: &Change| verdicts.get(&Some(*change.key())).copied().unwrap_or(Verdict::Busy);
    Ok(changes.iter().map(|change| Ok(verdict(change))).collect())
}

/// Reads a verdict.
pub(crate) fn verdict(row: &PgRow, column: usize) -> Result<Verdict, Error> {
    Ok(match value(row, column)? {
        "ok" => Verdict::Done,
        "exists" => Verdict::AlreadyExists,
        "missing" => Verdict::NotFound,
        "conflict" => Verdict::Conflict,
        "corrupt" => Verdict::Corrupt,
        "corrupt target" => Verdict::TargetCorrupt,
        "busy" => Verdict::Busy,
        _ => return Err(Error::UnexpectedAnswer),
    })
}
