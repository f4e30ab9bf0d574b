//! The store.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use session_store_core::{
    Entry, Error, IfChanged, Meta, Page, Pruned, Record, Result, ScanCursor, ScanPage, SessionKey, SessionStore,
    SetMode, UserId, Version, Write, timeout_millis,
};

use crate::Builder;
use crate::scan::Position;
use crate::shard::Shard;
use crate::shared::{Handle, Shared};
use crate::sweeper::Sweeper;

/// A store in the memory of this process. Its namespace is the instance: clones are handles on the same
/// sessions, which are gone with the last of them.
///
/// See the [crate's page](crate) for what it promises.
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Shared>,
    /// Held by every handle, and by nothing else: the sweeping ends with the last handle.
    _sweeper: Option<Arc<Sweeper>>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("data_limit", &self.shared.data_limit).finish_non_exhaustive()
    }
}

impl MemoryStore {
    /// An empty store with the defaults.
    #[must_use]
    pub fn new() -> Self {
        let Builder { clock, data_limit, .. } = Builder::default();
        Self { shared: Arc::new(Shared::new(clock, data_limit)), _sweeper: None }
    }

    /// A store with settings of its own.
    ///
    /// # Example: sweeping in the background
    ///
    /// ```
    /// use std::time::Duration;
    /// use session_store_memory::MemoryStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> session_store_memory::core::Result<()> {
    /// let store = MemoryStore::builder()
    ///     .prune_every(Duration::from_secs(60))
    ///     .data_limit(64 * 1024)
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn from_builder(builder: Builder) -> Result<Self> {
        let shared = Arc::new(Shared::new(builder.clock, builder.data_limit));
        let sweeper = match builder.prune_every {
            Some(interval) => Some(Arc::new(Sweeper::start(Handle(Arc::downgrade(&shared)), interval)?)),
            None => None,
        };
        Ok(Self { shared, _sweeper: sweeper })
    }

    /// How many sessions are held, dead ones that were not pruned yet included.
    #[must_use]
    pub fn stored(&self) -> usize {
        self.shared.shards.one_by_one().map(|shard| shard.len()).sum()
    }

