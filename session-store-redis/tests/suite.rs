//! The suite over the Redis store: one server, with many sessions in one script and one at a time, by a pool, an old
//! release, Valkey, Cluster and Sentinel.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use conformance_tests::{Harness, async_trait};
use redis::aio::MultiplexedConnection;
use session_store_core::{BoxError, Error, ErrorKind, Result, SessionKey, SessionStore, UserId};
use session_store_redis::{RedisEndpoint, RedisStore};
use testkit::containers::{Database, Release, TestDatabase};
use testkit::servers::{RedisCluster, RedisSentinel, RedisServer};
use tokio::sync::OnceCell;

/// How the store reaches its servers.
enum Way {
    /// By the store's own connection.
    Single(TestDatabase),
    /// The same, with a script for each session.
    OneByOne(TestDatabase),
    /// By a pool.
    Pool(TestDatabase),
    Cluster(OnceCell<RedisCluster>),
    Sentinel(OnceCell<RedisSentinel>),
}

struct Redis {
    name: &'static str,
    way: Way,
}

impl Redis {
    async fn server(&self) -> Result<RedisEndpoint> {
        Ok(match &self.way {
            Way::Single(database) | Way::OneByOne(database) => database.url().await?.into(),
            Way::Pool(database) => pool(database.url().await?)?.into(),
            Way::Cluster(cluster) => RedisEndpoint::cluster(cluster.get_or_try_init(RedisCluster::start).await?.urls()),
            Way::Sentinel(sentinel) => {
                let sentinel = sentinel.get_or_try_init(RedisSentinel::start).await?;
                RedisEndpoint::sentinel(sentinel.urls(), sentinel.master_name())
            }
        })
    }

    /// A plain connection to every server that holds keys.
    async fn connections(&self) -> Result<Vec<MultiplexedConnection>> {
        let urls = match &self.way {
            Way::Single(database) | Way::OneByOne(database) | Way::Pool(database) => {
                vec![database.url().await?.to_owned()]
            }
            Way::Cluster(cluster) => {
                let cluster = cluster.get_or_try_init(RedisCluster::start).await?;
                cluster.masters().iter().map(RedisServer::url).collect()
            }
            Way::Sentinel(sentinel) => vec![sentinel.get_or_try_init(RedisSentinel::start).await?.master().url()],
        };
        let mut connections = Vec::new();
        for url in urls {
            let client = redis::Client::open(url).map_err(failed)?;
            let connection = client.get_multiplexed_async_connection_with_config(&patient()).await;
            connections.push(connection.map_err(failed)?);
        }
        Ok(connections)
    }

    async fn build(&self, namespace: &str) -> Result<RedisStore> {
        let builder = RedisStore::builder(self.server().await?).prefix(namespace);
        let builder = if let Way::OneByOne(_) = self.way { builder.batch_size(1) } else { builder };
        builder.build().await
    }
}

/// The driver's own timeouts are one second and half a second, and the suite loads the machine.
fn patient() -> redis::AsyncConnectionConfig {
    let patience = Some(Duration::from_secs(10));
    redis::AsyncConnectionConfig::new().set_connection_timeout(patience).set_response_timeout(patience)
}

fn pool(url: &str) -> Result<deadpool_redis::Pool> {
    let manager = deadpool_redis::Manager::new_with_config(url, patient()).map_err(failed)?;
    let pool = deadpool_redis::Pool::builder(manager).max_size(4);
    pool.runtime(deadpool_redis::Runtime::Tokio1).build().map_err(failed)
}

fn failed(error: impl Into<BoxError>) -> Error {
    Error::new(ErrorKind::Internal, "the harness cannot reach the server").with_source(error)
}

/// All keys of a namespace on one server.
async fn keys(connection: &mut MultiplexedConnection, namespace: &str) -> Result<Vec<Vec<u8>>> {
    let (mut cursor, mut keys) = (0_u64, Vec::new());
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("COUNT").arg(10_000);
        let (next, some): (u64, Vec<Vec<u8>>) = scan.query_async(connection).await.map_err(failed)?;
        let prefix = format!("{namespace}\0");
        keys.extend(some.into_iter().filter(|key| key.starts_with(prefix.as_bytes())));
        if next == 0 {
            return Ok(keys);
        }
        cursor = next;
    }
}

