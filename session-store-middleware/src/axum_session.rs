//! `axum_session` 0.22.
//!
//! ```
//! use std::sync::Arc;
//! use axum_session::{SessionConfig, SessionStore};
//! use session_store_memory::MemoryStore;
//! use session_store_middleware::Adapter;
//! use time::Duration;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let adapter = Adapter::new(Arc::new(MemoryStore::new())).user_at("/user_id");
//! // No cache in each process, which would not know of sessions that have ended elsewhere.
//! let config = SessionConfig::default().with_memory_lifetime(Duration::ZERO);
//! let store = SessionStore::new(Some(adapter.axum_session()), config).await?;
//! # Ok(())
//! # }
//! ```
//!
//! - A session that was loaded is never created again. One that changes nothing but its expiry is touched.
//! - Set the memory lifetime to zero: the middleware's cache shows sessions that have ended elsewhere, and a store cannot
//!   tell it.
//! - The middleware begins an empty session under whatever ID a visitor sends, also one that has ended; call
//!   `Session::renew` at each login, so that nobody logs in under an ID that another knows.
//! - `Session::renew` destroys one session and creates another, also where the first one had ended meanwhile.
//! - The middleware takes a store that fails on load for a visitor without a session; its answer is an error because saving
//!   fails as well.
//! - A store knows keys and no IDs: the feature `key-store` needs `SessionConfig::with_bloom_filter(false)`.
//! - With `SessionConfig::with_database_key`, no user is found in what the middleware has encrypted; give the adapter a codec
//!   with encryption instead.
//! - There is no place for a version: of two requests that change one session at the same time, the last one wins, with all
//!   of its data.
//! - The table name is not used: the store has its own.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum_session::{DatabaseError, DatabasePool};
use lru::LruCache;
use session_store_core::{Error, ErrorKind, SessionKey, async_trait};
use time::OffsetDateTime;
use tokio::task::{Id, try_id};

use crate::adapter::Adapter;
use crate::data::Form;
use crate::loaded::Loaded;

/// Of how many requests it is remembered what they have seen: of more than run at a time.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();

/// An [`Adapter`] as the database of `axum_session` 0.22.
#[derive(Clone, Debug)]
pub struct Store {
    adapter: Adapter,
    /// By the task that a request runs on. The middleware does not say when it stores a session whether it has loaded it,
    /// and may encrypt the data, so that a note cannot be put among them.
    seen: Arc<Mutex<LruCache<Request, Seen>>>,
}

type Request = (Option<Id>, SessionKey);

/// How a request has found a session.
#[derive(Clone, Copy, Debug)]
enum Seen {
    Absent,
    Live(Loaded),
    Unknown,
}

impl Adapter {
    /// The database of `axum_session` 0.22.
    #[must_use]
    pub fn axum_session(&self) -> Store {
        Store { adapter: self.clone(), seen: Arc::new(Mutex::new(LruCache::new(REMEMBERED))) }
    }
}

impl Store {
    fn saw(&self, key: SessionKey, loaded: Option<Loaded>) {
        let seen = loaded.map_or(Seen::Absent, Seen::Live);
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).put((try_id(), key), seen);
    }

    /// What this request has seen, once. From the middleware's cache it may store one that it has not looked for.
    fn take_seen(&self, key: SessionKey) -> Seen {
        match self.seen.lock().unwrap_or_else(PoisonError::into_inner).pop(&(try_id(), key)) {
            None => Seen::Unknown,
            Some(seen) => seen,
        }
    }

    async fn store(&self, id: &str, session: &str, left: Duration) -> Result<(), Error> {
        let form = Form::Whole([session.to_owned()]);
        match self.take_seen(self.adapter.key(id)?) {
            Seen::Absent => self.adapter.create_or_save(id, form, None, Some(left)).await,
            Seen::Live(loaded) => self.adapter.save(id, form, Some(loaded), Some(left)).await,
            // It must not be created if it has ended.
            Seen::Unknown => self.adapter.save(id, form, None, Some(left)).await,
        }
    }

    async fn load(&self, id: &str) -> Result<Option<String>, Error> {
        let Ok(key) = self.adapter.key(id) else { return Ok(None) };
        let found = self.adapter.find(id).await?;
        self.saw(key, found.as_ref().map(|found| found.loaded));
        match found.map(|found| found.form) {
            None => Ok(None),
            Some(Form::Whole([session])) => Ok(Some(session)),
            Some(_) => Err(Error::corrupt(&key, "the session was stored by another middleware")),
        }
    }
}

#[async_trait]
impl DatabasePool for Store {
    /// Asks the store whether it is there.
    async fn initiate(&self, _table_name: &str) -> Result<(), DatabaseError> {
        self.adapter.store.ping().await.map_err(|error| DatabaseError::GenericCreateError(error.to_string()))
    }

    async fn count(&self, _table_name: &str) -> Result<i64, DatabaseError> {
        let count = self.adapter.store.count().await.map_err(not_selected)?;
        Ok(i64::try_from(count).unwrap_or(i64::MAX))
    }

    async fn store(&self, id: &str, session: &str, expires: i64, _table_name: &str) -> Result<(), DatabaseError> {
        let left = expires.saturating_sub(OffsetDateTime::now_utc().unix_timestamp());
        let stored = match u64::try_from(left) {
            Ok(left) if left > 0 => Self::store(self, id, session, Duration::from_secs(left)).await,
            _ => self.adapter.destroy(id).await,
        };
        stored.map_err(|error| DatabaseError::GenericInsertError(error.to_string()))
    }

    async fn load(&self, id: &str, _table_name: &str) -> Result<Option<String>, DatabaseError> {
        Self::load(self, id).await.map_err(not_selected)
    }

    async fn delete_one_by_id(&self, id: &str, _table_name: &str) -> Result<(), DatabaseError> {
        self.adapter.destroy(id).await.map_err(not_deleted)
    }

    async fn exists(&self, id: &str, table_name: &str) -> Result<bool, DatabaseError> {
        Ok(DatabasePool::load(self, id, table_name).await?.is_some())
    }

    /// Prunes the store. Gives no IDs, which the store does not know.
    async fn delete_by_expiry(&self, _table_name: &str) -> Result<Vec<String>, DatabaseError> {
        self.adapter.prune().await.map_err(not_deleted)?;
        Ok(Vec::new())
    }

    async fn delete_all(&self, _table_name: &str) -> Result<(), DatabaseError> {
        self.adapter.store.clear().await.map(drop).map_err(not_deleted)
    }

    /// Always an error.
    async fn get_ids(&self, _table_name: &str) -> Result<Vec<String>, DatabaseError> {
        let text = "the store knows keys and no session IDs; use SessionConfig::with_bloom_filter(false)";
        Err(DatabaseError::GenericNotSupportedError(text.to_owned()))
    }

    fn auto_handles_expiry(&self) -> bool {
        true
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn not_selected(error: Error) -> DatabaseError {
    match error.kind() {
        ErrorKind::Unavailable | ErrorKind::Timeout => DatabaseError::GenericAcquire(error.to_string()),
        _ => DatabaseError::GenericSelectError(error.to_string()),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn not_deleted(error: Error) -> DatabaseError {
    DatabaseError::GenericDeleteError(error.to_string())
}