    #[cfg(test)]
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Puts a record under a key as it is, without a word of the contract, for tests of what reads it:
    /// of any age, and also with times that contradict each other, which reads as `Corrupt`.
    pub fn plant(&self, key: SessionKey, meta: Meta, data: Bytes) {
        self.shared.put(&mut self.shared.shards.lock(&key), key, meta, data);
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn get(&self, key: &SessionKey) -> Result<Option<Record>> {
        self.shared.check_open()?;
        let shard = self.shared.shards.lock(key);
        let read_at = self.shared.clock.now();
        let slot = shard.live(key, read_at)?;
        Ok(slot.map(|slot| Record { meta: slot.meta.clone(), data: slot.data.clone(), read_at }))
    }

    async fn get_if_changed(&self, key: &SessionKey, version: Version) -> Result<IfChanged> {
        self.shared.check_open()?;
        let shard = self.shared.shards.lock(key);
        let read_at = self.shared.clock.now();
        Ok(match shard.live(key, read_at)? {
            None => IfChanged::Gone,
            Some(slot) if slot.meta.version == version => IfChanged::Unchanged { meta: slot.meta.clone(), read_at },
            Some(slot) => IfChanged::Changed(Record { meta: slot.meta.clone(), data: slot.data.clone(), read_at }),
        })
    }

    async fn set(&self, key: &SessionKey, write: &Write, mode: SetMode) -> Result<Version> {
        self.shared.check_open()?;
        write.check_size(self.shared.data_limit)?;
        let version = Version::generate()?;
        // A copy: what the caller holds may be a small piece of a large buffer.
        let data = Bytes::copy_from_slice(write.data());
        let mut shard = self.shared.shards.lock(key);
        let now = self.shared.clock.now();
        let before = shard.live(key, now)?.map(|slot| &slot.meta);
        match (mode, before) {
            (SetMode::Create, Some(_)) => return Err(Error::already_exists(key)),
            (SetMode::Replace | SetMode::Update(_), None) => return Err(Error::not_found(key)),
            (SetMode::Update(expected), Some(meta)) if meta.version != expected => return Err(Error::conflict(key)),
            _ => {}
        }
        let meta = Meta::written(write, before, now, version);
        self.shared.put(&mut shard, *key, meta, data);
        Ok(version)
    }

    async fn touch(&self, key: &SessionKey, idle: Duration) -> Result<bool> {
        self.shared.check_open()?;
        timeout_millis(idle)?;
        let mut shard = self.shared.shards.lock(key);
        let now = self.shared.clock.now();
        let Some(slot) = shard.live_mut(key, now)? else { return Ok(false) };
        slot.meta.touch(idle, now);
        Ok(true)
    }

    async fn destroy(&self, key: &SessionKey) -> Result<bool> {
        self.shared.check_open()?;
        let mut shard = self.shared.shards.lock(key);
        let now = self.shared.clock.now();
        Ok(self.shared.remove(&mut shard, key).is_some_and(|slot| slot.is_live_or_corrupt(now)))
    }

    async fn destroy_if(&self, key: &SessionKey, version: Version) -> Result<bool> {
        self.shared.check_open()?;
        let mut shard = self.shared.shards.lock(key);
        let now = self.shared.clock.now();
        match shard.live(key, now)? {
            None => return Ok(false),
            Some(slot) if slot.meta.version != version => return Err(Error::conflict(key)),
            Some(_) => {}
        }
        Ok(self.shared.remove(&mut shard, key).is_some())
    }

    async fn import(&self, key: &SessionKey, record: &Record) -> Result<Option<Version>> {
        self.shared.check_open()?;
        record.check_size(self.shared.data_limit)?;
        let version = Version::generate()?;
        let meta = record.meta.imported(version)?;
        let data = Bytes::copy_from_slice(&record.data);
        let mut shard = self.shared.shards.lock(key);
        let now = self.shared.clock.now();
        // Refuses to replace a live record that cannot be read (Z3).
        shard.live(key, now)?;
        if !meta.is_live(now) {
            return Ok(None);
        }
        self.shared.put(&mut shard, *key, meta, data);
        Ok(Some(version))
    }

    async fn rotate(
        &self,
        from: &SessionKey,
        to: &SessionKey,
        write: &Write,
        expected: Option<Version>,
    ) -> Result<Version> {
        self.shared.check_open()?;
        if from == to {
            return Err(Error::same_key(from));
        }
        write.check_size(self.shared.data_limit)?;
        let version = Version::generate()?;
        let data = Bytes::copy_from_slice(write.data());
        let mut shards = self.shared.shards.lock_both(from, to);
        let now = self.shared.clock.now();
        let before = shards.of(from).live(from, now)?.ok_or_else(|| Error::not_found(from))?.meta.clone();
        if expected.is_some_and(|expected| expected != before.version) {
            return Err(Error::conflict(from));
        }
        if shards.of(to).live(to, now)?.is_some() {
            return Err(Error::already_exists(to));
        }
        let meta = Meta::written(write, Some(&before), now, version);
        self.shared.put(shards.of(to), *to, meta, data);
        self.shared.remove(shards.of(from), from);
        Ok(version)
    }

    fn placement(&self, _key: &SessionKey) -> u16 {
        0
    }

    async fn list_by_user(&self, user: &UserId, page: &Page) -> Result<Vec<Entry>> {
        self.shared.check_open()?;
        loop {
            // A page is begun anew only after another operation has gone on, so someone always does.
            if let Some(entries) = self.shared.page(user, page) {
                return Ok(entries);
            }
        }
    }

    async fn destroy_by_user(&self, user: &UserId, except: Option<&SessionKey>) -> Result<u64> {
        self.shared.check_open()?;
        let mut ended = 0;
        loop {
            let mut keys = self.shared.index.page(user, None, usize::MAX);
            keys.retain(|key| Some(key) != except);
            // The index is read again until it has none: a rotation may have given one a new key.
            if keys.is_empty() {
                return Ok(ended);
            }
            // From the end, where the index's vector is quickly cut.
            for (n, key) in keys.iter().rev().enumerate() {
                ended += u64::from(self.shared.end_if_still_of(user, key));
                if n % 1_024 == 1_023 {
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    async fn prune(&self, limit: u32) -> Result<Pruned> {
        self.shared.check_open()?;
        if limit == 0 {
            return Err(Error::invalid_input("a prune removes at least one record; give a limit of 1 or more"));
        }
        Ok(self.shared.prune(limit).await)
    }

    async fn count(&self) -> Result<u64> {
        self.shared.check_open()?;
        let now = self.shared.clock.now();
        let live = |shard: &Shard| shard.iter().filter(|slot| slot.meta.is_live(now)).count() as u64;
        Ok(self.shared.shards.one_by_one().map(|shard| live(&shard)).sum())
    }

    async fn clear(&self) -> Result<u64> {
        self.shared.check_open()?;
        // All at once: a rotation must not carry a session from a shard ahead to one behind.
        let mut shards = self.shared.shards.lock_all();
        let now = self.shared.clock.now();
        let ended = shards.iter().flat_map(|shard| shard.iter()).filter(|slot| slot.meta.is_live(now)).count();
        for shard in &mut shards {
            shard.clear();
        }
        self.shared.index.clear();
        Ok(ended as u64)
    }

    async fn scan(&self, cursor: Option<&ScanCursor>, limit: u32) -> Result<ScanPage> {
        self.shared.check_open()?;
        Page::check_limit(limit)?;
        let position = cursor.map(Position::decode).transpose()?.unwrap_or_default();
        let (entries, next) = self.shared.scan(position, limit as usize);
        Ok(ScanPage { entries, next: next.map(Position::encode) })
    }

    async fn ping(&self) -> Result<()> {
        self.shared.check_open()
    }

    async fn close(&self) {
        self.shared.is_closed.store(true, Ordering::Release);
    }
}
