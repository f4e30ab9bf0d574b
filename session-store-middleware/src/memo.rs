//! What is remembered for a while.

use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;

/// So many entries at the most: those that were used last. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Memo<K: Hash + Eq, V>(Arc<Mutex<LruCache<K, V>>>);

impl<K: Hash + Eq, V: Copy> Memo<K, V> {
    pub(crate) fn new(capacity: NonZeroUsize) -> Self {
        Self(Arc::new(Mutex::new(LruCache::new(capacity))))
    }

    pub(crate) fn put(&self, key: K, value: V) {
        self.entries().put(key, value);
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.entries().peek(key).copied()
    }

    pub(crate) fn take(&self, key: &K) -> Option<V> {
        self.entries().pop(key)
    }

    fn entries(&self) -> MutexGuard<'_, LruCache<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
