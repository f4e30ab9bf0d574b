//! Connections: the store's own, or those of a given pool; and how a statement is sent on one.
//!
//! sqlx's pool pings a connection each time that it comes back. The store's own pool pings only those that were idle,
//! and reports at once why it cannot connect.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{
    self, BuildError, Metrics, Object, PoolError, QueueMode, RecycleError, RecycleResult, TimeoutType,
};
use session_store_core::backend::{Call, Deadline, StoreOptions};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, PgPool, Postgres};
use tokio::time::{sleep, timeout};
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use crate::error::{Error, TOO_MANY_CONNECTIONS, has_code, keeps_connection};
use crate::record::value;
use crate::value::{Value, write_values};

/// How long a connection may be idle without a ping before it is used.
const FRESH: Duration = Duration::from_secs(1);

/// How long a connection is used, so that what is between it and the server can be changed.
const LIFETIME: Duration = Duration::from_mins(30);

/// The connections of a store.
pub(crate) struct Connections {
    pool: Pool,
    connect_timeout: Duration,
    /// Whether a pooler gives each transaction another session of the server. Then statements carry their values, and
    /// are not prepared.
    is_pooled: bool,
}

enum Pool {
    Own(managed::Pool<Manager>),
    Given(PgPool),
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("is_pooled", &self.is_pooled).finish_non_exhaustive()
    }
}

impl Connections {
    /// Creates a pool of the store's own. It connects when the first statement needs it.
    pub(crate) fn own(
        options: PgConnectOptions,
        max_size: usize,
        timeouts: &StoreOptions,
        is_pooled: bool,
    ) -> Result<Self, Error> {
        let statement_timeout = (!is_pooled).then_some(timeouts.operation_timeout.as_millis());
        let pool = managed::Pool::builder(Manager { options, statement_timeout })
            .max_size(max_size)
            .create_timeout(Some(timeouts.connect_timeout))
            .recycle_timeout(Some(timeouts.connect_timeout))
            // So that no more are kept busy than are needed.
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .build();
        let pool = Pool::Own(pool.map_err(|_: BuildError| Error::Pool)?);
        Ok(Self { pool, connect_timeout: timeouts.connect_timeout, is_pooled })
    }

    /// Takes connections of a given pool.
    pub(crate) fn given(pool: PgPool, timeouts: &StoreOptions, is_pooled: bool) -> Self {
        Self { pool: Pool::Given(pool), connect_timeout: timeouts.connect_timeout, is_pooled }
    }

    /// Returns how many connections there may be.
    pub(crate) fn max_size(&self) -> usize {
        match &self.pool {
            Pool::Own(pool) => pool.status().max_size,
            Pool::Given(pool) => usize::try_from(pool.options().get_max_connections()).unwrap_or(usize::MAX),
        }
    }

