//! The order of the changes of one session.

use std::collections::VecDeque;
use std::collections::hash_map::Entry as Place;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;

use super::inline::Adopt;
use super::key_map::KeyMap;
use super::queue::{Item, Receiver};
use super::{Change, Deadline, Verdict};
use crate::SessionKey;

/// The sessions that are being changed, each with the changes that wait for it.
///
/// One change of a session is under way at a time. So a session that many callers change takes one place in a batch and
/// one lock in the database, and the others go on (clause O1).
pub(super) struct Lanes([Mutex<KeyMap<Lane>>; SHARDS]);

const SHARDS: usize = 16;

#[derive(Default)]
struct Lane {
    waiting: VecDeque<Item<Change, Verdict>>,
    /// The change under way, if its caller runs it.
    inline: Option<Arc<dyn Adopt>>,
}

/// Whether a change may begin.
pub(super) enum Turn {
    /// It may, and has to [leave](Lanes::leave) at its end.
    Now(Change),
    /// It waits.
    Later(Receiver<Change, Verdict>),
}

impl Lanes {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }

    fn shard(&self, key: &SessionKey) -> MutexGuard<'_, KeyMap<Lane>> {
        let [.., last] = key.as_bytes();
        let [first, ..] = &self.0;
        self.0.get(usize::from(*last) % SHARDS).unwrap_or(first).lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a change, or lets it wait behind the others of its session.
    pub(super) fn enter(&self, change: Change, deadline: Deadline) -> Turn {
        let mut shard = self.shard(change.key());
        let lane = match shard.entry(*change.key()) {
            Place::Vacant(place) => {
                place.insert(Lane::default());
                return Turn::Now(change);
            }
            Place::Occupied(place) => place.into_mut(),
        };
        let inline = lane.inline.take();
        let receiver = lane.wait(change, deadline);
        drop(shard);
        if let (Some(inline), Ok(runtime)) = (inline, Handle::try_current()) {
            inline.adopt(&runtime);
        }
        Turn::Later(receiver)
    }

    /// Records that the caller runs the change under way, until somebody waits for it.
    pub(super) fn set_inline(&self, key: &SessionKey, inline: Arc<dyn Adopt>, runtime: &Handle) {
        let mut shard = self.shard(key);
        let Some(lane) = shard.get_mut(key) else { return };
        if lane.waiting.is_empty() {
            lane.inline = Some(inline);
        } else {
            drop(shard);
            inline.adopt(runtime);
        }
    }

    /// Ends the change under way, and returns the one that comes next.
    pub(super) fn leave(&self, key: &SessionKey) -> Option<Item<Change, Verdict>> {
        let mut shard = self.shard(key);
        let lane = shard.get_mut(key)?;
        let mut ended = std::mem::take(&mut lane.inline);
        let next = loop {
            match lane.waiting.pop_front() {
                Some(item) if item.is_abandoned() => {}
                next => break next,
            }
        };
        if next.is_none() {
            shard.remove(key);
        }
        drop(shard);
        // It may be the last that holds the future.
        ended.take();
        next
    }

    /// Removes all that wait.
    pub(super) fn drain(&self) -> Vec<Item<Change, Verdict>> {
        let lock = |shard: &Mutex<KeyMap<Lane>>| {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.values_mut().flat_map(|lane| std::mem::take(&mut lane.waiting)).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(lock).collect()
    }
}

impl Lane {
    fn wait(&mut self, change: Change, deadline: Deadline) -> Receiver<Change, Verdict> {
        if let (Change::Touch(touch), Some(last)) = (&change, self.waiting.back_mut())
            && let Change::Touch(other) = &mut last.request
        {
            // Exact by T1.
            other.idle = other.idle.max(touch.idle);
            return last.join(deadline);
        }
        let place = if change.overtakes() {
            self.waiting.iter().rposition(|item| !item.request.may_be_overtaken()).map_or(0, |place| place + 1)
        } else {
            self.waiting.len()
        };
        let (item, receiver) = Item::new(change, deadline);
        self.waiting.insert(place, item);
        receiver
    }
}
