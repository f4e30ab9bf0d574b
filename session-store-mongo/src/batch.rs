//! The operations on one session, many in one command.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mongodb::bson::{RawArrayBuf, RawDocumentBuf};
use session_store_core::batch::{Batch, BatchLimits, Batcher};
use session_store_core::{Pauses, Record, Result, SessionKey, SetMode, Version, Write, async_trait};

use crate::command::Commands;
use crate::document::Found;
use crate::error::{CONVERSION_FAILURE, Remedy, about, from_code, remedy_of_code, unexpected};
use crate::link::{Effect, Link};
use crate::reply::{Refusal, refusals};
use crate::update;

/// About how many bytes a request takes besides what it carries.
const FRAME: usize = 1_024;

/// What is said where other writes were in the way for too long.
pub(crate) const NOT_TAKEN: &str = "the MongoDB server did not take the write in time; nothing was changed";

/// `get`: any number for the same key.
pub(crate) struct Get(pub(crate) Arc<Link>);

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
        let found = self.0.read(self.0.commands.get(requests), self.0.timeouts.deadline()).await?;
        let found = found.all()?.into_iter().map(Found::new).collect::<Result<Vec<_>>>()?;
        let found: HashMap<_, _> = found.iter().filter_map(|found| Some((found.key()?, found))).collect();
        let answer = |wanted: &&SessionKey| found.get(*wanted).map_or(Ok(None), |found| found.record(wanted));
        Ok(requests.iter().map(answer).collect())
    }
}

/// What became of an update.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    Done,
    /// The session was not such as it had to be.
    Refused,
    /// Another write was just inserting the key: nothing is changed, and it is to be sent again.
    Raced,
}

impl Verdict {
    pub(crate) fn of(Refusal { code, is_taken, .. }: Refusal) -> Result<Self> {
        match code {
            CONVERSION_FAILURE => Ok(Self::Refused),
            _ if is_taken => Ok(Self::Raced),
            _ => match remedy_of_code(code) {
                Remedy::Again => Ok(Self::Raced),
                Remedy::Vague => Err(from_code(code).with_outcome_unknown()),
                Remedy::None => Err(from_code(code)),
            },
        }
    }
}

/// An operation that updates one session.
pub(crate) trait Change: Clone + Send + Sync + 'static {
    fn key(&self) -> &SessionKey;

    /// How many bytes it carries besides the key.
    fn bytes(&self) -> usize {
        0
    }

    fn update(&self) -> RawDocumentBuf;

    /// The command of many such updates.
    fn command(commands: &Commands, updates: RawArrayBuf) -> RawDocumentBuf;
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

    fn update(&self) -> RawDocumentBuf {
        update::set(&self.key, &self.write, self.mode, &self.version)
    }

    fn command(commands: &Commands, updates: RawArrayBuf) -> RawDocumentBuf {
        commands.update(updates)
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

    fn update(&self) -> RawDocumentBuf {
        update::touch(&self.key, self.idle)
    }

    fn command(commands: &Commands, updates: RawArrayBuf) -> RawDocumentBuf {
        commands.touch(updates)
    }
}

/// Changes of one kind, many in one command.
#[derive(Debug)]
pub(crate) struct Changes<C: Change>(Batcher<Updates<C>>);

impl<C: Change> Changes<C> {
    pub(crate) fn new(link: &Arc<Link>, limits: BatchLimits) -> Result<Self> {
        Batcher::new(Updates { link: Arc::clone(link), change: PhantomData }, limits).map(Self)
    }

    /// Whether the change was made; else the session was not such as it had to be.
    pub(crate) async fn call(&self, change: C, deadline: Instant) -> Result<bool> {
        let mut pauses = Pauses::until(deadline);
        loop {
            match self.0.call(change.clone(), deadline.into()).await? {
                Verdict::Done => return Ok(true),
                Verdict::Refused => return Ok(false),
                Verdict::Raced => pauses.wait_or(NOT_TAKEN).await?,
            }
        }
    }

    pub(crate) fn close(&self) {
        self.0.close();
    }
}

/// The commands for changes of one kind.
pub(crate) struct Updates<C> {
    link: Arc<Link>,
    change: PhantomData<C>,
}

#[async_trait]
impl<C: Change> Batch for Updates<C> {
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
        let mut updates = RawArrayBuf::new();
        for change in changes {
            updates.push(change.update());
        }
        let command = C::command(&self.link.commands, updates);
        let reply = self.link.reply(command, Effect::Write, self.link.timeouts.deadline()).await?;
        let mut verdicts: Vec<_> = changes.iter().map(|_| Ok(Verdict::Done)).collect();
        for refusal in refusals(&reply)? {
            let (Some(verdict), Some(change)) = (verdicts.get_mut(refusal.index), changes.get(refusal.index)) else {
                return Err(unexpected().with_outcome_unknown());
            };
            *verdict = Verdict::of(refusal).map_err(|error| about(error, change.key()));
        }
        Ok(verdicts)
    }
}
