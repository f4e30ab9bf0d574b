//! The requests that wait for a statement.

use std::collections::VecDeque;
use std::collections::hash_map::Entry as Place;
use std::hash::BuildHasherDefault;
use std::iter;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, oneshot};

use super::key_map::KeyMap;
use super::{Deadline, Group};
use crate::{Result, SessionKey};

/// How many requests of a kind wait at the most. Further callers wait to be let in.
const MOST_WAITING: usize = 16_384;

/// What a caller gets.
pub(super) enum Reply<R, A> {
    Answer(Result<A>),
    /// The runtime of the task that was to send the request has ended. The caller, whose own runtime is there, submits
    /// the request again.
    Resubmit(R),
}

/// Where a caller waits, and whether its statement was sent.
pub(super) struct Receiver<R, A> {
    pub(super) reply: oneshot::Receiver<Reply<R, A>>,
    sent: Option<Arc<AtomicBool>>,
}

impl<R, A> Receiver<R, A> {
    /// Returns whether the database may have executed a change. It is `false` for reads.
    pub(super) fn was_sent(&self) -> bool {
        self.sent.as_ref().is_some_and(|sent| sent.load(Ordering::Acquire))
    }
}

/// A request, and who waits for its answer: one caller, or several who asked for the same.
pub(super) struct Item<R, A> {
    pub(super) request: R,
    pub(super) waiters: Waiters<R, A>,
}

/// Who waits for an answer.
pub(super) struct Waiters<R, A> {
    first: Caller<R, A>,
    others: Vec<Caller<R, A>>,
    /// The latest of the callers' deadlines.
    pub(super) deadline: Deadline,
}

struct Caller<R, A> {
    sender: oneshot::Sender<Reply<R, A>>,
    /// Set while the database may execute the statement of the request. A read changes nothing, and has none.
    sent: Option<Arc<AtomicBool>>,
}

impl<R: Mergeable, A> Caller<R, A> {
    fn new() -> (Self, Receiver<R, A>) {
        let (sender, reply) = oneshot::channel();
        let sent = R::CHANGES.then(|| Arc::new(AtomicBool::new(false)));
        (Self { sender, sent: sent.clone() }, Receiver { reply, sent })
    }
}

impl<R: Mergeable, A> Item<R, A> {
    pub(super) fn new(request: R, deadline: Deadline) -> (Self, Receiver<R, A>) {
        let (first, receiver) = Caller::new();
        (Self { request, waiters: Waiters { first, others: Vec::new(), deadline } }, receiver)
    }

    /// Adds a caller who gets the same answer.
    pub(super) fn join(&mut self, deadline: Deadline) -> Receiver<R, A> {
        let (caller, receiver) = Caller::new();
        self.waiters.others.push(caller);
        self.waiters.deadline = self.waiters.deadline.max(deadline);
        receiver
    }
}

impl<R, A> Item<R, A> {
    /// Returns whether nobody waits for it any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.waiters.are_gone()
    }
}

impl<R, A> Waiters<R, A> {
    /// Returns whether all have gone away.
    pub(super) fn are_gone(&self) -> bool {
        self.first.sender.is_closed() && self.others.iter().all(|caller| caller.sender.is_closed())
    }

    /// Adds callers who get the same answer.
    fn absorb(&mut self, later: Self) {
        self.deadline = self.deadline.max(later.deadline);
        self.others.push(later.first);
        self.others.extend(later.others);
    }

    /// Adds the marks of all callers to those that a statement sets, with the place of their request in the batch.
    pub(super) fn add_marks(&self, place: usize, marks: &mut Vec<(usize, Arc<AtomicBool>)>) {
        let sent = iter::once(&self.first).chain(&self.others).filter_map(|caller| caller.sent.as_ref());
        marks.extend(sent.map(|sent| (place, Arc::clone(sent))));
    }

    /// Records that their request was certainly not executed.
    pub(super) fn mark_unsent(&self) {
        for sent in iter::once(&self.first).chain(&self.others).filter_map(|caller| caller.sent.as_ref()) {
            sent.store(false, Ordering::Release);
        }
    }
}

impl<R: Clone, A: Clone> Waiters<R, A> {
    /// Answers all who wait.
    pub(super) fn answer(self, answer: Result<A>) {
        for caller in self.others {
            // The caller may have gone away.
            let _ = caller.sender.send(Reply::Answer(match &answer {
                Ok(answer) => Ok(answer.clone()),
                Err(error) => Err(error.share()),
            }));
        }
        let _ = self.first.sender.send(Reply::Answer(answer));
    }

    /// Gives the request back to all who wait.
    pub(super) fn give_back(self, request: &R) {
        for caller in self.others.into_iter().chain([self.first]) {
            let _ = caller.sender.send(Reply::Resubmit(request.clone()));
        }
    }
}

/// The requests that share statements.
pub(super) struct Queue<R, A> {
    pub(super) group: Group,
    pub(super) room: Semaphore,
    state: Mutex<State<R, A>>,
}

struct State<R, A> {
    waiting: VecDeque<Item<R, A>>,
    workers: usize,
    /// Whether a caller runs its own request.
    has_inline: bool,
    is_closed: bool,
}

/// What a request finds.
pub(super) enum Entry<R, A> {
    /// Nobody: the caller runs it.
    Inline(R),
    /// Others: it waits. If `has_place`, a place was taken for a worker, which has to be started.
    Waits { receiver: Receiver<R, A>, has_place: bool },
    /// A closed store, which gives the request back.
    Closed(R),
}

