//! async-session 3, of Tide, Trillium and Warp.
//!
//! ```
//! use std::sync::Arc;
//! use session_store_memory::MemoryStore;
//! use session_store_middleware::Adapter;
//! use trillium_sessions::sessions;
//!
//! let adapter = Adapter::new(Arc::new(MemoryStore::new())).user_at("/user_id");
//! let handler = sessions(adapter.async_session(), b"a secret of at least thirty-two bytes");
//! ```
//!
//! - A session that was loaded is never created again. One that changes nothing but its expiry is touched.
//! - `Session::regenerate` is one rotation: the former ID ends in the same moment, although the trait does not name it, and
//!   the time that the session may live in all goes on.
//! - There is no place for a version: of two requests that change one session at the same time, the last one wins, with all
//!   of its data.
//! - There is an entry named `session-store.loaded` in a session while a request has it.
//! - Tide takes a visitor whose session cannot be loaded for one without a session, and Trillium logs that a session could
//!   not be saved, or not be destroyed, and answers as if it were: what a store says does not reach the visitor there.

/// Both crates have the same trait, and sessions of the same serialized form.
macro_rules! async_session_store {
    ($core:ident, $method:ident, $name:literal) => {
        use std::collections::BTreeMap;

        use $core::{Result, Session, SessionStore};
        use serde::Deserialize;
        use serde_json::json;
        use session_store_core::async_trait;

        use crate::adapter::{Adapter, Done};
        use crate::data::{Form, HAS_EXPIRY};

        /// An [`Adapter`] as the store of
        #[doc = $name]
        #[derive(Clone, Debug)]
        pub struct Store(Adapter);

        impl Adapter {
            /// The store of
            #[doc = $name]
            #[must_use]
            pub fn $method(&self) -> Store {
                Store(self.clone())
            }
        }

        #[async_trait]
        impl SessionStore for Store {
            async fn load_session(&self, cookie_value: String) -> Result<Option<Session>> {
                // Whoever sends something else is a visitor without a session.
                let Ok(id) = Session::id_from_cookie_value(&cookie_value) else { return Ok(None) };
                let Some(found) = self.0.find(&id).await? else { return Ok(None) };
                let left = found.left;
                let mut texts = found.into_texts()?;
                let has_expiry = texts.remove(HAS_EXPIRY).is_some();
                let mut session: Session = serde_json::from_value(json!({ "id": id, "expiry": null, "data": texts }))?;
                if has_expiry {
                    session.expire_in(left);
                }
                Ok(Some(session))
            }

            async fn store_session(&self, session: Session) -> Result<Option<String>> {
                let mut texts = texts_of(&session)?;
                let left = session.expires_in();
                if session.expiry().is_some() && left.is_none_or(|left| left.is_zero()) {
                    self.destroy_session(session).await?;
                    return Ok(None);
                }
                if left.is_some() {
                    texts.insert(HAS_EXPIRY.to_owned(), String::from("true"));
                }
                let ((form, loaded), key) = (Form::from_texts(texts), self.0.key(session.id())?);
                match loaded {
                    // A second time it has its new ID already.
                    Some(before) if before.key != key && !self.0.has(Done::Written, key) => self.0.rotate(before.key, key, form, left).await?,
                    _ => self.0.create_or_save(key, form, loaded, left).await?,
                }
                session.reset_data_changed();
                Ok(session.into_cookie_value())
            }

            async fn destroy_session(&self, session: Session) -> Result {
                if let (_, Some(before)) = Form::from_texts(texts_of(&session)?) {
                    // That of before `regenerate`.
                    self.0.destroy_key(before.key).await?;
                }
                Ok(self.0.destroy(session.id()).await?)
            }

            async fn clear_store(&self) -> Result {
                self.0.store().clear().await?;
                Ok(())
            }
        }

        /// A session gives its data by their names only, but for its serialized form.
        #[derive(Deserialize)]
        struct Parts {
            data: BTreeMap<String, String>,
        }

        fn texts_of(session: &Session) -> Result<BTreeMap<String, String>> {
            Ok(Parts::deserialize(serde_json::to_value(session)?)?.data)
        }
    };
}

pub(crate) use async_session_store;

#[cfg(feature = "async-session")]
async_session_store!(async_session, async_session, "async-session 3.");
