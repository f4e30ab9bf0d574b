//! The server that all subjects share.

use std::str::FromStr as _;

use conformance_tests::servers::PostgresServer;
use session_store_core::{SessionId, SessionKey};
use session_store_postgres::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use session_store_postgres::sqlx::{AssertSqlSafe, ConnectOptions as _, PgPool, query_scalar, raw_sql};

use super::POOL;
use crate::measure::Result;

/// A server, and a schema of this run's own in it.
pub(super) struct Server {
    url: String,
    schema: String,
    /// For the bare statements, with the settings of the store's own pool.
    pool: PgPool,
    /// Ends with this program.
    own: Option<PostgresServer>,
}

impl Server {
    /// The one of this URL, else one of this program's own, with PostgreSQL's own settings.
    pub(super) async fn find_or_start(named: Option<&str>) -> Result<Self> {
        let own = if named.is_none() { Some(PostgresServer::start(&[]).await?) } else { None };
        let url = named.map(str::to_owned).or_else(|| own.as_ref().map(PostgresServer::url)).unwrap_or_default();
        let pool = pool(&url, POOL).await?;
        let random = SessionKey::from(&SessionId::generate()?);
        let schema =
            random.as_bytes().iter().take(6).fold("benches_".to_owned(), |name, byte| format!("{name}{byte:02x}"));
        raw_sql(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).execute(&pool).await?;
        Ok(Self { url, schema, pool, own })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The same with one connection.
    pub(super) async fn one_connection(&self) -> Result<PgPool> {
        pool(&self.url, 1).await
    }

    /// Runs statements without values.
    pub(super) async fn execute(&self, statements: String) -> Result {
        raw_sql(AssertSqlSafe(statements)).execute(&self.pool).await?;
        Ok(())
    }

    /// Which PostgreSQL it is, whose, and when it says that a write is done.
    pub(super) async fn release(&self) -> Result<String> {
        const SETTINGS: &str = "SELECT format('PostgreSQL %s, synchronous_commit %s, fsync %s',
            current_setting('server_version'), current_setting('synchronous_commit'), current_setting('fsync'))";
        let release: String = query_scalar(SETTINGS).fetch_one(&self.pool).await?;
        let whose = if self.own.is_some() { "started for this run" } else { "named by its URL" };
        Ok(format!("{release}, {whose}"))
    }

    /// Removes the schema with all that is in it.
    pub(super) async fn remove(&self) -> Result {
        self.execute(format!("DROP SCHEMA {} CASCADE", self.schema)).await
    }
}

async fn pool(url: &str, connections: u32) -> Result<PgPool> {
    let options = PgConnectOptions::from_str(url)?.extra_float_digits(None).disable_statement_logging();
    let pool = PgPoolOptions::new().max_connections(connections).test_before_acquire(false);
    Ok(pool.connect_with(options).await?)
}
