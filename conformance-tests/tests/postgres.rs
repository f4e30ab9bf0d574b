//! The suite over the PostgreSQL store: many sessions in one statement, one at a time, an old release, and through
//! PgBouncer.

use std::process::ExitCode;
use std::sync::Arc;

use conformance_tests::containers::{Database, Release, TestDatabase};
use conformance_tests::{Harness, async_trait};
use session_store_core::{BoxError, Error, ErrorKind, Result, SessionKey, SessionStore, UserId};
use session_store_postgres::PostgresStore;
use session_store_postgres::sqlx::{self, AssertSqlSafe, PgPool};
use tokio::sync::OnceCell;

/// The server allows 100, and each `build` has two of its own.
const CONNECTIONS: u32 = 30;
const CASES_AT_ONCE: usize = 32;

struct Postgres {
    name: &'static str,
    database: TestDatabase,
    batch_size: Option<usize>,
    pool: OnceCell<PgPool>,
}

impl Postgres {
    /// Connections that all handles share.
    async fn pool(&self) -> Result<PgPool> {
        let connect = async {
            let url = self.database.url().await?;
            sqlx::pool::PoolOptions::new().max_connections(CONNECTIONS).connect(url).await.map_err(failed)
        };
        self.pool.get_or_try_init(|| connect).await.cloned()
    }

    async fn execute(&self, sql: String) -> Result<u64> {
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&self.pool().await?).await.map_err(failed)?;
        Ok(done.rows_affected())
    }
}

fn failed(error: impl Into<BoxError>) -> Error {
    Error::new(ErrorKind::Internal, "the harness cannot reach the server").with_source(error)
}

fn quoted(namespace: &str) -> String {
    format!("\"{}\"", namespace.replace('"', "\"\""))
}

#[async_trait]
impl Harness for Postgres {
    fn name(&self) -> &str {
        self.name
    }

    fn cases_at_once(&self) -> usize {
        CASES_AT_ONCE
    }

    async fn open(&self, namespace: &str) -> Result<Arc<dyn SessionStore>> {
        let mut builder = PostgresStore::builder(self.pool().await?).table(namespace).migrate();
        if let Some(sessions) = self.batch_size {
            builder = builder.batch_size(sessions);
        }
        Ok(Arc::new(builder.build().await?))
    }

    async fn remove(&self, namespace: &str) -> Result<()> {
        self.execute(format!("DROP TABLE IF EXISTS {}", quoted(namespace))).await.map(drop)
    }

    async fn plant_corrupt(&self, namespace: &str, key: &SessionKey, _user: &UserId) -> Result<()> {
        let key = key.to_text();
        let key = key.trim_start_matches("k1_");
        let sql = format!("UPDATE {} SET version = 'no version' WHERE key = '\\x{key}'", quoted(namespace));
        let planted = self.execute(sql).await?;
        assert_eq!(planted, 1, "no row of this key");
        Ok(())
    }

    async fn leftovers(&self, namespace: &str) -> Result<u64> {
        let sql = format!("SELECT count(*) FROM {}", quoted(namespace));
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&self.pool().await?).await.map_err(failed)?;
        u64::try_from(count).map_err(failed)
    }
}

fn main() -> ExitCode {
    let all = [
        ("postgres", Release::Current, None),
        ("postgres one by one", Release::Current, Some(1)),
        ("postgres old", Release::Old, None),
    ];
    let harnesses = all.into_iter().map(|(name, release, batch_size)| {
        let database = TestDatabase::new(Database::Postgres, release);
        Postgres { name, database, batch_size, pool: OnceCell::new() }
    });
    // What is not to be had is counted as not run by scripts/test.
    let harnesses = harnesses.filter(|harness| harness.database.not_run().is_none());
    conformance_tests::run(harnesses.map(|harness| Arc::new(harness) as Arc<dyn Harness>).collect())
}
