//! Files that are not there, not SQLite's, damaged, replaced or locked, and settings that are wrong.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use session_store_core::{Error, ErrorKind, SessionId, SessionKey, SessionStore as _, SetMode, UserId, Write};
use session_store_sqlite::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use session_store_sqlite::sqlx::{AssertSqlSafe, Connection as _, query_scalar, raw_sql};
use session_store_sqlite::{SqliteEndpoint, SqliteStore, SqliteStoreBuilder, Synchronous};
use tempfile::TempDir;

const HOUR: Duration = Duration::from_hours(1);
/// How long the operations of an impatient store may take.
const SHORT: Duration = Duration::from_millis(500);
/// How much longer something may take on a machine that is busy.
const SLACK: Duration = Duration::from_secs(2);

/// A folder, and a path in it.
fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    (folder, path)
}

async fn store(path: &Path) -> SqliteStore {
    SqliteStore::builder(path).migrate().build().await.unwrap()
}

async fn connection(path: &Path) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path)).await.unwrap()
}

async fn execute(path: &Path, sql: &str) {
    let mut connection = connection(path).await;
    raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn key() -> SessionKey {
    SessionKey::from(&SessionId::generate().unwrap())
}

fn write() -> Write {
    Write::new("data", HOUR, HOUR).unwrap()
}

async fn create(store: &SqliteStore) -> SessionKey {
    let key = key();
    store.set(&key, &write(), SetMode::Create).await.unwrap();
    key
}

async fn refusal(builder: SqliteStoreBuilder) -> Error {
    builder.build().await.map(drop).unwrap_err()
}

async fn is_refused(builder: SqliteStoreBuilder, kind: ErrorKind, advice: &str) {
    let error = refusal(builder).await;
    assert!(error.kind() == kind && error.to_string().contains(advice), "{error:?}");
}

#[tokio::test]
async fn a_wrong_address_or_setting_is_refused_with_advice() {
    let (folder, path) = place();
    let there = || SqliteStore::builder(path.as_path()).migrate();
    for url in ["", "sessions.db", "sqllite:x.db", "sqlite:x.db?mode=secret", "sqlite:x.db?secret=1", "file:x.db"] {
        is_refused(SqliteStore::builder(url).migrate(), ErrorKind::Config, "address is not valid").await;
    }
    is_refused(there().connections(0), ErrorKind::Config, "connections").await;
    is_refused(there().connections(1_001), ErrorKind::Config, "connections").await;
    is_refused(there().table(""), ErrorKind::Config, "namespace").await;
    is_refused(there().batch_size(0), ErrorKind::Config, "batch_size").await;
    is_refused(there().data_limit((256 << 20) + 1), ErrorKind::Config, "data_limit").await;
    is_refused(SqliteStore::builder(path.as_path()), ErrorKind::Config, "migrate").await;
    is_refused(SqliteStore::builder(folder.path().join("no/x.db")).migrate(), ErrorKind::Config, "its folder").await;
    is_refused(SqliteStore::builder(folder.path()).migrate(), ErrorKind::Config, "cannot be opened").await;
    assert!(!path.exists(), "nothing was created");
}

#[tokio::test]
async fn what_is_no_database_or_no_table_of_a_store_is_refused_and_stays_as_it_is() {
    let (_folder, path) = place();
    fs::write(&path, "no database, but a text that is long enough to be looked at. ".repeat(100)).unwrap();
    let before = fs::read(&path).unwrap();
    is_refused(SqliteStore::builder(path.as_path()).migrate(), ErrorKind::Config, "not a SQLite database").await;
    assert_eq!(fs::read(&path).unwrap(), before);
    fs::remove_file(&path).unwrap();

    drop(store(&path).await);
    is_refused(SqliteStore::builder(path.as_path()).table("other"), ErrorKind::Config, "does not exist").await;
    for (table, sql, advice) in [
        ("foreign", "CREATE TABLE foreign_ (key TEXT)", "not one of session-store's"),
        ("newer", "CREATE TABLE newer ( -- session-store layout 2\n key BLOB)", "later release"),
        ("older", "CREATE TABLE older ( -- session-store layout 0\n key BLOB)", "up to date"),
        ("view", "CREATE VIEW view_ AS SELECT 1", "not one of session-store's"),
    ] {
        let name = if sql.contains(&format!("{table}_")) { format!("{table}_") } else { table.to_owned() };
        execute(&path, sql).await;
        for builder in [SqliteStore::builder(path.as_path()), SqliteStore::builder(path.as_path()).migrate()] {
            is_refused(builder.table(name.as_str()), ErrorKind::Config, advice).await;
        }
    }
}

#[tokio::test]
async fn a_file_that_may_only_be_read_is_refused() {
    let (_folder, path) = place();
    drop(store(&path).await);
    let options = SqliteConnectOptions::new().filename(&path).read_only(true);
    let read_only = SqliteStore::builder(options).build().await.unwrap();
    let key = key();
    assert_eq!(read_only.get(&key).await.unwrap(), None);
    let error = read_only.set(&key, &write(), SetMode::Create).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Config && error.to_string().contains("read-only"), "{error:?}");
    assert!(!error.outcome_unknown() && !error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn while_another_process_holds_the_lock_reads_go_on_and_writes_end_in_time() {
    let (_folder, path) = place();
    let live = create(&store(&path).await).await;
    let store = SqliteStore::builder(path.as_path()).operation_timeout(SHORT).build().await.unwrap();
    let mut other = connection(&path).await;
    raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let new = key();
    for _ in 0..3 {
        let begun = Instant::now();
        let error = store.set(&new, &write(), SetMode::Create).await.unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Unavailable, true), "{error:?}");
        assert!(!error.outcome_unknown() && error.to_string().contains("lock"), "{error:?}");
        assert!(begun.elapsed() < SHORT + SLACK, "it took {:?}", begun.elapsed());
        assert!(store.get(&live).await.unwrap().is_some());
        assert_eq!(store.count().await.unwrap(), 1);
        store.ping().await.unwrap();
    }
    // A new process opens the file meanwhile.
    let second = SqliteStore::builder(path.as_path()).migrate().build().await.unwrap();
    assert!(second.get(&live).await.unwrap().is_some());
    raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(store.get(&new).await.unwrap(), None, "nothing was changed");
    second.set(&new, &write(), SetMode::Create).await.unwrap();
    assert!(store.get(&new).await.unwrap().is_some());
}

