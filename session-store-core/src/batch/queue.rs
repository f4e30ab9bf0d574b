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
    sent: Arc<AtomicBool>,
}

pub(super) struct Queue<B: Batch>(Mutex<State<B>>);

struct State<B: Batch> {
    waiting: VecDeque<Pending<B>>,
    /// How many places are taken: by workers, and by callers whose request is alone.
    places: usize,
    closed: bool,
}

/// What a request meets.
pub(super) enum Entry<B: Batch> {
    /// Nobody: the caller has taken a place, to send it by itself.
    Alone(B::Request),
    /// Others, who wait or are served: the answer comes here. Where `has_place`, a place was taken for a worker, which is to be started.
    Waits { answer: oneshot::Receiver<Result<B::Answer>>, has_place: bool },
}

/// The queue takes no more.
#[derive(Debug)]
pub(super) struct Closed;

impl<B: Batch> Queue<B> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State { waiting: VecDeque::new(), places: 0, closed: false }))
    }

    fn state(&self) -> MutexGuard<'_, State<B>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the request back, to be sent by its caller, where it is alone; else puts it last.
    pub(super) fn enter(
        &self,
        request: B::Request,
        sent: &Arc<AtomicBool>,
        most_places: usize,
    ) -> Result<Entry<B>, Closed> {
        let mut state = self.state();
        if state.closed {
            return Err(Closed);
        }
        // Not wherever a place is free: under load, many small statements would serve fewer than a few large ones.
        let is_alone = state.places == 0 && state.waiting.is_empty();
        let has_place = state.places < most_places;
        state.places += usize::from(has_place);
        if is_alone {
            sent.store(true, Ordering::Release);
            return Ok(Entry::Alone(request));
        }
        let (sender, answer) = oneshot::channel();
        state.waiting.push_back(Pending { request, sender, sent: Arc::clone(sent) });
        Ok(Entry::Waits { answer, has_place })
    }

    /// How many requests wait.
    pub(super) fn len(&self) -> usize {
        self.state().waiting.len()
    }

    /// The next batch; empty where nothing waits.
    pub(super) fn next(&self, batch: &B, limits: &BatchLimits) -> Vec<Pending<B>> {
        take(&mut self.state().waiting, batch, limits)
    }

    /// Gives up a place, unless it `can_be_handed_on` and there is somebody to serve: then says so.
    pub(super) fn leave(&self, can_be_handed_on: bool) -> bool {
        let mut state = self.state();
        let goes_on = can_be_handed_on && !state.waiting.is_empty();
        state.places -= usize::from(!goes_on);
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
