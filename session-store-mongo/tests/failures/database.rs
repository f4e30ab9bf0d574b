//! A database of one test's own, what is in it, and how its server is made to fail.

use std::sync::Arc;
use std::time::{Duration, Instant};

use session_store_core::SessionKey;
use session_store_mongo::mongodb::bson::spec::BinarySubtype;
use session_store_mongo::mongodb::bson::{Binary, Bson, Document, doc};
use session_store_mongo::mongodb::{self, Collection};
use testkit::servers::MongoServer;
use tokio::sync::OnceCell;

use crate::support::APP;

/// How long to wait for what is to come.
const LIMIT: Duration = Duration::from_secs(10);

/// What a server needs that is to [`fail`](Database::fail).
pub(crate) const CAN_FAIL: [&str; 2] = ["--setParameter", "enableTestCommands=1"];

/// What a user may do who runs stores, and makes their indexes.
pub(crate) const ALL_RIGHTS: [&str; 7] =
    ["find", "insert", "update", "remove", "listIndexes", "createIndex", "createCollection"];

/// A database, and the server that it is on.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) server: Arc<MongoServer>,
    name: &'static str,
}

impl Database {
    /// On a server that all tests share and leave as it is.
    pub(crate) async fn new(name: &'static str) -> Self {
        static SERVER: OnceCell<Arc<MongoServer>> = OnceCell::const_new();
        // What is dead stays until a test has looked at it.
        let options = ["--setParameter", "ttlMonitorEnabled=false"];
        let server = SERVER.get_or_init(async || Arc::new(MongoServer::start(&options).await.unwrap())).await;
        Self { server: Arc::clone(server), name }
    }

    /// On a server of its own.
    pub(crate) async fn alone(options: &[&str]) -> Self {
        Self::on(MongoServer::start(options).await.unwrap())
    }

    pub(crate) fn on(server: MongoServer) -> Self {
        Self { server: Arc::new(server), name: "shop" }
    }

    /// A user who may do this with the collection alone. Gives the URL, for which the name has to be of plain letters.
    pub(crate) async fn user(&self, name: &str, password: &str, actions: &[&str]) -> String {
        let place = doc! { "resource": { "db": self.name, "collection": APP }, "actions": actions.to_vec() };
        self.server.create_user(name, password, vec![place]).await.unwrap();
        self.url_of(name, password)
    }

    pub(crate) fn url_of(&self, user: &str, password: &str) -> String {
        self.name_in(&self.server.url_of(user, password))
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn url(&self) -> String {
        self.name_in(&self.server.url())
    }

    /// The URL with the database's name.
    pub(crate) fn name_in(&self, url: &str) -> String {
        url.replacen("/?", &format!("/{}?", self.name), 1)
    }

    pub(crate) fn client_side(&self) -> mongodb::Database {
        self.server.client().unwrap().database(self.name)
    }

    /// The collection of the stores, for whoever is none.
    pub(crate) fn collection(&self) -> Collection<Document> {
        self.client_side().collection(APP)
    }

    pub(crate) async fn run(&self, command: Document) -> Document {
        self.server.run(self.name, command).await.unwrap()
    }

    /// How many documents of this kind there are.
    pub(crate) async fn count(&self, filter: Document) -> u64 {
        self.collection().count_documents(filter).await.unwrap()
    }

    /// What is under a key, be it live or dead.
    pub(crate) async fn document(&self, key: &SessionKey) -> Option<Document> {
        self.collection().find_one(of_key(key)).await.unwrap()
    }

    /// Changes fields of a session's document.
    pub(crate) async fn plant(&self, key: &SessionKey, fields: Document) {
        let planted = self.collection().update_one(of_key(key), doc! { "$set": fields }).await.unwrap();
        assert_eq!(planted.modified_count, 1, "no document of this key");
    }

    /// From now on the stores' commands of these names fail so many times, or always (`None`). What went wrong before
    /// is forgotten.
    pub(crate) async fn fail(&self, commands: &[&str], times: Option<i32>, how: Document) {
        self.mend().await;
        let mode: Bson = times.map_or("alwaysOn".into(), |times| doc! { "times": times }.into());
        let place = format!("{}.{APP}", self.name);
        let mut data = doc! { "failCommands": commands.to_vec(), "namespace": place };
        data.extend(how);
        self.server
            .run("admin", doc! { "configureFailPoint": "failCommand", "mode": mode, "data": data })
            .await
            .unwrap();
    }

    pub(crate) async fn mend(&self) {
        self.server.run("admin", doc! { "configureFailPoint": "failCommand", "mode": "off" }).await.unwrap();
    }

    /// Returns when as many of the stores' commands are under way on the server.
    pub(crate) async fn until_under_way(&self, count: usize) {
        // One that has not begun yet is on no collection.
        let filter =
            doc! { "ns": { "$in": [format!("{}.{APP}", self.name), format!("{}.$cmd", self.name)] }, "active": true };
        let started = Instant::now();
        while self.current_operations(&filter).await != count {
            assert!(started.elapsed() < LIMIT, "not within {LIMIT:?}: {count} commands under way");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Returns when no application of this name is connected.
    pub(crate) async fn until_gone(&self, app: &str) {
        let started = Instant::now();
        while self.connections_of(app).await > 0 {
            assert!(started.elapsed() < LIMIT, "not within {LIMIT:?}: no connection of {app}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// How many connections an application of this name has.
    pub(crate) async fn connections_of(&self, app: &str) -> usize {
        self.current_operations(&doc! { "appName": app }).await
    }

    /// Of all connections.
    async fn current_operations(&self, filter: &Document) -> usize {
        let pipeline =
            [doc! { "$currentOp": { "allUsers": true, "idleConnections": true } }, doc! { "$match": filter.clone() }];
        let command = doc! { "aggregate": 1, "pipeline": pipeline.to_vec(), "cursor": { "batchSize": 10_000 } };
        let answer = self.server.run("admin", command).await.unwrap();
        answer.get_document("cursor").unwrap().get_array("firstBatch").unwrap().len()
    }
}

/// What finds a session's document.
pub(crate) fn of_key(key: &SessionKey) -> Document {
    doc! { "key": binary(key.as_bytes()) }
}

pub(crate) fn binary(bytes: &[u8]) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() }
}
