//! Commands on one connection that all tasks share, as they are.

use std::sync::Arc;

use redis::Cmd;
use redis::aio::MultiplexedConnection;
use session_store_core::SessionId;

use super::server::Server;
use crate::corpus::Session;
use crate::measure::Operation;
use crate::result::Result;
use crate::store::{HOUR, Store, found, nth, save_all};

/// The shortest script that saves a session.
const SCRIPT: &str = "return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])";

/// What session-store-redis puts before the data of a session without a user.
const HEAD: [u8; 50] = [0; 50];

pub(super) struct Bare {
    connection: MultiplexedConnection,
    keys: Vec<Vec<u8>>,
    values: Vec<Vec<u8>>,
}

impl Bare {
    pub(super) async fn fill(server: &Server, sessions: &[Session], count: usize) -> Result<Arc<Self>> {
        // As long as those of session-store-redis.
        let keys = (0..count).map(|session| format!("bare\0s{session:032}").into_bytes()).collect();
        let values = sessions.iter().map(|session| [&HEAD[..], &session.payload].concat()).collect();
        let bare = Arc::new(Self { connection: server.connection(), keys, values });
        save_all(&bare, count).await?;
        Ok(bare)
    }

    async fn send(&self, command: &Cmd) -> Result {
        Ok(command.exec_async(&mut self.connection.clone()).await?)
    }

    async fn set(&self, key: &[u8], session: usize) -> Result {
        let mut set = redis::cmd("SET");
        set.arg(key).arg(nth(&self.values, session)?).arg("PX").arg(HOUR.as_secs() * 1_000);
        self.send(&set).await
    }
}

fn new_key() -> Result<Vec<u8>> {
    Ok(SessionId::generate()?.expose_secret().as_bytes().to_vec())
}

impl Store for Bare {
    type Id = Vec<u8>;

    async fn load(&self, session: usize) -> Result {
        let mut get = redis::cmd("GET");
        get.arg(nth(&self.keys, session)?);
        let value: Option<Vec<u8>> = get.query_async(&mut self.connection.clone()).await?;
        found(value.is_some())
    }

    async fn save(&self, session: usize) -> Result {
        self.set(nth(&self.keys, session)?, session).await
    }

    async fn touch(&self, session: usize) -> Result {
        let mut expire = redis::cmd("PEXPIRE");
        expire.arg(nth(&self.keys, session)?).arg(HOUR.as_secs() * 1_000);
        self.send(&expire).await
    }

    async fn create(&self, session: usize) -> Result<Vec<u8>> {
        let key = new_key()?;
        self.set(&key, session).await?;
        Ok(key)
    }

    async fn destroy(&self, key: Vec<u8>) -> Result {
        let mut del = redis::cmd("DEL");
        self.send(del.arg(key)).await
    }
}

/// Saves by a script, as session-store-redis has to.
pub(super) struct ByScript {
    bare: Arc<Bare>,
    sha: String,
}

impl ByScript {
    pub(super) async fn new(bare: &Arc<Bare>) -> Result<Arc<Self>> {
        let mut load = redis::cmd("SCRIPT");
        let sha = load.arg("LOAD").arg(SCRIPT).query_async(&mut bare.connection.clone()).await?;
        Ok(Arc::new(Self { bare: Arc::clone(bare), sha }))
    }
}

impl Store for ByScript {
    type Id = Vec<u8>;

    async fn load(&self, session: usize) -> Result {
        self.bare.load(session).await
    }

    async fn save(&self, session: usize) -> Result {
        let Self { bare, sha } = self;
        let mut call = redis::cmd("EVALSHA");
        call.arg(sha).arg(1).arg(nth(&bare.keys, session)?);
        call.arg(nth(&bare.values, session)?).arg(HOUR.as_secs() * 1_000);
        bare.send(&call).await
    }

    async fn create(&self, session: usize) -> Result<Vec<u8>> {
        self.bare.create(session).await
    }

    async fn destroy(&self, key: Vec<u8>) -> Result {
        self.bare.destroy(key).await
    }
}

/// Gets many at once.
pub(super) struct ManyGets(Arc<Bare>);

impl ManyGets {
    pub(super) fn new(bare: &Arc<Bare>) -> Self {
        Self(Arc::clone(bare))
    }
}

impl Operation for ManyGets {
    const SESSIONS: u32 = 64;

    async fn operate(&self, session: usize) -> Result {
        let Self(bare) = self;
        let mut get = redis::cmd("MGET");
        for n in 0..64 {
            get.arg(nth(&bare.keys, session + 97 * n)?);
        }
        let values: Vec<Option<Vec<u8>>> = get.query_async(&mut bare.connection.clone()).await?;
        found(values.iter().all(Option::is_some))
    }
}
