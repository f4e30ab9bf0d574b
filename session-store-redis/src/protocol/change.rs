//! The operations on one session, many at once.

use std::sync::Arc;
use std::time::{Duration, Instant as Deadline};

use redis::{Cmd, Value};
use session_store_core::batch::{Batch, BatchLimits, Batcher};
use session_store_core::{Owner, Result, SessionKey, SetMode, Version, Write, async_trait, timeout_millis};

use crate::keys::Kind;
use crate::record;
use crate::script;
use crate::shared::{Effect, Shared, unexpected};

/// About how many bytes a change takes besides the record.
const FRAME: usize = 128;

/// What part of the operation timeout a batch leaves to its callers, so that it can say whether it was sent at all. A
/// caller whose time ends before can only be told that it may have been.
const TO_TELL: u32 = 50;

/// A change of one session, as the script reads it.
pub(crate) struct Change {
    session: Vec<u8>,
    done: Vec<u8>,
    record: Vec<u8>,
    deadline: Deadline,
}

impl Change {
    /// `set`, on one server.
    pub(crate) fn set(
        shared: &Shared,
        key: &SessionKey,
        write: &Write,
        mode: &SetMode,
        version: &Version,
    ) -> Result<Self> {
        let (mode, expected) = match mode {
            SetMode::Create => (1, None),
            SetMode::Replace => (2, None),
            SetMode::Update(expected) => (3, Some(expected)),
            SetMode::Upsert => (4, None),
        };
        let (keeps, user) = match write.owner() {
            Owner::Keep => (1, ""),
            Owner::Anonymous => (0, ""),
            Owner::User(user) => (0, user.as_str()),
        };
        let mut done = Vec::with_capacity(30 + user.len());
        done.extend([mode, keeps]);
        done.extend(millis(write.idle())?);
        done.extend(millis(write.absolute())?);
        done.extend(expected.map_or(&[0; Version::LEN], Version::as_bytes));
        done.extend(user.as_bytes());
        Ok(Self::new(shared, key, done, record::without_times(version, user, write.data())))
    }

    /// `touch`.
    pub(crate) fn touch(shared: &Shared, key: &SessionKey, idle: Duration) -> Result<Self> {
        Ok(Self::new(shared, key, millis(idle)?.to_vec(), Vec::new()))
    }

    fn new(shared: &Shared, key: &SessionKey, done: Vec<u8>, record: Vec<u8>) -> Self {
        Self { session: shared.keys.session(key), done, record, deadline: shared.deadline() }
    }

    fn bytes(&self) -> usize {
        FRAME + self.record.len()
    }
}

impl Timed for Change {
    fn deadline(&self) -> Deadline {
        self.deadline
    }
}

/// A timeout in six bytes, as scripts read numbers.
fn millis(timeout: Duration) -> Result<[u8; 6]> {
    let [_, _, millis @ ..] = timeout_millis(timeout)?.to_be_bytes();
    Ok(millis)
}

/// Requests of one kind: many at once where there is one server, unless batches are switched off.
enum Way<B: Batch> {
    Batches(Batcher<B>),
    OneByOne(B),
}

impl<B: Batch<Request: Timed>> Way<B> {
    fn new(shared: &Shared, batch: B, limits: BatchLimits) -> Result<Self> {
        // On Cluster, the sessions of a batch would be on many servers.
        Ok(if limits.requests == 1 || shared.is_cluster() {
            Self::OneByOne(batch)
        } else {
            Self::Batches(Batcher::new(batch, limits)?)
        })
    }

    async fn call(&self, request: B::Request) -> Result<B::Answer> {
        match self {
            Self::Batches(batcher) => {
                let deadline = request.deadline().into();
                batcher.call(request, deadline).await
            }
            Self::OneByOne(batch) => {
                batch.run(&[&request]).await?.into_iter().next().unwrap_or_else(|| Err(unexpected()))
            }
        }
    }
}

/// A request that must be answered in time.
trait Timed {
    fn deadline(&self) -> Deadline;
}

