//! A namespace of its own on one of the stores.

use std::error::Error as _;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use session_store_core::sessions::Builder;
use session_store_core::{Error, Result, SessionId, SessionKey, SessionStore, Sessions, UserId};
use session_store_memory::MemoryStore;
use session_store_mongo::MongoStore;
use session_store_postgres::PostgresStore;
use session_store_redis::RedisStore;
use testkit::containers::{Database, Release, TestDatabase};

/// Of MongoDB, which keeps the namespaces in it.
pub(crate) const DATABASE: &str = "sessions";

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum Kind {
    Memory,
    Redis,
    Postgres,
    Mongo,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redis => "redis",
            Self::Postgres => "postgres",
            Self::Mongo => "mongo",
        }
    }
}

/// The servers of all places, each started when it is first asked for.
pub(crate) struct Servers([TestDatabase; 3]);

impl Default for Servers {
    fn default() -> Self {
        let all = [Database::Redis, Database::Postgres, Database::Mongo];
        Self(all.map(|database| TestDatabase::new(database, Release::Current)))
    }
}

impl Servers {
    pub(crate) async fn url(&self, kind: Kind) -> Result<&str> {
        match kind {
            Kind::Memory => Ok(""),
            Kind::Redis => self.0[0].url().await,
            Kind::Postgres => self.0[1].url().await,
            Kind::Mongo => self.0[2].url().await,
        }
    }
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct NamespaceFixture {
    pub(crate) kind: Kind,
    pub(crate) url: String,
    pub(crate) namespace: String,
    /// All nodes of one process have the same one.
    #[serde(skip)]
    memory: MemoryStore,
}

impl NamespaceFixture {
    pub(crate) fn new(kind: Kind, url: &str) -> Self {
        let random = &SessionKey::from(&SessionId::generate().unwrap()).to_text()[3..19];
        Self { kind, url: url.to_owned(), namespace: format!("sessions_{random}"), memory: MemoryStore::new() }
    }

    /// The same, seen through another address.
    pub(crate) fn at(&self, url: String) -> Self {
        Self { kind: self.kind, url, namespace: self.namespace.clone(), memory: self.memory.clone() }
    }

    pub(crate) async fn try_node(&self) -> Result<Arc<dyn SessionStore>> {
        let (url, namespace) = (self.url.as_str(), &self.namespace);
        Ok(match self.kind {
            Kind::Memory => Arc::new(self.memory.clone()),
            Kind::Redis => Arc::new(RedisStore::builder(url).prefix(namespace).build().await?),
            Kind::Postgres => {
                // The server allows 100, and each `build` has two of its own.
                Arc::new(PostgresStore::builder(url).connections(4).table(namespace).migrate().build().await?)
            }
            Kind::Mongo => {
                let builder = MongoStore::builder(url).connections(4).database(DATABASE).collection(namespace);
                Arc::new(builder.ensure_indexes().build().await?)
            }
        })
    }

    /// A handle with connections of its own, as another node has.
    pub(crate) async fn node(&self) -> Arc<dyn SessionStore> {
        self.try_node().await.unwrap_or_else(|error| panic!("{}", all_text(&error)))
    }

    /// Two nodes with the same configuration.
    pub(crate) async fn two<T>(&self, configure: impl Fn(Builder<T>) -> Builder<T>) -> [Sessions<T>; 2] {
        let nodes = [self.node().await, self.node().await];
        nodes.map(|node| configure(Sessions::builder(node)).build().unwrap())
    }
}

/// A user that has no session.
pub(crate) fn new_user() -> UserId {
    UserId::new(SessionKey::from(&SessionId::generate().unwrap()).to_text()).unwrap()
}

/// All that an error shows to a log.
pub(crate) fn all_text(error: &Error) -> String {
    let mut texts = vec![format!("{error} {error:?} {error:#?}")];
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(format!("{error} {error:?}"));
        cause = error.source();
    }
    texts.join(" ")
}
