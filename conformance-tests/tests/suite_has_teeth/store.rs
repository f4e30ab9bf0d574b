//! The reference store: right, unless it is told to be wrong in one way.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use conformance_tests::async_trait;
use session_store_core::{
    DEFAULT_DATA_LIMIT, Entry, Error, Page, Pruned, Record, Result, SessionKey, SessionStore, SetMode, UserId, Version,
    Write,
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
        Self { name, world, worlds, cache: Mutex::default() }
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
        match self.world.fault {
            Some(Fault::TakesAnySize) => Ok(()),
            Some(Fault::TakesTooLittle) => write.check_size(DEFAULT_DATA_LIMIT / 2),
            _ => write.check_size(DEFAULT_DATA_LIMIT),
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

#[async_trait]
impl SessionStore for Reference {
    async fn get(&self, key: &SessionKey) -> Result<Option<Record>> {
        self.do_get(key)
    }

    async fn set(&self, key: &SessionKey, write: &Write, mode: SetMode) -> Result<Version> {
        self.do_set(key, write, mode).await
    }

    async fn touch(&self, key: &SessionKey, idle: Duration) -> Result<bool> {
        self.do_touch(key, idle).await
    }

    async fn destroy(&self, key: &SessionKey) -> Result<bool> {
        self.do_destroy(key).await
    }

    async fn rotate(
        &self,
        from: &SessionKey,
        to: &SessionKey,
        write: &Write,
        expected: Option<Version>,
    ) -> Result<Version> {
        self.do_rotate(from, to, write, expected).await
    }

    async fn list_by_user(&self, user: &UserId, page: &Page) -> Result<Vec<Entry>> {
        self.do_list_by_user(user, page).await
    }

    async fn destroy_by_user(&self, user: &UserId, except: Option<&SessionKey>) -> Result<u64> {
        self.do_destroy_by_user(user, except).await
    }

    async fn prune(&self, limit: u32) -> Result<Pruned> {
        self.do_prune(limit).await
    }

    async fn count(&self) -> Result<u64> {
        Ok(self.do_count())
    }

    async fn clear(&self) -> Result<u64> {
        self.do_clear().await
    }

    async fn ping(&self) -> Result<()> {
        self.do_ping()
    }
}
