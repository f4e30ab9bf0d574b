//! How a store is made.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::ConnectionManager;
use redis::{Client, ConnectionAddr, RedisResult};
use session_store_core::batch::BatchLimits;
use session_store_core::{DEFAULT_DATA_LIMIT, Error, ErrorKind, Namespace, Result, Timeouts};
use tokio::time::timeout;

use crate::clock::ServerClock;
use crate::error::from_redis;
use crate::keys::Keys;
use crate::link::{Direct, Link, Target};
use crate::shared::{Replicas, Shared};
use crate::{RedisStore, check};

/// The Redis server or servers of a store.
///
/// It is made of a URL, of a [`redis::Client`] (for certificates of your own, for one), of a
/// [`ConnectionManager`], and, each with its feature, of a `deadpool_redis::Pool`, of a
/// `redis::sentinel::SentinelClient`, or of a `redis::cluster::ClusterClientBuilder`; a builder, because the
/// store must turn off the client's own retries. `Debug` shows no address and no password.
pub struct Server(Source);

#[allow(clippy::large_enum_variant, reason = "there is one, while a store is built")]
enum Source {
    Client(RedisResult<Client>),
    Manager(ConnectionManager),
    #[cfg(feature = "deadpool")]
    Pool(deadpool_redis::Pool),
    #[cfg(feature = "sentinel")]
    Sentinel(RedisResult<redis::sentinel::SentinelClient>),
    #[cfg(feature = "cluster")]
    Cluster(redis::cluster::ClusterClientBuilder),
}

impl Server {
    /// A Redis Cluster, by the URLs of some of its nodes.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use session_store_redis::{RedisStore, Server};
    ///
    /// # async fn open() -> session_store_redis::core::Result<()> {
    /// let nodes = ["redis://10.0.0.1:6379", "redis://10.0.0.2:6379", "redis://10.0.0.3:6379"];
    /// let store = RedisStore::builder(Server::cluster(nodes)).build().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "cluster")]
    pub fn cluster(urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let urls = urls.into_iter().map(Into::into);
        redis::cluster::ClusterClientBuilder::new(urls.collect::<Vec<String>>()).into()
    }

    /// The master that the Sentinels at these URLs call by this name. Where the master itself needs a password
    /// or TLS, make a `SentinelClient` with a `SentinelClientBuilder`.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use session_store_redis::{RedisStore, Server};
    ///
    /// # async fn open() -> session_store_redis::core::Result<()> {
    /// let sentinels = ["redis://10.0.0.1:26379", "redis://10.0.0.2:26379", "redis://10.0.0.3:26379"];
    /// let store = RedisStore::builder(Server::sentinel(sentinels, "mymaster")).wait_replicas(1).build().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "sentinel")]
    pub fn sentinel(urls: impl IntoIterator<Item = impl Into<String>>, master: &str) -> Self {
        use redis::sentinel::{SentinelClient, SentinelServerType};
        let urls: Vec<String> = urls.into_iter().map(Into::into).collect();
        Self(Source::Sentinel(SentinelClient::build(urls, master, None, SentinelServerType::Master)))
    }
}

impl From<&str> for Server {
    fn from(url: &str) -> Self {
        Self(Source::Client(Client::open(url)))
    }
}

impl From<String> for Server {
    fn from(url: String) -> Self {
        url.as_str().into()
    }
}

impl From<Client> for Server {
    fn from(client: Client) -> Self {
        Self(Source::Client(Ok(client)))
    }
}

impl From<ConnectionManager> for Server {
    fn from(manager: ConnectionManager) -> Self {
        Self(Source::Manager(manager))
    }
}

#[cfg(feature = "deadpool")]
impl From<deadpool_redis::Pool> for Server {
    fn from(pool: deadpool_redis::Pool) -> Self {
        Self(Source::Pool(pool))
    }
}

