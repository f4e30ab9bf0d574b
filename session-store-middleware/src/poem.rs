//! poem 3.1.
//!
//! ```
//! use std::sync::Arc;
//! use poem::session::{CookieConfig, ServerSession};
//! use session_store_memory::MemoryStore;
//! use session_store_middleware::Adapter;
//!
//! let adapter = Adapter::new(Arc::new(MemoryStore::new())).user_at("/user_id");
//! let middleware = ServerSession::new(CookieConfig::default(), adapter.poem());
//! ```
//!
//! - A session that was loaded is never created again. One that changes nothing is touched.
//! - After `Session::clear`, poem does not say any more whether there was one: a session that ends in that very request is
//!   created anew, with what was set after `clear`. `Session::purge` is the logout.
//! - `Session::renew` destroys one session and creates another. Where the first one had ended meanwhile, the second is not
//!   created, unless the application has cleared the session before.
//! - poem does not save what has not changed: without a change, a session is not extended.
//! - There is no place for a version: of two requests that change one session at the same time, the last one wins, with all
//!   of its data.
//! - There is an entry named `session-store.loaded` among `Session::entries` while a request has it.

use std::collections::BTreeMap;
use std::time::Duration;

use poem::session::SessionStorage;
use poem::{Result, error::InternalServerError};
use serde_json::Value;

use crate::adapter::Adapter;
use crate::data::Form;

/// An [`Adapter`] as the storage of poem 3.1.
#[derive(Clone, Debug)]
pub struct Store(Adapter);

impl Adapter {
    /// The storage of poem 3.1, for its `ServerSession`.
    #[must_use]
    pub fn poem(&self) -> Store {
        Store(self.clone())
    }
}

impl SessionStorage for Store {
    async fn load_session<'a>(&'a self, id: &'a str) -> Result<Option<BTreeMap<String, Value>>> {
        let Some(found) = self.0.find(id).await.map_err(InternalServerError)? else { return Ok(None) };
        Ok(Some(found.into_values().map_err(InternalServerError)?.collect()))
    }

    async fn update_session<'a>(
        &'a self,
        id: &'a str,
        entries: &'a BTreeMap<String, Value>,
        expires: Option<Duration>,
    ) -> Result<()> {
        let key = self.0.key(id).map_err(InternalServerError)?;
        let (form, loaded) = Form::from_values(entries).map_err(InternalServerError)?;
        self.0.create_or_save(key, form, loaded, expires).await.map_err(InternalServerError)
    }

    async fn remove_session<'a>(&'a self, id: &'a str) -> Result<()> {
        self.0.destroy(id).await.map_err(InternalServerError)
    }
}