/// When a batch of these must have ended.
fn deadline<R: Timed>(shared: &Shared, requests: &[&R]) -> Deadline {
    let last = requests.iter().map(|request| request.deadline()).max().unwrap_or_else(|| shared.deadline());
    last.checked_sub(shared.timeouts.operation / TO_TELL).unwrap_or(last)
}

/// `get`: any number for the same key.
pub(crate) struct Gets {
    shared: Arc<Shared>,
    way: Way<Mget>,
}

impl Gets {
    pub(crate) fn new(shared: &Arc<Shared>, limits: BatchLimits) -> Result<Self> {
        Ok(Self { shared: Arc::clone(shared), way: Way::new(shared, Mget(Arc::clone(shared)), limits)? })
    }

    /// What a GET answers.
    pub(crate) async fn call(&self, key: &SessionKey) -> Result<Value> {
        let Self { shared, way } = self;
        let deadline = shared.deadline();
        let get = Get { session: shared.keys.session(key), deadline };
        match way.call(get).await? {
            Some(answer) => Ok(answer),
            None => shared.command(&get_alone(&shared.keys.session(key)), Effect::Read, deadline).await,
        }
    }
}

/// One of many keys that are read at once.
struct Get {
    session: Vec<u8>,
    deadline: Deadline,
}

impl Timed for Get {
    fn deadline(&self) -> Deadline {
        self.deadline
    }
}

fn get_alone(session: &[u8]) -> Cmd {
    let mut get = redis::cmd("GET");
    get.arg(session);
    get
}

/// One GET or one MGET.
struct Mget(Arc<Shared>);

#[async_trait]
impl Batch for Mget {
    const CHANGES: bool = false;

    type Request = Get;
    /// None where many were read at once, and one was not given: MGET gives no session (G1) and a key of another type
    /// (Z1) alike.
    type Answer = Option<Value>;
    type Key = ();

    fn key(&self, _get: &Get) -> Option<()> {
        None
    }

    fn bytes(&self, _get: &Get) -> usize {
        FRAME
    }

    async fn run(&self, gets: &[&Get]) -> Result<Vec<Result<Option<Value>>>> {
        let Self(shared) = self;
        let deadline = deadline(shared, gets);
        if let [get] = gets {
            return Ok(vec![Ok(Some(shared.command(&get_alone(&get.session), Effect::Read, deadline).await?))]);
        }
        let bytes = gets.iter().map(|get| get.session.len()).sum();
        let mut mget = Cmd::with_capacity(1 + gets.len(), bytes);
        mget.arg("MGET");
        for get in gets {
            mget.arg(&get.session);
        }
        match shared.command(&mget, Effect::Read, deadline).await? {
            Value::Array(values) => {
                Ok(values.into_iter().map(|value| Ok((value != Value::Nil).then_some(value))).collect())
            }
            _ => Err(unexpected()),
        }
    }
}

/// `set` and `touch`, one after the other where they are of the same session.
pub(crate) struct Changes(Way<Script>);

impl Changes {
    pub(crate) fn new(shared: &Arc<Shared>, limits: BatchLimits) -> Result<Self> {
        Way::new(shared, Script(Arc::clone(shared)), limits).map(Self)
    }

    /// What the script says to a change.
    pub(crate) async fn call(&self, change: Change) -> Result<Value> {
        self.0.call(change).await
    }
}

/// The script for any number of changes.
struct Script(Arc<Shared>);

#[async_trait]
impl Batch for Script {
    const CHANGES: bool = true;

    type Request = Change;
    type Answer = Value;
    type Key = ();

    /// The script makes several changes of a session one after the other.
    fn key(&self, _change: &Change) -> Option<()> {
        None
    }

    fn bytes(&self, change: &Change) -> usize {
        change.bytes()
    }

    async fn run(&self, changes: &[&Change]) -> Result<Vec<Result<Value>>> {
        let Self(shared) = self;
        let bytes = changes.iter().map(|change| change.bytes()).sum();
        let mut call = script::CHANGE.on_with_room(changes.iter().map(|change| &change.session), bytes);
        call.arg(shared.keys.prefix(Kind::Index));
        for change in changes {
            call.arg(&change.done).arg(&change.record);
        }
        shared.batch(&script::CHANGE, &call, changes.len(), deadline(shared, changes)).await
    }
}