impl<R: Mergeable, A> Queue<R, A> {
    pub(super) fn new(group: Group) -> Self {
        let state = State { waiting: VecDeque::new(), workers: 0, has_inline: false, is_closed: false };
        Self { group, room: Semaphore::new(MOST_WAITING), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State<R, A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a request to its caller if it is alone; else puts it last.
    pub(super) fn enter(&self, request: R, deadline: Deadline) -> Entry<R, A> {
        if self.group.batch_size <= 1 {
            return Entry::Inline(request);
        }
        let mut state = self.state();
        if state.is_closed {
            return Entry::Closed(request);
        }
        // Not whenever a place is free: under load, many small statements serve fewer requests than a few large ones.
        if !state.has_inline && state.workers == 0 && state.waiting.is_empty() {
            state.has_inline = true;
            return Entry::Inline(request);
        }
        let (item, receiver) = Item::new(request, deadline);
        let has_place = state.push(item, self.group.in_flight);
        Entry::Waits { receiver, has_place }
    }

    /// Puts a request last that waited elsewhere. Returns whether a place was taken for a worker, or the request if the
    /// store is closed.
    pub(super) fn push(&self, item: Item<R, A>) -> Result<bool, Item<R, A>> {
        let mut state = self.state();
        if state.is_closed { Err(item) } else { Ok(state.push(item, self.group.in_flight)) }
    }

    /// Ends a request that its caller ran. Returns whether its place was taken for a worker, because requests wait.
    pub(super) fn end_inline(&self) -> bool {
        if self.group.batch_size <= 1 {
            return false;
        }
        let mut state = self.state();
        state.has_inline = false;
        let has_place = !state.waiting.is_empty() && state.workers < self.group.in_flight;
        state.workers += usize::from(has_place);
        has_place
    }

    pub(super) fn has_full_batch(&self) -> bool {
        self.state().waiting.len() >= self.group.batch_size
    }

    /// Gives up a worker's place, unless it `can_be_handed_on` and requests wait. Returns whether it was kept.
    pub(super) fn leave(&self, can_be_handed_on: bool) -> bool {
        let mut state = self.state();
        let is_kept = can_be_handed_on && !state.waiting.is_empty();
        state.workers -= usize::from(!is_kept);
        is_kept
    }

    /// Removes all that wait.
    pub(super) fn drain(&self) -> VecDeque<Item<R, A>> {
        std::mem::take(&mut self.state().waiting)
    }

    /// Removes all that wait, and lets nobody in any more.
    pub(super) fn close(&self) -> VecDeque<Item<R, A>> {
        self.room.close();
        let mut state = self.state();
        state.is_closed = true;
        std::mem::take(&mut state.waiting)
    }
}

impl<R, A> State<R, A> {
    fn push(&mut self, item: Item<R, A>, most_workers: usize) -> bool {
        self.waiting.push_back(item);
        // A caller who runs its own request counts, so that no more statements are in flight than the options say; but it
        // never takes the last place, because nobody can know whether it is polled.
        let most_workers = if self.has_inline { most_workers.saturating_sub(1).max(1) } else { most_workers };
        let has_place = self.workers < most_workers;
        self.workers += usize::from(has_place);
        has_place
    }
}

/// What a batch is made of: requests with a key, of which some can be merged.
pub(super) trait Mergeable: Clone {
    /// Whether statements change anything: then the outcome of one that was sent is unknown until it is answered.
    const CHANGES: bool;

    fn key(&self) -> &SessionKey;

    fn data_len(&self) -> usize;

    /// Makes this request one for both callers, if one answer serves both.
    fn merge(&mut self, later: &Self) -> bool;
}

impl<R: Mergeable, A> Queue<R, A> {
    /// Returns the next batch, and what nobody waits for any more.
    ///
    /// Requests come from the front, up to the limits. One that is the same as the last one about its key shares its
    /// answer, and takes no place in the batch.
    pub(super) fn take(&self, has_turns: bool) -> Taken<R, A> {
        let mut state = self.state();
        let most = state.waiting.len().min(self.group.batch_size);
        let mut taken = Taken { batch: Vec::with_capacity(most), abandoned: Vec::new(), merged: Vec::new() };
        let (mut bytes, mut places) =
            (0_usize, KeyMap::<usize>::with_capacity_and_hasher(most, BuildHasherDefault::default()));
        let (has_one, now) = (state.waiting.len() == 1, Deadline::now());
        while let Some(item) = state.waiting.pop_front() {
            // Nobody waits for it any more, or its caller is not polled.
            if item.is_abandoned() || item.waiters.deadline <= now {
                taken.abandoned.push(item);
                continue;
            }
            if has_one {
                taken.batch.push(item);
                break;
            }
            let place = places.entry(*item.request.key());
            if let Place::Occupied(place) = &place
                && let Some(same) = taken.batch.get_mut(*place.get())
                && same.request.merge(&item.request)
            {
                same.waiters.absorb(item.waiters);
                taken.merged.extend(has_turns.then_some(item.request));
                continue;
            }
            let size = self.group.overhead.saturating_add(item.request.data_len());
            bytes = bytes.saturating_add(size);
            let is_full = taken.batch.len() >= self.group.batch_size
                || (bytes > self.group.batch_bytes && !taken.batch.is_empty());
            if is_full {
                state.waiting.push_front(item);
                break;
            }
            match place {
                Place::Occupied(mut place) => *place.get_mut() = taken.batch.len(),
                Place::Vacant(place) => _ = place.insert(taken.batch.len()),
            }
            taken.batch.push(item);
        }
        taken
    }
}

pub(super) struct Taken<R, A> {
    pub(super) batch: Vec<Item<R, A>>,
    /// Those whose callers have gone away, or have run out of time.
    pub(super) abandoned: Vec<Item<R, A>>,
    /// Those that share the answer of another, if each has a turn that it must end.
    pub(super) merged: Vec<R>,
}
