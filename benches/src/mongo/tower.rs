//! The store of tower-sessions, which is of an older release of its core and of the driver than the others.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value};
use time::OffsetDateTime;
use tokio::sync::Mutex;
use tower_sessions_core_0_11::session::{Id, Record};
use tower_sessions_core_0_11::{ExpiredDeletion as _, SessionStore};
use tower_sessions_mongodb_store::MongoDBStore;
use tower_sessions_mongodb_store::mongodb::Client;
use tower_sessions_mongodb_store::mongodb::options::{Acknowledgment, ClientOptions, WriteConcern};

use super::POOL;
use super::server::Server;
use crate::corpus::Session;
use crate::result::Result;
use crate::store::{HOUR, LIVES, Store, expire, found, nth, save_all};
use crate::users::PRUNED;

pub(super) struct Tower {
    store: MongoDBStore,
    ids: Vec<Id>,
    /// As the requests hold them that save them.
    records: Vec<Mutex<Record>>,
}

impl Tower {
    /// So many sessions in a database of this name.
    pub(super) async fn fill(server: &Server, database: &str, sessions: &[Session], count: usize) -> Result<Arc<Self>> {
        let mut options = ClientOptions::parse(server.url()).await?;
        options.max_pool_size = Some(POOL);
        options.write_concern = Some(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build());
        let store = MongoDBStore::new(Client::with_options(options)?, database.to_owned());
        let records = (0..count).map(|session| record(nth(sessions, session)?)).collect::<Result<Vec<_>>>()?;
        let ids = records.iter().map(|record| record.id).collect();
        let records = records.into_iter().map(Mutex::new).collect();
        let tower = Arc::new(Self { store, ids, records });
        save_all(&tower, count).await?;
        Ok(tower)
    }
}

impl Tower {
    /// How many seconds it takes to remove many sessions that have expired.
    pub(super) async fn prune(self: &Arc<Self>) -> Result<f64> {
        let filled = Arc::clone(self);
        expire(PRUNED, move |session| {
            let tower = Arc::clone(&filled);
            async move {
                let mut record = nth(&tower.records, session)?.lock().await.clone();
                (record.id, record.expiry_date) = (Id::default(), OffsetDateTime::now_utc() + LIVES);
                Ok(tower.store.save(&record).await?)
            }
        })
        .await?;
        let begin = Instant::now();
        self.store.delete_expired().await?;
        Ok(begin.elapsed().as_secs_f64())
    }
}

/// As an application would have it that keeps the same session in it.
fn record(session: &Session) -> Result<Record> {
    let fields: Map<String, Value> = serde_json::from_str(&session.json)?;
    let expiry_date = OffsetDateTime::now_utc() + HOUR;
    Ok(Record { id: Id::default(), data: fields.into_iter().collect(), expiry_date })
}

impl Store for Tower {
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
        self.store.save(&record).await?;
        Ok(record.id)
    }

    async fn destroy(&self, id: Id) -> Result {
        Ok(self.store.delete(&id).await?)
    }
}
