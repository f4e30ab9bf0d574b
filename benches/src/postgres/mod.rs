//! The PostgreSQL store beside the store of tower-sessions, with many tasks, and beside bare statements, with one.
//!
//! All are on one server, each store with a table of its own and a pool of the same size. Each does what its own
//! documentation has one do: tower-sessions has sqlx's usual pool, which asks a connection whether it is alive before
//! each use. It decodes what it loads, and session-store-postgres gives bytes; so a read that decodes the session into
//! the same type is measured too. Its save is one statement that knows no version, no owner and no creation time.

mod bare;
mod server;
mod table;

use std::sync::Arc;
use std::time::Duration;

use session_store_postgres::PostgresStore;
use tokio::runtime::Builder;
use tower_sessions_sqlx_store::PostgresStore as TowerPostgresStore;
use tower_sessions_sqlx_store::sqlx::postgres::PgPoolOptions as TowerPoolOptions;

use self::bare::{Bare, OwnGet, OwnSet};
use self::server::Server;
use crate::corpus;
use crate::measure::{Result, Subject, Turns, take_turns};
use crate::ours::{LoadAndDecode, Ours, Rotate, Touch};
use crate::store::{Load, Save, each};
use crate::tower::{TowerSessions, as_fields};

const OURS: &str = "session-store-postgres";
const TOWER: &str = "tower-sessions-sqlx-store";
const TABLE: &str = "sessions";
const THREADS: usize = 2;
const TASKS: usize = 256;
const POOL: u32 = 16;
const SESSIONS: usize = 50_000;
/// Those that get new keys, more than there are tasks.
const ROTATED: usize = 1_024;
const TURNS: Turns = Turns { rounds: 13, length: Duration::from_millis(200) };

/// On the server of this URL, or on one of the program's own.
pub(crate) fn run(url: Option<&str>) -> Result {
    let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    let (heading, subjects) = runtime.block_on(async {
        let server = Server::find_or_start(url).await?;
        let outcome = compare(&server).await;
        // Also after a failure, nothing stays behind on a server that others use.
        let removed = server.remove().await;
        outcome.and_then(|compared| removed.map(|()| compared))
    })?;
    println!("{heading}");
    table::print(&subjects);
    Ok(())
}

async fn compare(server: &Server) -> Result<(String, [Subject; 13])> {
    let heading = format!(
        "{}; {TASKS} tasks, or 1, on {THREADS} threads; pools of {POOL}; {} turns of {:?} each\n\
         {SESSIONS} sessions of the corpus, in MessagePack",
        server.release().await?,
        TURNS.rounds,
        TURNS.length,
    );
    let sessions = corpus::sessions()?;
    let store = || PostgresStore::builder(server.url()).schema(server.schema()).table(TABLE).connections(POOL);
    let ours = Ours::fill(store().migrate().build().await?, &sessions, SESSIONS).await?;
    // Of its own, because the server may keep other plans where there were many sessions in a statement.
    let one = ours.through(store().build().await?);
    let bare = Bare::fill(server, &sessions, &ours).await?;
    let tower = TowerSessions::new(tower(server).await?, &sessions, as_fields, SESSIONS)?;
    each(SESSIONS, Save(Arc::clone(&tower))).await?;
    let mut subjects = [
        Subject::new(OURS, TASKS, Load(Arc::clone(&ours))),
        Subject::new(OURS, TASKS, LoadAndDecode(Arc::clone(&ours))),
        Subject::new(TOWER, TASKS, Load(Arc::clone(&tower))),
        Subject::new(OURS, TASKS, Save(Arc::clone(&ours))),
        Subject::new(TOWER, TASKS, Save(tower)),
        Subject::new(OURS, TASKS, Touch(Arc::clone(&ours))),
        Subject::new(OURS, TASKS, Rotate::fill(&ours, ROTATED).await?),
        Subject::latency(OURS, Load(Arc::clone(&one))),
        Subject::latency(bare::SELECT, Load(Arc::clone(&bare))),
        Subject::latency(bare::OWN, OwnGet(Arc::clone(&bare))),
        Subject::latency(OURS, Save(one)),
        Subject::latency(bare::UPSERT, Save(Arc::clone(&bare))),
        Subject::latency(bare::OWN, OwnSet(bare)),
    ];
    take_turns(&mut subjects, TURNS).await?;
    Ok((heading, subjects))
}

async fn tower(server: &Server) -> Result<TowerPostgresStore> {
    let pool = TowerPoolOptions::new().max_connections(POOL).connect(server.url()).await?;
    let store = TowerPostgresStore::new(pool).with_schema_name(server.schema())?.with_table_name("tower_sessions")?;
    store.migrate().await?;
    Ok(store)
}
