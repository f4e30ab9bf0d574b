//! How a store is made.

use std::fmt;
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use session_store_core::batch::{BatchLimits, Batcher};
use session_store_core::{DEFAULT_DATA_LIMIT, Error, Namespace, Result, Timeouts};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, PgPool};
use tokio::time::timeout;

use crate::PostgresStore;
use crate::batch::{Changes, Get};
use crate::error::{from_sqlx, no_connection};
use crate::link::Link;
use crate::names::{DEFAULT_SCHEMA, DEFAULT_TABLE, Names};
use crate::pool::{Pool, connect};
use crate::sql::Sql;
use crate::store::Shared;
use crate::{layout, pooler};

/// More than any server has.
const MOST_CONNECTIONS: u32 = 10_000;

/// The PostgreSQL server of a store.
///
/// It is made of a URL, of [`PgConnectOptions`] (for certificates of your own, for one), or of a [`PgPool`]. `Debug`
/// shows no address and no password.
pub struct Server(Source);

#[allow(clippy::large_enum_variant, reason = "there is one, while a store is built")]
enum Source {
    Options(Result<PgConnectOptions, sqlx::Error>),
    Pool(PgPool),
}

impl From<&str> for Server {
    fn from(url: &str) -> Self {
        let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        // The driver takes any.
        Self(Source::Options(match scheme.as_deref() {
            Some("postgres" | "postgresql") => PgConnectOptions::from_str(url),
            _ => Err(sqlx::Error::InvalidArgument("no URL of a PostgreSQL server".to_owned())),
        }))
    }
}

impl From<String> for Server {
    fn from(url: String) -> Self {
        url.as_str().into()
    }
}

impl From<PgConnectOptions> for Server {
    fn from(options: PgConnectOptions) -> Self {
        Self(Source::Options(Ok(options)))
    }
}

impl From<PgPool> for Server {
    fn from(pool: PgPool) -> Self {
        Self(Source::Pool(pool))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Source::Options(_) => "Server(one)",
            Source::Pool(_) => "Server(PgPool)",
        })
    }
}

/// What a [`PostgresStore`] may be given. Every setting has a default.
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    server: Server,
    schema: String,
    table: String,
    connections: u32,
    batches: BatchLimits,
    timeouts: Timeouts,
    data_limit: usize,
    pooler: Option<bool>,
    migrate: bool,
    unlogged: bool,
}

impl Builder {
    pub(crate) fn new(server: Server) -> Self {
        Self {
            server,
            schema: DEFAULT_SCHEMA.to_owned(),
            table: DEFAULT_TABLE.to_owned(),
            connections: 16,
            batches: BatchLimits::default(),
            timeouts: Timeouts::default(),
            data_limit: DEFAULT_DATA_LIMIT,
            pooler: None,
            migrate: false,
            unlogged: false,
        }
    }

