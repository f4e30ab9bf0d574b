//! tower-sessions 0.15.
//!
//! ```
//! use std::sync::Arc;
//! use session_store_memory::MemoryStore;
//! use session_store_middleware::Adapter;
//! use tower_sessions::cookie::time::Duration;
//! use tower_sessions::{Expiry, SessionManagerLayer};
//!
//! let adapter = Adapter::new(Arc::new(MemoryStore::new())).user_at("/user_id");
//! let layer = SessionManagerLayer::new(adapter.tower_sessions())
//!     .with_expiry(Expiry::OnInactivity(Duration::hours(1)));
//! ```
//!
//! - `create` is [`SetMode::Create`](session_store_core::SetMode::Create), always with a new ID: also after `flush`, when the
//!   middleware would go on with that of the session that was logged out.
//! - `save` never creates. One that changes nothing but the expiry is a touch.
//! - `cycle_id` destroys one session and creates another. Where the first one had ended meanwhile, the second is not
//!   created.
//! - There is no place for a version: of two requests that change one session at the same time, the last one wins, with all
//!   of its data.
//! - An expiry at a date is judged by the application's clock, because the middleware names it by that.
//! - There is a note named `session-store.loaded` among the data of a record while a request has it.

/// Both releases have the same trait.
macro_rules! tower_sessions_store {
    ($core:ident, $method:ident, $name:literal) => {
        use std::fmt::Debug;
        use std::time::Duration;

        use serde_json::Value;
        use session_store_core::{Error, ErrorKind, SessionKey, async_trait};
        use time::OffsetDateTime;
        use $core::session::{Id, Record};
        use $core::session_store::{Error as StoreError, ExpiredDeletion, Result, SessionStore};

        use crate::adapter::Adapter;
        use crate::data::Form;
        use crate::loaded::{LOADED, Loaded};
        use crate::operations::note;

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
            async fn create(&self, record: &mut Record) -> Result<()> {
                let (form, loaded) = form_of(record)?;
                loop {
                    record.id = Id::default();
                    let Some(left) = left(record) else { return Ok(()) };
                    let key = self.key(&record.id)?;
                    match self.0.create(key, form.clone(), loaded, Some(left)).await {
                        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                        answer => {
                            // What follows in this request follows on this session.
                            let note = note(key, &form, left).to_text();
                            record.data.insert(LOADED.to_owned(), Value::String(note));
                            return answer.map_err(failed);
                        }
                    }
                }
            }

            async fn save(&self, record: &Record) -> Result<()> {
                let Some(left) = left(record) else { return self.delete(&record.id).await };
                let (form, loaded) = form_of(record)?;
                self.0.save(self.key(&record.id)?, form, loaded, Some(left)).await.map_err(failed)
            }

            async fn load(&self, id: &Id) -> Result<Option<Record>> {
                let Some(found) = self.0.find(&id.to_string()).await.map_err(failed)? else { return Ok(None) };
                // By this computer's clock, as the middleware will read it.
                let left = found.left.try_into().unwrap_or(time::Duration::MAX);
                let expiry_date = OffsetDateTime::now_utc().saturating_add(left);
                let values = found.into_values().map_err(|error| StoreError::Decode(error.to_string()))?;
                Ok(Some(Record { id: *id, data: values.collect(), expiry_date }))
            }

            async fn delete(&self, id: &Id) -> Result<()> {
                self.0.destroy(&id.to_string()).await.map_err(failed)
            }
        }

        #[async_trait]
        impl ExpiredDeletion for Store {
            async fn delete_expired(&self) -> Result<()> {
                self.0.prune().await.map_err(failed)
            }
        }

        impl Store {
            fn key(&self, id: &Id) -> Result<SessionKey> {
                self.0.key(&id.to_string()).map_err(failed)
            }
        }

        fn form_of(record: &Record) -> Result<(Form, Option<Loaded>)> {
            Form::from_values(&record.data).map_err(|error| StoreError::Encode(error.to_string()))
        }

        /// `None` when the record's time is over.
        fn left(record: &Record) -> Option<Duration> {
            Duration::try_from(record.expiry_date - OffsetDateTime::now_utc()).ok().filter(|left| !left.is_zero())
        }

        fn failed(error: Error) -> StoreError {
            let text = error.to_string();
            match error.kind() {
                ErrorKind::Corrupt => StoreError::Decode(text),
                ErrorKind::InvalidInput | ErrorKind::TooLarge => StoreError::Encode(text),
                _ => StoreError::Backend(text),
            }
        }
    };
}

pub(crate) use tower_sessions_store;

#[cfg(feature = "tower-sessions")]
tower_sessions_store!(tower_sessions_core, tower_sessions, "tower-sessions 0.15.");
