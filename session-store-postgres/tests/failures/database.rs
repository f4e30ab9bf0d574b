//! A database of one test's own, and what others do in it.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use session_store_core::SessionKey;
use session_store_postgres::sqlx::{self, AssertSqlSafe, Connection as _, Decode, PgConnection, Postgres, Type};
use testkit::servers::PostgresServer;
use tokio::sync::OnceCell;

use crate::support::hex;

/// How long to wait for what is to come.
const LIMIT: Duration = Duration::from_secs(10);

/// What keeps all statements on the table waiting on the server.
pub(crate) const LOCK_TABLE: &str = "LOCK TABLE app IN ACCESS EXCLUSIVE MODE";

/// A database on a server that all tests share and leave as it is.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) server: &'static PostgresServer,
    name: &'static str,
}

impl Database {
    pub(crate) async fn new(name: &'static str) -> Self {
        static SERVER: OnceCell<PostgresServer> = OnceCell::const_new();
        let settings = [("fsync", "off"), ("max_connections", "300")];
        let server = SERVER.get_or_init(async || PostgresServer::start(&settings).await.unwrap()).await;
        server.execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        Self { server, name }
    }

    pub(crate) fn url(&self) -> String {
        self.url_of("postgres")
    }

    pub(crate) fn url_of(&self, role: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{}", self.server.port(), self.name)
    }

    /// A role that may do what the table's owner grants, and that has these settings.
    pub(crate) async fn role(&self, role: &str, settings: &[&str]) -> String {
        self.execute(&format!("CREATE ROLE {role} LOGIN")).await;
        for setting in settings {
            self.execute(&format!("ALTER ROLE {role} SET {setting}")).await;
        }
        self.url_of(role)
    }

    pub(crate) async fn connection(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }

    pub(crate) async fn execute(&self, statements: &str) {
        let mut connection = self.connection().await;
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// The one value of the one row that a statement gives.
    pub(crate) async fn ask<T>(&self, statement: &str) -> T
    where
        T: for<'row> Decode<'row, Postgres> + Type<Postgres> + Send + Unpin,
    {
        let mut connection = self.connection().await;
        let answer = sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        answer
    }

    /// Returns when a condition holds.
    pub(crate) async fn until(&self, condition: &str) {
        let (mut connection, started) = (self.connection().await, Instant::now());
        let statement = format!("SELECT {condition}");
        while !sqlx::query_scalar::<_, bool>(AssertSqlSafe(&*statement)).fetch_one(&mut connection).await.unwrap() {
            assert!(started.elapsed() < LIMIT, "not within {LIMIT:?}: {condition}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Returns when so many statements wait on the server for a lock.
    pub(crate) async fn until_waiting(&self, count: usize) {
        let condition = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        self.until(&format!("(SELECT count(*) >= {count} {condition})")).await;
    }

    /// Returns when so many of the store's statements are held up by rows that others hold: they wait for the row on
    /// the server, or have been answered and were sent again since.
    pub(crate) async fn until_held_up(&self, count: usize) {
        const ANSWERED: &str = "SELECT pid, query, (extract(epoch FROM query_start) * 1000000)::bigint
            FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle' AND query LIKE $1
                AND query_start > to_timestamp($2::bigint / 1000000.0)";
        const WAITING: &str = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%MATERIALIZED%FOR UPDATE%'";
        const NOW: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        let (mut connection, started) = (self.connection().await, Instant::now());
        let since: i64 = sqlx::query_scalar(NOW).fetch_one(&mut connection).await.unwrap();
        let (mut first, mut sent_again) = (HashMap::new(), HashSet::new());
        loop {
            let waiting: i64 = sqlx::query_scalar(WAITING).fetch_one(&mut connection).await.unwrap();
            if usize::try_from(waiting).unwrap() + sent_again.len() >= count {
                return;
            }
            assert!(
                started.elapsed() < LIMIT,
                "not within {LIMIT:?}: {count} held up, but {waiting} and {sent_again:?}"
            );
            let answered =
                sqlx::query_as::<_, (i32, String, i64)>(ANSWERED).bind("%FOR UPDATE SKIP LOCKED%").bind(since);
            for (backend, kind, began) in answered.fetch_all(&mut connection).await.unwrap() {
                // The first may have been prepared, and not been run yet.
                if *first.entry((backend, kind.clone())).or_insert(began) != began {
                    sent_again.insert(kind);
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Returns when nobody but this has a connection, or less than so many.
    pub(crate) async fn until_connections(&self, count: usize) {
        let condition = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        self.until(&format!("(SELECT count(*) <= {count} {condition})")).await;
    }

    /// Ends all connections to this database. They are gone when this returns.
    pub(crate) async fn terminate_all(&self) {
        let statement = "WITH others AS MATERIALIZED (
                SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
            ) SELECT COALESCE(array_agg(pid) FILTER (WHERE pg_terminate_backend(pid)), '{}')::text FROM others";
        let ended: String = self.ask(statement).await;
        self.until(&format!("NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = ANY ('{ended}'))")).await;
    }

    /// The transaction of somebody else, which has run these statements.
    pub(crate) async fn begin(&self, statements: &str) -> Foreign {
        let mut foreign = Foreign(self.connection().await);
        foreign.execute(&format!("BEGIN; {statements}")).await;
        foreign
    }

    /// The transaction of somebody else, which holds a session's row.
    pub(crate) async fn hold(&self, key: &SessionKey) -> Foreign {
        self.begin(&format!("SELECT FROM app WHERE key = {} FOR UPDATE", bytea(key))).await
    }
}

/// A transaction that holds something, until it is ended.
pub(crate) struct Foreign(PgConnection);

impl Foreign {
    pub(crate) async fn execute(&mut self, statements: &str) {
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut self.0).await.unwrap();
    }

    pub(crate) async fn roll_back(mut self) {
        self.execute("ROLLBACK").await;
    }

    pub(crate) async fn commit(mut self) {
        self.execute("COMMIT").await;
    }
}

/// A key as it is written in a statement.
pub(crate) fn bytea(key: &SessionKey) -> String {
    format!("'\\x{}'::bytea", hex(key))
}
