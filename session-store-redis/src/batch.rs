//! Changes of one session each, many in one script.

use std::sync::Arc;
use std::time::{Duration, Instant as Deadline};

use redis::Value;
use session_store_core::batch::{Batch, BatchLimits, Batcher};
use session_store_core::{Owner, Result, SessionKey, SetMode, Version, Write, async_trait, timeout_millis};

use crate::keys::Kind;
use crate::record;
use crate::script;
use crate::shared::{Shared, unexpected};

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

/// A timeout in six bytes, as scripts read numbers.
fn millis(timeout: Duration) -> Result<[u8; 6]> {
    let [_, _, millis @ ..] = timeout_millis(timeout)?.to_be_bytes();
    Ok(millis)
}

/// Changes sessions: many at once where there is one server, unless batches are switched off.
pub(crate) struct Changes(Way);

enum Way {
    Batches(Batcher<Script>),
    OneByOne(Script),
}

impl Changes {
    pub(crate) fn new(shared: &Arc<Shared>, limits: BatchLimits) -> Result<Self> {
        let script = Script(Arc::clone(shared));
        // On Cluster, the sessions of a batch would be on many servers.
        Ok(Self(if limits.requests == 1 || shared.is_cluster() {
            Way::OneByOne(script)
        } else {
            Way::Batches(Batcher::new(script, limits)?)
        }))
    }

    /// What the script says to a change.
    pub(crate) async fn call(&self, change: Change) -> Result<Value> {
        match &self.0 {
            Way::Batches(batcher) => {
                let deadline = change.deadline.into();
                batcher.call(change, deadline).await
            }
            Way::OneByOne(script) => {
                let answers = script.call(&[&change], change.deadline).await?;
                answers.into_iter().next().unwrap_or_else(|| Err(unexpected()))
            }
        }
    }
}

/// The script for any number of changes.
struct Script(Arc<Shared>);

impl Script {
    async fn call(&self, changes: &[&Change], deadline: Deadline) -> Result<Vec<Result<Value>>> {
        let Self(shared) = self;
        let bytes = changes.iter().map(|change| change.bytes()).sum();
        let mut call = script::CHANGE.on_with_room(changes.iter().map(|change| &change.session), bytes);
        call.arg(shared.keys.prefix(Kind::Index));
        for change in changes {
            call.arg(&change.done).arg(&change.record);
        }
        shared.batch(&script::CHANGE, &call, changes.len(), deadline).await
    }
}

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
        let last = changes.iter().map(|change| change.deadline).max().unwrap_or_else(|| shared.deadline());
        let deadline = last.checked_sub(shared.timeouts.operation / TO_TELL).unwrap_or(last);
        self.call(changes, deadline).await
    }
}
