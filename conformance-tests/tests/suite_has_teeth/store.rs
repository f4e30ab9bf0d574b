//! The reference store: right, unless it is told to be wrong in one way.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use conformance_tests::async_trait;
use session_store_core::{
    DEFAULT_DATA_LIMIT, Entry, Error, ErrorKind, IfChanged, Meta, Page, Pruned, Record, Result, ScanCursor, ScanPage,
    SessionKey, SessionStore, SetMode, UserId, Version, Write,
};

use crate::harness::Worlds;
use crate::state::{State, World};
use crate::wrong::Fault;

/// A handle on a namespace.
pub(crate) struct Reference {
    pub(crate) name: String,
    pub(crate) world: Arc<World>,
    pub(crate) worlds: Worlds,
    /// What this handle read before, for stores that keep such things.
    pub(crate) cache: Mutex<HashMap<SessionKey, Option<Record>>>,
    /// The versions that this handle read before, for a store that trusts them.
    pub(crate) remembered: Mutex<HashMap<SessionKey, (Meta, Version)>>,
    /// The cursors of walks that this handle began, for a store that keeps them.
    pub(crate) cursors: Mutex<HashSet<ScanCursor>>,
    /// Shared by the handles of one store.
    is_closed: Arc<AtomicBool>,
    number: u16,
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.wrong(Fault::DebugShowsUsers) {
            return write!(
                f,
                "{:?}",
                self.world.lock().index.iter().map(|(user, _)| user.as_str()).collect::<Vec<_>>()
            );
        }
        f.write_str("Reference")
    }
}

impl Reference {
    pub(crate) fn new(name: String, world: Arc<World>, worlds: Worlds) -> Self {
        let number = {
            let mut state = world.lock();
            state.handles += 1;
            state.handles
        };
        let is_closed = Arc::default();
        let (cache, remembered, cursors) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { name, world, worlds, cache, remembered, cursors, is_closed, number }
    }

    /// Another handle on the same store.
    pub(crate) fn another_handle(&self) -> Self {
        let mut handle = Self::new(self.name.clone(), Arc::clone(&self.world), Arc::clone(&self.worlds));
        if !self.wrong(Fault::CloseClosesOneHandle) {
            handle.is_closed = Arc::clone(&self.is_closed);
        }
        handle
    }

    pub(crate) fn placement_of(&self, key: &SessionKey) -> u16 {
        let [first, ..] = *key.as_bytes();
        match self.world.fault {
            Some(Fault::HasSeveralPlacements | Fault::PlacementsAreIgnored) => u16::from(first % 8),
            Some(Fault::EachHandleHasItsPlacements) => self.number,
            _ => 0,
        }
    }

    /// Removes a corrupt record, in a store that does not refuse to.
    pub(crate) fn forget_corrupt(&self, fault: Fault, key: &SessionKey) {
        let mut state = self.world.lock();
        if self.wrong(fault) && state.rows.get(key).is_some_and(|row| row.corrupt) {
            state.remove(key);
        }
    }

    pub(crate) fn wrong(&self, fault: Fault) -> bool {
        self.world.fault == Some(fault)
    }

