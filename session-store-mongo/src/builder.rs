//! How a store is made.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use mongodb::bson::rawdoc;
use mongodb::options::{Acknowledgment, WriteConcern};
use session_store_core::batch::{BatchLimits, Batcher};
use session_store_core::{DEFAULT_DATA_LIMIT, Error, Namespace, Result, Timeouts};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use crate::MongoStore;
use crate::batch::{Changes, Get};
use crate::client::{Connected, Server};
use crate::command::Commands;
use crate::error::{no_connection, too_old};
use crate::indexes;
use crate::link::{Effect, Link};
use crate::reply::number;
use crate::store::Shared;

/// The collection of a store that was told no other.
const DEFAULT_COLLECTION: &str = "sessions";

/// More than any server has.
const MOST_CONNECTIONS: u32 = 10_000;

/// A document has 16 MiB at the most, and a command a little more.
const LARGEST_DATA: usize = 15 << 20;

/// How MongoDB 5.0 numbers what it speaks, see "Wire Version" in its documentation.
const WIRE_VERSION: i32 = 13;

/// What a [`MongoStore`] may be given. Every setting has a default.
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    server: Server,
    database: Option<String>,
    collection: String,
    connections: Option<u32>,
    batches: BatchLimits,
    timeouts: Timeouts,
    data_limit: usize,
    write_concern: Option<WriteConcern>,
    ensure_indexes: bool,
}

impl Builder {
    pub(crate) fn new(server: Server) -> Self {
        Self {
            server,
            database: None,
            collection: DEFAULT_COLLECTION.to_owned(),
            connections: None,
            // Of 2, a save is a tenth slower: a command waits for the journal.
            batches: BatchLimits { in_flight: 4, ..BatchLimits::default() },
            timeouts: Timeouts::default(),
            data_limit: DEFAULT_DATA_LIMIT,
            write_concern: None,
            ensure_indexes: false,
        }
    }

    /// The database. Unless set, the one that the URL names, or that was given.
    pub fn database(mut self, database: impl Into<String>) -> Self {
        self.database = Some(database.into());
        self
    }

    /// The collection, which is the namespace: 1 to 40 bytes without NUL and `$`. Unless set, `sessions`.
    pub fn collection(mut self, collection: impl Into<String>) -> Self {
        self.collection = collection.into();
        self
    }

    /// How many connections the store may use at once, where the URL does not say (`maxPoolSize`). Unless set, 16. A
    /// client that was given has its own number, which the driver does not tell: 10, unless it was made otherwise. Then
    /// say here how many of them the store may use.
    pub fn connections(mut self, count: u32) -> Self {
        self.connections = Some(count);
        self
    }

    /// How many sessions one command may read or change. Unless set, 64.
    pub fn batch_size(mut self, sessions: usize) -> Self {
        self.batches.requests = sessions;
        self
    }

    /// How many commands of a kind (`get`, `set`, `touch`) may be under way at once. More of them make smaller batches.
    /// Unless set, 4.
    pub fn batches_in_flight(mut self, count: usize) -> Self {
        self.batches.in_flight = count;
        self
    }

