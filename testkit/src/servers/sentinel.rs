//! Redis under Sentinel.

use futures_util::future::try_join_all;
use session_store_core::Result;

use super::{RedisServer, unavailable, until};

const MASTER_NAME: &str = "session-store-test";

/// A master with a replica, and the sentinels that watch over them, of one test's own.
#[derive(Debug)]
pub struct RedisSentinel {
    master: RedisServer,
    replica: RedisServer,
    sentinels: Vec<RedisServer>,
}

impl RedisSentinel {
    /// One sentinel, which knows both servers; the replica has its master's data. A master that gives no
    /// answer for two seconds is replaced.
    ///
    /// # Errors
    ///
    /// `Unavailable` where a server does not start, or they do not find together.
    pub async fn start() -> Result<Self> {
        Self::start_with(1, &[]).await
    }

    /// The same with several sentinels, more than half of which must agree, and with more options for master
    /// and replica. A password needs `--requirepass` and `--masterauth`; the sentinels ask for none.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn start_with(sentinels: usize, options: &[&str]) -> Result<Self> {
        let ours = ["--repl-diskless-sync-delay", "0"];
        let options: Vec<_> = ours.iter().chain(options).copied().collect();
        let master = RedisServer::start(&options).await?;
        let replica_of = format!("127.0.0.1 {}", master.port());
        let of_master = ["--replicaof", &replica_of];
        let replica = RedisServer::start(&options.iter().chain(&of_master).copied().collect::<Vec<_>>()).await?;
        // First, because a sentinel asks a master for its replicas at once, and then every ten seconds.
        until("the replica has its master's data", || async {
            let online = master.info("slave0").await?.is_some_and(|replica| replica.contains("state=online"));
            Ok(online && replica.info("master_link_status").await?.as_deref() == Some("up"))
        })
        .await?;
        let settings = settings(&master, sentinels / 2 + 1);
        let sentinels = try_join_all((0..sentinels).map(|_| RedisServer::start_sentinel(&settings))).await?;
        let servers = Self { master, replica, sentinels };
        until("the sentinels know all servers", || servers.is_whole()).await?;
        Ok(servers)
    }

    /// The URL of each sentinel.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.sentinels.iter().map(RedisServer::url).collect()
    }

    /// What the sentinels call the master, whichever it is.
    #[must_use]
    pub fn master_name(&self) -> &'static str {
        MASTER_NAME
    }

    /// The server that was the master at the start.
    #[must_use]
    pub fn master(&self) -> &RedisServer {
        &self.master
    }

    /// The server that was the replica at the start.
    #[must_use]
    pub fn replica(&self) -> &RedisServer {
        &self.replica
    }

    /// The sentinels.
    #[must_use]
    pub fn sentinels(&self) -> &[RedisServer] {
        &self.sentinels
    }

    /// The port of the server that is the master now, as a sentinel sees it that runs.
    ///
    /// # Errors
    ///
    /// `Unavailable` where no sentinel answers.
    pub async fn current_master_port(&self) -> Result<u16> {
        let (_host, port): (String, u16) =
            self.sentinel()?.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME]).await?;
        Ok(port)
    }

    /// Makes the other server the master. The former one goes on as a master, for up to ten seconds, until a
    /// sentinel makes it a replica.
    ///
    /// # Errors
    ///
    /// `Unavailable` where no sentinel answers, or no server can take over.
    pub async fn fail_over(&self) -> Result<()> {
        let before = self.current_master_port().await?;
        // Refused until the sentinel knows how the replica fares.
        let order = ["SENTINEL", "FAILOVER", MASTER_NAME];
        let order = || async { self.sentinel()?.ask::<()>(&order).await.map(|()| true) };
        until("a sentinel begins the failover", order).await?;
        self.wait_for_new_master(before).await
    }

    /// Waits until the master is another than that of this port, and accepts writes.
    ///
    /// # Errors
    ///
    /// `Unavailable` where that does not come to pass.
    pub async fn wait_for_new_master(&self, before: u16) -> Result<()> {
        until("there is a new master", || async {
            let now = self.current_master_port().await?;
            let server = [&self.master, &self.replica].into_iter().find(|server| server.port() == now);
            let server = server.ok_or_else(|| unavailable("the sentinels name an unknown master"))?;
            Ok(now != before && server.info("role").await?.as_deref() == Some("master"))
        })
        .await
    }

    fn sentinel(&self) -> Result<&RedisServer> {
        let mut running = self.sentinels.iter().filter(|sentinel| sentinel.is_running());
        running.next().ok_or_else(|| unavailable("no sentinel is running"))
    }

    async fn is_whole(&self) -> Result<bool> {
        let others = format!("sentinels={}", self.sentinels.len());
        for sentinel in &self.sentinels {
            let view = sentinel.info("master0").await?.unwrap_or_default();
            if !(view.contains("status=ok") && view.contains("slaves=1") && view.contains(&others)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A sentinel asks each server once in a second. With no more patience than that, it takes a master for dead whose first
/// answer to it is late by a moment, and tells clients of none.
fn settings(master: &RedisServer, quorum: usize) -> String {
    let port = master.port();
    let password = master.password().map(|password| format!("sentinel auth-pass {MASTER_NAME} {password}\n"));
    format!(
        "sentinel monitor {MASTER_NAME} 127.0.0.1 {port} {quorum}\n\
         sentinel down-after-milliseconds {MASTER_NAME} 2000\n\
         sentinel failover-timeout {MASTER_NAME} 3000\n\
         {}",
        password.unwrap_or_default()
    )
}
