//! A store of tower-sessions. It decodes what it loads into a map, and encodes what it saves.

use std::sync::Arc;

use serde_json::{Map, Value};
use time::OffsetDateTime;
use tower_sessions_core::SessionStore;
use tower_sessions_core::session::{Id, Record};

use crate::corpus::Session;
use crate::measure::Result;
use crate::store::{HOUR, Store, each, found, nth};

pub(crate) struct TowerSessions<S> {
    store: S,
    records: Vec<Record>,
}

impl<S: SessionStore> TowerSessions<S> {
    /// So many sessions in this store, with the fields that an application would give them.
    pub(crate) async fn fill(store: S, sessions: &[Session], count: usize) -> Result<Arc<Self>> {
        let records = (0..count).map(|session| record(nth(sessions, session)?)).collect::<Result<_>>()?;
        let tower = Arc::new(Self { store, records });
        let filled = Arc::clone(&tower);
        // By its create: some of its stores save nothing that is not there.
        each(count, move |session| {
            let tower = Arc::clone(&filled);
            async move {
                let mut record = nth(&tower.records, session)?.clone();
                let id = record.id;
                tower.store.create(&mut record).await?;
                if record.id == id { Ok(()) } else { Err("two sessions have the same ID".into()) }
            }
        })
        .await?;
        Ok(tower)
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
        found(self.store.load(&nth(&self.records, session)?.id).await?.is_some())
    }

    async fn save(&self, session: usize) -> Result {
        Ok(self.store.save(nth(&self.records, session)?).await?)
    }

    async fn create(&self, session: usize) -> Result<Id> {
        let mut record = nth(&self.records, session)?.clone();
        record.id = Id::default();
        self.store.create(&mut record).await?;
        Ok(record.id)
    }

    async fn destroy(&self, id: Id) -> Result {
        Ok(self.store.delete(&id).await?)
    }
}
