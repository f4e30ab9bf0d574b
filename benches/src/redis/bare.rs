//! Commands on one connection that all tasks share, as they are: nothing can be faster through the same driver.

use std::sync::Arc;

use redis::Cmd;
use redis::aio::MultiplexedConnection;

use super::server::Server;
use super::{Keyed, SESSIONS};
use crate::corpus::Session;
use crate::measure::{Operation, Result};
use crate::store::{HOUR, Save, Store, each, found, nth};

pub(super) const GET: &str = "bare GET";
pub(super) const SET: &str = "bare SET PX";
pub(super) const EVALSHA: &str = "bare EVALSHA of that SET";

/// The shortest script that saves a session.
const SCRIPT: &str = "return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])";

/// What session-store-redis puts before the data of a session without a user.
pub(super) const HEAD: [u8; 50] = [0; 50];

pub(super) struct Bare {
    connection: MultiplexedConnection,
    keys: Vec<Vec<u8>>,
    values: Vec<Vec<u8>>,
    sha: String,
}

impl Bare {
    pub(super) async fn fill(server: &Server, sessions: &[Session]) -> Result<Arc<Self>> {
        let mut connection = server.connection().clone();
        let sha = redis::cmd("SCRIPT").arg("LOAD").arg(SCRIPT).query_async(&mut connection).await?;
        // As long as those of session-store-redis.
        let keys = (0..SESSIONS).map(|session| format!("{}\0b{session:032}", server.prefix()).into_bytes()).collect();
        let values = sessions.iter().map(|session| [&HEAD[..], &session.messagepack].concat()).collect();
        let bare = Arc::new(Self { connection, keys, values, sha });
        each(SESSIONS, Save(Arc::clone(&bare))).await?;
        Ok(bare)
    }

    async fn send(&self, command: &Cmd) -> Result {
        Ok(command.exec_async(&mut self.connection.clone()).await?)
    }
}

impl Keyed for Bare {
    fn key(&self, _server: &Server, session: usize) -> Result<Vec<u8>> {
        nth(&self.keys, session).cloned()
    }
}

impl Store for Bare {
    async fn load(&self, session: usize) -> Result {
        let mut get = redis::cmd("GET");
        get.arg(nth(&self.keys, session)?);
        let value: Option<Vec<u8>> = get.query_async(&mut self.connection.clone()).await?;
        found(value.is_some())
    }

    async fn save(&self, session: usize) -> Result {
        let mut set = redis::cmd("SET");
        set.arg(nth(&self.keys, session)?).arg(nth(&self.values, session)?).arg("PX").arg(HOUR.as_secs() * 1_000);
        self.send(&set).await
    }
}

/// The same save by a script.
pub(super) struct SaveByScript(pub(super) Arc<Bare>);

impl Operation for SaveByScript {
    async fn operate(&self, session: usize) -> Result {
        let Self(bare) = self;
        let mut call = redis::cmd("EVALSHA");
        call.arg(&bare.sha).arg(1).arg(nth(&bare.keys, session)?);
        call.arg(nth(&bare.values, session)?).arg(HOUR.as_secs() * 1_000);
        bare.send(&call).await
    }
}
