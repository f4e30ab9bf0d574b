//! The suite over the SQLite store: many sessions in one transaction, one at a time, and in memory.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use conformance_tests::{Harness, async_trait};
use session_store_core::{BoxError, Error, ErrorKind, Result, SessionKey, SessionStore, UserId};
use session_store_sqlite::sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use session_store_sqlite::sqlx::{self, AssertSqlSafe};
use session_store_sqlite::{SqliteStore, Synchronous};
use tempfile::TempDir;
use tokio::sync::OnceCell;

struct Sqlite {
    name: &'static str,
    batch_size: usize,
    /// None for a database in memory.
    folder: Option<TempDir>,
    options: SqliteConnectOptions,
    pool: OnceCell<SqlitePool>,
}

impl Sqlite {
    fn in_file(name: &'static str, batch_size: usize) -> std::io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path: PathBuf = folder.path().join("sessions.db");
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        Ok(Self { name, batch_size, folder: Some(folder), options, pool: OnceCell::new() })
    }

    fn in_memory(name: &'static str) -> Result<Self, sqlx::Error> {
        let options = "sqlite::memory:".parse()?;
        Ok(Self { name, batch_size: 64, folder: None, options, pool: OnceCell::new() })
    }

    /// Connections of the harness. In memory, one of them keeps the database.
    async fn pool(&self) -> Result<&SqlitePool> {
        let connect = || SqlitePoolOptions::new().max_connections(1).connect_with(self.options.clone());
        self.pool.get_or_try_init(async || connect().await.map_err(failed)).await
    }

    async fn execute(&self, sql: String) -> Result<u64> {
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(self.pool().await?).await.map_err(failed)?;
        Ok(done.rows_affected())
    }
}

fn failed(error: impl Into<BoxError>) -> Error {
    Error::new(ErrorKind::Internal, "the harness cannot use the file").with_source(error)
}

fn quoted(namespace: &str) -> String {
    format!("\"{}\"", namespace.replace('"', "\"\""))
}

#[async_trait]
impl Harness for Sqlite {
    fn name(&self) -> &str {
        self.name
    }

    async fn server(&self) -> Result<Option<String>> {
        let query = sqlx::query_scalar::<_, String>("SELECT sqlite_version()");
        let version = query.fetch_one(self.pool().await?).await.map_err(failed)?;
        Ok(Some(format!("SQLite {version}")))
    }

    fn cases_at_once(&self) -> usize {
        if self.folder.is_some() { 16 } else { 8 }
    }

    async fn open(&self, namespace: &str) -> Result<Arc<dyn SessionStore>> {
        self.pool().await?;
        let builder = SqliteStore::builder(self.options.clone()).table(namespace).migrate().connections(2);
        let builder = builder.batch_size(self.batch_size).synchronous(Synchronous::Normal);
        Ok(Arc::new(builder.build().await?))
    }

    async fn remove(&self, namespace: &str) -> Result<()> {
        if self.folder.is_none() {
            // The connections of one process share a database in memory, and keep each other from changing its tables.
            return Ok(());
        }
        self.execute(format!("DROP TABLE IF EXISTS {}", quoted(namespace))).await.map(drop)
    }

    async fn plant_corrupt(&self, namespace: &str, key: &SessionKey, _user: &UserId) -> Result<()> {
        let key = key.to_text();
        let key = key.trim_start_matches("k1_");
        let sql = format!("UPDATE {} SET version = x'00' WHERE key = x'{key}'", quoted(namespace));
        let planted = self.execute(sql).await?;
        assert_eq!(planted, 1, "no row of this key");
        Ok(())
    }

    async fn leftovers(&self, namespace: &str) -> Result<u64> {
        let sql = format!("SELECT count(*) FROM {}", quoted(namespace));
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(self.pool().await?).await.map_err(failed)?;
        u64::try_from(count).map_err(failed)
    }
}

fn main() -> Result<ExitCode, BoxError> {
    let all =
        [Sqlite::in_file("sqlite", 64)?, Sqlite::in_file("sqlite one by one", 1)?, Sqlite::in_memory("sqlite memory")?];
    Ok(conformance_tests::run(all.map(|harness| Arc::new(harness) as Arc<dyn Harness>).into()))
}
