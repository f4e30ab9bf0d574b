//! What all handles of a store share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use super::lanes::Lanes;
use super::queue::Queue;
use super::{Backend, Change, Group, Lookup, StoreOptions, Verdict};
use crate::{Error, ErrorKind, IfChanged, Result};

/// What all handles of a store share.
pub(super) struct Engine<B: Backend> {
    pub(super) backend: B,
    pub(super) options: StoreOptions,
    pub(super) reads: Arc<Queue<Lookup, IfChanged>>,
    /// By the number that the backend gives each group.
    pub(super) changes: Vec<Arc<Queue<Change, Verdict>>>,
    pub(super) rotations: Arc<Queue<Change, Verdict>>,
    pub(super) lanes: Lanes,
    /// As many as there may be statements that wait for records which others hold.
    pub(super) lone: Semaphore,
    pub(super) is_closed: AtomicBool,
    /// The statements that `close` waits for.
    pub(super) in_flight: AtomicUsize,
}

impl<B: Backend> Engine<B> {
    pub(super) fn new(backend: B, options: StoreOptions) -> Self {
        Self {
            reads: Arc::new(Queue::new(backend.read_group(&options))),
            changes: backend.change_groups(&options).into_iter().map(|group| Arc::new(Queue::new(group))).collect(),
            rotations: Arc::new(Queue::new(Group::single())),
            lanes: Lanes::new(backend.changes_per_turn(&options)),
            lone: Semaphore::new(backend.lone_statements()),
            is_closed: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            backend,
            options,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }

    /// Refuses a call to a store that is closed.
    pub(super) fn check_open(&self) -> Result<()> {
        if self.is_closed() { Err(closed()) } else { Ok(()) }
    }

    /// The error of a request that has run out of time.
    pub(super) fn late(&self, may_have_run: bool) -> Error {
        let timeout = self.options.operation_timeout;
        let text = format!("{}: no answer within the operation timeout of {timeout:?}", B::NAME);
        unknown_if(may_have_run, Error::new(ErrorKind::Timeout, text))
    }
}

/// The error of a store that is closed (W3).
pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Unavailable, "the store is closed").with_transient(false)
}

/// The error of a statement that ended in an unexpected way.
pub(super) fn unanswered(may_have_run: bool) -> Error {
    unknown_if(may_have_run, Error::new(ErrorKind::Internal, "a statement ended without an answer"))
}

fn unknown_if(may_have_run: bool, error: Error) -> Error {
    if may_have_run { error.with_outcome_unknown() } else { error }
}
