//! Changes of sessions.
//!
//! A transaction is two commands. The first takes the file's lock, and reads the clock and what there is of the sessions.
//! Each change decides by that. The second writes the outcome, and commits. Between them the store may be held up for any
//! time, and a session that was live may expire, which other connections see. So the second command reads the clock again,
//! once, and writes nothing if a session that a change found live is dead by then.

use std::collections::HashMap;

use bytes::Bytes;
use session_store_core::backend::{Change, Destroy, Import, Rotate, Set, Verdict};
use session_store_core::{Meta, SessionKey, SetMode, Timestamp, UserId};
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;

use super::{Query, Statements, query};
use crate::error::Error;
use crate::record::{self, time, value};

/// What a connection that writes needs: a place for the clock, which all statements of a command read.
pub(crate) const SET_UP: &str = "
PRAGMA temp_store = memory;
CREATE TEMP TABLE session_store_clock (now INTEGER NOT NULL);
INSERT INTO temp.session_store_clock VALUES (0)";

/// The clock of the second command.
pub(super) const CLOCK: &str = "(SELECT now FROM temp.session_store_clock)";

/// The first command.
pub(super) const METAS: &str = "
BEGIN IMMEDIATE;
WITH want(n, key) AS (VALUES {list})
SELECT want.n, {now}, t.key IS NOT NULL, {meta}, t.prune_at FROM want LEFT JOIN {table} AS t ON t.key = want.key";

pub(super) const BEGIN_WRITE: &str = "UPDATE temp.session_store_clock SET now = {now};";

pub(super) const REMOVE: &str = "
DELETE FROM {table} WHERE key IN ({list}) AND {clock} < ?;";

/// Of sessions whose owner stays, and that are due for pruning not later than they expire: no index changes. A touch has no
/// data.
pub(super) const UPDATE: &str = "
WITH want(key, created_at, last_seen_at, expires_at, deadline, version, data) AS (VALUES {list})
UPDATE {table} AS t SET created_at = want.created_at, last_seen_at = want.last_seen_at, expires_at = want.expires_at,
    deadline = want.deadline, version = want.version, data = coalesce(want.data, t.data)
FROM want WHERE t.key = want.key AND {clock} < ?;";

/// A session that lives longer than before stays due for pruning when it was, so that the index does not change.
pub(super) const PUT: &str = "
INSERT INTO {table} (key, owner, created_at, last_seen_at, expires_at, prune_at, deadline, version, data)
SELECT * FROM (VALUES {list}) WHERE column1 IS NOT NULL AND {clock} < ?
ON CONFLICT (key) DO UPDATE SET owner = excluded.owner, created_at = excluded.created_at,
    last_seen_at = excluded.last_seen_at, expires_at = excluded.expires_at, prune_at = min(prune_at, excluded.prune_at),
    deadline = excluded.deadline, version = excluded.version, data = excluded.data;";

pub(super) const END_WRITE: &str = "
SELECT now FROM temp.session_store_clock;
COMMIT";

/// What a transaction knows of a session.
#[derive(Debug)]
struct Session {
    /// Of a live record that is in the table: its owner, and when it is due for pruning.
    indexed: Option<(Option<UserId>, Timestamp)>,
    now: Found,
    effect: Option<Effect>,
}

/// What there is of a session.
#[derive(Clone, Debug)]
enum Found {
    /// Nothing, or a dead record.
    Gone,
    /// A live record that cannot be read.
    Corrupt,
    Live(Meta),
}

/// What is to be written.
#[derive(Debug)]
enum Effect {
    Put(Bytes),
    Touch,
    Remove,
}

/// The sessions that a transaction changes.
#[derive(Debug)]
pub(crate) struct Sessions {
    all: HashMap<SessionKey, Session>,
    now: Timestamp,
    /// Until when what was decided holds: the first expiry of the sessions that were found live.
    holds_until: Timestamp,
}

