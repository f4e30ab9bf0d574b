//! The store.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use session_store_core::batch::Batcher;
use session_store_core::{
    Entry, Error, Page, Pauses, Pruned, Record, Result, SessionKey, SessionStore, SetMode, UserId, Version, Write,
    async_trait, corrupt_record_skipped, timeout_millis,
};
use sqlx::postgres::PgRow;

use crate::batch::{Changes, Destroy, Get, HELD, Set, Touch, Verdict, millis, owner};
use crate::config::{Builder, Server};
use crate::error::{is_held_up, unexpected};
use crate::link::{Effect, Link};
use crate::record::{self, value};
use crate::sql::Sql;
use crate::value::Value;

/// How many rows one statement of a sweep changes: some milliseconds.
const PIECE: u64 = 1_000;

/// How many rows one statement counts.
const COUNTED_PIECE: u64 = 10_000;

/// How often `clear` walks through the table, where nothing was held: new sessions come all the time.
const WALKS: usize = 3;

/// What is said where other transactions held rows for too long, and other sessions have been ended.
const REST_HELD: &str = "another transaction holds some sessions' rows; call again to end them as well";

/// A store in PostgreSQL. Clones are handles on the same connections.
///
/// See the [crate's page](crate) for what it promises.
#[derive(Clone)]
pub struct PostgresStore {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) link: Arc<Link>,
    pub(crate) sql: Arc<Sql>,
    pub(crate) data_limit: usize,
    pub(crate) gets: Batcher<Get>,
    pub(crate) sets: Changes<Set>,
    pub(crate) touches: Changes<Touch>,
    pub(crate) destroys: Changes<Destroy>,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("is_pooled", &self.shared.link.is_pooled)
            .field("data_limit", &self.shared.data_limit)
            .field("operation_timeout", &self.shared.link.timeouts.operation)
            .finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// A store in a database: a URL such as `postgres://user:password@host:5432/database`, or an existing pool.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use session_store_postgres::PostgresStore;
    ///
    /// # async fn open() -> session_store_postgres::core::Result<()> {
    /// let store = PostgresStore::builder("postgres://localhost/shop").table("shop_sessions").migrate().build().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(server: impl Into<Server>) -> Builder {
        Builder::new(server.into())
    }

    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// Ends the store with all its handles: whoever waits for a batch is answered that the store is closed, and the
    /// connections are closed once what is under way has ended, unless they are of a pool that was given.
    pub async fn close(&self) {
        let Shared { link, gets, sets, touches, destroys, .. } = &*self.shared;
        link.close();
        gets.close();
        sets.close();
        touches.close();
        destroys.close();
        link.pool.close(link.timeouts.deadline()).await;
    }
}

impl Shared {
    /// Runs a statement that gives one row.
    async fn row(&self, sql: &Arc<str>, values: &[Value<'_>], effect: Effect, deadline: Instant) -> Result<PgRow> {
        let rows = self.link.rows(sql, values, effect, deadline).await?;
        rows.into_iter().next().ok_or_else(unexpected)
    }
}

/// The refusal that a verdict is, if it is one.
fn judged(verdict: Verdict, from: &SessionKey, to: &SessionKey) -> Result<()> {
    match verdict {
        Verdict::Ok => Ok(()),
        Verdict::Exists => Err(Error::already_exists(to)),
        Verdict::Missing => Err(Error::not_found(from)),
        Verdict::Conflict => Err(Error::conflict(from)),
        Verdict::Busy => Err(unexpected()),
    }
}

#[async_trait]
impl SessionStore for PostgresStore {
    async fn get(&self, key: &SessionKey) -> Result<Option<Record>> {
        self.shared.gets.call(*key, self.shared.link.timeouts.deadline().into()).await
    }

    async fn set(&self, key: &SessionKey, write: &Write, mode: SetMode) -> Result<Version> {
        write.check_size(self.shared.data_limit)?;
        let version = Version::generate()?;
        let set = Set { key: *key, write: write.clone(), mode, version };
        judged(self.shared.sets.call(set, self.shared.link.timeouts.deadline()).await?, key, key)?;
        Ok(version)
    }

    async fn touch(&self, key: &SessionKey, idle: Duration) -> Result<bool> {
        timeout_millis(idle)?;
        let verdict = self.shared.touches.call(Touch { key: *key, idle }, self.shared.link.timeouts.deadline()).await?;
        Ok(verdict == Verdict::Ok)
    }

    async fn destroy(&self, key: &SessionKey) -> Result<bool> {
        let verdict = self.shared.destroys.call(Destroy { key: *key }, self.shared.link.timeouts.deadline()).await?;
        Ok(verdict == Verdict::Ok)
    }

    async fn rotate(
        &self,
        from: &SessionKey,
        to: &SessionKey,
        write: &Write,
        expected: Option<Version>,
    ) -> Result<Version> {
        if from == to {
            return Err(Error::same_key(from));
        }
        write.check_size(self.shared.data_limit)?;
        let version = Version::generate()?;
        let (ownership, owner) = owner(write);
        let values = [
            Value::Bytes(Some(from.as_bytes())),
            Value::Bytes(Some(to.as_bytes())),
            Value::Bytes(expected.as_ref().map(|version| &version.as_bytes()[..])),
            Value::Bytes(Some(version.as_bytes())),
            Value::Text(ownership),
            Value::Bytes(owner),
            Value::Int(millis(write.idle())),
            Value::Int(millis(write.absolute())),
            Value::Bytes(Some(write.data())),
        ];
        let deadline = self.shared.link.timeouts.deadline();
        let mut pauses = Pauses::until(deadline);
        loop {
            let verdict = match self.shared.row(&self.shared.sql.rotate, &values, Effect::Write, deadline).await {
                Err(error) if is_held_up(&error) => Verdict::Busy,
                row => Verdict::read(&row?, 0).map_err(Error::with_outcome_unknown)?,
            };
            if verdict != Verdict::Busy {
                return judged(verdict, from, to).map(|()| version);
            }
            pauses.wait_or(HELD).await?;
        }
    }

