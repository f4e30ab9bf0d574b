//! The store in a SQLite file beside those of tower-sessions, by sqlx and by rusqlite.
//!
//! Each has a file of its own on the same disk, with a write-ahead log that is written to the disk at each commit
//! (`synchronous=full`), whatever its own default is: so all do the same work. The others decode what they load into a map, and
//! encode what they save; the store here has bytes, and `Sessions<T>` over it decodes them into a struct.

use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;

use session_store_sqlite::SqliteStore;
use tower_sessions_rusqlite_store::RusqliteStore;
use tower_sessions_rusqlite_store::tokio_rusqlite::Connection;
use tower_sessions_sqlx_store::SqliteStore as SqlxStore;
use tower_sessions_sqlx_store::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqliteSynchronous};

use crate::corpus;
use crate::meter::Meter;
use crate::ours::Ours;
use crate::report::{Report, Want};
use crate::result::Result;
use crate::store::{Contender, Entrant, Workload};
use crate::suite::{self, SESSIONS_T};
use crate::tower::TowerSessions;
use crate::typed::Typed;
use crate::users;

const OURS: &str = "session-store-sqlite";
const SQLX: &str = "tower-sessions-sqlx-store";
const RUSQLITE: &str = "tower-sessions-rusqlite-store";
const TASKS: usize = 64;
const SESSIONS: usize = 20_000;

pub(crate) async fn run() -> Result<Report> {
    let (folder, meter) = (tempfile::tempdir()?, &Meter::default());
    let title = "SQLite: session-store-sqlite beside others";
    let settings = "embedded, write-ahead log, synchronous=full".to_owned();
    let mut report = Report::new("sqlite", title, settings)?;
    let sessions = corpus::sessions()?;
    eprintln!("sqlite: filling the stores with {SESSIONS} sessions each");
    let store = |name: &str| SqliteStore::builder(folder.path().join(name)).migrate().build();
    let ours = Ours::fill(store("ours").await?, &sessions, SESSIONS).await?;
    let typed = Typed::fill(Arc::new(store("typed").await?), SESSIONS).await?;
    let sqlx = TowerSessions::fill(sqlx_store(folder.path()).await?, &sessions, SESSIONS).await?;
    let rusqlite = TowerSessions::fill(rusqlite_store(folder.path()).await?, &sessions, SESSIONS).await?;
    let all = [
        Contender::boxed(OURS, &ours),
        Contender::boxed(SESSIONS_T, &typed),
        Contender::boxed(SQLX, &sqlx),
        Contender::boxed(RUSQLITE, &rusqlite),
    ];
    let all: [&dyn Entrant; 4] = all.each_ref().map(|entrant| &**entrant);
    for workload in Workload::COMPARED {
        suite::compare(&mut report, meter, workload, TASKS, &all).await?;
    }
    for workload in [Workload::Load, Workload::Save] {
        suite::compare(&mut report, meter, workload, 1, &all).await?;
    }
    suite::by_tasks(&mut report, meter, TASKS, &all).await?;
    users::measure(&mut report, meter, TASKS, &ours, Some((SQLX, sqlx.prune().await?))).await?;

    for peer in [SQLX, RUSQLITE] {
        report.want_speed(Workload::Load, TASKS, [SESSIONS_T, peer], Want::AtLeast(4.0))?;
        report.want_speed(Workload::Save, TASKS, [SESSIONS_T, peer], Want::AtLeast(4.0))?;
        report.want_wait(Workload::Load, [SESSIONS_T, peer], Want::AtMost(1.0))?;
        report.want_wait(Workload::Save, [SESSIONS_T, peer], Want::AtMost(1.0))?;
    }
    Ok(report)
}

/// With sqlx's usual pool, as its documentation has it.
async fn sqlx_store(folder: &Path) -> Result<SqlxStore> {
    let options = SqliteConnectOptions::from_str("sqlite:")?
        .filename(folder.join("sqlx"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let store = SqlxStore::new(SqlitePool::connect_with(options).await?);
    store.migrate().await?;
    Ok(store)
}

async fn rusqlite_store(folder: &Path) -> Result<RusqliteStore> {
    let connection = Connection::open(folder.join("rusqlite")).await?;
    let settings = "PRAGMA journal_mode = wal; PRAGMA synchronous = full";
    connection.call(move |connection| Ok(connection.execute_batch(settings)?)).await?;
    let store = RusqliteStore::new(connection);
    store.migrate().await?;
    Ok(store)
}
