//! A store that remembers all sessions that its lists have shown.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use session_store_core::{
    Entry, IfChanged, Page, Pruned, Record, Result, ScanCursor, ScanPage, SessionKey, SessionStore, SetMode, Timestamp,
    UserId, Version, Write,
};

/// When each session was created, also of those that are gone. A login lists before it ends anything.
pub(crate) type Seen = Arc<Mutex<BTreeMap<SessionKey, Timestamp>>>;

#[derive(Debug)]
pub(crate) struct Remembering {
    pub(crate) store: Arc<dyn SessionStore>,
    pub(crate) seen: Seen,
}

#[async_trait]
impl SessionStore for Remembering {
    async fn get(&self, key: &SessionKey) -> Result<Option<Record>> {
        self.store.get(key).await
    }

    async fn get_if_changed(&self, key: &SessionKey, version: Version) -> Result<IfChanged> {
        self.store.get_if_changed(key, version).await
    }

    async fn set(&self, key: &SessionKey, write: &Write, mode: SetMode) -> Result<Version> {
        self.store.set(key, write, mode).await
    }

    async fn touch(&self, key: &SessionKey, idle: Duration) -> Result<bool> {
        self.store.touch(key, idle).await
    }

    async fn destroy(&self, key: &SessionKey) -> Result<bool> {
        self.store.destroy(key).await
    }

    async fn destroy_if(&self, key: &SessionKey, version: Version) -> Result<bool> {
        self.store.destroy_if(key, version).await
    }

    async fn import(&self, key: &SessionKey, record: &Record) -> Result<Option<Version>> {
        self.store.import(key, record).await
    }

    fn placement(&self, key: &SessionKey) -> u16 {
        self.store.placement(key)
    }

    async fn rotate(&self, from: &SessionKey, to: &SessionKey, write: &Write, at: Option<Version>) -> Result<Version> {
        self.store.rotate(from, to, write, at).await
    }

    async fn list_by_user(&self, user: &UserId, page: &Page) -> Result<Vec<Entry>> {
        let entries = self.store.list_by_user(user, page).await?;
        self.seen.lock().unwrap().extend(entries.iter().map(|entry| (entry.key, entry.meta.created_at)));
        Ok(entries)
    }

    async fn destroy_by_user(&self, user: &UserId, except: Option<&SessionKey>) -> Result<u64> {
        self.store.destroy_by_user(user, except).await
    }

    async fn prune(&self, limit: u32) -> Result<Pruned> {
        self.store.prune(limit).await
    }

    async fn count(&self) -> Result<u64> {
        self.store.count().await
    }

    async fn clear(&self) -> Result<u64> {
        self.store.clear().await
    }

    async fn scan(&self, cursor: Option<&ScanCursor>, limit: u32) -> Result<ScanPage> {
        self.store.scan(cursor, limit).await
    }

    async fn ping(&self) -> Result<()> {
        self.store.ping().await
    }

    async fn close(&self) {
        self.store.close().await;
    }
}