impl Sessions {
    /// Begins a transaction, and reads what there is of the sessions that are to be changed.
    pub(crate) async fn begin(
        connection: &mut SqliteConnection,
        statements: &Statements,
        changes: &[Change],
    ) -> Result<Self, Error> {
        let mut keys = Vec::with_capacity(changes.len());
        for change in changes {
            keys.push(*change.key());
            if let Change::Rotate(rotate) = change {
                keys.push(rotate.to);
            }
        }
        let (sql, wanted) = statements.metas.padded(&keys)?;
        let query = wanted.fold(query(sql), |query, key| query.bind(key.map(|key| key.as_bytes().to_vec())));
        let rows = query.fetch_all(connection).await.map_err(Error::Statement)?;
        let now = time(rows.first().ok_or(Error::UnexpectedAnswer)?, 1)?;
        let holds_until = Timestamp::from_millis(i64::MAX);
        let mut sessions = Self { all: HashMap::with_capacity(keys.len()), now, holds_until };
        for row in &rows {
            let place = usize::try_from(value::<i64>(row, 0)?).map_err(|_| Error::UnexpectedAnswer)?;
            let Some(key) = keys.get(place) else { continue };
            let (mut found, mut indexed) = (Found::Gone, None);
            if value::<bool>(row, 2)? && time(row, 6)? > now {
                sessions.holds_until = sessions.holds_until.min(time(row, 6)?);
                match record::meta(row, 3) {
                    Ok(meta) => {
                        indexed = Some((meta.user.clone(), time(row, 9)?));
                        found = Found::Live(meta);
                    }
                    Err(Error::Corrupt(_)) => found = Found::Corrupt,
                    Err(error) => return Err(error),
                }
            }
            sessions.all.insert(*key, Session { indexed, now: found, effect: None });
        }
        Ok(sessions)
    }

    fn find(&self, key: &SessionKey) -> Found {
        self.all.get(key).map_or(Found::Gone, |session| session.now.clone())
    }

    fn set(&mut self, key: &SessionKey, now: Found, effect: Effect) -> Verdict {
        if let Some(session) = self.all.get_mut(key) {
            // What was to be put is put with the times of now.
            let is_put = matches!((&session.effect, &effect), (Some(Effect::Put(_)), Effect::Touch));
            session.now = now;
            if !is_put {
                session.effect = Some(effect);
            }
        }
        Verdict::Done
    }

    /// Decides one change by what those before it have left.
    pub(crate) fn change(&mut self, change: &Change) -> Verdict {
        let now = self.now;
        let before = match (self.find(change.key()), change) {
            // An import that is dead changes nothing, whatever it falls on (W1).
            (_, Change::Import(import)) if !import.meta.is_live(now) => return Verdict::NotFound,
            (Found::Corrupt, Change::Destroy(Destroy { key, version: None })) => {
                return self.set(key, Found::Gone, Effect::Remove);
            }
            (Found::Corrupt, _) => return Verdict::Corrupt,
            (Found::Live(meta), _) => Some(meta),
            (Found::Gone, _) => None,
        };
        match (change, before) {
            (Change::Set(Set { mode: SetMode::Create, .. }), Some(_)) => Verdict::AlreadyExists,
            (Change::Set(Set { mode: SetMode::Replace | SetMode::Update(_), .. }), None) => Verdict::NotFound,
            (
                Change::Set(Set { mode: SetMode::Update(expected), .. })
                | Change::Destroy(Destroy { version: Some(expected), .. })
                | Change::Rotate(Rotate { expected: Some(expected), .. }),
                Some(meta),
            ) if meta.version != *expected => Verdict::Conflict,
            (Change::Set(Set { key, write, version, .. }), before) => {
                let meta = Meta::written(write, before.as_ref(), now, *version);
                self.set(key, Found::Live(meta), Effect::Put(write.data().clone()))
            }
            (Change::Import(Import { key, meta, data }), _) => {
                self.holds_until = self.holds_until.min(meta.expires_at);
                self.set(key, Found::Live(meta.clone()), Effect::Put(data.clone()))
            }
            (_, None) => Verdict::NotFound,
            (Change::Touch(touch), Some(mut meta)) => {
                meta.touch(touch.idle, now);
                self.set(&touch.key, Found::Live(meta), Effect::Touch)
            }
            (Change::Destroy(destroy), Some(_)) => self.set(&destroy.key, Found::Gone, Effect::Remove),
            (Change::Rotate(Rotate { from, to, write, version, .. }), Some(before)) => match self.find(to) {
                Found::Live(_) => Verdict::AlreadyExists,
                Found::Corrupt => Verdict::TargetCorrupt,
                Found::Gone => {
                    self.set(from, Found::Gone, Effect::Remove);
                    let meta = Meta::written(write, Some(&before), now, *version);
                    self.set(to, Found::Live(meta), Effect::Put(write.data().clone()))
                }
            },
        }
    }

