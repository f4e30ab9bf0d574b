//! Which keys belong to which user.

use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::{DefaultHashBuilder, HashMap};
use session_store_core::{SessionKey, UserId};

const SHARDS: usize = 64;

/// The index of users. It changes only while the session's own shard is locked, so it is right whenever
/// that lock is free. Its locks are taken last, and one at a time.
#[derive(Debug)]
pub(crate) struct Index {
    hasher: DefaultHashBuilder,
    shards: Box<[Mutex<Users>]>,
}

/// Keys in ascending order: a sorted vector, for most users have few sessions and each byte counts.
type Users = HashMap<UserId, Vec<SessionKey>>;

impl Index {
    pub(crate) fn new() -> Self {
        Self { hasher: DefaultHashBuilder::default(), shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    /// Adds a key, and returns the one copy of the user's name that all of its sessions share.
    pub(crate) fn add(&self, user: &UserId, key: SessionKey) -> UserId {
        let mut users = self.lock(user);
        let entry = users.entry_ref(user).or_default_entry();
        let shared = entry.key().clone();
        let keys = entry.into_mut();
        if let Err(at) = keys.binary_search(&key) {
            // Growing by a quarter, not by doubling: an index entry is half of what a session costs.
            if keys.len() == keys.capacity() {
                keys.reserve_exact(1 + keys.len() / 4);
            }
            keys.insert(at, key);
        }
        shared
    }

    pub(crate) fn remove(&self, user: &UserId, key: &SessionKey) {
        let mut users = self.lock(user);
        let Some(keys) = users.get_mut(user) else { return };
        if let Ok(at) = keys.binary_search(key) {
            keys.remove(at);
        }
        if keys.is_empty() {
            users.remove(user);
        } else if keys.len() < keys.capacity() / 2 {
            keys.shrink_to_fit();
        }
    }

    /// The first `limit` keys of a user after `after`.
    pub(crate) fn page(&self, user: &UserId, after: Option<&SessionKey>, limit: usize) -> Vec<SessionKey> {
        let users = self.lock(user);
        let Some(keys) = users.get(user) else { return Vec::new() };
        let start = after.map_or(0, |after| keys.partition_point(|key| key <= after));
        keys.iter().skip(start).take(limit).copied().collect()
    }

    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            *lock(shard) = Users::default();
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).values().map(Vec::len).sum::<usize>()).sum()
    }

    #[allow(clippy::indexing_slicing, reason = "the remainder is below SHARDS")]
    fn lock(&self, user: &UserId) -> MutexGuard<'_, Users> {
        let shard = usize::try_from(self.hasher.hash_one(user) % SHARDS as u64).unwrap_or(0);
        lock(&self.shards[shard])
    }
}

fn lock(shard: &Mutex<Users>) -> MutexGuard<'_, Users> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
