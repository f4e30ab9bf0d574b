//! The stores that the scenarios run on, and how they are made to fail.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use session_store_core::{
    Entry, Error, ErrorKind, IfChanged, Page, Pruned, Record, Result, ScanCursor, ScanPage, SessionKey, SessionStore,
    SetMode, UserId, Version, Write,
};
use session_store_memory::MemoryStore;
use session_store_redis::RedisStore;
use testkit::servers::RedisServer;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Memory,
    Redis,
}

/// A store of a test's own.
pub(crate) struct Backend {
    pub(crate) store: Arc<dyn SessionStore>,
    failure: Failure,
}

enum Failure {
    Switch(Arc<AtomicBool>),
    Server(RedisServer),
}

impl Backend {
    pub(crate) async fn new(kind: Kind) -> Self {
        match kind {
            Kind::Memory => {
                let store = Switched::new();
                let failure = Failure::Switch(Arc::clone(&store.is_down));
                Self { store: Arc::new(store), failure }
            }
            Kind::Redis => {
                let server = RedisServer::start(&[]).await.unwrap();
                let store = RedisStore::builder(server.url()).build().await.unwrap();
                Self { store: Arc::new(store), failure: Failure::Server(server) }
            }
        }
    }

    /// The database is down from now on.
    pub(crate) fn fail(&self) {
        match &self.failure {
            Failure::Switch(is_down) => is_down.store(true, Ordering::Relaxed),
            Failure::Server(server) => server.kill(),
        }
    }

    /// It is there again, with all that memory keeps and nothing that Redis has lost.
    pub(crate) async fn mend(&self) {
        match &self.failure {
            Failure::Switch(is_down) => is_down.store(false, Ordering::Relaxed),
            Failure::Server(server) => server.restart().await.unwrap(),
        }
    }

    pub(crate) fn keeps_all(&self) -> bool {
        matches!(self.failure, Failure::Switch(_))
    }
}

/// A store in memory that can be down.
pub(crate) struct Switched {
    store: Arc<MemoryStore>,
    is_down: Arc<AtomicBool>,
    /// What another request writes right after the next read.
    meddling: Mutex<Option<Write>>,
}

impl Switched {
    pub(crate) fn new() -> Self {
        Self { store: Arc::new(MemoryStore::new()), is_down: Arc::default(), meddling: Mutex::default() }
    }

    pub(crate) fn meddle_after_next_get(&self, write: Write) {
        *self.meddling.lock().unwrap() = Some(write);
    }

    fn there(&self) -> Result<&MemoryStore> {
        let down = || Error::new(ErrorKind::Unavailable, "the database is down");
        if self.is_down.load(Ordering::Relaxed) { Err(down()) } else { Ok(&self.store) }
    }
}

#[async_trait]
impl SessionStore for Switched {
    async fn get(&self, key: &SessionKey) -> Result<Option<Record>> {
        let record = self.there()?.get(key).await;
        let meddling = self.meddling.lock().unwrap().take();
        if let Some(write) = meddling {
            self.set(key, &write, SetMode::Replace).await?;
        }
        record
    }

    async fn get_if_changed(&self, key: &SessionKey, version: Version) -> Result<IfChanged> {
        self.there()?.get_if_changed(key, version).await
    }

    async fn set(&self, key: &SessionKey, write: &Write, mode: SetMode) -> Result<Version> {
        self.there()?.set(key, write, mode).await
    }

    async fn touch(&self, key: &SessionKey, idle: Duration) -> Result<bool> {
        self.there()?.touch(key, idle).await
    }

    async fn destroy(&self, key: &SessionKey) -> Result<bool> {
        self.there()?.destroy(key).await
    }

    async fn destroy_if(&self, key: &SessionKey, version: Version) -> Result<bool> {
        self.there()?.destroy_if(key, version).await
    }

    async fn import(&self, key: &SessionKey, record: &Record) -> Result<Option<Version>> {
        self.there()?.import(key, record).await
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
        self.there()?.rotate(from, to, write, expected).await
    }

    async fn list_by_user(&self, user: &UserId, page: &Page) -> Result<Vec<Entry>> {
        self.there()?.list_by_user(user, page).await
    }

    async fn destroy_by_user(&self, user: &UserId, except: Option<&SessionKey>) -> Result<u64> {
        self.there()?.destroy_by_user(user, except).await
    }

    async fn prune(&self, limit: u32) -> Result<Pruned> {
        self.there()?.prune(limit).await
    }

    async fn count(&self) -> Result<u64> {
        self.there()?.count().await
    }

    async fn clear(&self) -> Result<u64> {
        self.there()?.clear().await
    }

    async fn scan(&self, cursor: Option<&ScanCursor>, limit: u32) -> Result<ScanPage> {
        self.there()?.scan(cursor, limit).await
    }

    async fn ping(&self) -> Result<()> {
        self.there()?.ping().await
    }

    async fn close(&self) {
        self.store.close().await;
    }
}

impl fmt::Debug for Switched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Switched")
    }
}
