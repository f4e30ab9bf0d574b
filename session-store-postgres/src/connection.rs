//! Connections: the store's own, or those of a pool that was given.
//!
//! sqlx's pool tries a connection with a round trip each time that it comes back. The store's own pool tries those
//! only that have been idle, and tells at once why it cannot connect.

use std::time::{Duration, Instant};

use deadpool::managed::{self, Metrics, Object, PoolError, QueueMode, RecycleError, RecycleResult, TimeoutType};
use deadpool::{Runtime, managed::BuildError};
use session_store_core::{Error, ErrorKind, Result, Timeouts};
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, PgPool, Postgres, Row as _};
use tokio::time::{sleep, timeout_at};

use crate::error::{closed, from_connecting, from_sqlx, no_connection};

/// How long a connection may be idle before it is tried before it is used.
const FRESH: Duration = Duration::from_secs(1);

/// How long a connection is used, so that what is between it and the server can be changed.
const LIFETIME: Duration = Duration::from_mins(30);

/// Where connections come from. It has no `Debug`, which would show the password.
pub(crate) enum Pool {
    Own(managed::Pool<Manager>),
    Given(PgPool),
}

impl Pool {
    /// A pool of the store's own. It connects when it is first asked.
    pub(crate) fn new(
        options: PgConnectOptions,
        connections: u32,
        timeouts: &Timeouts,
        is_pooled: bool,
    ) -> Result<Self> {
        let statement_timeout = (!is_pooled).then_some(timeouts.operation.as_millis());
        let pool = managed::Pool::builder(Manager { options, statement_timeout })
            .max_size(usize::try_from(connections).unwrap_or(usize::MAX))
            .create_timeout(Some(timeouts.connect))
            .recycle_timeout(Some(timeouts.connect))
            // So that no more are kept busy than are needed.
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .build();
        pool.map(Self::Own).map_err(|_: BuildError| Error::new(ErrorKind::Internal, "the pool cannot be made"))
    }

    /// A connection, within the deadline.
    pub(crate) async fn lease(&self, timeouts: &Timeouts, deadline: Instant) -> Result<Lease> {
        // So that nobody who waits no longer thinks that the statement was sent.
        let deadline = deadline.min(Instant::now() + timeouts.operation * 3 / 4);
        match self {
            Self::Own(pool) => match timeout_at(deadline.into(), pool.get()).await {
                Ok(Ok(connection)) => Ok(Lease(Some(Leased::Own(connection)))),
                Ok(Err(error)) => Err(from_pool(error)),
                Err(_) => Err(Error::new(
                    ErrorKind::Timeout,
                    "no connection to the PostgreSQL server came free in time; give the store more connections",
                )),
            },
            Self::Given(pool) => {
                let patience = deadline.min(Instant::now() + timeouts.connect);
                match timeout_at(patience.into(), pool.acquire()).await {
                    Ok(Ok(connection)) => Ok(Lease(Some(Leased::Given(connection)))),
                    Ok(Err(error)) => Err(from_sqlx(&error)),
                    Err(_) => Err(no_connection()),
                }
            }
        }
    }

    /// Closes the connections, unless the pool was given, and waits for those in use until the deadline.
    pub(crate) async fn close(&self, deadline: Instant) {
        let Self::Own(pool) = self else { return };
        pool.close();
        while pool.status().size > 0 && Instant::now() < deadline {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

fn from_pool(error: PoolError<Error>) -> Error {
    match error {
        PoolError::Backend(error) => error,
        PoolError::Closed => closed(),
        PoolError::Timeout(TimeoutType::Wait | TimeoutType::Create | TimeoutType::Recycle) => no_connection(),
        PoolError::PostCreateHook(_) | PoolError::NoRuntimeSpecified => {
            Error::new(ErrorKind::Internal, "the pool of connections failed")
        }
    }
}

/// Makes connections for the store's own pool.
pub(crate) struct Manager {
    options: PgConnectOptions,
    /// In milliseconds, where the server's session is the connection's own.
    statement_timeout: Option<u128>,
}

impl managed::Manager for Manager {
    type Type = PgConnection;
    type Error = Error;

    async fn create(&self) -> Result<PgConnection> {
        let mut connection = connect(&self.options).await?;
        refuse_standby(&mut connection).await?;
        if let Some(timeout) = self.statement_timeout {
            set_up(&mut connection, timeout).await?;
        }
        Ok(connection)
    }

    async fn recycle(&self, connection: &mut PgConnection, about: &Metrics) -> RecycleResult<Error> {
        if about.age() > LIFETIME {
            return Err(RecycleError::message("it has served long enough"));
        }
        if about.last_used() > FRESH {
            connection.ping().await.map_err(|error| RecycleError::Backend(from_sqlx(&error)))?;
        }
        Ok(())
    }
}

/// A new connection.
pub(crate) async fn connect(options: &PgConnectOptions) -> Result<PgConnection> {
    install_tls_provider();
    let by_path = options.get_socket().is_some() || options.get_host().starts_with('/');
    options.connect().await.map_err(|error| from_connecting(&error, by_path))
}

/// With `sslmode=verify-ca`, the driver panics where the process has no provider by default and two to choose from.
fn install_tls_provider() {
    #[cfg(feature = "tls")]
    {
        // It fails where the application has chosen one, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// After a failover, an address may lead to a standby for a while, whose answers are old (clause G4).
async fn refuse_standby(connection: &mut PgConnection) -> Result<()> {
    let failed = |error: sqlx::Error| from_sqlx(&error);
    let row = sqlx::raw_sql("SELECT pg_is_in_recovery()").fetch_one(connection).await.map_err(failed)?;
    if row.try_get(0).map_err(failed)? { Err(standby()) } else { Ok(()) }
}

/// The server ends a statement that nobody waits for any more: one that waits for the table does not notice that its
/// connection is gone. A shorter timeout of the role's stays. And a plan is kept, so the one for a table that was small must do when it is large.
async fn set_up(connection: &mut PgConnection, timeout: u128) -> Result<()> {
    let settings = format!(
        "SET enable_seqscan = off;
         SELECT set_config('statement_timeout', '{timeout}', false) FROM pg_settings
         WHERE name = 'statement_timeout' AND setting::bigint NOT BETWEEN 1 AND {timeout}"
    );
    let done = sqlx::raw_sql(AssertSqlSafe(settings)).execute(connection).await;
    done.map(drop).map_err(|error| from_sqlx(&error))
}

/// The server is a standby.
pub(crate) fn standby() -> Error {
    Error::new(ErrorKind::Unavailable, "the PostgreSQL server is a standby; give the address of its primary")
}

/// A connection that is closed unless it is kept: it may be in the middle of a statement, or broken.
pub(crate) struct Lease(Option<Leased>);

enum Leased {
    Own(Object<Manager>),
    Given(PoolConnection<Postgres>),
}

impl Lease {
    pub(crate) fn connection(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        match &mut self.0 {
            Some(Leased::Own(connection)) => Ok(connection),
            Some(Leased::Given(connection)) => Ok(connection),
            None => Err(sqlx::Error::PoolClosed),
        }
    }

    pub(crate) fn keep(mut self) {
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
