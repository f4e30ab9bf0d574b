//! A store of tower-sessions.

use std::sync::Arc;

use serde_json::{Map, Value};
use time::OffsetDateTime;
use tower_sessions_core::SessionStore;
use tower_sessions_core::session::{Id, Record};

use crate::corpus::Session;
use crate::measure::{Operation, Result};
use crate::store::{HOUR, Store, found, nth};

pub(crate) struct TowerSessions<S> {
    store: S,
    records: Vec<Record>,
}

impl<S: SessionStore> TowerSessions<S> {
    /// So many sessions, which are not yet in the store.
    pub(crate) fn new(
        store: S,
        sessions: &[Session],
        record: fn(&Session) -> Result<Record>,
        count: usize,
    ) -> Result<Arc<Self>> {
        let records = (0..count).map(|session| record(nth(sessions, session)?)).collect::<Result<_>>()?;
        Ok(Arc::new(Self { store, records }))
    }

    pub(crate) fn record(&self, session: usize) -> Result<&Record> {
        nth(&self.records, session)
    }
}

pub(crate) fn record(data: impl IntoIterator<Item = (String, Value)>) -> Record {
    let expiry_date = OffsetDateTime::now_utc() + HOUR;
    Record { id: Id::default(), data: data.into_iter().collect(), expiry_date }
}

/// As an application would have it that keeps the same session in it.
pub(crate) fn as_fields(session: &Session) -> Result<Record> {
    let fields: Map<String, Value> = serde_json::from_str(&session.json)?;
    Ok(record(fields))
}

impl<S: SessionStore> Store for TowerSessions<S> {
    async fn load(&self, session: usize) -> Result {
        found(self.store.load(&self.record(session)?.id).await?.is_some())
    }

    async fn save(&self, session: usize) -> Result {
        Ok(self.store.save(self.record(session)?).await?)
    }
}

/// For a store whose save only changes what is there.
pub(crate) struct Create<S>(pub(crate) Arc<TowerSessions<S>>);

impl<S: SessionStore> Operation for Create<S> {
    async fn operate(&self, session: usize) -> Result {
        let Self(tower) = self;
        let mut record = tower.record(session)?.clone();
        let id = record.id;
        tower.store.create(&mut record).await?;
        if record.id == id { Ok(()) } else { Err("two sessions have the same ID".into()) }
    }
}
