//! The requests that wait for a batch.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::{Batch, BatchLimits};
use crate::Result;

/// A request, and who waits for its answer.
pub(super) struct Pending<B: Batch> {
    pub(super) request: B::Request,
    pub(super) sender: oneshot::Sender<Result<B::Answer>>,
    /// Told when the request leaves the queue.
    pub(super) sent: Arc<AtomicBool>,
}

pub(super) struct Queue<B: Batch>(Mutex<State<B>>);

struct State<B: Batch> {
    waiting: VecDeque<Pending<B>>,
    /// How many workers run batches.
    workers: usize,
    closed: bool,
}

/// The queue takes no more.
#[derive(Debug)]
pub(super) struct Closed;

impl<B: Batch> Queue<B> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State { waiting: VecDeque::new(), workers: 0, closed: false }))
    }

    fn state(&self) -> MutexGuard<'_, State<B>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a request last, and says whether a worker is to be started for it.
    pub(super) fn push(&self, pending: Pending<B>, most_workers: usize) -> Result<bool, Closed> {
        let mut state = self.state();
        if state.closed {
            return Err(Closed);
        }
        state.waiting.push_back(pending);
        let starts = state.workers < most_workers;
        state.workers += usize::from(starts);
        Ok(starts)
    }

    /// The next batch; `None` where nothing waits, and the worker that asked ends.
    pub(super) fn next(&self, batch: &B, limits: &BatchLimits) -> Option<Vec<Pending<B>>> {
        let mut state = self.state();
        let taken = take(&mut state.waiting, batch, limits);
        if taken.is_empty() {
            state.workers -= 1;
            return None;
        }
        Some(taken)
    }

    /// A worker has ended before its time; where it can be replaced, whether it is to be.
    pub(super) fn lose_worker(&self, can_be_replaced: bool) -> bool {
        let mut state = self.state();
        let goes_on = can_be_replaced && !state.waiting.is_empty();
        state.workers -= usize::from(!goes_on);
        goes_on
    }

    pub(super) fn close(&self) -> VecDeque<Pending<B>> {
        let mut state = self.state();
        state.closed = true;
        std::mem::take(&mut state.waiting)
    }
}

/// Takes requests from the front, up to the limits. A second request for a key ends the batch there: order is kept.
fn take<B: Batch>(waiting: &mut VecDeque<Pending<B>>, batch: &B, limits: &BatchLimits) -> Vec<Pending<B>> {
    let (mut taken, mut bytes, mut keys) = (Vec::new(), 0, HashSet::new());
    while let Some(pending) = waiting.pop_front() {
        // Nobody waits for it any more.
        if pending.sender.is_closed() {
            continue;
        }
        bytes += batch.bytes(&pending.request);
        let is_full = taken.len() == limits.requests || (bytes > limits.bytes && !taken.is_empty());
        if is_full || batch.key(&pending.request).is_some_and(|key| !keys.insert(key)) {
            waiting.push_front(pending);
            break;
        }
        pending.sent.store(true, Ordering::Release);
        taken.push(pending);
    }
    taken
}
