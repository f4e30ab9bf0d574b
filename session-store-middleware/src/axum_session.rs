//! `axum_session` 0.22.
//!
//! ```
//! use std::sync::Arc;
//! use axum::{Router, middleware};
//! use axum_session::{SessionConfig, SessionLayer, SessionStore};
//! use session_store_memory::MemoryStore;
//! use session_store_middleware::{Adapter, axum_session::guard};
//! use time::Duration;
//!
//! # async fn example() -> Result<axum::Router, Box<dyn std::error::Error>> {
//! let adapter = Adapter::new(Arc::new(MemoryStore::new())).user_at("/user_id");
//! let config = SessionConfig::default()
//!     .with_memory_lifetime(Duration::ZERO)
//!     .with_clear_check_on_load(false);
//! let store = SessionStore::new(Some(adapter.axum_session()), config).await?;
//! let app = Router::new().layer(middleware::from_fn(guard)).layer(SessionLayer::new(store));
//! # Ok(app)
//! # }
//! ```
//!
//! - A session that was loaded is never created again. One that changes nothing but its expiry is touched.
//! - Set the memory lifetime to zero: the middleware's memory shows sessions that have ended elsewhere, and a store cannot
//!   tell it. Switch the check on load off: it empties a session of which two requests run at once.
//! - The middleware begins an empty session under whatever ID a visitor sends, also one that has ended; call
//!   `Session::renew` at each login, so that nobody logs in under an ID that another knows.
//! - `Session::renew` destroys one session and creates another, also where the first one had ended meanwhile.
//! - The middleware takes a visitor whose session cannot be loaded for one without a session; [`guard`] answers instead.
//! - What a request has changed in a session that has ended is always [discarded](WhenGone::Discard): after an error the
//!   middleware goes on with what it has in memory. It does so also where saving fails because the database does.
//! - A store knows keys and no IDs: the feature `key-store` needs `SessionConfig::with_bloom_filter(false)`.
//! - With `SessionConfig::with_database_key`, no user is found in what the middleware has encrypted; give the adapter a codec
//!   with encryption instead.
//! - There is no place for a version: of two requests that change one session at the same time, the last one wins, with all
//!   of its data.
//! - The table name is not used: the store has its own.

use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum_session::{DatabaseError, DatabasePool, Session};
use lru::LruCache;
use session_store_core::{Error, ErrorKind, SessionKey, async_trait};
use time::OffsetDateTime;
use tokio::task::{Id, try_id};

use crate::adapter::{Adapter, WhenGone};
use crate::data::Form;
use crate::loaded::Loaded;
use crate::operations::Found;

/// Of how many requests it is remembered what they have seen: of more than run at a time.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();

/// An [`Adapter`] as the database of `axum_session` 0.22.
#[derive(Clone, Debug)]
pub struct Store {
    adapter: Adapter,
    /// By the task that a request runs on. The middleware does not say when it stores a session whether it has loaded it,
    /// and may encrypt the data, so that a note cannot be put among them.
    seen: Arc<Mutex<LruCache<Request, Seen>>>,
    /// Those that could not be loaded when they were last looked for. The middleware has an empty session in its memory
    /// instead, for all requests that run.
    failed: Arc<Mutex<LruCache<SessionKey, ()>>>,
}

type Request = (Option<Id>, SessionKey);

/// How a request has found a session.
#[derive(Clone, Copy, Debug)]
enum Seen {
    Absent,
    Live(Loaded),
    /// It has not looked.
    Unknown,
}

impl Adapter {
    /// The database of `axum_session` 0.22.
    #[must_use]
    pub fn axum_session(&self) -> Store {
        // With an error the middleware would keep the session in its memory, and show it from there.
        let adapter = self.clone().when_gone(WhenGone::Discard);
        Store { adapter, seen: remembered(), failed: remembered() }
    }
}

impl Store {
    fn has_failed(&self, key: &SessionKey) -> bool {
        lock(&self.failed).contains(key)
    }

    /// Nothing that the middleware has made up for a session may take its place.
    fn unless_failed(&self, key: &SessionKey) -> Result<(), Error> {
        let failed = || Err(Error::new(ErrorKind::Unavailable, "the session could not be loaded"));
        if self.has_failed(key) { failed() } else { Ok(()) }
    }

    async fn store(&self, id: &str, session: &str, left: Duration) -> Result<(), Error> {
        // A visitor's own invention, under which nothing is kept.
        let Ok(key) = self.adapter.key(id) else { return Ok(()) };
        self.unless_failed(&key)?;
        let form = Form::Whole([session.to_owned()]);
        let seen = lock(&self.seen).pop(&(try_id(), key)).unwrap_or(Seen::Unknown);
        match seen {
            Seen::Absent => self.adapter.create_or_save(id, form, None, Some(left)).await,
            Seen::Live(loaded) => self.adapter.save(id, form, Some(loaded), Some(left)).await,
            // From the middleware's memory. It must not be created if it has ended.
            Seen::Unknown => self.adapter.save(id, form, None, Some(left)).await,
        }
    }

    async fn load(&self, id: &str) -> Result<Option<String>, Error> {
        let Ok(key) = self.adapter.key(id) else { return Ok(None) };
        let loaded = self.load_key(id, key).await;
        match &loaded {
            Ok(_) => lock(&self.failed).pop(&key),
            Err(_) => lock(&self.failed).put(key, ()),
        };
        loaded
    }

    async fn load_key(&self, id: &str, key: SessionKey) -> Result<Option<String>, Error> {
        let saw = |seen| lock(&self.seen).put((try_id(), key), seen);
        match self.adapter.find(id).await? {
            None => {
                saw(Seen::Absent);
                Ok(None)
            }
            Some(Found { form: Form::Whole([session]), loaded, .. }) => {
                saw(Seen::Live(loaded));
                Ok(Some(session))
            }
            Some(_) => Err(Error::corrupt(&key, "the session was stored by another middleware")),
        }
    }

    async fn delete(&self, id: &str) -> Result<(), Error> {
        if let Ok(key) = self.adapter.key(id) {
            self.unless_failed(&key)?;
        }
        self.adapter.destroy(id).await
    }
}

fn remembered<K: Hash + Eq, V>() -> Arc<Mutex<LruCache<K, V>>> {
    Arc::new(Mutex::new(LruCache::new(REMEMBERED)))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers with an error where the session could not be loaded, before the application takes the visitor for one
/// without a session. A middleware of axum, within the layer of `axum_session`:
///
/// ```
/// use axum::{Router, middleware};
/// use axum_session::{SessionLayer, SessionStore};
/// use session_store_middleware::axum_session::{Store, guard};
///
/// # fn example(store: SessionStore<Store>) -> Router {
/// Router::new().layer(middleware::from_fn(guard)).layer(SessionLayer::new(store))
/// # }
/// ```
pub async fn guard(session: Session<Store>, request: axum::extract::Request, next: Next) -> Response {
    let id = session.get_session_id();
    let store = session.get_store().client.as_ref();
    if !store.is_some_and(|store| store.adapter.key(&id).is_ok_and(|key| store.has_failed(&key))) {
        return next.run(request).await;
    }
    // What the middleware has in memory. The store destroys nothing that it could not load.
    session.destroy();
    StatusCode::SERVICE_UNAVAILABLE.into_response()
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
        self.delete(id).await.map_err(not_deleted)
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
