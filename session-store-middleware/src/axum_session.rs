//! `axum_session` 0.22.
//!
//! ```
//! use std::sync::Arc;
//! use axum::{Router, middleware};
//! use axum_session::{SessionConfig, SessionLayer, SessionStore};
//! use session_store_memory::MemoryStore;
//! use session_store_middleware::{Adapter, axum_session::{guard, to_the_end}};
//! use time::Duration;
//!
//! # async fn example() -> Result<axum::Router, Box<dyn std::error::Error>> {
//! let adapter = Adapter::new(Arc::new(MemoryStore::new())).user_at("/user_id");
//! let config = SessionConfig::default()
//!     .with_memory_lifetime(Duration::ZERO)
//!     .with_clear_check_on_load(false);
//! let store = SessionStore::new(Some(adapter.axum_session()), config).await?;
//! let app = Router::new()
//!     .layer(middleware::from_fn(guard))
//!     .layer(SessionLayer::new(store))
//!     .layer(middleware::from_fn(to_the_end));
//! # Ok(app)
//! # }
//! ```
//!
//! - A session that was loaded is never created again. One that changes nothing but its expiry is touched, unless
//!   `SessionConfig::with_database_key` encrypts it each time anew.
//! - The middleware takes a visitor whose session cannot be loaded for one without a session, and begins an empty session
//!   under whatever ID a visitor sends; [`guard`] answers an error to the one, and gives the other an ID of his own.
//! - Set the memory lifetime to zero: the middleware's memory shows sessions that have ended elsewhere. Switch the check on
//!   load off: it empties a session of which two requests run at once.
//! - Even so the middleware keeps a session in its memory after a request that is dropped or panics, or that gives it a new ID
//!   while others run. [`to_the_end`] prevents the one; for the other, `guard` asks the store whether there is still such a
//!   session. End one with [`Adapter::end`] where `Session::destroy` must not fail.
//! - What a request has changed in a session that has ended is always [discarded](WhenGone::Discard): after an error the
//!   middleware goes on with what it has in memory. It does so also where saving fails because the database does.
//! - A store knows keys and no IDs: the feature `key-store` needs `SessionConfig::with_bloom_filter(false)`.
//! - With `SessionConfig::with_database_key`, no user is found in what the middleware has encrypted; give the adapter a codec
//!   with encryption instead.
//! - There is no place for a version: of two requests that change one session at the same time, the last one wins, with all
//!   of its data.
//! - The table name is not used: the store has its own.

use std::num::NonZeroUsize;
use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum_session::{DatabaseError, DatabasePool, Session};
use session_store_core::{Error, ErrorKind, SessionKey, async_trait};
use time::OffsetDateTime;
use tokio::task::{Id, try_id};

use crate::adapter::{Adapter, WhenGone};
use crate::data::Form;
use crate::loaded::Loaded;
use crate::memo::Memo;
use crate::operations::Found;

/// Of how many requests it is remembered what they have seen: of more than run at a time.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();

/// An [`Adapter`] as the database of `axum_session` 0.22.
#[derive(Clone, Debug)]
pub struct Store {
    adapter: Adapter,
    /// By the task that a request runs on. The middleware does not say when it stores a session whether it has loaded it,
    /// and may encrypt the data, so that a note cannot be put among them.
    seen: Memo<(Task, SessionKey), Seen>,
    /// Those that could not be loaded when they were last looked for. The middleware has an empty session in its memory
    /// instead, for all requests that run.
    failed: Memo<SessionKey, ()>,
    /// The tasks whose session was gone when it was to get a new ID.
    ended: Memo<Task, ()>,
}

type Task = Option<Id>;

/// How a request has found a session.
#[derive(Clone, Copy, Debug)]
enum Seen {
    /// It is to have an ID that is new.
    New,
    /// A visitor has sent an ID that is none.
    Absent,
    Live(Loaded),
    /// The database has failed.
    Failed,
}

impl Adapter {
    /// The database of `axum_session` 0.22.
    #[must_use]
    pub fn axum_session(&self) -> Store {
        // With an error the middleware would keep the session in its memory, and show it from there.
        let adapter = self.clone().when_gone(WhenGone::Discard);
        Store { adapter, seen: Memo::new(REMEMBERED), failed: Memo::new(REMEMBERED), ended: Memo::new(REMEMBERED) }
    }
}

impl Store {
    fn seen(&self, key: SessionKey) -> Option<Seen> {
        self.seen.get(&(try_id(), key))
    }

    fn has_failed(&self, key: SessionKey) -> bool {
        self.failed.get(&key).is_some() || matches!(self.seen(key), Some(Seen::Failed))
    }

    /// Nothing that the middleware has made up for a session may take its place.
    fn unless_failed(&self, key: SessionKey) -> Result<(), Error> {
        let failed = || Error::new(ErrorKind::Unavailable, "the session could not be loaded");
        if self.has_failed(key) { Err(failed()) } else { Ok(()) }
    }

    async fn store(&self, id: &str, session: &str, left: Duration) -> Result<(), Error> {
        // A visitor's own invention, under which nothing is kept.
        let Ok(key) = self.adapter.key(id) else { return Ok(()) };
        self.unless_failed(key)?;
        if left.is_zero() {
            return self.adapter.destroy_key(key).await;
        }
        let form = Form::Whole([session.to_owned()]);
        match self.seen.take(&(try_id(), key)) {
            // It had ended under its former ID.
            Some(Seen::New) if self.ended.take(&try_id()).is_some() => Ok(()),
            Some(Seen::New | Seen::Absent) => self.adapter.create_or_save(key, form, None, Some(left)).await,
            Some(Seen::Live(loaded)) => self.adapter.save(key, form, Some(loaded), Some(left)).await,
            // From the middleware's memory. It must not be created if it has ended.
            Some(Seen::Failed) | None => self.adapter.save(key, form, None, Some(left)).await,
        }
    }