    /// The schema of the table: 1 to 63 bytes without NUL, taken literally. Unless set, `public`.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// The table, which is the namespace: 1 to 40 bytes without NUL, taken literally. Unless set, `sessions`.
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.table = table.into();
        self
    }

    /// How many connections there may be. Unless set, 16. A pool that was given has its own number.
    pub fn connections(mut self, count: u32) -> Self {
        self.connections = count;
        self
    }

    /// How many sessions one statement may read or change. Unless set, 64.
    pub fn batch_size(mut self, sessions: usize) -> Self {
        self.batches.requests = sessions;
        self
    }

    /// How many statements of a kind (`get`, `set`, `touch`, `destroy`) may be under way at once. More of them make
    /// smaller batches. Unless set, 3.
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

    /// How long an attempt to connect may take; where a pool was given, the wait for one of its connections. Unless
    /// set, 2 seconds.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.connect = timeout;
        self
    }

    /// How long a list, `destroy_by_user`, `prune`, `count` and `clear` may take as a whole; each of their statements
    /// has the operation timeout. Unless set, 5 minutes.
    pub fn sweep_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.sweep = timeout;
        self
    }

    /// The most bytes of data of one session. Unless set, 1 MiB.
    pub fn data_limit(mut self, bytes: usize) -> Self {
        self.data_limit = bytes;
        self
    }

    /// Whether there is a pooler in between that gives each transaction another session of the server, such as
    /// PgBouncer with `pool_mode = transaction`. Then the store prepares nothing and keeps nothing in a session;
    /// each statement carries its values. Unless set, `build` finds out.
    pub fn transaction_pooler(mut self, is_there: bool) -> Self {
        self.pooler = Some(is_there);
        self
    }

    /// Makes `build` create the schema and the table where they are not there. Any number of nodes may do so at once. It needs the right to create, and nothing else does.
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

    /// The statements that [`migrate`](Self::migrate) runs on a database without the table, for those who let no
    /// application run them. The schema must be there.
    ///
    /// # Errors
    ///
    /// `Config` when a name is out of its bounds.
    ///
    /// # Example
    ///
    /// ```
    /// use session_store_postgres::PostgresStore;
    ///
    /// let ddl = PostgresStore::builder("postgres://localhost/").table("shop").ddl()?;
    /// assert!(ddl.contains(r#"CREATE TABLE "public"."shop""#));
    /// # Ok::<(), session_store_postgres::core::Error>(())
    /// ```
    pub fn ddl(&self) -> Result<String> {
        Ok(layout::ddl(&self.names()?, self.unlogged))
    }

    /// Connects, and looks whether the server and the table will do.
    ///
    /// # Errors
    ///
    /// `Config` when a setting is out of its bounds, when the address or the password is wrong, when the server is
    /// older than PostgreSQL 13, when the table is not there, is another's or of another release, or when the user
    /// lacks rights; `Unavailable` or `Timeout` when the server cannot be reached or is a standby.
    pub async fn build(self) -> Result<PostgresStore> {
        // The driver's futures are large.
        Box::pin(self.connect()).await
    }

    async fn connect(self) -> Result<PostgresStore> {
        let names = self.names()?;
        self.check_bounds()?;
        let timeouts = self.timeouts;
        let patience = timeouts.operation.max(timeouts.connect);
        let mut connection = in_time(patience, self.server.0.connection()).await?;
        let is_pooled = match self.pooler {
            Some(is_there) => is_there,
            None => in_time(patience, self.finds_pooler(&mut connection)).await?,
        };
        if self.migrate {
            in_time(timeouts.sweep, layout::migrate(&mut connection, &names, self.unlogged)).await?;
        }
        in_time(patience, layout::check(&mut connection, &names)).await?;
        // It has served, so a fault at its end is none.
        let _ = timeout(patience, connection.close()).await;
        let sql = Arc::new(Sql::new(&names));
        let link = Arc::new(Link {
            pool: self.server.0.pool(self.connections, &timeouts, is_pooled)?,
            is_closed: AtomicBool::new(false),
            is_pooled,
            timeouts,
        });
        let get = Get { link: Arc::clone(&link), sql: Arc::clone(&sql) };
        Ok(PostgresStore::new(Shared {
            data_limit: self.data_limit,
            gets: Batcher::new(get, self.batches)?,
            sets: Changes::new(&link, &sql, self.batches)?,
            touches: Changes::new(&link, &sql, self.batches)?,
            destroys: Changes::new(&link, &sql, self.batches)?,
            link,
            sql,
        }))
    }

    async fn finds_pooler(&self, connection: &mut PgConnection) -> Result<bool> {
        let mut other = self.server.0.connection().await?;
        let is_there = pooler::is_there(connection, &mut other).await;
        let _ = other.close().await;
        is_there
    }

    fn names(&self) -> Result<Names> {
        Names::new(&self.schema, &Namespace::new(self.table.clone())?)
    }

    fn check_bounds(&self) -> Result<()> {
        if self.data_limit == 0 {
            return Err(Error::config("a data limit of 0 bytes would refuse every session; set a larger one"));
        }
        // PostgreSQL refuses values over 1 GB, and the whole of a statement.
        if self.data_limit > 256 << 20 {
            return Err(Error::config(
                "a data limit over 256 MiB is more than a PostgreSQL row can surely hold; set a smaller one",
            ));
        }
        if !(1..=MOST_CONNECTIONS).contains(&self.connections) {
            return Err(Error::config(format!("a store has 1 to {MOST_CONNECTIONS} connections; set another number")));
        }
        self.batches.check()?;
        self.timeouts.check()
    }
}

impl Source {
    fn options(&self) -> Result<PgConnectOptions> {
        match self {
            // No floats are read, and poolers do not pass this on.
            Self::Options(Ok(options)) => Ok(options.clone().extra_float_digits(None).disable_statement_logging()),
            Self::Options(Err(error)) => Err(from_sqlx(error)),
            Self::Pool(pool) => Ok(pool.connect_options().as_ref().clone()),
        }
    }

    /// A connection outside the pool.
    async fn connection(&self) -> Result<PgConnection> {
        connect(&self.options()?).await
    }

    fn pool(&self, connections: u32, timeouts: &Timeouts, is_pooled: bool) -> Result<Pool> {
        if let Self::Pool(pool) = self {
            return Ok(Pool::Given(pool.clone()));
        }
        Pool::new(self.options()?, connections, timeouts, is_pooled)
    }
}

async fn in_time<T>(patience: Duration, step: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(patience, step).await.unwrap_or_else(|_| Err(no_connection()))
}
