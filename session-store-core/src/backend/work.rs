//! The two kinds of requests that share statements: reads and changes.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::runtime::Handle;

use super::inline::Adopt;
use super::lanes::Turn;
use super::queue::{Item, Mergeable, Queue, Receiver};
use super::state::Engine;
use super::{Backend, Call, Change, Deadline, Lookup, Verdict};
use crate::{IfChanged, SessionKey};

/// A kind of requests.
#[async_trait]
pub(super) trait Work<B: Backend>: Send + Sync + 'static {
    type Request: Mergeable + Send + Sync + 'static;
    type Answer: Clone + Send + 'static;

    fn queue<'e>(engine: &'e Engine<B>, request: &Self::Request) -> &'e Arc<Queue<Self::Request, Self::Answer>>;

    /// Begins a request, or lets it wait for others about the same session.
    fn begin(
        engine: &Engine<B>,
        request: Self::Request,
        deadline: Deadline,
    ) -> Result<Self::Request, Receiver<Self::Request, Self::Answer>>;

    /// Returns whether requests about one session wait for each other.
    fn has_turns() -> bool;

    /// Records that the caller of a request runs it, until somebody waits for it.
    fn set_inline(engine: &Engine<B>, request: &SessionKey, inline: Arc<dyn Adopt>, runtime: &Handle);

    /// Ends a request that never began, and removes those that waited for it and come next.
    fn skip(engine: &Engine<B>, request: &Self::Request) -> Vec<Item<Self::Request, Self::Answer>>;

    /// Runs one statement for all requests.
    async fn run(
        backend: &B,
        call: &Call,
        requests: &[Self::Request],
    ) -> Result<Vec<Result<Self::Answer, B::Error>>, B::Error>;

    /// Finds out why a request was refused.
    async fn find_cause(backend: &B, call: &Call, request: &Self::Request) -> Result<Self::Answer, B::Error>;

    /// Returns what an answer asks the store to do before callers get one.
    fn pending(answer: &Self::Answer) -> Option<Pending>;
}

/// What is left to do about a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Pending {
    /// Send it again: somebody else holds the record.
    Busy,
    /// Find out why it was refused.
    Cause,
}

/// Reads of sessions.
#[derive(Debug)]
pub(super) struct Reads;

#[async_trait]
impl<B: Backend> Work<B> for Reads {
    type Request = Lookup;
    type Answer = IfChanged;

    fn queue<'e>(engine: &'e Engine<B>, _lookup: &Lookup) -> &'e Arc<Queue<Lookup, IfChanged>> {
        &engine.reads
    }

    fn begin(_engine: &Engine<B>, lookup: Lookup, _deadline: Deadline) -> Result<Lookup, Receiver<Lookup, IfChanged>> {
        Ok(lookup)
    }

    fn has_turns() -> bool {
        false
    }

    fn set_inline(_engine: &Engine<B>, _key: &SessionKey, _inline: Arc<dyn Adopt>, _runtime: &Handle) {}

    fn skip(_engine: &Engine<B>, _lookup: &Lookup) -> Vec<Item<Lookup, IfChanged>> {
        Vec::new()
    }

    async fn run(backend: &B, call: &Call, lookups: &[Lookup]) -> Result<Vec<Result<IfChanged, B::Error>>, B::Error> {
        backend.read(call, lookups).await
    }

    async fn find_cause(_backend: &B, _call: &Call, _lookup: &Lookup) -> Result<IfChanged, B::Error> {
        Ok(IfChanged::Gone)
    }

    fn pending(_answer: &IfChanged) -> Option<Pending> {
        None
    }
}

impl Mergeable for Lookup {
    const CHANGES: bool = false;

    fn key(&self) -> &SessionKey {
        &self.key
    }

    fn data_len(&self) -> usize {
        0
    }

    /// One read serves both: neither was answered yet, so both may see the same moment.
    fn merge(&mut self, later: &Self) -> bool {
        if self.known != later.known {
            self.known = None;
        }
        true
    }
}

/// Changes of sessions.
#[derive(Debug)]
pub(super) struct Changes;

#[async_trait]
impl<B: Backend> Work<B> for Changes {
    type Request = Change;
    type Answer = Verdict;

    fn queue<'e>(engine: &'e Engine<B>, change: &Change) -> &'e Arc<Queue<Change, Verdict>> {
        if matches!(change, Change::Rotate(_)) {
            return &engine.rotations;
        }
        engine.changes.get(engine.backend.group(change)).unwrap_or(&engine.rotations)
    }

    fn begin(engine: &Engine<B>, change: Change, deadline: Deadline) -> Result<Change, Receiver<Change, Verdict>> {
        if !B::ONE_CHANGE_PER_KEY {
            return Ok(change);
        }
        match engine.lanes.enter(change, deadline) {
            Turn::Now(change) => Ok(change),
            Turn::Later(receiver) => Err(receiver),
        }
    }

    fn has_turns() -> bool {
        B::ONE_CHANGE_PER_KEY
    }

    fn set_inline(engine: &Engine<B>, key: &SessionKey, inline: Arc<dyn Adopt>, runtime: &Handle) {
        engine.lanes.set_inline(key, inline, runtime);
    }

    fn skip(engine: &Engine<B>, change: &Change) -> Vec<Item<Change, Verdict>> {
        if B::ONE_CHANGE_PER_KEY { engine.lanes.leave(change.key()) } else { Vec::new() }
    }

    async fn run(backend: &B, call: &Call, changes: &[Change]) -> Result<Vec<Result<Verdict, B::Error>>, B::Error> {
        if let [Change::Rotate(rotate)] = changes {
            return Ok(vec![Ok(backend.rotate(call, rotate).await?)]);
        }
        backend.apply(call, changes).await
    }

    async fn find_cause(backend: &B, call: &Call, change: &Change) -> Result<Verdict, B::Error> {
        backend.find_cause(call, change).await
    }

    fn pending(verdict: &Verdict) -> Option<Pending> {
        match verdict {
            Verdict::Busy => Some(Pending::Busy),
            Verdict::Refused => Some(Pending::Cause),
            _ => None,
        }
    }
}

impl Mergeable for Change {
    const CHANGES: bool = true;

    fn key(&self) -> &SessionKey {
        Change::key(self)
    }

    fn data_len(&self) -> usize {
        Change::data_len(self)
    }

    /// Two touches are one with the longer idle time, which is exact by T1.
    fn merge(&mut self, later: &Self) -> bool {
        let (Self::Touch(touch), Self::Touch(later)) = (self, later) else { return false };
        touch.idle = touch.idle.max(later.idle);
        true
    }
}
