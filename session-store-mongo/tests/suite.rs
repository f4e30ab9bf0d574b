//! The suite over the MongoDB store: many sessions in one command, one at a time, an old release, and a replica set.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

#[cfg(unix)]
use conformance_tests::{Harness, async_trait};
use session_store_core::{BoxError, Error, ErrorKind, Result, SessionKey, SessionStore, UserId};
use session_store_mongo::MongoStore;
use session_store_mongo::mongodb::bson::spec::BinarySubtype;
use session_store_mongo::mongodb::bson::{Binary, Document, doc};
use session_store_mongo::mongodb::{self, Client, Collection};
use testkit::containers::{Database, Release, TestDatabase};
use testkit::servers::MongoReplicaSet;
use tokio::sync::OnceCell;

/// Which server the store has.
enum Way {
    Single(Box<TestDatabase>),
    #[cfg(unix)]
    ReplicaSet(Box<OnceCell<MongoReplicaSet>>),
}

struct Mongo {
    name: &'static str,
    way: Way,
    batch_size: usize,
    client: OnceCell<Client>,
}

impl Mongo {
    fn new(name: &'static str, way: Way) -> Self {
        Self { name, way, batch_size: 64, client: OnceCell::new() }
    }

    async fn url(&self) -> Result<String> {
        Ok(match &self.way {
            Way::Single(database) => database.url().await?.to_owned(),
            #[cfg(unix)]
            Way::ReplicaSet(set) => set.get_or_try_init(MongoReplicaSet::start).await?.url(),
        })
    }

    /// Connections that all handles share.
    async fn database(&self) -> Result<mongodb::Database> {
        // The driver's futures are large.
        let connect = Box::pin(async { Client::with_uri_str(self.url().await?).await.map_err(failed) });
        Ok(self.client.get_or_try_init(|| connect).await?.database("conformance"))
    }

    async fn collection(&self, namespace: &str) -> Result<Collection<Document>> {
        Ok(self.database().await?.collection(namespace))
    }

    async fn build(&self, namespace: &str) -> Result<MongoStore> {
        let builder = MongoStore::builder(self.database().await?).collection(namespace).batch_size(self.batch_size);
        builder.ensure_indexes().build().await
    }
}

fn failed(error: impl Into<BoxError>) -> Error {
    Error::new(ErrorKind::Internal, "the harness cannot reach the server").with_source(error)
}

#[async_trait]
impl Harness for Mongo {
    fn name(&self) -> &str {
        self.name
    }

    async fn server(&self) -> Result<Option<String>> {
        let info = self.database().await?.run_command(doc! { "buildInfo": 1 }).await.map_err(failed)?;
        let version = info.get_str("version").map_err(failed)?;
        Ok(Some(match &self.way {
            Way::Single(_) => format!("MongoDB {version}"),
            #[cfg(unix)]
            Way::ReplicaSet(_) => format!("MongoDB {version}, 3 members"),
        }))
    }

    /// Fewer on a replica set: on a machine with two cores, its three servers would otherwise miss each other's heartbeats
    /// and elect another primary.
    fn cases_at_once(&self) -> usize {
        if matches!(self.way, Way::ReplicaSet(_)) { 12 } else { 64 }
    }

    async fn open(&self, namespace: &str) -> Result<Arc<dyn SessionStore>> {
        Ok(Arc::new(self.build(namespace).await?))
    }

    async fn open_with_two_handles(&self, namespace: &str) -> Result<[Arc<dyn SessionStore>; 2]> {
        let store = self.build(namespace).await?;
        Ok([Arc::new(store.clone()), Arc::new(store)])
    }

    /// A quarter of the idle timeout, which is short wherever the suite waits for an end.
    fn prune_lag(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn remove(&self, namespace: &str) -> Result<()> {
        self.collection(namespace).await?.drop().await.map_err(failed)
    }

    async fn plant_corrupt(&self, namespace: &str, key: &SessionKey, _user: &UserId) -> Result<()> {
        let key = Binary { subtype: BinarySubtype::Generic, bytes: key.as_bytes().to_vec() };
        let change = doc! { "$set": { "version": "no version" } };
        let planted =
            self.collection(namespace).await?.update_one(doc! { "key": key }, change).await.map_err(failed)?;
        assert_eq!(planted.modified_count, 1, "no document of this key");
        Ok(())
    }

    async fn leftovers(&self, namespace: &str) -> Result<u64> {
        self.collection(namespace).await?.count_documents(doc! {}).await.map_err(failed)
    }
}

fn main() -> ExitCode {
    let single = |release| Way::Single(Box::new(TestDatabase::new(Database::Mongo, release)));
    let all = [
        Mongo::new("mongo", single(Release::Current)),
        Mongo { batch_size: 1, ..Mongo::new("mongo one by one", single(Release::Current)) },
        Mongo::new("mongo old", single(Release::Old)),
        #[cfg(unix)]
        Mongo::new("mongo replica set", Way::ReplicaSet(Box::default())),
    ];
    // What is not to be had is counted as not run by scripts/test.
    let is_there = |way: &Way| !matches!(way, Way::Single(database) if database.not_run().is_some());
    let harnesses = all.into_iter().filter(|mongo| is_there(&mongo.way));
    conformance_tests::run(harnesses.map(|harness| Arc::new(harness) as Arc<dyn Harness>).collect())
}