    /// What lies between asking and acting, in a store that does so in two steps.
    pub(crate) async fn pause_if(&self, fault: Fault) {
        if self.wrong(fault) {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn check_size(&self, write: &Write) -> Result<()> {
        write.check_size(self.data_limit())
    }

    pub(crate) fn data_limit(&self) -> usize {
        match self.world.fault {
            Some(Fault::TakesAnySize) => usize::MAX,
            Some(Fault::TakesTooLittle) => DEFAULT_DATA_LIMIT / 2,
            _ => DEFAULT_DATA_LIMIT,
        }
    }

    /// A refusal, with what a careless store would do to it.
    pub(crate) fn dressed(&self, state: &State, error: Error, key: &SessionKey) -> Error {
        match self.world.fault {
            Some(Fault::RefusalsAreTransient) => error.with_transient(true),
            Some(Fault::RefusalsAreOfUnknownOutcome) => error.with_outcome_unknown(),
            Some(Fault::RefusalsNameNoRecord) => Error::new(error.kind(), error.to_string()),
            Some(Fault::RefusalsShowTheKey) => {
                Error::new(error.kind(), format!("duplicate key (key)=({})", key.to_text())).with_key(*key)
            }
            Some(Fault::SourcesShowTheUser) => {
                let user = state.rows.get(key).and_then(|row| row.meta.user.clone());
                error.with_source(user.map_or_else(String::new, |user| user.as_str().to_owned()))
            }
            _ => error,
        }
    }
}

/// A request for a session that is under way.
struct UnderWay {
    world: Arc<World>,
    key: SessionKey,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(count) = self.world.lock().under_way.get_mut(&self.key) {
            *count -= 1;
        }
    }
}

impl Reference {
    /// Begins a read, write or touch of a session. In a store with one connection, it waits for those before it.
    async fn begin(&self, key: &SessionKey) -> Option<UnderWay> {
        if !self.wrong(Fault::OneSessionHoldsUpAll) && !self.wrong(Fault::DestroyWaitsForItsTurn) {
            return None;
        }
        let turns = {
            let mut state = self.world.lock();
            *state.under_way.entry(*key).or_default() += 1;
            state.requests += 1;
            state.requests % 3
        };
        let under_way = UnderWay { world: Arc::clone(&self.world), key: *key };
        // Some take longer than others, so that there is always one under way.
        for _ in 0..=turns {
            tokio::task::yield_now().await;
        }
        if self.wrong(Fault::OneSessionHoldsUpAll) {
            let _line = self.world.line.lock().await;
            if self.requests_under_way(key) > 1 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        Some(under_way)
    }

    fn requests_under_way(&self, key: &SessionKey) -> usize {
        self.world.lock().under_way.get(key).copied().unwrap_or_default()
    }

    async fn wait_for_turn(&self, key: &SessionKey) {
        let begun = Instant::now();
        while self.wrong(Fault::DestroyWaitsForItsTurn)
            && self.requests_under_way(key) > 0
            && begun.elapsed() < Duration::from_secs(3)
        {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        if !self.is_closed.load(Ordering::Relaxed) && !self.world.lock().is_closed {
            return Ok(());
        }
        let closed = Error::new(ErrorKind::Unavailable, "the store is closed").with_transient(false);
        Err(match self.world.fault {
            Some(Fault::ClosedIsTransient) => closed.with_transient(true),
            Some(Fault::ClosedIsOfUnknownOutcome) => closed.with_outcome_unknown(),
            Some(Fault::ClosedIsInternal) => Error::new(ErrorKind::Internal, "no connection"),
            _ => closed,
        })
    }
}

#[async_trait]
impl SessionStore for Reference {
    async fn get(&self, key: &SessionKey) -> Result<Option<Record>> {
        self.check_open()?;
        let _under_way = self.begin(key).await;
        self.do_get(key)
    }

    async fn get_if_changed(&self, key: &SessionKey, version: Version) -> Result<IfChanged> {
        self.check_open()?;
        self.do_get_if_changed(key, version).await
    }

    async fn set(&self, key: &SessionKey, write: &Write, mode: SetMode) -> Result<Version> {
        self.check_open()?;
        let _under_way = self.begin(key).await;
        self.do_set(key, write, mode).await
    }

    async fn touch(&self, key: &SessionKey, idle: Duration) -> Result<bool> {
        self.check_open()?;
        let _under_way = self.begin(key).await;
        self.do_touch(key, idle).await
    }

    async fn destroy(&self, key: &SessionKey) -> Result<bool> {
        self.check_open()?;
        self.wait_for_turn(key).await;
        self.do_destroy(key).await
    }

    async fn destroy_if(&self, key: &SessionKey, version: Version) -> Result<bool> {
        self.check_open()?;
        self.do_destroy_if(key, version).await
    }

    async fn import(&self, key: &SessionKey, record: &Record) -> Result<Option<Version>> {
        self.check_open()?;
        self.do_import(key, record).await
    }

    async fn rotate(
        &self,
        from: &SessionKey,
        to: &SessionKey,
        write: &Write,
        expected: Option<Version>,
    ) -> Result<Version> {
        self.check_open()?;
        self.do_rotate(from, to, write, expected).await
    }

    fn placement(&self, key: &SessionKey) -> u16 {
        self.placement_of(key)
    }

    async fn list_by_user(&self, user: &UserId, page: &Page) -> Result<Vec<Entry>> {
        self.check_open()?;
        self.do_list_by_user(user, page).await
    }

    async fn destroy_by_user(&self, user: &UserId, except: Option<&SessionKey>) -> Result<u64> {
        self.check_open()?;
        self.do_destroy_by_user(user, except).await
    }

    async fn prune(&self, limit: u32) -> Result<Pruned> {
        self.check_open()?;
        self.do_prune(limit).await
    }

    async fn count(&self) -> Result<u64> {
        self.check_open()?;
        Ok(self.do_count())
    }

    async fn clear(&self) -> Result<u64> {
        self.check_open()?;
        self.do_clear().await
    }

    async fn scan(&self, cursor: Option<&ScanCursor>, limit: u32) -> Result<ScanPage> {
        if !self.wrong(Fault::ScansWorkAfterClose) {
            self.check_open()?;
        }
        self.do_scan(cursor, limit).await
    }

    async fn ping(&self) -> Result<()> {
        self.check_open()?;
        self.do_ping()
    }

    async fn close(&self) {
        if self.wrong(Fault::CloseDoesNothing) {
            return;
        }
        if self.wrong(Fault::CloseClosesEveryStore) {
            self.world.lock().is_closed = true;
        }
        let was_closed = self.is_closed.swap(true, Ordering::Relaxed);
        assert!(!(was_closed && self.wrong(Fault::ClosingAgainPanics)), "closed already");
    }
}
