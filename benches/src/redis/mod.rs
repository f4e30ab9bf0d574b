//! The Redis store beside bare commands, and beside the store of tower-sessions.
//!
//! All are on one server, each with sessions of its own, whose values are of the same length. tower-sessions decodes
//! what it loads, and session-store-redis gives bytes. So they are compared twice: where the data of a session is one
//! text, which costs next to nothing to decode, and where both decode the whole session into the same type.

mod bare;
mod server;
mod table;
mod tower;

use std::sync::Arc;
use std::time::Duration;

use session_store_redis::RedisStore;
use tokio::runtime::Builder;
use tower_sessions_redis_store::RedisStore as TowerRedisStore;
use tower_sessions_redis_store::fred::prelude::Pool;

use self::bare::{Bare, SaveByScript};
use self::server::Server;
use crate::corpus;
use crate::measure::{Result, Subject, Turns, take_turns};
use crate::ours::{LoadAndDecode, Ours};
use crate::store::{Load, Save, each};
use crate::tower::{Create, TowerSessions, as_fields};

const OURS: &str = "session-store-redis";
const THREADS: usize = 2;
const TASKS: usize = 64;
const SESSIONS: usize = 10_000;
const TURNS: Turns = Turns { rounds: 21, length: Duration::from_millis(333) };

pub(crate) fn run() -> Result {
    let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    let (heading, subjects) = runtime.block_on(async {
        let server = Server::find_or_start().await?;
        let stores = Stores::fill(&server).await?;
        let outcome = stores.compare(&server).await;
        // Also after a failure, nothing stays behind on a server that others use.
        let removed = stores.remove(&server).await;
        outcome.and_then(|compared| removed.map(|()| compared))
    })?;
    println!("{heading}");
    table::print(&subjects);
    Ok(())
}

struct Stores {
    bare: Arc<Bare>,
    ours: Arc<Ours<RedisStore>>,
    /// With one text as the data of each session.
    tower: Arc<Tower>,
    /// With the fields of each session.
    tower_fields: Arc<Tower>,
}

type Tower = TowerSessions<TowerRedisStore<Pool>>;

impl Stores {
    async fn fill(server: &Server) -> Result<Self> {
        let sessions = corpus::sessions()?;
        let store = RedisStore::builder(server.url()).prefix(server.prefix()).build().await?;
        let peer = tower::connect(server).await?;
        let tower = TowerSessions::new(peer.clone(), &sessions, tower::as_one_text, SESSIONS)?;
        each(SESSIONS, Create(Arc::clone(&tower))).await?;
        let tower_fields = TowerSessions::new(peer, &sessions, as_fields, SESSIONS)?;
        each(SESSIONS, Create(Arc::clone(&tower_fields))).await?;
        let bare = Bare::fill(server, &sessions).await?;
        let ours = Ours::fill(store, &sessions, SESSIONS).await?;
        Ok(Self { bare, ours, tower, tower_fields })
    }

    /// What is compared, and how fast it is.
    async fn compare(&self, server: &Server) -> Result<(String, [Subject; 9])> {
        let Self { bare, ours, tower, tower_fields } = self;
        let heading = format!(
            "{}; {TASKS} tasks on {THREADS} threads; {} turns of {:?} each\n\
             {SESSIONS} sessions of the corpus, in MessagePack; bytes of a key and, on average, of a value:\n  \
             bare {}; session-store-redis {}; tower-sessions {}, with fields {}",
            server.release().await?,
            TURNS.rounds,
            TURNS.length,
            server.lengths(&**bare).await?,
            server.lengths(&**ours).await?,
            server.lengths(&**tower).await?,
            server.lengths(&**tower_fields).await?,
        );
        let mut subjects = [
            Subject::new(bare::GET, TASKS, Load(Arc::clone(bare))),
            Subject::new(OURS, TASKS, Load(Arc::clone(ours))),
            Subject::new(tower::NAME, TASKS, Load(Arc::clone(tower))),
            Subject::new(OURS, TASKS, LoadAndDecode(Arc::clone(ours))),
            Subject::new(tower::NAME, TASKS, Load(Arc::clone(tower_fields))),
            Subject::new(bare::SET, TASKS, Save(Arc::clone(bare))),
            Subject::new(bare::EVALSHA, TASKS, SaveByScript(Arc::clone(bare))),
            Subject::new(OURS, TASKS, Save(Arc::clone(ours))),
            Subject::new(tower::NAME, TASKS, Save(Arc::clone(tower))),
        ];
        take_turns(&mut subjects, TURNS).await?;
        Ok((heading, subjects))
    }

    async fn remove(&self, server: &Server) -> Result {
        server.remove(&*self.bare).await?;
        server.remove(&*self.ours).await?;
        server.remove(&*self.tower).await?;
        server.remove(&*self.tower_fields).await
    }
}

/// Sessions in Redis, by number.
trait Keyed {
    /// The key that Redis knows a session by.
    fn key(&self, server: &Server, session: usize) -> Result<Vec<u8>>;
}

impl Keyed for Ours<RedisStore> {
    fn key(&self, server: &Server, session: usize) -> Result<Vec<u8>> {
        Ok([server.prefix().as_bytes(), b"\0s", Self::key(self, session)?.as_bytes()].concat())
    }
}
