//! The suite over the PostgreSQL store: many sessions in one statement, one at a time, an old release, and through
//! PgBouncer.

use std::process::ExitCode;
use std::sync::Arc;

use conformance_tests::{Harness, async_trait};
use session_store_core::{BoxError, Error, ErrorKind, Result, SessionKey, SessionStore, UserId};
use session_store_postgres::sqlx::postgres::PgPoolOptions;
use session_store_postgres::sqlx::{self, AssertSqlSafe, PgPool};
use session_store_postgres::{PostgresStore, PostgresStoreBuilder};
use testkit::containers::not_run;
use testkit::containers::{Database, Release, TestDatabase};
use testkit::servers::PgBouncer;
use tokio::sync::OnceCell;

/// The server allows 100, and each `build` has two of its own.
const CONNECTIONS: u32 = 30;
const CASES_AT_ONCE: usize = 32;

#[cfg(unix)]
const BOUNCER: &[(&str, &str)] = &[("default_pool_size", "10"), ("max_client_conn", "2000")];

/// How the store uses its server.
enum Way {
    Batches,
    /// Statements for one session each.
    OneByOne,
    #[cfg(unix)]
    PgBouncer(Box<OnceCell<PgBouncer>>),
}

struct Postgres {
    name: &'static str,
    database: TestDatabase,
    way: Way,
    pool: OnceCell<PgPool>,
}

impl Postgres {
    fn new(name: &'static str, release: Release, way: Way) -> Self {
        Self { name, database: TestDatabase::new(Database::Postgres, release), way, pool: OnceCell::new() }
    }

    fn is_to_be_had(&self) -> bool {
        #[cfg(unix)]
        if matches!(self.way, Way::PgBouncer(_)) && not_run("pgbouncer").is_some() {
            return false;
        }
        self.database.not_run().is_none()
    }

    /// Connections that all handles share.
    async fn pool(&self) -> Result<PgPool> {
        // The driver's futures are large.
        let connect = Box::pin(async {
            let url = self.database.url().await?;
            PgPoolOptions::new().max_connections(CONNECTIONS).connect(url).await.map_err(failed)
        });
        self.pool.get_or_try_init(|| connect).await.cloned()
    }

    async fn builder(&self) -> Result<PostgresStoreBuilder> {
        Ok(match &self.way {
            Way::Batches => PostgresStore::builder(self.pool().await?),
            Way::OneByOne => PostgresStore::builder(self.pool().await?).batch_size(1),
            #[cfg(unix)]
            Way::PgBouncer(bouncer) => {
                let url = self.database.url().await?;
                let bouncer = bouncer.get_or_try_init(|| PgBouncer::start(url, BOUNCER)).await?;
                PostgresStore::builder(bouncer.url()).connections(4)
            }
        })
    }

    async fn execute(&self, sql: String) -> Result<u64> {
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&self.pool().await?).await.map_err(failed)?;
        Ok(done.rows_affected())
    }

    async fn build(&self, namespace: &str) -> Result<PostgresStore> {
        self.builder().await?.table(namespace).migrate().build().await
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

    async fn server(&self) -> Result<Option<String>> {
        self.database.release().await.map(Some)
    }

    fn cases_at_once(&self) -> usize {
        CASES_AT_ONCE
    }

    async fn open(&self, namespace: &str) -> Result<Arc<dyn SessionStore>> {
        Ok(Arc::new(self.build(namespace).await?))
    }

    async fn open_with_two_handles(&self, namespace: &str) -> Result<[Arc<dyn SessionStore>; 2]> {
        let store = self.build(namespace).await?;
        Ok([Arc::new(store.clone()), Arc::new(store)])
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
        Postgres::new("postgres", Release::Current, Way::Batches),
        Postgres::new("postgres one by one", Release::Current, Way::OneByOne),
        Postgres::new("postgres old", Release::Old, Way::Batches),
        #[cfg(unix)]
        Postgres::new("postgres pgbouncer", Release::Current, Way::PgBouncer(Box::default())),
    ];
    // What is not to be had is counted as not run by scripts/test.
    let harnesses = all.into_iter().filter(Postgres::is_to_be_had);
    conformance_tests::run(harnesses.map(|harness| Arc::new(harness) as Arc<dyn Harness>).collect())
}