    /// Runs a statement, and returns its rows.
    pub(crate) async fn rows(&self, call: &Call, sql: &Arc<str>, values: &[Value<'_>]) -> Result<Vec<PgRow>, Error> {
        let mut lease = self.lease(call).await?;
        let connection = lease.connection()?;
        call.mark_sent();
        let rows = if self.is_pooled {
            // One message: it needs nothing that is kept in a session, and no transaction stays open until the store
            // answers. The driver logs statements, and this one has its values in it (clause E2).
            let statement = sqlx::raw_sql(AssertSqlSafe(write_values(sql, values)));
            statement.fetch_all(connection).with_subscriber(NoSubscriber::default()).await
        } else {
            let query = sqlx::query(AssertSqlSafe(Arc::clone(sql)));
            values.iter().fold(query, |query, value| value.bind(query)).fetch_all(connection).await
        };
        if rows.as_ref().err().is_none_or(keeps_connection) {
            lease.keep();
        }
        rows.map_err(Error::Statement)
    }

    async fn lease(&self, call: &Call) -> Result<Lease, Error> {
        match &self.pool {
            Pool::Own(pool) => match call.deadline().limit(pool.get()).await {
                Some(Ok(connection)) => Ok(Lease(Some(Leased::Own(connection)))),
                Some(Err(error)) => Err(pool_error(error, pool.status().size > 0)),
                None => Err(Error::NoFreeConnection),
            },
            Pool::Given(pool) => match timeout(self.connect_timeout.min(call.remaining()), pool.acquire()).await {
                Ok(Ok(connection)) => Ok(Lease(Some(Leased::Given(connection)))),
                Ok(Err(error)) => Err(Error::Connect { error, by_path: true }),
                Err(_) => Err(Error::NoConnection),
            },
        }
    }

    /// Closes the connections, unless the pool was given, and waits for those in use until the deadline.
    pub(crate) async fn close(&self, deadline: Deadline) {
        let Pool::Own(pool) = &self.pool else { return };
        pool.close();
        while pool.status().size > 0 && !deadline.has_passed() {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

fn pool_error(error: PoolError<Error>, has_connections: bool) -> Error {
    match error {
        // One of them comes free soon (case P4).
        PoolError::Backend(Error::Connect { error, .. })
            if has_connections && has_code(&error, TOO_MANY_CONNECTIONS) =>
        {
            Error::ServerFull
        }
        PoolError::Backend(error) => error,
        PoolError::Closed => Error::Closed,
        PoolError::Timeout(TimeoutType::Wait | TimeoutType::Create | TimeoutType::Recycle) => Error::NoConnection,
        PoolError::PostCreateHook(_) | PoolError::NoRuntimeSpecified => Error::Pool,
    }
}

/// Creates connections for the store's own pool.
struct Manager {
    options: PgConnectOptions,
    /// In milliseconds, if the server's session is the connection's own.
    statement_timeout: Option<u128>,
}

impl managed::Manager for Manager {
    type Type = PgConnection;
    type Error = Error;

    async fn create(&self) -> Result<PgConnection, Error> {
        // The driver's future is large, and would be a part of every statement's.
        Box::pin(async {
            let mut connection = connect(&self.options).await?;
            refuse_standby(&mut connection).await?;
            if let Some(timeout) = self.statement_timeout {
                set_up(&mut connection, timeout).await?;
            }
            Ok(connection)
        })
        .await
    }

    async fn recycle(&self, connection: &mut PgConnection, metrics: &Metrics) -> RecycleResult<Error> {
        if metrics.age() > LIFETIME {
            return Err(RecycleError::message("the connection has reached its lifetime"));
        }
        if metrics.last_used() > FRESH {
            connection.ping().await.map_err(|error| RecycleError::Backend(Error::Statement(error)))?;
        }
        Ok(())
    }
}

/// Creates a connection.
pub(crate) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, Error> {
    install_tls_provider();
    let by_path = options.get_socket().is_some() || options.get_host().starts_with('/');
    options.connect().await.map_err(|error| Error::Connect { error, by_path })
}

/// With `sslmode=verify-ca`, the driver panics if the process has no default provider and two to choose from.
fn install_tls_provider() {
    #[cfg(feature = "tls")]
    {
        // It fails if the application has chosen one, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// After a failover, an address may lead to a standby for a while, whose answers are old (clause G4).
async fn refuse_standby(connection: &mut PgConnection) -> Result<(), Error> {
    let row = sqlx::raw_sql("SELECT pg_is_in_recovery()").fetch_one(connection).await.map_err(failed_set_up)?;
    if value(&row, 0)? { Err(Error::Standby) } else { Ok(()) }
}

/// The server ends a statement that nobody waits for any more: one that waits for the table does not notice that its
/// connection is gone. A shorter timeout of the role's stays. And a plan is kept, so the one for a table that was small
/// must still serve when it is large.
async fn set_up(connection: &mut PgConnection, timeout: u128) -> Result<(), Error> {
    let settings = format!(
        "SET enable_seqscan = off;
         SELECT set_config('statement_timeout', '{timeout}', false) FROM pg_settings
         WHERE name = 'statement_timeout' AND setting::bigint NOT BETWEEN 1 AND {timeout}"
    );
    sqlx::raw_sql(AssertSqlSafe(settings)).execute(connection).await.map(drop).map_err(failed_set_up)
}

fn failed_set_up(error: sqlx::Error) -> Error {
    Error::Connect { error, by_path: true }
}

/// A connection that is closed unless it is kept: it may be in the middle of a statement, or broken.
struct Lease(Option<Leased>);

enum Leased {
    Own(Object<Manager>),
    Given(PoolConnection<Postgres>),
}

impl Lease {
    fn connection(&mut self) -> Result<&mut PgConnection, Error> {
        match &mut self.0 {
            Some(Leased::Own(connection)) => Ok(connection),
            Some(Leased::Given(connection)) => Ok(connection),
            None => Err(Error::Pool),
        }
    }

    fn keep(mut self) {
        // Dropped as it is, it goes back to its pool.
        self.0 = None;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        match self.0.take() {
            Some(Leased::Own(connection)) => drop(Object::take(connection)),
            Some(Leased::Given(connection)) => drop(connection.detach()),
            None => {}
        }
    }
}
