//! One of the tables that hold the sessions.

use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hashbrown::{DefaultHashBuilder, HashTable};
use session_store_core::{Meta, Result, SessionKey, Timestamp};

#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) key: SessionKey,
    pub(crate) meta: Meta,
    pub(crate) data: Bytes,
}

impl Slot {
    /// Whether a `destroy` of it ends something: one that cannot be read counts as live (Z3).
    pub(crate) fn is_live_or_corrupt(&self, now: Timestamp) -> bool {
        self.meta.is_live(now) || self.meta.check(&self.key).is_err()
    }
}

/// A table of boxed slots: a table grows by doubling, and an empty place in it costs nine bytes, not a
/// whole slot.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    hasher: DefaultHashBuilder,
    slots: HashTable<Box<Slot>>,
}

impl Shard {
    /// What is kept under a key, live or not, ours or not.
    pub(crate) fn slot(&self, key: &SessionKey) -> Option<&Slot> {
        self.slots.find(self.hasher.hash_one(key), |slot| slot.key == *key).map(|slot| &**slot)
    }

    /// The session of a key, if it is live.
    pub(crate) fn live(&self, key: &SessionKey, now: Timestamp) -> Result<Option<&Slot>> {
        let Some(slot) = self.slot(key) else { return Ok(None) };
        slot.meta.check(key)?;
        Ok(slot.meta.is_live(now).then_some(slot))
    }

    /// The session of a key for changes that keep key and user, if it is live.
    pub(crate) fn live_mut(&mut self, key: &SessionKey, now: Timestamp) -> Result<Option<&mut Slot>> {
        let hash = self.hasher.hash_one(key);
        let Some(slot) = self.slots.find_mut(hash, |slot| slot.key == *key) else { return Ok(None) };
        slot.meta.check(key)?;
        Ok(slot.meta.is_live(now).then_some(&mut **slot))
    }

    pub(crate) fn insert(&mut self, slot: Slot) {
        let Self { hasher, slots } = self;
        let hash = hasher.hash_one(slot.key);
        match slots.find_mut(hash, |known| known.key == slot.key) {
            Some(known) => **known = slot,
            None => _ = slots.insert_unique(hash, Box::new(slot), |slot| hasher.hash_one(slot.key)),
        }
    }

    pub(crate) fn remove(&mut self, key: &SessionKey) -> Option<Slot> {
        let hash = self.hasher.hash_one(key);
        let found = self.slots.find_entry(hash, |slot| slot.key == *key).ok()?;
        Some(*found.remove().0)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().map(|slot| &**slot)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn clear(&mut self) {
        self.slots = HashTable::new();
    }

    /// Gives memory back after many sessions have gone.
    pub(crate) fn shrink(&mut self) {
        let Self { hasher, slots } = self;
        if slots.len() < slots.capacity() / 4 {
            slots.shrink_to(slots.len() * 2, |slot| hasher.hash_one(slot.key));
        }
    }
}

/// All sessions, spread over shards by their keys, which are hashes.
#[derive(Debug)]
pub(crate) struct Shards(Box<[Aligned]>);

/// Each lock on cache lines of its own, so that two cores working on two shards do not meet.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Aligned(Mutex<Shard>);

impl Shards {
    pub(crate) const COUNT: usize = 64;

    pub(crate) fn new() -> Self {
        Self((0..Self::COUNT).map(|_| Aligned::default()).collect())
    }

    pub(crate) fn lock(&self, key: &SessionKey) -> MutexGuard<'_, Shard> {
        self.lock_at(number(key))
    }

    /// The shards of two keys. Locks are taken in ascending order, so two rotations cannot wait for
    /// each other.
    pub(crate) fn lock_both(&self, one: &SessionKey, other: &SessionKey) -> Pair<'_> {
        let (low, high) = (number(one).min(number(other)), number(one).max(number(other)));
        Pair { low: self.lock_at(low), high: (low != high).then(|| self.lock_at(high)), low_number: low }
    }

    pub(crate) fn lock_all(&self) -> Vec<MutexGuard<'_, Shard>> {
        self.one_by_one().collect()
    }

    /// Each shard in turn, locked while it is looked at.
    pub(crate) fn one_by_one(&self) -> impl Iterator<Item = MutexGuard<'_, Shard>> {
        (0..Self::COUNT).map(|number| self.lock_at(number))
    }

    #[allow(clippy::indexing_slicing, reason = "every number is below COUNT")]
    pub(crate) fn lock_at(&self, number: usize) -> MutexGuard<'_, Shard> {
        self.0[number].0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn number(key: &SessionKey) -> usize {
    let [first, ..] = key.as_bytes();
    usize::from(*first) % Shards::COUNT
}

/// The locked shards of two keys, which may be the same shard.
pub(crate) struct Pair<'a> {
    low: MutexGuard<'a, Shard>,
    high: Option<MutexGuard<'a, Shard>>,
    low_number: usize,
}

impl Pair<'_> {
    pub(crate) fn of(&mut self, key: &SessionKey) -> &mut Shard {
        match &mut self.high {
            Some(high) if number(key) != self.low_number => high,
            _ => &mut self.low,
        }
    }
}
