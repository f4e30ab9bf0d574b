//! The server that all subjects share.

use axum_session_redispool::SessionRedisPool;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client};
use redis_pool::RedisPool;
use testkit::servers::RedisServer;

use crate::costs::Bytes;
use crate::meter::Meter;
use crate::result::Result;

/// A server, and the connection of the bare commands.
pub(super) struct Server {
    own: RedisServer,
    url: String,
    connection: MultiplexedConnection,
}

impl Server {
    pub(super) async fn start() -> Result<Self> {
        let own = RedisServer::start(&[]).await?;
        let url = own.url();
        // The store has its own time-out, and none of the driver's on its connection; so it is here.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let connection = Client::open(url.as_str())?.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(Self { own, url, connection })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn meter(&self) -> Meter {
        Meter::of_server(self.own.folder())
    }

    pub(super) fn connection(&self) -> MultiplexedConnection {
        self.connection.clone()
    }

    pub(super) fn axum_pool(&self) -> Result<SessionRedisPool> {
        Ok(RedisPool::from(Client::open(self.url())?).into())
    }

    async fn info(&self, section: &str, field: &str) -> Result<Option<String>> {
        let info: String = redis::cmd("INFO").arg(section).query_async(&mut self.connection()).await?;
        Ok(info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).map(str::to_owned))
    }

    /// Which Redis it is.
    pub(super) async fn release(&self) -> Result<String> {
        let release = self.info("server", "redis_version").await?.ok_or("the server does not tell its release")?;
        Ok(format!("Redis {release} without persistence"))
    }

    /// From now on it writes a log.
    pub(super) async fn with_log(&self) -> Result<Log<'_>> {
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg("appendonly").arg("yes").exec_async(&mut self.connection()).await?;
        // It begins with what is there already.
        while self.info("persistence", "aof_rewrite_in_progress").await?.as_deref() != Some("0")
            || self.info("persistence", "aof_rewrite_scheduled").await?.as_deref() != Some("0")
        {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        Ok(Log(self))
    }
}

/// Its memory.
impl Bytes for Server {
    async fn bytes(&self) -> Result<f64> {
        Ok(self.info("memory", "used_memory").await?.ok_or("the server does not tell its memory")?.parse()?)
    }
}

/// Its append-only file.
pub(super) struct Log<'s>(&'s Server);

impl Bytes for Log<'_> {
    async fn bytes(&self) -> Result<f64> {
        let size = self.0.info("persistence", "aof_current_size").await?;
        Ok(size.ok_or("the server does not tell the size of its log")?.parse()?)
    }
}
