//! How a store is built.

use mongodb::options::{Acknowledgment, WriteConcern};
use session_store_core::backend::{Deadline, Open, Store, StoreOptions};
use session_store_core::{Error, Result};
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use crate::backend::MongoBackend;
use crate::connection::Connection;
use crate::endpoint::{MongoEndpoint, Opened};
use crate::identifiers::{self, DEFAULT_COLLECTION};
use crate::protocol::commands::Commands;
use crate::{error, schema, server_check};

/// More than any server has.
const MOST_CONNECTIONS: u32 = 10_000;

/// A document has at most 16 MiB, and a command a little more.
const LARGEST_DATA: usize = 15 << 20;

/// With two, saves are a tenth slower: a command waits for the journal.
const BATCHES_IN_FLIGHT: usize = 4;

impl Open for MongoBackend {
    type Endpoint = MongoEndpoint;
    type Builder = MongoStoreBuilder;

    fn builder(endpoint: MongoEndpoint) -> MongoStoreBuilder {
        let mut options = StoreOptions::default();
        options.batches_in_flight = BATCHES_IN_FLIGHT;
        MongoStoreBuilder {
            endpoint,
            database: None,
            collection: DEFAULT_COLLECTION.to_owned(),
            connections: None,
            options,
            write_concern: None,
            ensure_indexes: false,
        }
    }
}

/// The settings of a [`MongoStore`](crate::MongoStore). Every setting has a default.
///
/// `connect_timeout` is also the longest wait for a primary, at most three quarters of the operation timeout. It applies if
/// the URL sets no `connectTimeoutMS` and `serverSelectionTimeoutMS`; a given client has its own. `data_limit` is at most 15
/// MiB. `batches_in_flight` defaults to 4.
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct MongoStoreBuilder {
    endpoint: MongoEndpoint,
    database: Option<String>,
    collection: String,
    connections: Option<u32>,
    options: StoreOptions,
    write_concern: Option<WriteConcern>,
    ensure_indexes: bool,
}

impl MongoStoreBuilder {
    session_store_core::store_option_setters!();

    /// Sets the database. Defaults to the one that the URL names, or that was given.
    pub fn database(mut self, database: impl Into<String>) -> Self {
        self.database = Some(database.into());
        self
    }

    /// Sets the collection, which is the namespace: 1 to 40 bytes without NUL and `$`. Defaults to `sessions`.
    pub fn collection(mut self, collection: impl Into<String>) -> Self {
        self.collection = collection.into();
        self
    }

    /// Sets how many connections the store uses at once, unless the URL sets `maxPoolSize`. Defaults to 16.
    ///
    /// A client that was given has its own number, which the driver does not report: 10, unless it was made otherwise. Then
    /// set here how many of them the store may use.
    pub fn connections(mut self, count: u32) -> Self {
        self.connections = Some(count);
        self
    }

    /// Sets when a write is acknowledged. Defaults to the write concern of the URL, or of the given client or database; if
    /// that sets none, to a majority of the replica set with its journal. The primary alone acknowledges a touch.
    pub fn write_concern(mut self, concern: WriteConcern) -> Self {
        self.write_concern = Some(concern);
        self
    }

    /// Makes `build` create the indexes, and the collection, if they are not there. Any number of nodes may do so at once.
    /// It requires the right `createIndex`, and nothing else does.
    pub fn ensure_indexes(mut self) -> Self {
        self.ensure_indexes = true;
        self
    }

    /// Returns the command by which [`ensure_indexes`](Self::ensure_indexes) creates the indexes, for `mongosh`. `database`
    /// is where the collection is.
    ///
    /// # Errors
    ///
    /// `Config` if the collection's name is out of its bounds.
    ///
    /// # Example: the command for a DBA
    ///
    /// ```
    /// use session_store_mongo::MongoStore;
    ///
    /// let command = MongoStore::builder("mongodb://localhost/").collection("visits").index_commands("shop")?;
    /// assert!(command.contains(r#"createIndexes: "visits""#));
    /// # Ok::<(), session_store_mongo::core::Error>(())
    /// ```
    pub fn index_commands(&self, database: &str) -> Result<String> {
        Ok(schema::command(database, identifiers::collection(&self.collection)?.as_str()))
    }

    /// Connects, and verifies that the server and the indexes are as the store requires.
    ///
    /// # Errors
    ///
    /// `Config` if a setting is out of its bounds, the address or the password is wrong, the server is older than MongoDB
    /// 5.0, an index is missing or another than it should be, or the user lacks rights; `Unavailable` if no primary can be
    /// reached.
    pub async fn build(self) -> Result<Store<MongoBackend>> {
        // The driver's futures are large.
        Box::pin(self.connect()).with_subscriber(NoSubscriber::default()).await
    }

    async fn connect(self) -> Result<Store<MongoBackend>> {
        let name = identifiers::collection(&self.collection)?;
        self.check_bounds()?;
        let options = self.options;
        let patience = options.operation_timeout.max(options.connect_timeout);
        let opening = self.endpoint.open(self.database.as_deref(), self.connections, &options);
        let opened = Deadline::after(patience).limit(opening).await.ok_or(error::Error::NoPrimary)?;
        let Opened { database, own, connections } = opened?;
        let write_concern = self.definite_write_concern(database.write_concern())?;
        server_check::check_server(&database, Deadline::after(patience)).await?;
        if self.ensure_indexes {
            server_check::ensure_indexes(&database, name.as_str(), Deadline::after(options.bulk_timeout)).await?;
        }
        server_check::check_indexes(&database, name.as_str(), Deadline::after(options.operation_timeout)).await?;
        let commands = Commands::new(name.as_str().to_owned(), &write_concern, options.operation_timeout);
        let connection = Connection::new(database, name.as_str(), write_concern, own, connections);
        Ok(Store::new(MongoBackend::new(connection, commands), options))
    }

    /// Returns the write concern with each of its parts set.
    fn definite_write_concern(&self, inherited: Option<&WriteConcern>) -> Result<WriteConcern> {
        let mut concern = self.write_concern.clone().or_else(|| inherited.cloned()).unwrap_or_default();
        match concern.w.get_or_insert(Acknowledgment::Majority) {
            Acknowledgment::Nodes(0) => {
                return Err(Error::config("a store needs writes that are acknowledged; set `w` to 1 or more"));
            }
            Acknowledgment::Majority => _ = concern.journal.get_or_insert(true),
            _ => {}
        }
        concern.w_timeout.get_or_insert(self.options.operation_timeout);
        Ok(concern)
    }

    fn check_bounds(&self) -> Result<()> {
        if self.connections.is_some_and(|count| !(1..=MOST_CONNECTIONS).contains(&count)) {
            return Err(Error::config("connections must be between 1 and 10,000"));
        }
        self.options.check(LARGEST_DATA)
    }
}
