//! A memory store whose clock, answers and faults a test decides.
#![allow(dead_code, reason = "each test looks at a part of it")]

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use session_store_core::sessions::{Builder, Login};
use session_store_core::{
    Bytes, Entry, Error, ErrorKind, IfChanged, Meta, Page, Pruned, Record, Result, ScanCursor, ScanPage, Session,
    SessionKey, SessionStore, Sessions, SetMode, Timestamp, UserId, Version, Write, async_trait,
};
use session_store_memory::{ManualClock, MemoryStore};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_mins(1);
pub(crate) const HOUR: Duration = Duration::from_hours(1);
pub(crate) const MS: Duration = Duration::from_millis(1);

type Interlude = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// What an operation meets.
#[derive(Clone)]
pub(crate) enum Act {
    /// It fails, and nothing was done.
    Fails(ErrorKind),
    /// It was done, but its caller hears of a failure of unknown outcome.
    IsDoneButFails(ErrorKind),
    /// Something happens before it.
    Before(Interlude),
    /// Something happens between it and its answer.
    After(Interlude),
}

impl Act {
    pub(crate) fn before<F: Future<Output = ()> + Send + 'static>(
        what: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        Self::Before(Arc::new(move || Box::pin(what())))
    }

    pub(crate) fn after<F: Future<Output = ()> + Send + 'static>(what: impl Fn() -> F + Send + Sync + 'static) -> Self {
        Self::After(Arc::new(move || Box::pin(what())))
    }
}

#[derive(Clone)]
struct Cue {
    operation: &'static str,
    skipped: usize,
    times: usize,
    act: Act,
}

/// The memory store, with faults in front.
#[derive(Clone)]
pub(crate) struct FaultStore {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) memory: MemoryStore,
    cues: Arc<Mutex<Vec<Cue>>>,
    calls: Arc<Mutex<Vec<&'static str>>>,
}

impl std::fmt::Debug for FaultStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FaultStore")
    }
}

impl FaultStore {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000_000)));
        let memory = MemoryStore::builder().clock(clock.clone()).build().unwrap();
        Self { clock, memory, cues: Arc::default(), calls: Arc::default() }
    }

    /// Sessions that meet the acts of this store; those of `FaultStore::behind` do not.
    pub(crate) fn builder<T>(&self) -> Builder<T> {
        Sessions::builder(Arc::new(self.clone()))
    }

    pub(crate) fn sessions<T>(&self) -> Sessions<T> {
        self.builder().build().unwrap()
    }

    pub(crate) fn behind<T>(&self) -> Sessions<T> {
        Sessions::new(Arc::new(self.memory.clone()))
    }

    /// The next call of this operation meets this.
    pub(crate) fn next(&self, operation: &'static str, act: Act) {
        self.cue(operation, 0, 1, act);
    }

    /// So many calls are left alone, then so many meet this.
    pub(crate) fn cue(&self, operation: &'static str, skipped: usize, times: usize, act: Act) {
        self.cues.lock().unwrap().push(Cue { operation, skipped, times, act });
    }

    /// Whether every act was played.
    pub(crate) fn is_over(&self) -> bool {
        self.cues.lock().unwrap().is_empty()
    }

    /// The operations since the last time.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    pub(crate) async fn record(&self, key: &SessionKey) -> Option<Record> {
        self.memory.get(key).await.unwrap()
    }

    pub(crate) async fn meta(&self, key: &SessionKey) -> Meta {
        self.record(key).await.unwrap().meta
    }

    pub(crate) async fn live(&self) -> u64 {
        self.memory.count().await.unwrap()
    }

    /// A record of this user whose data no codec has written.
    pub(crate) async fn plant_corrupt(&self, key: &SessionKey, name: &str) {
        let write = Write::new(Bytes::from_static(b"\x09garbage"), HOUR, HOUR).unwrap();
        let write = write.with_owner(session_store_core::Owner::User(user(name)));
        self.memory.set(key, &write, SetMode::Create).await.unwrap();
    }

    fn act(&self, operation: &'static str) -> Option<Act> {
        self.calls.lock().unwrap().push(operation);
        let mut cues = self.cues.lock().unwrap();
        let place = cues.iter().position(|cue| cue.operation == operation)?;
        let cue = cues.get_mut(place)?;
        if cue.skipped > 0 {
            cue.skipped -= 1;
            return None;
        }
        cue.times = cue.times.saturating_sub(1);
        let act = cue.act.clone();
        if cue.times == 0 {
            cues.remove(place);
        }
        Some(act)
    }

    async fn play<A: Send>(&self, name: &'static str, operation: impl Future<Output = Result<A>> + Send) -> Result<A> {
        match self.act(name) {
            None => operation.await,
            Some(Act::Fails(kind)) => Err(Error::new(kind, "as asked")),
            Some(Act::IsDoneButFails(kind)) => {
                operation.await?;
                Err(Error::new(kind, "as asked").with_outcome_unknown())
            }
            Some(Act::Before(interlude)) => {
                interlude().await;
                operation.await
            }
            Some(Act::After(interlude)) => {
                let answer = operation.await;
                interlude().await;
                answer
            }
        }
    }
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub(crate) async fn login<T>(sessions: &Sessions<T>, name: &str, data: T) -> Session<T>
where
    T: Serialize + DeserializeOwned + Send,
{
    sessions.login(Login::new(user(name), data)).await.unwrap()
}

