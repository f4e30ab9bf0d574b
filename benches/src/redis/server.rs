//! The server that all subjects share.

use std::env;
use std::fmt;

use conformance_tests::servers::RedisServer;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client};
use session_store_core::{SessionId, SessionKey};

use super::{Keyed, SESSIONS};
use crate::measure::Result;
use crate::store::found;

const VARIABLE: &str = "SESSION_STORE_TEST_REDIS_URL";

/// A server, and the connection of the bare commands.
pub(super) struct Server {
    url: String,
    connection: MultiplexedConnection,
    /// What the keys of this run begin with.
    prefix: String,
    /// Ends with this program.
    own: Option<RedisServer>,
}

impl Server {
    /// The one that `SESSION_STORE_TEST_REDIS_URL` names, else one of this program's own.
    pub(super) async fn find_or_start() -> Result<Self> {
        let named = env::var(VARIABLE).ok().filter(|url| !url.is_empty());
        let own = if named.is_none() { Some(RedisServer::start(&[]).await?) } else { None };
        let url = named.or_else(|| own.as_ref().map(RedisServer::url)).unwrap_or_default();
        // The store has its own time-out, and none of the driver's on its connection; so it is here.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let connection = Client::open(url.as_str())?.get_multiplexed_async_connection_with_config(&config).await?;
        let random = SessionKey::from(&SessionId::generate()?).to_text();
        let prefix = format!("benches-{}", random.chars().rev().take(12).collect::<String>());
        Ok(Self { url, connection, prefix, own })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn connection(&self) -> &MultiplexedConnection {
        &self.connection
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Which Redis it is, and whose.
    pub(super) async fn release(&self) -> Result<String> {
        let info: String = redis::cmd("INFO").arg("server").query_async(&mut self.connection.clone()).await?;
        let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        let valkey = field("valkey_version:").map(|version| format!("Valkey {version}"));
        let redis = || format!("Redis {}", field("redis_version:").unwrap_or_default());
        let whose = if self.own.is_some() { "started for this run" } else { "named by the environment" };
        Ok(format!("{}, {whose}", valkey.unwrap_or_else(redis)))
    }

    /// How long the keys and the values of a store are.
    pub(super) async fn lengths<S: Keyed>(&self, store: &S) -> Result<Lengths> {
        const SAMPLE: usize = 1_000;
        let (mut keys, mut values) = (0, 0);
        for session in 0..SAMPLE {
            let key = store.key(self, session)?;
            let value: usize = redis::cmd("STRLEN").arg(&key).query_async(&mut self.connection.clone()).await?;
            found(value > 0)?;
            (keys, values) = (keys + key.len(), values + value);
        }
        Ok(Lengths { key: keys / SAMPLE, value: values / SAMPLE })
    }

    /// Removes the sessions of a store.
    pub(super) async fn remove<S: Keyed>(&self, store: &S) -> Result {
        let keys = (0..SESSIONS).map(|session| store.key(self, session)).collect::<Result<Vec<_>>>()?;
        for keys in keys.chunks(1_000) {
            redis::cmd("DEL").arg(keys).exec_async(&mut self.connection.clone()).await?;
        }
        Ok(())
    }
}

pub(super) struct Lengths {
    key: usize,
    value: usize,
}

impl fmt::Display for Lengths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} and {}", self.key, self.value)
    }
}
