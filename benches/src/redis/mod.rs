//! The Redis store beside bare commands, and beside the store of tower-sessions.
//!
//! All are on one server, each with sessions of its own, whose values are of the same length. tower-sessions decodes
//! what it loads, and session-store-redis gives bytes. So they are compared twice: where the data of a session is one
//! text, which costs next to nothing to decode, and where both decode the whole session into the same type.

mod bare;
mod ours;
mod server;
mod table;
mod tower;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;

use self::bare::{Bare, SaveByScript};
use self::ours::{LoadAndDecode, Ours};
use self::server::Server;
use self::tower::TowerSessions;
use crate::corpus;
use crate::measure::{Operation, ROUNDS, Result, Subject, TURN, take_turns};

const THREADS: usize = 2;
const TASKS: usize = 64;
const SESSIONS: usize = 10_000;
const HOUR: Duration = Duration::from_hours(1);

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
    ours: Arc<Ours>,
    /// With one text as the data of each session.
    tower: Arc<TowerSessions>,
    /// With the fields of each session.
    tower_fields: Arc<TowerSessions>,
}

impl Stores {
    async fn fill(server: &Server) -> Result<Self> {
        let sessions = corpus::sessions()?;
        let pool = tower::connect(server).await?;
        Ok(Self {
            bare: Arc::new(Bare::fill(server, &sessions).await?),
            ours: Arc::new(Ours::fill(server, &sessions).await?),
            tower: Arc::new(TowerSessions::fill(&pool, &sessions, tower::as_one_text).await?),
            tower_fields: Arc::new(TowerSessions::fill(&pool, &sessions, tower::as_fields).await?),
        })
    }

    /// What is compared, and how fast it is.
    async fn compare(&self, server: &Server) -> Result<(String, [Subject; 9])> {
        let Self { bare, ours, tower, tower_fields } = self;
        let heading = format!(
            "{}; {TASKS} tasks on {THREADS} threads; {ROUNDS} turns of {TURN:?} each\n\
             {SESSIONS} sessions of the corpus, in MessagePack; bytes of a key and, on average, of a value:\n  \
             bare {}; session-store-redis {}; tower-sessions {}, with fields {}",
            server.release().await?,
            server.lengths(&**bare).await?,
            server.lengths(&**ours).await?,
            server.lengths(&**tower).await?,
            server.lengths(&**tower_fields).await?,
        );
        let mut subjects = [
            Subject::new(bare::GET, TASKS, Load(Arc::clone(bare))),
            Subject::new(ours::NAME, TASKS, Load(Arc::clone(ours))),
            Subject::new(tower::NAME, TASKS, Load(Arc::clone(tower))),
            Subject::new(ours::NAME, TASKS, LoadAndDecode(Arc::clone(ours))),
            Subject::new(tower::NAME, TASKS, Load(Arc::clone(tower_fields))),
            Subject::new(bare::SET, TASKS, Save(Arc::clone(bare))),
            Subject::new(bare::EVALSHA, TASKS, SaveByScript(Arc::clone(bare))),
            Subject::new(ours::NAME, TASKS, Save(Arc::clone(ours))),
            Subject::new(tower::NAME, TASKS, Save(Arc::clone(tower))),
        ];
        take_turns(&mut subjects).await?;
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
trait Store: Send + Sync + 'static {
    /// The key that Redis knows a session by.
    fn key(&self, session: usize) -> Result<Vec<u8>>;
    fn load(&self, session: usize) -> impl Future<Output = Result> + Send;
    fn save(&self, session: usize) -> impl Future<Output = Result> + Send;
}

struct Load<S>(Arc<S>);
struct Save<S>(Arc<S>);

impl<S: Store> Operation for Load<S> {
    async fn operate(&self, session: usize) -> Result {
        self.0.load(session).await
    }
}

impl<S: Store> Operation for Save<S> {
    async fn operate(&self, session: usize) -> Result {
        self.0.save(session).await
    }
}

/// There are more numbers than sessions, and more sessions than the corpus has.
fn nth<T>(items: &[T], number: usize) -> Result<&T> {
    items.get(number % items.len().max(1)).ok_or_else(|| "there are no sessions".into())
}

fn found(is_there: bool) -> Result {
    if is_there { Ok(()) } else { Err("a session is not there that should be".into()) }
}