    /// `absent` is what it is to be taken for where it is not there.
    async fn look(&self, id: &str, absent: Seen) -> Result<Option<String>, Error> {
        let Ok(key) = self.adapter.key(id) else { return Ok(None) };
        let found = self.look_for(id, key).await;
        let seen = match &found {
            Ok(None) => absent,
            Ok(Some((_, loaded))) => Seen::Live(*loaded),
            Err(_) => Seen::Failed,
        };
        self.seen.put((try_id(), key), seen);
        if found.is_ok() {
            self.failed.take(&key);
        } else {
            self.failed.put(key, ());
        }
        Ok(found?.map(|(session, _)| session))
    }

    async fn look_for(&self, id: &str, key: SessionKey) -> Result<Option<(String, Loaded)>, Error> {
        match self.adapter.find(id).await? {
            None => Ok(None),
            Some(Found { form: Form::Whole([session]), loaded, .. }) => Ok(Some((session, loaded))),
            Some(_) => Err(Error::corrupt(&key, "the session was stored by another middleware")),
        }
    }

    async fn load(&self, id: &str) -> Result<Option<String>, Error> {
        self.ended.take(&try_id());
        self.look(id, Seen::Absent).await
    }

    async fn delete(&self, id: &str) -> Result<(), Error> {
        let Ok(key) = self.adapter.key(id) else { return Ok(()) };
        self.unless_failed(key)?;
        let was_there = !matches!(self.seen(key), Some(Seen::New | Seen::Absent));
        if !self.adapter.store().destroy(&key).await? && was_there {
            self.ended.put(try_id(), ());
        }
        Ok(())
    }

    /// What the middleware has in its memory, and has not looked for in this request, may have ended.
    async fn state(&self, id: &str) -> State {
        let Ok(key) = self.adapter.key(id) else { return State::Other };
        match self.seen(key) {
            _ if self.has_failed(key) => State::Failed,
            Some(Seen::Absent) => State::Other,
            Some(_) => State::Live,
            None => match self.adapter.store().get(&key).await {
                Ok(Some(_)) => State::Live,
                Ok(None) => State::Ended,
                Err(_) => State::Unknown,
            },
        }
    }
}

/// What there is to a visitor's ID.
enum State {
    Live,
    /// There was never a session, as far as the request knows.
    Other,
    /// There is none any more.
    Ended,
    /// It could not be loaded.
    Failed,
    /// It could not be asked for.
    Unknown,
}

/// Answers with an error where the session cannot be loaded, before the application takes the visitor for one without a
/// session. Gives an ID of his own to a visitor who has sent one that is no session's. Forgets a session that has ended
/// elsewhere, and is still in the middleware's memory.
///
/// A middleware of axum, within the layer of `axum_session`: see the [example](self).
pub async fn guard(session: Session<Store>, request: Request, next: Next) -> Response {
    let id = session.get_session_id();
    let Some(store) = &session.get_store().client else { return next.run(request).await };
    match store.state(&id).await {
        State::Live => {}
        State::Other => session.renew(),
        State::Ended => {
            session.clear();
            session.renew();
        }
        State::Failed => {
            // What the middleware has in memory. The store destroys nothing that it could not load.
            session.destroy();
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        State::Unknown => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
    next.run(request).await
}

/// Runs each request to its end, also where the client is gone or a time-out strikes: else the middleware keeps the session
/// in its memory. What panics is answered with a status of 500.
///
/// A middleware of axum, outside of the layer of `axum_session` and within that of a time-out: see the [example](self).
pub async fn to_the_end(request: Request, next: Next) -> Response {
    let answered = tokio::spawn(next.run(request)).await;
    answered.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

#[async_trait]
impl DatabasePool for Store {
    /// Asks the store whether it is there.
    async fn initiate(&self, _table_name: &str) -> Result<(), DatabaseError> {
        self.adapter.store().ping().await.map_err(|error| DatabaseError::GenericCreateError(error.to_string()))
    }

    async fn count(&self, _table_name: &str) -> Result<i64, DatabaseError> {
        let count = self.adapter.store().count().await.map_err(not_selected)?;
        Ok(i64::try_from(count).unwrap_or(i64::MAX))
    }

    async fn store(&self, id: &str, session: &str, expires: i64, _table_name: &str) -> Result<(), DatabaseError> {
        let left = expires.saturating_sub(OffsetDateTime::now_utc().unix_timestamp());
        let left = Duration::from_secs(u64::try_from(left).unwrap_or_default());
        Self::store(self, id, session, left).await.map_err(|error| DatabaseError::GenericInsertError(error.to_string()))
    }

    async fn load(&self, id: &str, _table_name: &str) -> Result<Option<String>, DatabaseError> {
        Self::load(self, id).await.map_err(not_selected)
    }

    async fn delete_one_by_id(&self, id: &str, _table_name: &str) -> Result<(), DatabaseError> {
        self.delete(id).await.map_err(not_deleted)
    }

    /// Only asked of IDs that are to be given out.
    async fn exists(&self, id: &str, _table_name: &str) -> Result<bool, DatabaseError> {
        Ok(self.look(id, Seen::New).await.map_err(not_selected)?.is_some())
    }

    /// Prunes the store. Gives no IDs, which the store does not know.
    async fn delete_by_expiry(&self, _table_name: &str) -> Result<Vec<String>, DatabaseError> {
        self.adapter.prune().await.map_err(not_deleted)?;
        Ok(Vec::new())
    }

    async fn delete_all(&self, _table_name: &str) -> Result<(), DatabaseError> {
        self.adapter.store().clear().await.map(drop).map_err(not_deleted)
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
