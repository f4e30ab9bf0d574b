//! A store of tower-sessions. It decodes what it loads into a map, and encodes what it saves.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value};
use time::OffsetDateTime;
use tokio::sync::Mutex;
use tower_sessions_core::session::{Id, Record};
use tower_sessions_core::{ExpiredDeletion, SessionStore};

use crate::corpus::Session;
use crate::result::Result;
use crate::store::{HOUR, LIVES, Store, each, expire, found, nth};
use crate::users::PRUNED;

pub(crate) struct TowerSessions<S> {
    store: S,
    ids: Vec<Id>,
    /// As the requests hold them that save them.
    records: Vec<Mutex<Record>>,
}

impl<S: SessionStore> TowerSessions<S> {
    /// So many sessions in this store, with the fields that an application would give them.
    pub(crate) async fn fill(store: S, sessions: &[Session], count: usize) -> Result<Arc<Self>> {
        let records = (0..count).map(|session| record(nth(sessions, session)?)).collect::<Result<Vec<_>>>()?;
        let ids = records.iter().map(|record| record.id).collect();
        let records = records.into_iter().map(Mutex::new).collect();
        let tower = Arc::new(Self { store, ids, records });
        let filled = Arc::clone(&tower);
        // By its create: some of its stores save nothing that is not there.
        each(count, move |session| {
            let tower = Arc::clone(&filled);
            async move {
                let mut record = nth(&tower.records, session)?.lock().await.clone();
                let id = record.id;
                tower.store.create(&mut record).await?;
                if record.id == id { Ok(()) } else { Err("two sessions have the same ID".into()) }
            }
        })
        .await?;
        Ok(tower)
    }
}

impl<S: ExpiredDeletion> TowerSessions<S> {
    /// How many seconds it takes to remove many sessions that have expired.
    pub(crate) async fn prune(self: &Arc<Self>) -> Result<f64> {
        let filled = Arc::clone(self);
        expire(PRUNED, move |session| {
            let tower = Arc::clone(&filled);
            async move {
                let mut record = nth(&tower.records, session)?.lock().await.clone();
                (record.id, record.expiry_date) = (Id::default(), OffsetDateTime::now_utc() + LIVES);
                Ok(tower.store.create(&mut record).await?)
            }
        })
        .await?;
        let begin = Instant::now();
        self.store.delete_expired().await?;
        Ok(begin.elapsed().as_secs_f64())
    }
}

pub(crate) fn record(session: &Session) -> Result<Record> {
    let fields: Map<String, Value> = serde_json::from_str(&session.json)?;
    let expiry_date = OffsetDateTime::now_utc() + HOUR;
    Ok(Record { id: Id::default(), data: fields.into_iter().collect(), expiry_date })
}

impl<S: SessionStore> Store for TowerSessions<S> {
    type Id = Id;

    async fn load(&self, session: usize) -> Result {
        found(self.store.load(nth(&self.ids, session)?).await?.is_some())
    }

    async fn save(&self, session: usize) -> Result {
        let mut record = nth(&self.records, session)?.lock().await;
        // As tower-sessions does at every save; MongoDB writes nothing where nothing is new.
        record.expiry_date = OffsetDateTime::now_utc() + HOUR;
        Ok(self.store.save(&record).await?)
    }

    async fn create(&self, session: usize) -> Result<Id> {
        let mut record = nth(&self.records, session)?.lock().await.clone();
        record.id = Id::default();
        self.store.create(&mut record).await?;
        Ok(record.id)
    }

    async fn destroy(&self, id: Id) -> Result {
        Ok(self.store.delete(&id).await?)
    }
}