#[cfg(feature = "sentinel")]
impl From<redis::sentinel::SentinelClient> for Server {
    fn from(client: redis::sentinel::SentinelClient) -> Self {
        Self(Source::Sentinel(Ok(client)))
    }
}

#[cfg(feature = "cluster")]
impl From<redis::cluster::ClusterClientBuilder> for Server {
    fn from(builder: redis::cluster::ClusterClientBuilder) -> Self {
        Self(Source::Cluster(builder))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Source::Client(_) => "Server(one)",
            Source::Manager(_) => "Server(ConnectionManager)",
            #[cfg(feature = "deadpool")]
            Source::Pool(_) => "Server(Pool)",
            #[cfg(feature = "sentinel")]
            Source::Sentinel(_) => "Server(Sentinel)",
            #[cfg(feature = "cluster")]
            Source::Cluster(_) => "Server(Cluster)",
        })
    }
}

/// What a [`RedisStore`] may be given. Every setting has a default.
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    server: Server,
    prefix: String,
    batches: BatchLimits,
    timeouts: Timeouts,
    data_limit: usize,
    wait_replicas: u32,
    allow_eviction: bool,
}

impl Builder {
    pub(crate) fn new(server: Server) -> Self {
        Self {
            server,
            prefix: "session".to_owned(),
            batches: BatchLimits::default(),
            timeouts: Timeouts::default(),
            data_limit: DEFAULT_DATA_LIMIT,
            wait_replicas: 0,
            allow_eviction: false,
        }
    }

    /// The namespace: what all keys of this application's sessions begin with, 1 to 40 bytes without NUL,
    /// taken literally. Unless set, `session`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How many sessions one script may `set` or `touch`, or one `MGET` read: the server does nothing else meanwhile, some
    /// microseconds for each. 1 switches batches off. Unless set, 64. On Cluster there are none.
    pub fn batch_size(mut self, sessions: usize) -> Self {
        self.batches.requests = sessions;
        self
    }

    /// How many such commands of a kind may be under way at once. More of them make smaller batches, and are of use where
    /// the way to the server is long, or replicas are waited for. Unless set, 3.
    pub fn batches_in_flight(mut self, count: usize) -> Self {
        self.batches.in_flight = count;
        self
    }

