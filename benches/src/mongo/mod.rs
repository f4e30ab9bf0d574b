//! The MongoDB store beside the store of tower-sessions, with many tasks, and beside the bare driver, with one.
//!
//! All are on one server, each store with a database of its own and a pool of the same size. Every write, the peer's as
//! well, is acknowledged when a majority has it in its journal, as is the rule of session-store-mongo. The peer decodes
//! what it loads, and session-store-mongo gives bytes; so a read that decodes the session into the same type is measured
//! too. Its save is one command that knows no version, no owner and no creation time.

mod bare;
mod server;
mod table;
mod tower;

use std::sync::Arc;
use std::time::Duration;

use session_store_mongo::MongoStore;
use session_store_mongo::mongodb::Database;
use tokio::runtime::Builder;

use self::bare::{Bare, Plain};
use self::server::Server;
use self::tower::Tower;
use crate::corpus;
use crate::measure::{Result, Subject, Turns, take_turns};
use crate::ours::{LoadAndDecode, Ours, Rotate, Touch};
use crate::store::{Load, Save, each};

const OURS: &str = "session-store-mongo";
const TOWER: &str = "tower-sessions-mongodb-store";
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
    let store = |database: &Database| MongoStore::builder(database.clone()).connections(POOL).ensure_indexes().build();
    let ours = Ours::fill(store(server.database()).await?, &sessions, SESSIONS).await?;
    let bare = Bare::fill(server, &sessions, &ours).await?;
    let plain = Arc::new(Plain(Arc::clone(&bare)));
    let tower = Tower::open(server, &sessions, SESSIONS).await?;
    each(SESSIONS, Save(Arc::clone(&tower))).await?;
    let mut subjects = [
        Subject::new(OURS, TASKS, Load(Arc::clone(&ours))),
        Subject::new(OURS, TASKS, LoadAndDecode(Arc::clone(&ours))),
        Subject::new(TOWER, TASKS, Load(Arc::clone(&tower))),
        Subject::new(OURS, TASKS, Save(Arc::clone(&ours))),
        Subject::new(TOWER, TASKS, Save(tower)),
        Subject::new(OURS, TASKS, Touch(Arc::clone(&ours))),
        Subject::new(OURS, TASKS, Rotate::fill(&ours, ROTATED).await?),
        Subject::latency(OURS, Load(Arc::clone(&ours))),
        Subject::latency(bare::FIND, Load(Arc::clone(&bare))),
        Subject::latency(bare::PLAIN_FIND, Load(Arc::clone(&plain))),
        Subject::latency(OURS, Save(ours)),
        Subject::latency(bare::UPDATE, Save(bare)),
        Subject::latency(bare::PLAIN_UPDATE, Save(plain)),
    ];
    take_turns(&mut subjects, TURNS).await?;
    Ok((heading, subjects))
}
