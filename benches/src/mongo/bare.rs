//! The plainest commands that do the work, by the driver's own methods: of live sessions, by the server's clock. And
//! plainer ones still, which know nothing of time.

use std::sync::Arc;

use session_store_mongo::MongoStore;
use session_store_mongo::mongodb::bson::spec::BinarySubtype;
use session_store_mongo::mongodb::bson::{Binary, DateTime, Document, RawDocumentBuf, doc};
use session_store_mongo::mongodb::options::{IndexOptions, UpdateModifications};
use session_store_mongo::mongodb::{Collection, IndexModel};

use super::server::Server;
use crate::corpus::Session;
use crate::measure::Result;
use crate::ours::Ours;
use crate::store::{HOUR, Store, found, nth};

pub(super) const FIND: &str = "bare find_one, if live";
pub(super) const UPDATE: &str = "bare update_one, if live";
pub(super) const PLAIN_FIND: &str = "bare find_one";
pub(super) const PLAIN_UPDATE: &str = "bare update_one";

/// Documents of the same fields, in a collection with an index on the key alone.
pub(super) struct Bare {
    ours: Arc<Ours<MongoStore>>,
    values: Vec<Vec<u8>>,
    found: Collection<RawDocumentBuf>,
    updated: Collection<Document>,
}

impl Bare {
    /// Copies the sessions of the store.
    pub(super) async fn fill(server: &Server, sessions: &[Session], ours: &Arc<Ours<MongoStore>>) -> Result<Arc<Self>> {
        const COPY: &str = "copy";
        let copy = server.database().collection::<Document>(COPY);
        let unique = IndexOptions::builder().unique(true).build();
        copy.create_index(IndexModel::builder().keys(doc! { "key": 1 }).options(unique).build()).await?;
        let all = server.database().collection::<Document>("sessions");
        // The collection exists already, with its index.
        all.aggregate([doc! { "$merge": { "into": COPY } }]).await?;
        Ok(Arc::new(Self {
            ours: Arc::clone(ours),
            values: sessions.iter().map(|session| session.messagepack.clone()).collect(),
            found: server.database().collection(COPY),
            updated: copy,
        }))
    }

    fn key(&self, session: usize) -> Result<Binary> {
        Ok(binary(self.ours.key(session)?.as_bytes()))
    }

    fn value(&self, session: usize) -> Result<Binary> {
        Ok(binary(nth(&self.values, session)?))
    }

    async fn find(&self, filter: Document) -> Result {
        let document = self.found.find_one(filter).await?.ok_or("a session is gone")?;
        found(!document.get_binary("data").map_err(|_| "a session has no data")?.bytes.is_empty())
    }

    async fn update(&self, filter: Document, change: impl Into<UpdateModifications>) -> Result {
        found(self.updated.update_one(filter, change).await?.matched_count == 1)
    }
}

fn binary(bytes: &[u8]) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() }
}

fn live() -> Document {
    doc! { "$gt": ["$expires_at", "$$NOW"] }
}

impl Store for Bare {
    async fn load(&self, session: usize) -> Result {
        self.find(doc! { "key": self.key(session)?, "$expr": live() }).await
    }

    async fn save(&self, session: usize) -> Result {
        let hour = i64::try_from(HOUR.as_millis())?;
        let change = vec![doc! { "$set": {
            "last_seen_at": "$$NOW", "expires_at": { "$add": ["$$NOW", hour] },
            "deadline": { "$add": ["$created_at", hour] }, "version": binary(&[7; 16]), "data": self.value(session)?,
        } }];
        self.update(doc! { "key": self.key(session)?, "$expr": live() }, change).await
    }
}

/// The same without a thought of time.
pub(super) struct Plain(pub(super) Arc<Bare>);

impl Store for Plain {
    async fn load(&self, session: usize) -> Result {
        self.0.find(doc! { "key": self.0.key(session)? }).await
    }

    async fn save(&self, session: usize) -> Result {
        let now = DateTime::now();
        let change = doc! { "$set": {
            "last_seen_at": now, "version": binary(&[7; 16]), "data": self.0.value(session)?,
        } };
        self.0.update(doc! { "key": self.0.key(session)? }, change).await
    }
}