    /// How long an operation on a session may take in all, connecting and waiting for a batch included. Unless set,
    /// 5 seconds.
    pub fn operation_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.operation = timeout;
        self
    }

    /// How long an attempt to connect may take. Unless set, 2 seconds.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.connect = timeout;
        self
    }

    /// How long a list, `destroy_by_user`, `prune`, `count` and `clear` may take as a whole; each of their
    /// commands has the operation timeout. Unless set, 5 minutes.
    pub fn sweep_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.sweep = timeout;
        self
    }

    /// The most bytes of data of one session. Unless set, 1 MiB.
    pub fn data_limit(mut self, bytes: usize) -> Self {
        self.data_limit = bytes;
        self
    }

    /// How many replicas must confirm each write before it is acknowledged (`WAIT`), within a quarter of the
    /// operation timeout; else the write is `Unavailable`, of unknown outcome. It narrows what a failover may
    /// lose; the [crate's page](crate) says how far. Unless set, none.
    pub fn wait_replicas(mut self, count: u32) -> Self {
        self.wait_replicas = count;
        self
    }

    /// Accepts a server whose `maxmemory-policy` is not `noeviction`. Such a server may drop a user's index and
    /// keep the sessions: then lists miss sessions, and ending all of a user's misses them too, without a sign.
    pub fn allow_eviction(mut self) -> Self {
        self.allow_eviction = true;
        self
    }

    /// Connects, and looks whether the server will do.
    ///
    /// # Errors
    ///
    /// `Config` when a setting is out of its bounds, when the address or the password is wrong, when the server
    /// is older than Redis 6.2, may evict keys, or is a node of a Cluster or a Sentinel and the client is not
    /// one for it; `Unavailable` or `Timeout` when it cannot be reached.
    pub async fn build(self) -> Result<RedisStore> {
        // The drivers' futures are large.
        Box::pin(self.connect()).await
    }

    async fn connect(self) -> Result<RedisStore> {
        let keys = Keys::new(&Namespace::new(self.prefix.clone())?);
        self.check_bounds()?;
        if self.server.0.may_use_tls() {
            install_tls_provider();
        }
        let (timeouts, allow_eviction) = (self.timeouts, self.allow_eviction);
        let links = self.server.0.links(&timeouts, self.wait_replicas > 0);
        let connecting = timeout(timeouts.operation.max(timeouts.connect), links);
        let no_answer = |_| {
            Error::new(
                ErrorKind::Unavailable,
                "the Redis servers gave no answer; are they running, and is the address right?",
            )
        };
        let (reads, writes) = connecting.await.map_err(no_answer)??;
        let shared = Arc::new(Shared {
            keys,
            data_limit: self.data_limit,
            timeouts,
            clock: ServerClock::new(),
            reads,
            writes,
            replicas: (self.wait_replicas > 0).then(|| Replicas::new(self.wait_replicas, timeouts.operation / 4)),
        });
        check::servers(&shared, allow_eviction).await?;
        shared.set_clock().await?;
        shared.keep_clock();
        RedisStore::new(shared, self.batches)
    }

    fn check_bounds(&self) -> Result<()> {
        if self.data_limit == 0 {
            return Err(Error::config("a data limit of 0 bytes would refuse every session; set a larger one"));
        }
        // Redis refuses longer strings.
        if self.data_limit > 256 << 20 {
            return Err(Error::config(
                "a data limit over 256 MiB is more than a Redis value can surely hold; set a smaller one",
            ));
        }
        self.batches.check()?;
        self.timeouts.check()
    }
}

impl Source {
    fn may_use_tls(&self) -> bool {
        let is_plain = |client: &Client| matches!(client.get_connection_info().addr(), ConnectionAddr::Tcp(..));
        !matches!(self, Self::Client(Ok(client)) if is_plain(client))
    }

    /// The links for reads and for writes, which may need a connection of their own.
    #[cfg_attr(not(feature = "cluster"), allow(clippy::unused_async, reason = "only a Cluster is connected to here"))]
    async fn links(self, timeouts: &Timeouts, two: bool) -> Result<(Link, Link)> {
        let failed = |error| from_redis(&error, false);
        let direct = |target: Target| {
            let link = || Link::Direct(Direct::new(target.clone(), timeouts.connect));
            let reads = link();
            let writes = if two { link() } else { reads.clone() };
            Ok((reads, writes))
        };
        match self {
            Self::Client(client) => direct(Target::Server(Arc::new(client.map_err(failed)?))),
            #[cfg(feature = "sentinel")]
            Self::Sentinel(client) => {
                direct(Target::Sentinel(Arc::new(tokio::sync::Mutex::new(client.map_err(failed)?))))
            }
            Self::Manager(manager) => Ok((Link::Manager(manager.clone()), Link::Manager(manager))),
            #[cfg(feature = "deadpool")]
            Self::Pool(pool) => Ok((Link::Pool(pool.clone()), Link::Pool(pool))),
            #[cfg(feature = "cluster")]
            Self::Cluster(builder) => {
                use crate::link::cluster::{Cluster, client};
                let client = client(builder, timeouts.connect, timeouts.operation).map_err(failed)?;
                let reads = Cluster::connect(&client).await.map_err(failed)?;
                let writes = if two { Cluster::connect(&client).await.map_err(failed)? } else { reads.clone() };
                Ok((Link::Cluster(reads), Link::Cluster(writes)))
            }
        }
    }
}

/// rustls panics at a `rediss://` URL where the process has no provider by default, or has two to choose from.
fn install_tls_provider() {
    #[cfg(feature = "tls")]
    {
        // It fails where the application has chosen one, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
