//! The server that all subjects share.

use std::str::FromStr as _;

use session_store_postgres::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use session_store_postgres::sqlx::{AssertSqlSafe, ConnectOptions as _, PgPool, query_scalar, raw_sql};
use testkit::servers::PostgresServer;
use tower_sessions_sqlx_store::PostgresStore as TowerPostgresStore;
use tower_sessions_sqlx_store::sqlx::postgres::PgPoolOptions as TowerPoolOptions;

use super::POOL;
use crate::costs::Bytes;
use crate::meter::Meter;
use crate::result::Result;

/// A server with PostgreSQL's own settings, but for these.
pub(super) struct Server {
    own: PostgresServer,
    /// For the bare statements, with the settings of the store's own pool.
    pool: PgPool,
}

/// Connections for all pools, and memory as its manual advises for a server of its own (a quarter of the machine's, "19.4.1
/// Memory") and a log long enough for that.
const SETTINGS: [(&str, &str); 3] = [("max_connections", "400"), ("shared_buffers", "4GB"), ("max_wal_size", "8GB")];

impl Server {
    pub(super) async fn start() -> Result<Self> {
        let own = PostgresServer::start(&SETTINGS).await?;
        let pool = pool(&own.url(), POOL).await?;
        Ok(Self { own, pool })
    }

    pub(super) fn url(&self) -> String {
        self.own.url()
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(super) fn meter(&self) -> Meter {
        Meter::of_server(self.own.folder())
    }

    /// The same with one connection.
    pub(super) async fn one_connection(&self) -> Result<PgPool> {
        pool(&self.url(), 1).await
    }

    /// With sqlx's usual pool, as its documentation has it.
    pub(super) async fn tower(&self, table: &str) -> Result<TowerPostgresStore> {
        let pool = TowerPoolOptions::new().max_connections(POOL).connect(&self.url()).await?;
        let store = TowerPostgresStore::new(pool).with_table_name(table)?;
        store.migrate().await?;
        Ok(store)
    }

    /// The same of `axum_session`.
    pub(super) async fn axum(&self) -> Result<axum_session_sqlx::SessionPgPool> {
        Ok(PgPoolOptions::new().max_connections(POOL).connect(&self.url()).await?.into())
    }

    /// Runs statements without values.
    pub(super) async fn execute(&self, statements: String) -> Result {
        raw_sql(AssertSqlSafe(statements)).execute(&self.pool).await?;
        Ok(())
    }

    /// Which PostgreSQL it is, and when it says that a write is done.
    pub(super) async fn release(&self) -> Result<String> {
        const SETTINGS: &str = "SELECT format('PostgreSQL %s, synchronous_commit %s, fsync %s',
            current_setting('server_version'), current_setting('synchronous_commit'), current_setting('fsync'))";
        Ok(query_scalar(SETTINGS).fetch_one(&self.pool).await?)
    }

    /// The log that it writes before all else.
    pub(super) fn log(&self) -> Log<'_> {
        Log(self)
    }

    async fn ask(&self, statement: &'static str) -> Result<f64> {
        Ok(query_scalar(statement).fetch_one(&self.pool).await?)
    }
}

/// Its tables and indexes.
impl Bytes for Server {
    async fn bytes(&self) -> Result<f64> {
        self.ask("SELECT pg_database_size(current_database())::float8").await
    }
}

pub(super) struct Log<'s>(&'s Server);

impl Bytes for Log<'_> {
    async fn bytes(&self) -> Result<f64> {
        self.0.ask("SELECT (pg_current_wal_insert_lsn() - '0/0')::float8").await
    }
}

async fn pool(url: &str, connections: u32) -> Result<PgPool> {
    let options = PgConnectOptions::from_str(url)?.extra_float_digits(None).disable_statement_logging();
    let pool = PgPoolOptions::new().max_connections(connections).test_before_acquire(false);
    Ok(pool.connect_with(options).await?)
}