    /// How long an operation on a session may take in all, waiting for a connection and a batch included. Unless set,
    /// 5 seconds.
    pub fn operation_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.operation = timeout;
        self
    }

    /// How long an attempt to connect may take, and the wait for a primary, where the URL does not say
    /// (`connectTimeoutMS`, `serverSelectionTimeoutMS`). Unless set, 2 seconds; the wait has three quarters of the
    /// operation timeout at the most. A client that was given has its own.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.connect = timeout;
        self
    }

    /// How long a list, `destroy_by_user`, `prune`, `count` and `clear` may take as a whole; each of their commands has
    /// the operation timeout. Unless set, 5 minutes.
    pub fn sweep_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.sweep = timeout;
        self
    }

    /// The most bytes of data of one session. Unless set, 1 MiB; 15 MiB at the most, because of MongoDB's own limit.
    pub fn data_limit(mut self, bytes: usize) -> Self {
        self.data_limit = bytes;
        self
    }

    /// When a write is acknowledged. Unless set, as the URL or the given client or database says; unless that does,
    /// when a majority of the replica set has it in its journal. A touch is acknowledged by the primary alone.
    pub fn write_concern(mut self, concern: WriteConcern) -> Self {
        self.write_concern = Some(concern);
        self
    }

    /// Makes `build` create the indexes, and the collection, where they are not there. Any number of nodes may do so at
    /// once. It needs the right `createIndex`, and nothing else does.
    pub fn ensure_indexes(mut self) -> Self {
        self.ensure_indexes = true;
        self
    }

    /// The command by which [`ensure_indexes`](Self::ensure_indexes) makes the indexes, for `mongosh`, and for those
    /// who let no application do so. `database` is where the collection is.
    ///
    /// # Errors
    ///
    /// `Config` when the collection's name is out of its bounds.
    ///
    /// # Example
    ///
    /// ```
    /// use session_store_mongo::MongoStore;
    ///
    /// let command = MongoStore::builder("mongodb://localhost/").collection("visits").index_commands("shop")?;
    /// assert!(command.contains(r#"createIndexes: "visits""#));
    /// # Ok::<(), session_store_mongo::core::Error>(())
    /// ```
    pub fn index_commands(&self, database: &str) -> Result<String> {
        Ok(indexes::command(database, self.name()?.as_str()))
    }

    /// Connects, and looks whether the server and the indexes will do.
    ///
    /// # Errors
    ///
    /// `Config` when a setting is out of its bounds, when the address or the password is wrong, when the server is
    /// older than MongoDB 5.0, when an index is not there or is another than it should be, or when the user lacks
    /// rights; `Unavailable` when there is no primary to be reached.
    pub async fn build(self) -> Result<MongoStore> {
        // The driver's futures are large.
        Box::pin(self.connect()).with_subscriber(NoSubscriber::default()).await
    }

    async fn connect(self) -> Result<MongoStore> {
        let name = self.name()?;
        self.check_bounds()?;
        let timeouts = self.timeouts;
        let patience = timeouts.operation.max(timeouts.connect);
        let connected = self.server.connected(self.database.as_deref(), self.connections, &timeouts);
        let Connected { database, own, connections } = in_time(patience, connected).await?;
        let write_concern = self.acknowledged(database.write_concern())?;
        let commands = Commands::new(name.as_str().to_owned(), &write_concern, timeouts.operation);
        let collection = database.collection(name.as_str());
        let permits = Semaphore::new(connections.try_into().unwrap_or(Semaphore::MAX_PERMITS));
        let link = Arc::new(Link { database, own, commands, permits, is_closed: AtomicBool::new(false), timeouts });
        in_time(patience, check_server(&link)).await?;
        if self.ensure_indexes {
            in_time(timeouts.sweep, indexes::ensure(&link, name.as_str(), timeouts.sweep().end())).await?;
        }
        indexes::check(&link, name.as_str()).await?;
        Ok(MongoStore::new(Shared {
            collection,
            write_concern,
            data_limit: self.data_limit,
            gets: Batcher::new(Get(Arc::clone(&link)), self.batches)?,
            sets: Changes::new(&link, self.batches)?,
            touches: Changes::new(&link, self.batches)?,
            link,
        }))
    }

    /// The write concern, made definite.
    fn acknowledged(&self, inherited: Option<&WriteConcern>) -> Result<WriteConcern> {
        let mut concern = self.write_concern.clone().or_else(|| inherited.cloned()).unwrap_or_default();
        match concern.w.get_or_insert(Acknowledgment::Majority) {
            Acknowledgment::Nodes(0) => {
                return Err(Error::config("a store needs writes that are acknowledged; set `w` to 1 or more"));
            }
            Acknowledgment::Majority => _ = concern.journal.get_or_insert(true),
            _ => {}
        }
        concern.w_timeout.get_or_insert(self.timeouts.operation);
        Ok(concern)
    }

    fn name(&self) -> Result<Namespace> {
        let name = self.collection.as_str();
        if name.contains('$') || name.starts_with("system.") || name.starts_with('.') || name.ends_with('.') {
            return Err(Error::config(
                "MongoDB takes no collection whose name has a `$` in it, a dot at an end, or `system.` at the beginning; \
                 choose another name",
            ));
        }
        Namespace::new(name)
    }

    fn check_bounds(&self) -> Result<()> {
        if self.data_limit == 0 {
            return Err(Error::config("a data limit of 0 bytes would refuse every session; set a larger one"));
        }
        if self.data_limit > LARGEST_DATA {
            return Err(Error::config(
                "a data limit over 15 MiB is more than a MongoDB document can surely hold; set a smaller one",
            ));
        }
        if self.connections.is_some_and(|count| !(1..=MOST_CONNECTIONS).contains(&count)) {
            return Err(Error::config(format!("a store has 1 to {MOST_CONNECTIONS} connections; set another number")));
        }
        self.batches.check()?;
        self.timeouts.check()
    }
}

async fn check_server(link: &Link) -> Result<()> {
    let hello = link.reply(rawdoc! { "hello": 1 }, Effect::Read, link.timeouts.deadline()).await?;
    let version = hello.get("maxWireVersion").and_then(number);
    if version.is_some_and(|version| version >= WIRE_VERSION) { Ok(()) } else { Err(too_old()) }
}

async fn in_time<T>(patience: Duration, step: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(patience, step).await.unwrap_or_else(|_| Err(no_connection()))
}
