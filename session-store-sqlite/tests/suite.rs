//! The suite over the SQLite store: many sessions in one transaction, one at a time, and in memory.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use conformance_tests::{Harness, async_trait};
use session_store_core::{BoxError, Error, ErrorKind, Result, SessionKey, SessionStore, UserId};
use session_store_sqlite::sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use session_store_sqlite::sqlx::{self, AssertSqlSafe};
use session_store_sqlite::{SqliteStore, Synchronous};
use tempfile::TempDir;

struct Sqlite {
    name: &'static str,
    batch_size: usize,
    /// None for databases in memory, of which each namespace has its own.
    file: Option<(TempDir, SqliteConnectOptions)>,
    databases: Mutex<HashMap<String, Database>>,
}

/// A database, and a connection of the harness, which keeps it if it is in memory.
#[derive(Clone)]
struct Database {
    options: SqliteConnectOptions,
    pool: SqlitePool,
}

impl Sqlite {
    fn in_file(name: &'static str, batch_size: usize) -> std::io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("sessions.db");
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        Ok(Self { name, batch_size, file: Some((folder, options)), databases: Mutex::default() })
    }

    fn in_memory(name: &'static str) -> Self {
        Self { name, batch_size: 64, file: None, databases: Mutex::default() }
    }

    fn database(&self, namespace: &str) -> Result<Database> {
        let name = if self.file.is_some() { "" } else { namespace };
        let mut databases = self.databases.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(database) = databases.get(name) {
            return Ok(database.clone());
        }
        let options = match &self.file {
            Some((_, options)) => options.clone(),
            None => "sqlite::memory:".parse().map_err(failed)?,
        };
        let pool = SqlitePoolOptions::new().max_connections(1).connect_lazy_with(options.clone());
        let database = Database { options, pool };
        databases.insert(name.to_owned(), database.clone());
        Ok(database)
    }

    async fn execute(&self, namespace: &str, sql: String) -> Result<u64> {
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&self.database(namespace)?.pool).await.map_err(failed)?;
        Ok(done.rows_affected())
    }

    async fn ask<T>(&self, namespace: &str, sql: String) -> Result<T>
    where
        T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
    {
        let query = sqlx::query_scalar(AssertSqlSafe(sql));
        query.fetch_one(&self.database(namespace)?.pool).await.map_err(failed)
    }

    async fn build(&self, namespace: &str) -> Result<SqliteStore> {
        let database = self.database(namespace)?;
        // It is there for as long as it has a connection.
        database.pool.acquire().await.map_err(failed)?;
        let builder = SqliteStore::builder(database.options).table(namespace).migrate().connections(2);
        let builder = builder.batch_size(self.batch_size).synchronous(Synchronous::Normal);
        builder.build().await
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
        let version: String = self.ask("", "SELECT sqlite_version()".to_owned()).await?;
        Ok(Some(format!("SQLite {version}")))
    }

    fn cases_at_once(&self) -> usize {
        16
    }

    async fn open(&self, namespace: &str) -> Result<Arc<dyn SessionStore>> {
        Ok(Arc::new(self.build(namespace).await?))
    }

    async fn open_with_two_handles(&self, namespace: &str) -> Result<[Arc<dyn SessionStore>; 2]> {
        let store = self.build(namespace).await?;
        Ok([Arc::new(store.clone()), Arc::new(store)])
    }

    async fn remove(&self, namespace: &str) -> Result<()> {
        if self.file.is_none() {
            let mut databases = self.databases.lock().unwrap_or_else(PoisonError::into_inner);
            databases.remove(namespace);
            return Ok(());
        }
        self.execute(namespace, format!("DROP TABLE IF EXISTS {}", quoted(namespace))).await.map(drop)
    }

    async fn plant_corrupt(&self, namespace: &str, key: &SessionKey, _user: &UserId) -> Result<()> {
        let key = key.to_text();
        let key = key.trim_start_matches("k1_");
        let sql = format!("UPDATE {} SET version = x'00' WHERE key = x'{key}'", quoted(namespace));
        let planted = self.execute(namespace, sql).await?;
        assert_eq!(planted, 1, "no row of this key");
        Ok(())
    }

    async fn leftovers(&self, namespace: &str) -> Result<u64> {
        let sql = format!("SELECT count(*) FROM {}", quoted(namespace));
        let count: i64 = self.ask(namespace, sql).await?;
        u64::try_from(count).map_err(failed)
    }
}

fn main() -> Result<ExitCode, BoxError> {
    let all =
        [Sqlite::in_file("sqlite", 64)?, Sqlite::in_file("sqlite one by one", 1)?, Sqlite::in_memory("sqlite memory")];
    Ok(conformance_tests::run(all.map(|harness| Arc::new(harness) as Arc<dyn Harness>).into()))
}