#[async_trait]
impl SessionStore for FaultStore {
    async fn get(&self, key: &SessionKey) -> Result<Option<Record>> {
        self.play("get", self.memory.get(key)).await
    }

    async fn get_if_changed(&self, key: &SessionKey, version: Version) -> Result<IfChanged> {
        self.play("get_if_changed", self.memory.get_if_changed(key, version)).await
    }

    async fn set(&self, key: &SessionKey, write: &Write, mode: SetMode) -> Result<Version> {
        self.play("set", self.memory.set(key, write, mode)).await
    }

    async fn touch(&self, key: &SessionKey, idle: Duration) -> Result<bool> {
        self.play("touch", self.memory.touch(key, idle)).await
    }

    async fn destroy(&self, key: &SessionKey) -> Result<bool> {
        self.play("destroy", self.memory.destroy(key)).await
    }

    async fn destroy_if(&self, key: &SessionKey, version: Version) -> Result<bool> {
        self.play("destroy_if", self.memory.destroy_if(key, version)).await
    }

    async fn import(&self, key: &SessionKey, record: &Record) -> Result<Option<Version>> {
        self.play("import", self.memory.import(key, record)).await
    }

    async fn rotate(
        &self,
        from: &SessionKey,
        to: &SessionKey,
        write: &Write,
        expected: Option<Version>,
    ) -> Result<Version> {
        self.play("rotate", self.memory.rotate(from, to, write, expected)).await
    }

    fn placement(&self, key: &SessionKey) -> u16 {
        self.memory.placement(key)
    }

    async fn list_by_user(&self, user: &UserId, page: &Page) -> Result<Vec<Entry>> {
        self.play("list_by_user", self.memory.list_by_user(user, page)).await
    }

    async fn destroy_by_user(&self, user: &UserId, except: Option<&SessionKey>) -> Result<u64> {
        self.play("destroy_by_user", self.memory.destroy_by_user(user, except)).await
    }

    async fn prune(&self, limit: u32) -> Result<Pruned> {
        self.play("prune", self.memory.prune(limit)).await
    }

    async fn count(&self) -> Result<u64> {
        self.play("count", self.memory.count()).await
    }

    async fn clear(&self) -> Result<u64> {
        self.play("clear", self.memory.clear()).await
    }

    async fn scan(&self, cursor: Option<&ScanCursor>, limit: u32) -> Result<ScanPage> {
        self.play("scan", self.memory.scan(cursor, limit)).await
    }

    async fn ping(&self) -> Result<()> {
        self.play("ping", self.memory.ping()).await
    }

    async fn close(&self) {
        self.memory.close().await;
    }
}