#[async_trait]
impl Harness for Redis {
    fn name(&self) -> &str {
        self.name
    }

    async fn server(&self) -> Result<Option<String>> {
        let of_process = async |server: &RedisServer| server.info("redis_version").await;
        Ok(match &self.way {
            Way::Single(database) | Way::OneByOne(database) | Way::Pool(database) => Some(database.release().await?),
            Way::Cluster(cluster) => {
                let cluster = cluster.get_or_try_init(RedisCluster::start).await?;
                let first = cluster.masters().first();
                let Some(first) = first else { return Ok(None) };
                of_process(first).await?.map(|version| format!("Redis {version}, 3 masters"))
            }
            Way::Sentinel(sentinel) => {
                let sentinel = sentinel.get_or_try_init(RedisSentinel::start).await?;
                of_process(sentinel.master()).await?.map(|version| format!("Redis {version}, Sentinel"))
            }
        })
    }

    async fn open(&self, namespace: &str) -> Result<Arc<dyn SessionStore>> {
        Ok(Arc::new(self.build(namespace).await?))
    }

    async fn open_with_two_handles(&self, namespace: &str) -> Result<[Arc<dyn SessionStore>; 2]> {
        let store = self.build(namespace).await?;
        Ok([Arc::new(store.clone()), Arc::new(store)])
    }

    fn rotates_in_one_step(&self) -> bool {
        !matches!(self.way, Way::Cluster(_))
    }

    fn clock_step(&self) -> Duration {
        Duration::from_millis(100)
    }

    fn prune_lag(&self) -> Duration {
        match self.way {
            Way::Cluster(_) => Duration::from_secs(61),
            _ => Duration::ZERO,
        }
    }

    async fn remove(&self, namespace: &str) -> Result<()> {
        for mut connection in self.connections().await? {
            for key in keys(&mut connection, namespace).await? {
                let removed: u64 = redis::cmd("UNLINK").arg(key).query_async(&mut connection).await.map_err(failed)?;
                assert!(removed <= 1);
            }
        }
        Ok(())
    }

    async fn plant_corrupt(&self, namespace: &str, key: &SessionKey, _user: &UserId) -> Result<()> {
        let name = [namespace.as_bytes(), b"\0s", key.as_bytes()].concat();
        for mut connection in self.connections().await? {
            let mut set = redis::cmd("SET");
            set.arg(&name).arg("not a record").arg("XX").arg("KEEPTTL");
            match set.query_async::<redis::Value>(&mut connection).await {
                Ok(_) => return Ok(()),
                Err(error) if error.code() == Some("MOVED") => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Err(Error::new(ErrorKind::Internal, "no server has the slot"))
    }

    async fn leftovers(&self, namespace: &str) -> Result<u64> {
        let mut count = 0;
        for mut connection in self.connections().await? {
            count += keys(&mut connection, namespace).await?.len() as u64;
        }
        Ok(count)
    }
}

fn main() -> ExitCode {
    let database = |release| TestDatabase::new(Database::Redis, release);
    let all = [
        ("redis", Way::Single(database(Release::Current))),
        ("redis one by one", Way::OneByOne(database(Release::Current))),
        ("redis old", Way::Single(database(Release::Old))),
        ("valkey", Way::Single(TestDatabase::new(Database::Valkey, Release::Current))),
        ("redis deadpool", Way::Pool(database(Release::Current))),
        ("redis cluster", Way::Cluster(OnceCell::new())),
        ("redis sentinel", Way::Sentinel(OnceCell::new())),
    ];
    // What is not to be had is counted as not run by scripts/test.
    let is_there = |way: &Way| !matches!(way, Way::Single(database) if database.not_run().is_some());
    let harnesses = all.into_iter().filter(|(_, way)| is_there(way));
    conformance_tests::run(harnesses.map(|(name, way)| Arc::new(Redis { name, way }) as Arc<dyn Harness>).collect())
}
