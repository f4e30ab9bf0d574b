//! The order of the changes of one session.

use std::collections::VecDeque;
use std::collections::hash_map::Entry as Place;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;

use super::inline::Adopt;
use super::key_map::KeyMap;
use super::queue::{Item, Mergeable as _, Receiver};
use super::{Change, Deadline, Verdict};
use crate::SessionKey;

/// The sessions that are being changed, each with the changes that wait for it.
///
/// One change of a session is under way at a time. So a session that many callers change takes one place in a batch and
/// one lock in the database, and the others go on (clause O1).
pub(super) struct Lanes {
    shards: [Mutex<KeyMap<Lane>>; SHARDS],
    /// How many changes begin together after they have waited.
    per_turn: usize,
}

const SHARDS: usize = 16;

#[derive(Default)]
struct Lane {
    waiting: VecDeque<Item<Change, Verdict>>,
    under_way: usize,
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
    pub(super) fn new(per_turn: usize) -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()), per_turn }
    }

    fn shard(&self, key: &SessionKey) -> MutexGuard<'_, KeyMap<Lane>> {
        let [.., last] = key.as_bytes();
        let [first, ..] = &self.shards;
        self.shards.get(usize::from(*last) % SHARDS).unwrap_or(first).lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a change, or lets it wait behind the others of its session.
    pub(super) fn enter(&self, change: Change, deadline: Deadline) -> Turn {
        let mut shard = self.shard(change.key());
        let lane = match shard.entry(*change.key()) {
            Place::Vacant(place) => {
                place.insert(Lane { under_way: 1, ..Lane::default() });
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

    /// Ends a change that was under way, and returns those that come next.
    pub(super) fn leave(&self, key: &SessionKey) -> Vec<Item<Change, Verdict>> {
        let mut shard = self.shard(key);
        let Some(lane) = shard.get_mut(key) else { return Vec::new() };
        let mut ended = std::mem::take(&mut lane.inline);
        let next = lane.next(self.per_turn);
        if lane.under_way == 0 {
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
        self.shards.iter().flat_map(lock).collect()
    }
}

impl Lane {
    /// Ends a change, and begins the next ones if it was the last.
    fn next(&mut self, most: usize) -> Vec<Item<Change, Verdict>> {
        self.under_way = self.under_way.saturating_sub(1);
        let mut next: Vec<Item<Change, Verdict>> = Vec::new();
        if self.under_way > 0 {
            return next;
        }
        while let Some(item) = self.waiting.pop_front() {
            if item.is_abandoned() {
                continue;
            }
            let may_join = next.first().is_none_or(|first| first.request.begins_with(&item.request));
            if !may_join || next.len() >= most.max(1) {
                self.waiting.push_front(item);
                break;
            }
            next.push(item);
        }
        self.under_way = next.len();
        next
    }

    fn wait(&mut self, change: Change, deadline: Deadline) -> Receiver<Change, Verdict> {
        if let Some(last) = self.waiting.back_mut()
            && last.request.merge(&change)
        {
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
