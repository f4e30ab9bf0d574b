//! What the handles share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use session_store_core::{
    Entry, Error, ErrorKind, Meta, Page, Pruned, Result, SessionKey, UserId, corrupt_record_skipped,
};

use crate::Clock;
use crate::index::Index;
use crate::scan::Position;
use crate::shard::{Shard, Shards, Slot};

/// What all handles of a store share: the sessions, and the index that follows them.
pub(crate) struct Shared {
    pub(crate) shards: Shards,
    pub(crate) index: Index,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) data_limit: usize,
    pub(crate) is_closed: AtomicBool,
}

impl Shared {
    pub(crate) fn new(clock: Arc<dyn Clock>, data_limit: usize) -> Self {
        let is_closed = AtomicBool::new(false);
        Self { shards: Shards::new(), index: Index::new(), clock, data_limit, is_closed }
    }

    /// Refuses a call to a store that is closed (W3).
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Unavailable, "the store is closed").with_transient(false));
        }
        Ok(())
    }

    /// Returns live sessions from a position on, and where to go on.
    pub(crate) fn scan(&self, from: Position, limit: usize) -> (Vec<Entry>, Option<Position>) {
        let shard = self.shards.lock_at(from.shard);
        let now = self.clock.now();
        // A table has no order that lasts, so the walk goes by the keys.
        let mut slots: Vec<_> = shard.iter().filter(|slot| from.after.is_none_or(|after| slot.key > after)).collect();
        let has_more = slots.len() > limit;
        if has_more {
            slots.select_nth_unstable_by_key(limit, |slot| slot.key);
            slots.truncate(limit);
        }
        let next = match slots.iter().map(|slot| slot.key).max() {
            Some(last) if has_more => Some(Position { shard: from.shard, after: Some(last) }),
            _ if from.shard + 1 < Shards::COUNT => Some(Position { shard: from.shard + 1, after: None }),
            _ => None,
        };
        let mut entries = Vec::with_capacity(slots.len());
        for slot in slots {
            if slot.meta.check(&slot.key).is_err() {
                corrupt_record_skipped("memory");
            } else if slot.meta.is_live(now) {
                entries.push(Entry { key: slot.key, meta: slot.meta.clone() });
            }
        }
        (entries, next)
    }

    /// Puts a slot in the place of whatever was there, and the index right.
    pub(crate) fn put(&self, shard: &mut Shard, key: SessionKey, mut meta: Meta, data: Bytes) {
        let before = shard.slot(&key).and_then(|slot| slot.meta.user.clone());
        if before == meta.user {
            meta.user = before;
        } else {
            if let Some(user) = before {
                self.index.remove(&user, &key);
            }
            meta.user = meta.user.map(|user| self.index.add(&user, key));
        }
        shard.insert(Slot { key, meta, data });
    }

    pub(crate) fn remove(&self, shard: &mut Shard, key: &SessionKey) -> Option<Slot> {
        let slot = shard.remove(key)?;
        if let Some(user) = &slot.meta.user {
            self.index.remove(user, key);
        }
        Some(slot)
    }

    /// Ends a session unless it has left the user; `true` if it was live.
    pub(crate) fn end_if_still_of(&self, user: &UserId, key: &SessionKey) -> bool {
        let mut shard = self.shards.lock(key);
        let now = self.clock.now();
        if shard.slot(key).is_none_or(|slot| slot.meta.user.as_ref() != Some(user)) {
            return false;
        }
        // One that cannot be read is removed, and not counted (Z3).
        self.remove(&mut shard, key).is_some_and(|slot| slot.meta.is_live(now) && slot.meta.check(key).is_ok())
    }

    pub(crate) async fn prune(&self, limit: u32) -> Pruned {
        let limit = limit as usize;
        let mut removed = 0;
        for number in 0..Shards::COUNT {
            removed += self.prune_shard(number, limit - removed);
            if removed == limit {
                break;
            }
            // A million sessions take milliseconds; other tasks go in between.
            tokio::task::yield_now().await;
        }
        Pruned { removed: removed as u64, more: removed == limit }
    }

    fn prune_shard(&self, number: usize, limit: usize) -> usize {
        let mut shard = self.shards.lock_at(number);
        let now = self.clock.now();
        let dead: Vec<_> =
            shard.iter().filter(|slot| !slot.meta.is_live(now)).map(|slot| slot.key).take(limit).collect();
        for key in &dead {
            self.remove(&mut shard, key);
        }
        shard.shrink();
        dead.len()
    }

    /// What is to be shown of `keys`, or `None` when one of them has left the user since the keys were
    /// read: it may have got a new key, which they lack.
    fn shown(&self, user: &UserId, keys: &[SessionKey], limit: usize) -> Option<Shown> {
        let mut shown = Shown { entries: Vec::with_capacity(keys.len().min(limit)), corrupt: 0 };
        for &key in keys {
            let shard = self.shards.lock(&key);
            let now = self.clock.now();
            let slot = shard.slot(&key).filter(|slot| slot.meta.user.as_ref() == Some(user))?;
            if slot.meta.check(&key).is_err() {
                shown.corrupt += 1;
            } else if slot.meta.is_live(now) {
                shown.entries.push(Entry { key, meta: slot.meta.clone() });
                if shown.entries.len() == limit {
                    break;
                }
            }
        }
        Some(shown)
    }

    /// One page, or `None` when it must be begun anew. It comes from one reading of the index, so that a
    /// session that gets a new key meanwhile is not shown under both.
    pub(crate) fn page(&self, user: &UserId, page: &Page) -> Option<Vec<Entry>> {
        let limit = page.limit() as usize;
        let mut wanted = limit;
        loop {
            let keys = self.index.page(user, page.after(), wanted);
            let shown = self.shown(user, &keys, limit)?;
            if shown.entries.len() == limit || keys.len() < wanted {
                (0..shown.corrupt).for_each(|_| corrupt_record_skipped("memory"));
                return Some(shown.entries);
            }
            // Dead sessions left the page short, and it is not the last.
            wanted = wanted.saturating_mul(2);
        }
    }
}

struct Shown {
    entries: Vec<Entry>,
    corrupt: usize,
}

/// What the sweeper holds of the store: nothing that would keep it alive.
pub(crate) struct Handle(pub(crate) Weak<Shared>);

impl Handle {
    /// Prunes all there is to prune; `false` when the store is gone.
    pub(crate) async fn prune(&self) -> bool {
        let Some(shared) = self.0.upgrade() else { return false };
        shared.prune(u32::MAX).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use session_store_core::{Owner, SessionStore as _, SetMode, Timestamp, Write};

    use super::*;
    use crate::{ManualClock, MemoryStore};

    /// P3, for the index too, which no handle can look into.
    #[tokio::test]
    async fn nothing_is_left_after_the_last_prune() {
        const MINUTE: Duration = Duration::from_mins(1);
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
        let store = MemoryStore::builder().clock(clock.clone()).build().unwrap();
        for n in 0..100 {
            let user = UserId::new(format!("user {}", n % 7)).unwrap();
            let write = Write::new("data", MINUTE, MINUTE).unwrap().with_owner(Owner::User(user));
            store.set(&SessionKey::from_bytes([n; 32]), &write, SetMode::Create).await.unwrap();
        }
        assert_eq!((store.stored(), store.shared().index.len()), (100, 100));
        clock.advance(MINUTE);
        assert_eq!(store.prune(60).await.unwrap(), Pruned { removed: 60, more: true });
        assert_eq!(store.prune(60).await.unwrap(), Pruned { removed: 40, more: false });
        assert_eq!((store.stored(), store.shared().index.len()), (0, 0));
    }
}
