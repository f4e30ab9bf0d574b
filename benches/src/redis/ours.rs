//! session-store-redis with the connection that it makes by itself.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use serde_json::Value;
use session_store_core::{SessionId, SessionKey, SessionStore as _, SetMode, Write};
use session_store_redis::RedisStore;

use super::server::Server;
use super::{HOUR, SESSIONS, Store, found, nth};
use crate::corpus::Session;
use crate::measure::{Operation, Result};

pub(super) const NAME: &str = "session-store-redis";

pub(super) struct Ours {
    store: RedisStore,
    prefix: String,
    keys: Vec<SessionKey>,
    writes: Vec<Write>,
}

impl Ours {
    pub(super) async fn fill(server: &Server, sessions: &[Session]) -> Result<Self> {
        let store = RedisStore::builder(server.url()).prefix(server.prefix()).build().await?;
        let write = |session: &Session| Ok(Write::new(session.messagepack.clone(), HOUR, HOUR)?);
        let writes = sessions.iter().map(write).collect::<Result<Vec<_>>>()?;
        let mut keys = Vec::with_capacity(SESSIONS);
        for session in 0..SESSIONS {
            let key = SessionKey::from(&SessionId::generate()?);
            store.set(&key, nth(&writes, session)?, SetMode::Create).await?;
            keys.push(key);
        }
        Ok(Self { store, prefix: server.prefix().to_owned(), keys, writes })
    }
}

impl Store for Ours {
    fn key(&self, session: usize) -> Result<Vec<u8>> {
        Ok([self.prefix.as_bytes(), b"\0s", nth(&self.keys, session)?.as_bytes()].concat())
    }

    async fn load(&self, session: usize) -> Result {
        found(self.store.get(nth(&self.keys, session)?).await?.is_some())
    }

    async fn save(&self, session: usize) -> Result {
        self.store.set(nth(&self.keys, session)?, nth(&self.writes, session)?, SetMode::Replace).await?;
        Ok(())
    }
}

/// A read into what tower-sessions loads: a map of JSON values.
pub(super) struct LoadAndDecode(pub(super) Arc<Ours>);

impl Operation for LoadAndDecode {
    async fn operate(&self, session: usize) -> Result {
        let Self(ours) = self;
        let record = ours.store.get(nth(&ours.keys, session)?).await?.ok_or("a session is gone")?;
        black_box(rmp_serde::from_slice::<HashMap<String, Value>>(&record.data)?);
        Ok(())
    }
}