#[tokio::test]
async fn a_write_that_waits_for_the_lock_is_done_when_it_is_given_up() {
    let (_folder, path) = place();
    let store = SqliteStore::builder(path.as_path()).migrate().build().await.unwrap();
    let mut other = connection(&path).await;
    raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let key = key();
    let waiting = {
        let store = store.clone();
        tokio::spawn(async move { store.set(&key, &write(), SetMode::Create).await })
    };
    tokio::time::sleep(SHORT).await;
    raw_sql("COMMIT").execute(&mut other).await.unwrap();
    waiting.await.unwrap().unwrap();
    assert!(store.get(&key).await.unwrap().is_some());
}

#[tokio::test]
async fn a_dropped_write_gives_up_the_lock() {
    let (_folder, path) = place();
    let store = store(&path).await;
    let other = SqliteStore::builder(path.as_path()).build().await.unwrap();
    for round in 0..50 {
        let (key, write) = (key(), write());
        let _ = tokio::time::timeout(Duration::from_micros(20 * round), store.set(&key, &write, SetMode::Create)).await;
        // Of another connection, which would wait for a lock that is kept.
        let begun = Instant::now();
        create(&other).await;
        assert!(begun.elapsed() < SLACK, "it took {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_file_that_is_removed_is_an_error_and_one_in_its_place_is_used() {
    let (folder, path) = place();
    let (store, other) = (store(&path).await, folder.path().join("other.db"));
    let old = create(&store).await;
    let in_other = create(&SqliteStore::builder(other.as_path()).migrate().build().await.unwrap()).await;
    fs::remove_file(&path).unwrap();
    for error in [store.get(&old).await.map(drop).unwrap_err(), store.touch(&old, HOUR).await.map(drop).unwrap_err()] {
        assert!(error.kind() == ErrorKind::Config && error.to_string().contains("cannot be opened"), "{error:?}");
    }
    assert!(!path.exists(), "no empty file was made in its place");
    for end in ["-wal", "-shm"] {
        let _ = fs::remove_file(folder.path().join(format!("sessions.db{end}")));
    }
    fs::rename(&other, &path).unwrap();
    assert_eq!(store.get(&old).await.unwrap(), None);
    assert!(store.get(&in_other).await.unwrap().is_some());
    create(&store).await;
}

#[tokio::test]
async fn a_damaged_page_is_an_error_that_says_so_and_no_panic() {
    let (_folder, path) = place();
    let user = UserId::new("alice").unwrap();
    {
        let store = SqliteStore::builder(path.as_path()).migrate().build().await.unwrap();
        for _ in 0..200 {
            let write = write().with_owner(session_store_core::Owner::User(user.clone()));
            store.set(&key(), &write, SetMode::Create).await.unwrap();
        }
        store.close().await;
    }
    // The pages are all in the file then, and none in the log.
    execute(&path, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    let mut bytes = fs::read(&path).unwrap();
    assert!(bytes.len() > 8 * 4_096);
    bytes[2 * 4_096..].fill(0x5a);
    fs::write(&path, bytes).unwrap();
    let store = SqliteStore::builder(path.as_path()).build().await.unwrap();
    let errors = [
        store.get(&key()).await.map(drop).unwrap_err(),
        store.count().await.map(drop).unwrap_err(),
        store.set(&key(), &write(), SetMode::Create).await.map(drop).unwrap_err(),
        store.destroy_by_user(&user, None).await.map(drop).unwrap_err(),
    ];
    for error in errors {
        assert!(error.kind() == ErrorKind::Internal && error.to_string().contains("damaged"), "{error:?}");
    }
}

#[tokio::test]
async fn a_pruned_file_becomes_smaller() {
    let (folder, path) = place();
    let store = SqliteStore::builder(path.as_path()).migrate().build().await.unwrap();
    let short = Write::new(vec![7; 4_000], SHORT, HOUR).unwrap();
    for _ in 0..300 {
        store.set(&key(), &short, SetMode::Create).await.unwrap();
    }
    tokio::time::sleep(SHORT).await;
    let pages = async || -> i64 {
        query_scalar("SELECT page_count FROM pragma_page_count()")
            .fetch_one(&mut connection(&path).await)
            .await
            .unwrap()
    };
    let before = pages().await;
    while store.prune(100).await.unwrap().more {}
    let after = pages().await;
    assert!(after < before / 4, "{before} pages before, {after} after");
    assert!(folder.path().join("sessions.db-wal").exists(), "the write-ahead log is used");
}

#[tokio::test]
async fn the_plans_use_the_indexes() {
    let (_folder, path) = place();
    drop(store(&path).await);
    let mut connection = connection(&path).await;
    let plans = [
        ("UPDATE sessions AS t SET expires_at = w.e FROM (SELECT ?1 AS k, ?2 AS e) AS w WHERE t.key = w.k", "key=?"),
        ("SELECT key FROM sessions WHERE owner = ?1 AND key > ?2 ORDER BY key LIMIT 3", "(owner=? AND key>?)"),
        ("SELECT key FROM sessions WHERE prune_at <= ?1 ORDER BY prune_at LIMIT 3", "(prune_at<?)"),
        ("SELECT key FROM sessions WHERE key > ?1 ORDER BY key LIMIT 3", "(key>?)"),
    ];
    for (sql, index) in plans {
        let sql = format!("EXPLAIN QUERY PLAN {sql}");
        let rows: Vec<(i64, i64, i64, String)> =
            session_store_sqlite::sqlx::query_as(AssertSqlSafe(sql.clone())).fetch_all(&mut connection).await.unwrap();
        let plan: String = rows.into_iter().map(|(.., detail)| detail + "; ").collect();
        assert!(
            plan.contains(index) && !plan.contains("SCAN sessions") && !plan.contains("TEMP B-TREE"),
            "{sql}: {plan}"
        );
    }
}

#[tokio::test]
async fn every_setting_of_synchronous_and_a_database_in_memory_work() {
    let (_folder, path) = place();
    for synchronous in [Synchronous::Full, Synchronous::Normal, Synchronous::Off] {
        let store = SqliteStore::builder(path.as_path()).migrate().synchronous(synchronous).build().await.unwrap();
        let key = create(&store).await;
        store.close().await;
        // Another store finds it.
        let again = SqliteStore::builder(path.as_path()).build().await.unwrap();
        assert!(again.get(&key).await.unwrap().is_some());
    }
    let memory = SqliteStore::builder("sqlite::memory:").migrate().build().await.unwrap();
    let key = create(&memory).await;
    assert!(memory.get(&key).await.unwrap().is_some());
    let other = SqliteStore::builder("sqlite::memory:").migrate().build().await.unwrap();
    assert_eq!(other.get(&key).await.unwrap(), None, "each is a database of its own");
    let own_mode = SqliteConnectOptions::new().filename(&path).journal_mode(SqliteJournalMode::Delete);
    let endpoint = SqliteEndpoint::from(own_mode);
    assert!(!format!("{endpoint:?}").contains("sessions.db"));
    create(&SqliteStore::builder(endpoint).build().await.unwrap()).await;
}
