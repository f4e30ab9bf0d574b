//! The operations on one session, many in one statement.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use session_store_core::batch::{Batch, BatchLimits, Batcher};
use session_store_core::{
    Error, Owner, Pauses, Record, Result, SessionKey, SetMode, Timestamp, Version, Write, async_trait,
};
use sqlx::postgres::PgRow;

use crate::error::{is_held_up, unexpected};
use crate::link::{Effect, Link};
use crate::record::{self, value};
use crate::sql::{Sql, Statement};
use crate::value::Value;

/// What is said where another transaction held a row for too long.
pub(crate) const HELD: &str = "another transaction holds the session's row; nothing was changed";

/// About how many bytes a request takes besides what it carries.
const FRAME: usize = 128;

/// What a statement says of a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    Ok,
    Exists,
    Missing,
    Conflict,
    /// Another statement holds the row, or has inserted it: nothing is changed, and it is to be asked again.
    Busy,
}

impl Verdict {
    pub(crate) fn read(row: &PgRow, column: usize) -> Result<Self> {
        Ok(match value(row, column)? {
            "ok" => Self::Ok,
            "exists" => Self::Exists,
            "missing" => Self::Missing,
            "conflict" => Self::Conflict,
            "busy" => Self::Busy,
            _ => return Err(unexpected()),
        })
    }
}

/// `get`: any number for the same key.
pub(crate) struct Get {
    pub(crate) link: Arc<Link>,
    pub(crate) sql: Arc<Sql>,
}

#[async_trait]
impl Batch for Get {
    const CHANGES: bool = false;

    type Request = SessionKey;
    type Answer = Option<Record>;
    type Key = ();

    fn key(&self, _request: &SessionKey) -> Option<()> {
        None
    }

    fn bytes(&self, _request: &SessionKey) -> usize {
        FRAME
    }

    async fn run(&self, requests: &[&SessionKey]) -> Result<Vec<Result<Option<Record>>>> {
        let keys = vec![many_bytes(requests, |key| Some(key.as_bytes()))];
        let rows = self.link.sized(&self.sql.get, keys, Effect::Read).await?;
        let mut answers: Vec<_> = requests.iter().map(|_| Ok(None)).collect();
        for row in &rows {
            let place = usize::try_from(value::<i64>(row, 0)?).map_err(|_| unexpected())?.wrapping_sub(1);
            let (Some(key), Some(answer)) = (requests.get(place), answers.get_mut(place)) else {
                return Err(unexpected());
            };
            *answer = found(key, row).map(Some);
        }
        Ok(answers)
    }
}

fn found(key: &SessionKey, row: &PgRow) -> Result<Record> {
    let read_at = Timestamp::from_millis(value(row, 1)?);
    Ok(Record { meta: record::meta(key, row, 2)?, data: record::data(row, 8)?, read_at })
}

/// An operation that changes one session.
pub(crate) trait Change: Clone + Send + Sync + 'static {
    fn key(&self) -> &SessionKey;

    /// How many bytes it carries besides the key.
    fn bytes(&self) -> usize {
        0
    }

    /// The statement for many such operations. Its rows are keys with verdicts.
    fn statement<'s>(sql: &'s Sql, changes: &[&Self]) -> &'s Statement;

    /// The statement's values, for many such operations on different keys.
    fn values<'v>(changes: &[&'v Self]) -> Vec<Value<'v>>;
}

/// `set`.
#[derive(Clone)]
pub(crate) struct Set {
    pub(crate) key: SessionKey,
    pub(crate) write: Write,
    pub(crate) mode: SetMode,
    pub(crate) version: Version,
}

impl Change for Set {
    fn key(&self) -> &SessionKey {
        &self.key
    }

    fn bytes(&self) -> usize {
        self.write.data().len()
    }

    fn statement<'s>(sql: &'s Sql, sets: &[&Self]) -> &'s Statement {
        let creates = |set: &&Self| matches!(set.mode, SetMode::Create | SetMode::Upsert);
        if sets.iter().any(creates) { &sql.set } else { &sql.save }
    }

    fn values<'v>(sets: &[&'v Self]) -> Vec<Value<'v>> {
        let mode = |set: &'v Self| match &set.mode {
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
}

/// `touch`.
#[derive(Clone)]
pub(crate) struct Touch {
    pub(crate) key: SessionKey,
    pub(crate) idle: Duration,
}