    /// Writes what was decided, and ends the transaction. Returns whether what was decided still held; if not, nothing was
    /// written. `mark_sent` is called before.
    pub(crate) async fn commit(
        self,
        connection: &mut SqliteConnection,
        statements: &Statements,
        mark_sent: impl FnOnce(),
    ) -> Result<bool, Error> {
        let holds_until = self.holds_until;
        let Some(command) = self.second_command(statements)? else {
            sqlx::query("ROLLBACK").execute(connection).await.map_err(Error::Statement)?;
            return Ok(true);
        };
        mark_sent();
        let rows = command.fetch_all(connection).await.map_err(Error::Statement)?;
        Ok(time(rows.first().ok_or(Error::UnexpectedAnswer)?, 0)? < holds_until)
    }

    /// Returns the command that writes and commits; `None` if nothing is to be written.
    fn second_command(self, statements: &Statements) -> Result<Option<Query<'static>>, Error> {
        let (mut puts, mut updates, mut removes) = (Vec::new(), Vec::new(), Vec::new());
        for (key, Session { indexed, now, effect }) in self.all {
            let stays = |meta: &Meta| indexed.is_some_and(|(user, due)| user == meta.user && due <= meta.expires_at);
            match (effect, now) {
                (Some(Effect::Put(data)), Found::Live(meta)) if stays(&meta) => updates.push((key, meta, Some(data))),
                (Some(Effect::Put(data)), Found::Live(meta)) => puts.push((key, meta, data)),
                (Some(Effect::Touch), Found::Live(meta)) => updates.push((key, meta, None)),
                (Some(Effect::Remove), _) => removes.push(key),
                _ => {}
            }
        }
        if removes.is_empty() && updates.is_empty() && puts.is_empty() {
            return Ok(None);
        }
        let (remove, removed) = statements.remove.padded(&removes)?;
        let (update, updated) = statements.update.padded(&updates)?;
        let (put, written) = statements.put.padded(&puts)?;
        let parts = [(remove, removes.is_empty()), (update, updates.is_empty()), (put, puts.is_empty())];
        let parts = parts.into_iter().filter(|(_, is_empty)| !is_empty).map(|(sql, _)| &**sql);
        let parts = [&*statements.begin_write].into_iter().chain(parts).chain([&*statements.end_write]);
        let mut query = sqlx::query(AssertSqlSafe(parts.collect::<String>()));
        let holds_until = self.holds_until.as_millis();
        let bytes = |key: &SessionKey| key.as_bytes().to_vec();
        if !removes.is_empty() {
            for key in removed {
                query = query.bind(key.map(bytes));
            }
            query = query.bind(holds_until);
        }
        if !updates.is_empty() {
            for update in updated {
                let time = |of: fn(&Meta) -> Timestamp| update.map(|(_, meta, _)| of(meta).as_millis());
                query = query
                    .bind(update.map(|(key, ..)| bytes(key)))
                    .bind(time(|meta| meta.created_at))
                    .bind(time(|meta| meta.last_seen_at))
                    .bind(time(|meta| meta.expires_at))
                    .bind(time(|meta| meta.deadline))
                    .bind(update.map(|(_, meta, _)| meta.version.as_bytes().to_vec()))
                    .bind(update.and_then(|(.., data)| data.as_ref()).map(|data| data.to_vec()));
            }
            query = query.bind(holds_until);
        }
        if !puts.is_empty() {
            for put in written {
                let time = |of: fn(&Meta) -> Timestamp| put.map(|(_, meta, _)| of(meta).as_millis());
                query = query
                    .bind(put.map(|(key, ..)| bytes(key)))
                    .bind(put.and_then(|(_, meta, _)| meta.user.as_ref()).map(|user| user.as_str().to_owned()))
                    .bind(time(|meta| meta.created_at))
                    .bind(time(|meta| meta.last_seen_at))
                    .bind(time(|meta| meta.expires_at))
                    .bind(time(|meta| meta.expires_at))
                    .bind(time(|meta| meta.deadline))
                    .bind(put.map(|(_, meta, _)| meta.version.as_bytes().to_vec()))
                    .bind(put.map(|(.., data)| data.to_vec()));
            }
            query = query.bind(holds_until);
        }
        Ok(Some(query))
    }
}
