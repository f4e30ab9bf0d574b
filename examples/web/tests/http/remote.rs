//! A store that is as far away as one on a server, and may be down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use session_store::memory::MemoryStore;
use session_store::{
    Entry, Error, ErrorKind, IfChanged, Page, Pruned, Record, Result, ScanCursor, ScanPage, SessionKey, SessionStore,
    SetMode, UserId, Version, Write, async_trait,
};

/// The embedded store, but each answer takes a moment, in which others are served, and none comes while it is down.
#[derive(Debug, Default)]
pub(crate) struct Remote {
    store: MemoryStore,
    pub(crate) is_down: Arc<AtomicBool>,
}

impl Remote {
    async fn up(&self) -> Result<&MemoryStore> {
        tokio::time::sleep(Duration::from_millis(2)).await;
        if self.is_down.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, "the server at 10.0.0.7 refuses"));
        }
        Ok(&self.store)
    }
}

#[async_trait]
impl SessionStore for Remote {
    async fn get(&self, key: &SessionKey) -> Result<Option<Record>> {
        self.up().await?.get(key).await
    }

    async fn get_if_changed(&self, key: &SessionKey, version: Version) -> Result<IfChanged> {
        self.up().await?.get_if_changed(key, version).await
    }

    async fn set(&self, key: &SessionKey, write: &Write, mode: SetMode) -> Result<Version> {
        self.up().await?.set(key, write, mode).await
    }

    async fn touch(&self, key: &SessionKey, idle: Duration) -> Result<bool> {
        self.up().await?.touch(key, idle).await
    }

    async fn destroy(&self, key: &SessionKey) -> Result<bool> {
        self.up().await?.destroy(key).await
    }

    async fn destroy_if(&self, key: &SessionKey, version: Version) -> Result<bool> {
        self.up().await?.destroy_if(key, version).await
    }

    async fn import(&self, key: &SessionKey, record: &Record) -> Result<Option<Version>> {
        self.up().await?.import(key, record).await
    }

    fn placement(&self, key: &SessionKey) -> u16 {
        self.store.placement(key)
    }

    async fn rotate(
        &self,
        from: &SessionKey,
        to: &SessionKey,
        write: &Write,
        expected: Option<Version>,
    ) -> Result<Version> {
        self.up().await?.rotate(from, to, write, expected).await
    }

    async fn list_by_user(&self, user: &UserId, page: &Page) -> Result<Vec<Entry>> {
        self.up().await?.list_by_user(user, page).await
    }

    async fn destroy_by_user(&self, user: &UserId, except: Option<&SessionKey>) -> Result<u64> {
        self.up().await?.destroy_by_user(user, except).await
    }

    async fn prune(&self, limit: u32) -> Result<Pruned> {
        self.up().await?.prune(limit).await
    }

    async fn count(&self) -> Result<u64> {
        self.up().await?.count().await
    }

    async fn clear(&self) -> Result<u64> {
        self.up().await?.clear().await
    }

    async fn scan(&self, cursor: Option<&ScanCursor>, limit: u32) -> Result<ScanPage> {
        self.up().await?.scan(cursor, limit).await
    }

    async fn ping(&self) -> Result<()> {
        self.up().await?.ping().await
    }

    async fn close(&self) {
        self.store.close().await;
    }
}