impl Change for Touch {
    fn key(&self) -> &SessionKey {
        &self.key
    }

    fn statement<'s>(sql: &'s Sql, _touches: &[&Self]) -> &'s Statement {
        &sql.touch
    }

    fn values<'v>(touches: &[&'v Self]) -> Vec<Value<'v>> {
        vec![
            many_bytes(touches, |touch| Some(touch.key.as_bytes())),
            Value::ManyInts(touches.iter().map(|touch| millis(touch.idle)).collect()),
        ]
    }
}

/// `destroy`.
#[derive(Clone)]
pub(crate) struct Destroy {
    pub(crate) key: SessionKey,
}

impl Change for Destroy {
    fn key(&self) -> &SessionKey {
        &self.key
    }

    fn statement<'s>(sql: &'s Sql, _destroys: &[&Self]) -> &'s Statement {
        &sql.destroy
    }

    fn values<'v>(destroys: &[&'v Self]) -> Vec<Value<'v>> {
        vec![many_bytes(destroys, |destroy| Some(destroy.key.as_bytes()))]
    }
}

fn many_bytes<'v, R>(requests: &[&'v R], value: impl Fn(&'v R) -> Option<&'v [u8]>) -> Value<'v> {
    Value::ManyBytes(requests.iter().copied().map(value).collect())
}

/// What becomes of the owner, as the statements call it, and the new one.
pub(crate) fn owner(write: &Write) -> (&'static str, Option<&[u8]>) {
    match write.owner() {
        Owner::Keep => ("keep", None),
        Owner::Anonymous => ("anonymous", None),
        Owner::User(user) => ("user", Some(user.as_str().as_bytes())),
    }
}

/// A timeout that was found to be within its bounds.
pub(crate) fn millis(timeout: Duration) -> i64 {
    i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX)
}

/// Changes of one kind, many in one statement.
#[derive(Debug)]
pub(crate) struct Changes<C: Change>(Batcher<Statements<C>>);

impl<C: Change> Changes<C> {
    pub(crate) fn new(link: &Arc<Link>, sql: &Arc<Sql>, limits: BatchLimits) -> Result<Self> {
        let statements = Statements { link: Arc::clone(link), sql: Arc::clone(sql), change: PhantomData };
        Batcher::new(statements, limits).map(Self)
    }

    /// The verdict on one change, once nobody else holds its row.
    pub(crate) async fn call(&self, change: C, deadline: Instant) -> Result<Verdict> {
        let mut pauses = Pauses::until(deadline);
        loop {
            let verdict = self.0.call(change.clone(), deadline.into()).await?;
            if verdict != Verdict::Busy {
                return Ok(verdict);
            }
            pauses.wait_or(HELD).await?;
        }
    }

    pub(crate) fn close(&self) {
        self.0.close();
    }
}

/// The statements for changes of one kind.
pub(crate) struct Statements<C> {
    link: Arc<Link>,
    sql: Arc<Sql>,
    change: PhantomData<C>,
}

#[async_trait]
impl<C: Change> Batch for Statements<C> {
    const CHANGES: bool = true;

    type Request = C;
    type Answer = Verdict;
    type Key = SessionKey;

    fn key(&self, change: &C) -> Option<SessionKey> {
        Some(*change.key())
    }

    fn bytes(&self, change: &C) -> usize {
        FRAME + change.bytes()
    }

    async fn run(&self, changes: &[&C]) -> Result<Vec<Result<Verdict>>> {
        let rows = match self.link.sized(C::statement(&self.sql, changes), C::values(changes), Effect::Write).await {
            // Another transaction was inserting one of the keys. Its neighbours are not to wait for it.
            Err(error) if is_held_up(&error) && changes.len() > 1 => return Err(error.with_transient(false)),
            Err(error) if is_held_up(&error) => Vec::new(),
            answer => answer?,
        };
        let verdict = |row| Ok((record::key(row, 0)?, Verdict::read(row, 1)?));
        let verdicts: Result<HashMap<_, _>> = rows.iter().map(verdict).collect();
        // Whatever the answer says, the statement was run.
        let verdicts = verdicts.map_err(Error::with_outcome_unknown)?;
        let verdict = |change: &&C| verdicts.get(&Some(*change.key())).copied().unwrap_or(Verdict::Busy);
        Ok(changes.iter().map(|change| Ok(verdict(change))).collect())
    }
}
