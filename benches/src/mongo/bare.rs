//! The plainest commands that do the work, by the driver's own methods.

use std::sync::Arc;

use session_store_core::SessionKey;
use session_store_mongo::MongoStore;
use session_store_mongo::mongodb::bson::spec::BinarySubtype;
use session_store_mongo::mongodb::bson::{Binary, DateTime, Document, RawDocumentBuf, doc};
use session_store_mongo::mongodb::{Collection, IndexModel, options::IndexOptions};

use super::server::Server;
use crate::corpus::Session;
use crate::measure::Result;
use crate::ours::Ours;
use crate::store::{Store, found, nth};

pub(super) const FIND: &str = "bare find_one";
pub(super) const UPDATE: &str = "bare update_one, upsert";

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

    fn filter(&self, session: usize) -> Result<Document> {
        let key: &SessionKey = self.ours.key(session)?;
        Ok(doc! { "key": binary(key.as_bytes()) })
    }
}

fn binary(bytes: &[u8]) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() }
}

impl Store for Bare {
    async fn load(&self, session: usize) -> Result {
        let document = self.found.find_one(self.filter(session)?).await?.ok_or("a session is gone")?;
        found(!document.get_binary("data").map_err(|_| "a session has no data")?.bytes.is_empty())
    }

    async fn save(&self, session: usize) -> Result {
        let now = DateTime::now();
        let change = doc! { "$set": {
            "last_seen_at": now, "expires_at": now, "deadline": now, "version": binary(&[7; 16]),
            "data": binary(nth(&self.values, session)?),
        } };
        let done = self.updated.update_one(self.filter(session)?, change).upsert(true).await?;
        found(done.matched_count == 1)
    }
}
