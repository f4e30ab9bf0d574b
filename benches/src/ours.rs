//! A store of this project.

use std::collections::{HashMap, VecDeque};
use std::hint::black_box;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use session_store_core::{SessionId, SessionKey, SessionStore, SetMode, Write};

use crate::corpus::Session;
use crate::measure::{Operation, Result};
use crate::store::{HOUR, Store, each, found, nth};

pub(crate) struct Ours<S> {
    store: S,
    keys: Vec<SessionKey>,
    writes: Vec<Write>,
}

impl<S: SessionStore + 'static> Ours<S> {
    /// So many sessions in this store.
    pub(crate) async fn fill(store: S, sessions: &[Session], count: usize) -> Result<Arc<Self>> {
        let write = |session: &Session| Ok(Write::new(session.messagepack.clone(), HOUR, HOUR)?);
        let writes = sessions.iter().map(write).collect::<Result<_>>()?;
        let keys = (0..count).map(|_| new_key()).collect::<Result<_>>()?;
        let ours = Arc::new(Self { store, keys, writes });
        each(count, Create(Arc::clone(&ours))).await?;
        Ok(ours)
    }

    /// The same sessions through another store.
    pub(crate) fn through(&self, store: S) -> Arc<Self> {
        Arc::new(Self { store, keys: self.keys.clone(), writes: self.writes.clone() })
    }

    pub(crate) fn key(&self, session: usize) -> Result<&SessionKey> {
        nth(&self.keys, session)
    }

    fn write(&self, session: usize) -> Result<&Write> {
        nth(&self.writes, session)
    }
}

fn new_key() -> Result<SessionKey> {
    Ok(SessionKey::from(&SessionId::generate()?))
}

impl<S: SessionStore + 'static> Store for Ours<S> {
    async fn load(&self, session: usize) -> Result {
        found(self.store.get(self.key(session)?).await?.is_some())
    }

    async fn save(&self, session: usize) -> Result {
        self.store.set(self.key(session)?, self.write(session)?, SetMode::Replace).await?;
        Ok(())
    }
}

struct Create<S>(Arc<Ours<S>>);

impl<S: SessionStore + 'static> Operation for Create<S> {
    async fn operate(&self, session: usize) -> Result {
        let Self(ours) = self;
        ours.store.set(ours.key(session)?, ours.write(session)?, SetMode::Create).await?;
        Ok(())
    }
}

/// A read into what tower-sessions loads: a map of JSON values.
pub(crate) struct LoadAndDecode<S>(pub(crate) Arc<Ours<S>>);

impl<S: SessionStore + 'static> Operation for LoadAndDecode<S> {
    async fn operate(&self, session: usize) -> Result {
        let Self(ours) = self;
        let record = ours.store.get(ours.key(session)?).await?.ok_or("a session is gone")?;
        black_box(rmp_serde::from_slice::<HashMap<String, Value>>(&record.data)?);
        Ok(())
    }
}

pub(crate) struct Touch<S>(pub(crate) Arc<Ours<S>>);

impl<S: SessionStore + 'static> Operation for Touch<S> {
    async fn operate(&self, session: usize) -> Result {
        let Self(ours) = self;
        found(ours.store.touch(ours.key(session)?, HOUR).await?)
    }
}

/// New keys for sessions that nothing else uses; each is held by one task at a time.
pub(crate) struct Rotate<S> {
    ours: Arc<Ours<S>>,
    keys: Mutex<VecDeque<SessionKey>>,
}

impl<S: SessionStore + 'static> Rotate<S> {
    pub(crate) async fn fill(ours: &Arc<Ours<S>>, count: usize) -> Result<Self> {
        let mut keys = VecDeque::with_capacity(count);
        for session in 0..count {
            let key = new_key()?;
            ours.store.set(&key, ours.write(session)?, SetMode::Create).await?;
            keys.push_back(key);
        }
        Ok(Self { ours: Arc::clone(ours), keys: Mutex::new(keys) })
    }

    fn keys(&self) -> MutexGuard<'_, VecDeque<SessionKey>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: SessionStore + 'static> Operation for Rotate<S> {
    async fn operate(&self, session: usize) -> Result {
        let from = self.keys().pop_front().ok_or("there are fewer sessions than tasks")?;
        let to = new_key()?;
        self.ours.store.rotate(&from, &to, self.ours.write(session)?, None).await?;
        self.keys().push_back(to);
        Ok(())
    }
}
