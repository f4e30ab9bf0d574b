//! How a store is built.

use std::time::Duration;

use session_store_core::backend::{Open, Store, StoreOptions};
use session_store_core::{Error, Namespace, Result};
use sqlx::{Connection as _, PgConnection};
use tokio::time::timeout;

use crate::backend::PostgresBackend;
use crate::endpoint::PostgresEndpoint;
use crate::identifiers::{DEFAULT_SCHEMA, DEFAULT_TABLE, Names};
use crate::protocol::Statements;
use crate::{pgbouncer, schema, server_check};

/// More than any server has.
const MOST_CONNECTIONS: u32 = 10_000;

/// PostgreSQL refuses values over 1 GB, and a statement over 1 GB with all its values.
const LARGEST_DATA: usize = 256 << 20;

impl Open for PostgresBackend {
    type Endpoint = PostgresEndpoint;
    type Builder = PostgresStoreBuilder;

    fn builder(endpoint: PostgresEndpoint) -> PostgresStoreBuilder {
        PostgresStoreBuilder {
            endpoint,
            schema: DEFAULT_SCHEMA.to_owned(),
            table: DEFAULT_TABLE.to_owned(),
            connections: 16,
            options: StoreOptions::default(),
            pooler: None,
            migrate: false,
            unlogged: false,
        }
    }
}

/// The settings of a [`PostgresStore`](crate::PostgresStore). Every setting has a default.
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct PostgresStoreBuilder {
    endpoint: PostgresEndpoint,
    schema: String,
    table: String,
    connections: u32,
    options: StoreOptions,
    pooler: Option<bool>,
    migrate: bool,
    unlogged: bool,
}

impl PostgresStoreBuilder {
    session_store_core::store_option_setters!();

    /// Sets the schema of the table: 1 to 63 bytes without NUL, used literally. Defaults to `public`.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// Sets the table, which is the namespace: 1 to 40 bytes without NUL, used literally. Defaults to `sessions`.
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.table = table.into();
        self
    }

    /// Sets how many connections the store may open: 1 to 10,000. Defaults to 16. A given pool has its own number.
    pub fn connections(mut self, count: u32) -> Self {
        self.connections = count;
        self
    }

    /// Sets whether there is a pooler in between that gives each transaction another session of the server, such as
    /// PgBouncer with `pool_mode = transaction`. Then the store prepares nothing and keeps nothing in a session; each
    /// statement carries its values. Auto-detected by default.
    pub fn transaction_pooler(mut self, is_there: bool) -> Self {
        self.pooler = Some(is_there);
        self
    }

    /// Makes `build` create the schema and the table if they do not exist. Any number of nodes may do so at once. It
    /// requires the right to create, and nothing else does.
    pub fn migrate(mut self) -> Self {
        self.migrate = true;
        self
    }

    /// Makes [`migrate`](Self::migrate) and [`ddl`](Self::ddl) create the table `UNLOGGED`: writes are about twice as
    /// fast, a crash of the server empties the table, and standbys do not have it.
    pub fn unlogged(mut self) -> Self {
        self.unlogged = true;
        self
    }

    /// Returns the statements with which [`migrate`](Self::migrate) creates the table, for teams that run no DDL from
    /// an application. The schema must exist.
    ///
    /// # Errors
    ///
    /// `Config` if a name is out of its bounds.
    ///
    /// # Example: the table under another name
    ///
    /// ```
    /// use session_store_postgres::PostgresStore;
    ///
    /// let ddl = PostgresStore::builder("postgres://localhost/").table("shop").ddl()?;
    /// assert!(ddl.contains(r#"CREATE TABLE "public"."shop""#));
    /// # Ok::<(), session_store_postgres::core::Error>(())
    /// ```
    pub fn ddl(&self) -> Result<String> {
        Ok(schema::ddl(&self.names()?, self.unlogged))
    }

    /// Connects, and verifies that the server and the table are supported.
    ///
    /// # Errors
    ///
    /// `Config` if a setting is out of its bounds, if the address or the password is wrong, if the server is older than
    /// PostgreSQL 13, if the table does not exist, is not a store's or is of another release, or if the user lacks
    /// rights; `Unavailable` or `Timeout` if the server cannot be reached or is a standby.
    pub async fn build(self) -> Result<Store<PostgresBackend>> {
        // The driver's futures are large.
        Box::pin(self.connect()).await
    }

    async fn connect(self) -> Result<Store<PostgresBackend>> {
        let names = self.names()?;
        self.check_bounds()?;
        let options = self.options;
        let patience = options.operation_timeout.max(options.connect_timeout);
        let mut connection = in_time(patience, self.endpoint.connect()).await?;
        let is_pooled = match self.pooler {
            Some(is_there) => is_there,
            None => in_time(patience, self.detect_pooler(&mut connection)).await?,
        };
        if self.migrate {
            in_time(options.bulk_timeout, schema::migrate(&mut connection, &names, self.unlogged)).await?;
        }
        let state = in_time(patience, schema::State::read(&mut connection, &names)).await?;
        server_check::check(&state)?;
        // It has served, so a fault at its end is none.
        let _ = timeout(patience, connection.close()).await;
        let max_size = usize::try_from(self.connections).unwrap_or(usize::MAX);
        let connections = self.endpoint.connections(max_size, &options, is_pooled)?;
        Ok(Store::new(PostgresBackend::new(connections, Statements::new(&names)), options))
    }

    async fn detect_pooler(&self, connection: &mut PgConnection) -> Result<bool, crate::error::Error> {
        let mut other = self.endpoint.connect().await?;
        let is_there = pgbouncer::is_there(connection, &mut other).await;
        let _ = other.close().await;
        is_there
    }

    fn names(&self) -> Result<Names> {
        Names::new(&self.schema, &Namespace::new(self.table.clone())?)
    }

    fn check_bounds(&self) -> Result<()> {
        if !(1..=MOST_CONNECTIONS).contains(&self.connections) {
            return Err(Error::config("connections must be between 1 and 10,000"));
        }
        self.options.check(LARGEST_DATA)
    }
}

async fn in_time<T>(patience: Duration, step: impl Future<Output = Result<T, crate::error::Error>>) -> Result<T> {
    let result = timeout(patience, step).await.unwrap_or(Err(crate::error::Error::NoConnection));
    Ok(result?)
}