    async fn list_by_user(&self, user: &UserId, page: &Page) -> Result<Vec<Entry>> {
        let (shared, sweep) = (&self.shared, self.shared.link.timeouts.sweep());
        let limit = page.limit() as usize;
        let (mut entries, mut after) = (Vec::new(), page.after().map_or_else(Vec::new, |key| key.as_bytes().to_vec()));
        loop {
            // Corrupt records leave places free.
            let wanted = limit - entries.len();
            let values = [bytes(user.as_str()), bytes(&after), Value::Int(size(wanted as u64))];
            let rows = shared.link.rows(&shared.sql.list_by_user, &values, Effect::Read, sweep.deadline()).await?;
            for row in &rows {
                match entry(row) {
                    Ok(entry) => entries.push(entry),
                    Err(_) => corrupt_record_skipped("postgres"),
                }
            }
            let Some(last) = rows.last().filter(|_| rows.len() == wanted && entries.len() < limit) else {
                return Ok(entries);
            };
            after = value(last, 0)?;
        }
    }

    async fn destroy_by_user(&self, user: &UserId, except: Option<&SessionKey>) -> Result<u64> {
        let (shared, sweep) = (&self.shared, self.shared.link.timeouts.sweep());
        let except = except.map_or(&[][..], |key| key.as_bytes());
        let values = [bytes(user.as_str()), bytes(except), Value::Int(size(PIECE))];
        let mut ended = 0;
        let mut pauses = Pauses::until(sweep.end());
        loop {
            let row = shared.row(&shared.sql.destroy_by_user, &values, Effect::Write, sweep.deadline()).await?;
            ended += number(&row, 0)?;
            let (removed, more): (u64, bool) = (number(&row, 1)?, value(&row, 2)?);
            if !more {
                return Ok(ended);
            }
            // All that is left is held by others, or is moved by a rotation (B1).
            if removed == 0 {
                pauses.wait_or(REST_HELD).await?;
            }
        }
    }

    async fn prune(&self, limit: u32) -> Result<Pruned> {
        if limit == 0 {
            return Err(Error::invalid_input("a prune removes at least one record; give a limit of 1 or more"));
        }
        let (shared, sweep) = (&self.shared, self.shared.link.timeouts.sweep());
        let (limit, mut removed) = (u64::from(limit), 0);
        loop {
            let piece = [Value::Int(size(PIECE.min(limit - removed)))];
            let row = shared.row(&shared.sql.prune, &piece, Effect::Write, sweep.deadline()).await?;
            removed += number(&row, 1)?;
            let more: bool = value(&row, 2)?;
            // Others hold what is left, where nothing was met.
            if !more || removed == limit || number(&row, 0)? == 0 {
                return Ok(Pruned { removed, more });
            }
        }
    }

    async fn count(&self) -> Result<u64> {
        let (shared, sweep) = (&self.shared, self.shared.link.timeouts.sweep());
        let (mut count, mut after) = (0, Vec::new());
        loop {
            let values = [bytes(&after), Value::Int(size(COUNTED_PIECE))];
            let row = shared.row(&shared.sql.count, &values, Effect::Read, sweep.deadline()).await?;
            count += number(&row, 0)?;
            match value(&row, 1)? {
                Some(last) => after = last,
                None => return Ok(count),
            }
        }
    }

    async fn clear(&self) -> Result<u64> {
        let (shared, sweep) = (&self.shared, self.shared.link.timeouts.sweep());
        let (mut ended, mut walks) = (0, 0);
        let mut pauses = Pauses::until(sweep.end());
        loop {
            let (mut after, mut met, mut left) = (Vec::new(), false, false);
            loop {
                let values = [bytes(&after), Value::Int(size(PIECE))];
                let row = shared.row(&shared.sql.clear, &values, Effect::Write, sweep.deadline()).await?;
                ended += number(&row, 0)?;
                left |= value::<bool>(&row, 2)?;
                match value(&row, 1)? {
                    Some(last) => (met, after) = (true, last),
                    None => break,
                }
            }
            walks += 1;
            // What a rotation has carried past the walk is met by the next.
            if !met || (walks >= WALKS && !left) {
                return Ok(ended);
            }
            if left {
                pauses.wait_or(REST_HELD).await?;
            }
        }
    }

    async fn ping(&self) -> Result<()> {
        // A question about the table, which also tells whether it is there and may be read.
        let (shared, no_key) = (&self.shared, [bytes("")]);
        shared.link.rows(&shared.sql.get.one, &no_key, Effect::Read, shared.link.timeouts.deadline()).await.map(drop)
    }
}

/// A line of a list.
fn entry(row: &PgRow) -> Result<Entry> {
    let key = record::key(row, 0)?.ok_or_else(unexpected)?;
    Ok(Entry { key, meta: record::meta(&key, row, 1)? })
}

fn bytes(bytes: &(impl AsRef<[u8]> + ?Sized)) -> Value<'_> {
    Value::Bytes(Some(bytes.as_ref()))
}

/// A number of rows, which is small.
fn size(rows: u64) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

fn number(row: &PgRow, column: usize) -> Result<u64> {
    u64::try_from(value::<i64>(row, column)?).map_err(|_| unexpected())
}
