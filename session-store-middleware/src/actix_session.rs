//! actix-session 0.11.
//!
//! ```
//! use std::sync::Arc;
//! use actix_session::SessionMiddleware;
//! use actix_web::cookie::Key;
//! use session_store_memory::MemoryStore;
//! use session_store_middleware::Adapter;
//!
//! let adapter = Adapter::new(Arc::new(MemoryStore::new())).user_at("/user_id");
//! let middleware = SessionMiddleware::new(adapter.actix_session(), Key::generate());
//! ```
//!
//! - `save` makes a new session with a new key.
//! - `update` never makes one, unless [`recreating`](Store::recreating) says so. `update_ttl`, and an `update` that changes
//!   nothing, are touches.
//! - `Session::renew` destroys one session and creates another. Where the first one had ended meanwhile, the second is not
//!   created, unless the application has cleared the session before.
//! - A session that cannot be read is an error of the request, where actix-session's own stores begin an empty one.
//! - There is no place for a version: of two requests that change one session at the same time, the last one wins, with all
//!   of its data.
//! - There is an entry named `session-store.loaded` among `Session::entries` while a request has it.

use std::collections::HashMap;
use std::time::Duration;

use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use session_store_core::{Error, ErrorKind, SessionId};

use crate::adapter::{Adapter, WhenGone};
use crate::data::Form;
use crate::loaded::Loaded;

type State = HashMap<String, String>;
type Ttl = time::Duration;

/// An [`Adapter`] as the store of actix-session 0.11.
#[derive(Clone, Debug)]
pub struct Store {
    adapter: Adapter,
    is_recreating: bool,
}

impl Adapter {
    /// The store of actix-session 0.11.
    #[must_use]
    pub fn actix_session(&self) -> Store {
        Store { adapter: self.clone(), is_recreating: false }
    }
}

impl Store {
    /// Makes a new session, with a new key and all its data, of one that has ended while a request ran, as actix-session's
    /// own stores do.
    ///
    /// Then a request that runs during a logout logs in again, and a session that is revoked lives on.
    #[must_use]
    pub fn recreating(self) -> Self {
        // What is discarded is not recreated.
        Self { adapter: self.adapter.when_gone(WhenGone::Refuse), is_recreating: true }
    }

    async fn begin(&self, state: State, ttl: &Ttl) -> Result<SessionKey, Error> {
        let (form, loaded) = form_of(state);
        let id = SessionId::generate()?;
        let loaded = loaded.filter(|_| !self.is_recreating);
        self.adapter.create((&id).into(), form, loaded, Some(idle(ttl))).await?;
        SessionKey::try_from(id.expose_secret().to_owned())
            .map_err(|_| Error::new(ErrorKind::Internal, "actix-session does not take the session ID"))
    }
}

impl SessionStore for Store {
    async fn load(&self, key: &SessionKey) -> Result<Option<State>, LoadError> {
        // Never `Deserialization`, after which the middleware begins an empty session in the place of this one.
        let found = self.adapter.find(key.as_ref()).await.map_err(|error| LoadError::Other(error.into()))?;
        let Some(found) = found else { return Ok(None) };
        let texts = found.into_texts().map_err(|error| LoadError::Other(error.into()))?;
        Ok(Some(texts.into_iter().collect()))
    }

    async fn save(&self, state: State, ttl: &Ttl) -> Result<SessionKey, SaveError> {
        self.begin(state, ttl).await.map_err(|error| match error.kind() {
            ErrorKind::InvalidInput | ErrorKind::TooLarge => SaveError::Serialization(error.into()),
            _ => SaveError::Other(error.into()),
        })
    }

    async fn update(&self, key: SessionKey, state: State, ttl: &Ttl) -> Result<SessionKey, UpdateError> {
        let (form, loaded) = form_of(state.clone());
        let saved = async { self.adapter.save(self.adapter.key(key.as_ref())?, form, loaded, Some(idle(ttl))).await };
        let answer = match saved.await {
            Err(error) if error.kind() == ErrorKind::NotFound && self.is_recreating => self.begin(state, ttl).await,
            answer => answer.map(|()| key),
        };
        answer.map_err(|error| match error.kind() {
            ErrorKind::InvalidInput | ErrorKind::TooLarge => UpdateError::Serialization(error.into()),
            _ => UpdateError::Other(error.into()),
        })
    }

    async fn update_ttl(&self, key: &SessionKey, ttl: &Ttl) -> Result<(), anyhow::Error> {
        let key = self.adapter.key(key.as_ref())?;
        Ok(self.adapter.touch(&key, self.adapter.idle(Some(idle(ttl)))).await?)
    }

    async fn delete(&self, key: &SessionKey) -> Result<(), anyhow::Error> {
        Ok(self.adapter.destroy(key.as_ref()).await?)
    }
}

fn form_of(state: State) -> (Form, Option<Loaded>) {
    Form::from_texts(state.into_iter().collect())
}

/// A time that is over is as short as one can be.
fn idle(ttl: &Ttl) -> Duration {
    Duration::try_from(*ttl).unwrap_or_default()
}
