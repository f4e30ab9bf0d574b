//! The plainest commands that do the work, by the driver's own methods: of live sessions, by the server's clock. And
//! plainer ones still, which know nothing of time.

use std::sync::Arc;

use session_store_core::{SessionId, SessionKey};
use session_store_mongo::MongoStore;
use session_store_mongo::mongodb::bson::spec::BinarySubtype;
use session_store_mongo::mongodb::bson::{Binary, DateTime, Document, RawDocumentBuf, doc};
use session_store_mongo::mongodb::options::{IndexOptions, UpdateModifications};
use session_store_mongo::mongodb::{Collection, Cursor, Database, IndexModel};

use crate::corpus::Session;
use crate::measure::Operation;
use crate::ours::Ours;
use crate::result::Result;
use crate::store::{Store, found, nth};

const COPY: &str = "copy";
const HOUR_MILLIS: i64 = 3_600_000;

/// Documents of the same fields, in a collection with an index on the key alone.
pub(super) struct Bare {
    ours: Arc<Ours<MongoStore>>,
    values: Vec<Vec<u8>>,
    found: Collection<RawDocumentBuf>,
    updated: Collection<Document>,
}

impl Bare {
    /// Copies the sessions of the store.
    pub(super) async fn fill(
        database: &Database,
        sessions: &[Session],
        ours: &Arc<Ours<MongoStore>>,
    ) -> Result<Arc<Self>> {
        let copy = database.collection::<Document>(COPY);
        let unique = IndexOptions::builder().unique(true).build();
        copy.create_index(IndexModel::builder().keys(doc! { "key": 1 }).options(unique).build()).await?;
        let all = database.collection::<Document>("sessions");
        // The collection exists already, with its index.
        all.aggregate([doc! { "$merge": { "into": COPY } }]).await?;
        Ok(Arc::new(Self {
            ours: Arc::clone(ours),
            values: sessions.iter().map(|session| session.payload.clone()).collect(),
            found: database.collection(COPY),
            updated: copy,
        }))
    }

    fn key(&self, session: usize) -> Result<Binary> {
        Ok(binary(self.ours.key(session)?.as_bytes()))
    }

    fn filter(&self, session: usize) -> Result<Document> {
        Ok(doc! { "key": self.key(session)?, "$expr": live() })
    }

    fn change(&self, session: usize) -> Result<Vec<Document>> {
        Ok(vec![doc! { "$set": {
            "last_seen_at": "$$NOW", "expires_at": { "$add": ["$$NOW", HOUR_MILLIS] },
            "deadline": { "$add": ["$created_at", HOUR_MILLIS] }, "version": binary(&[7; 16]),
            "data": self.value(session)?,
        } }])
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
    type Id = Binary;

    async fn load(&self, session: usize) -> Result {
        self.find(self.filter(session)?).await
    }

    async fn save(&self, session: usize) -> Result {
        self.update(self.filter(session)?, self.change(session)?).await
    }

    async fn create(&self, session: usize) -> Result<Binary> {
        let key = binary(SessionKey::from(&SessionId::generate()?).as_bytes());
        let now = DateTime::now();
        let expiry = DateTime::from_millis(now.timestamp_millis() + HOUR_MILLIS);
        let session = doc! {
            "key": key.clone(), "created_at": now, "last_seen_at": now, "expires_at": expiry, "deadline": expiry,
            "version": binary(&[7; 16]), "data": self.value(session)?,
        };
        self.updated.insert_one(session).await?;
        Ok(key)
    }

    async fn destroy(&self, key: Binary) -> Result {
        found(self.updated.delete_one(doc! { "key": key }).await?.deleted_count == 1)
    }
}

/// The same without a thought of time.
pub(super) struct Plain(pub(super) Arc<Bare>);

impl Store for Plain {
    type Id = Binary;

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

    async fn create(&self, session: usize) -> Result<Binary> {
        self.0.create(session).await
    }

    async fn destroy(&self, key: Binary) -> Result {
        self.0.destroy(key).await
    }
}

/// How many sessions a command is about, where it is about many.
const MANY: u32 = 64;

fn many(session: usize) -> impl Iterator<Item = usize> {
    (0..MANY as usize).map(move |n| session + 97 * n)
}

/// Gets many by one command.
pub(super) struct ManyGets(pub(super) Arc<Bare>);

impl Operation for ManyGets {
    const SESSIONS: u32 = MANY;

    async fn operate(&self, session: usize) -> Result {
        let Self(bare) = self;
        let keys = many(session).map(|session| bare.key(session)).collect::<Result<Vec<_>>>()?;
        let filter = doc! { "key": { "$in": keys }, "$expr": live() };
        let mut cursor: Cursor<RawDocumentBuf> = bare.found.find(filter).batch_size(MANY).await?;
        let mut count = 0;
        while cursor.advance().await? {
            count += u32::from(cursor.current().get_binary("data").is_ok());
        }
        found(count == MANY)
    }
}

/// Saves many by one command.
pub(super) struct ManySaves {
    pub(super) bare: Arc<Bare>,
    pub(super) database: Database,
}

impl Operation for ManySaves {
    const SESSIONS: u32 = MANY;

    async fn operate(&self, session: usize) -> Result {
        let Self { bare, database } = self;
        let update = |session| Ok(doc! { "q": bare.filter(session)?, "u": bare.change(session)? });
        let updates = many(session).map(update).collect::<Result<Vec<_>>>()?;
        let concern = doc! { "w": "majority", "j": true };
        let command = doc! { "update": COPY, "updates": updates, "ordered": false, "writeConcern": concern };
        found(database.run_command(command).await?.get_i32("n") == Ok(i32::try_from(MANY)?))
    }
}
