//! Where the servers are.

use std::fmt;
use std::sync::Arc;

use redis::aio::ConnectionManager;
use redis::{Client, ConnectionAddr, RedisResult};
use session_store_core::backend::StoreOptions;

#[cfg(feature = "cluster")]
use crate::cluster::connection::{ClusterLink, client};
use crate::connection::Link;
use crate::connection::direct::{Direct, Target};
use crate::error::Error;

/// The Redis server or servers of a store.
///
/// It is created from a URL, a [`redis::Client`] (for certificates of your own, for one), a
/// [`ConnectionManager`], or, each with its feature, from a `deadpool_redis::Pool`, a
/// `redis::sentinel::SentinelClient`, or a `redis::cluster::ClusterClientBuilder`; a builder, because the
/// store must turn off the client's own retries. `Debug` shows no address and no password.
pub struct RedisEndpoint(Source);

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

impl RedisEndpoint {
    /// Creates the endpoint of a Redis Cluster from the URLs of some of its nodes.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use session_store_redis::{RedisEndpoint, RedisStore};
    ///
    /// # async fn open() -> session_store_redis::core::Result<()> {
    /// let nodes = ["redis://10.0.0.1:6379", "redis://10.0.0.2:6379", "redis://10.0.0.3:6379"];
    /// let store = RedisStore::builder(RedisEndpoint::cluster(nodes)).build().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "cluster")]
    pub fn cluster(urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let urls = urls.into_iter().map(Into::into);
        redis::cluster::ClusterClientBuilder::new(urls.collect::<Vec<String>>()).into()
    }

    /// Creates the endpoint of the master that the Sentinels at these URLs call by this name. If the master itself
    /// requires a password or TLS, make a `SentinelClient` with a `SentinelClientBuilder`.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use session_store_redis::{RedisEndpoint, RedisStore};
    ///
    /// # async fn open() -> session_store_redis::core::Result<()> {
    /// let sentinels = ["redis://10.0.0.1:26379", "redis://10.0.0.2:26379", "redis://10.0.0.3:26379"];
    /// let store = RedisStore::builder(RedisEndpoint::sentinel(sentinels, "mymaster")).wait_replicas(1).build().await?;
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

impl From<&str> for RedisEndpoint {
    fn from(url: &str) -> Self {
        Self(Source::Client(Client::open(url)))
    }
}

impl From<String> for RedisEndpoint {
    fn from(url: String) -> Self {
        url.as_str().into()
    }
}

impl From<Client> for RedisEndpoint {
    fn from(client: Client) -> Self {
        Self(Source::Client(Ok(client)))
    }
}

impl From<ConnectionManager> for RedisEndpoint {
    fn from(manager: ConnectionManager) -> Self {
        Self(Source::Manager(manager))
    }
}

#[cfg(feature = "deadpool")]
impl From<deadpool_redis::Pool> for RedisEndpoint {
    fn from(pool: deadpool_redis::Pool) -> Self {
        Self(Source::Pool(pool))
    }
}

#[cfg(feature = "sentinel")]
impl From<redis::sentinel::SentinelClient> for RedisEndpoint {
    fn from(client: redis::sentinel::SentinelClient) -> Self {
        Self(Source::Sentinel(Ok(client)))
    }
}

#[cfg(feature = "cluster")]
impl From<redis::cluster::ClusterClientBuilder> for RedisEndpoint {
    fn from(builder: redis::cluster::ClusterClientBuilder) -> Self {
        Self(Source::Cluster(builder))
    }
}

impl fmt::Debug for RedisEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Source::Client(_) => "RedisEndpoint(one)",
            Source::Manager(_) => "RedisEndpoint(ConnectionManager)",
            #[cfg(feature = "deadpool")]
            Source::Pool(_) => "RedisEndpoint(Pool)",
            #[cfg(feature = "sentinel")]
            Source::Sentinel(_) => "RedisEndpoint(Sentinel)",
            #[cfg(feature = "cluster")]
            Source::Cluster(_) => "RedisEndpoint(Cluster)",
        })
    }
}

impl RedisEndpoint {
    /// Whether connections may be encrypted. A client that was given says so, or is taken to be.
    pub(crate) fn may_use_tls(&self) -> bool {
        let is_plain = |client: &Client| matches!(client.get_connection_info().addr(), ConnectionAddr::Tcp(..));
        !matches!(&self.0, Source::Client(Ok(client)) if is_plain(client))
    }

    /// Returns the ways for reads and for writes, which are two connections if `has_two`.
    #[cfg_attr(not(feature = "cluster"), allow(clippy::unused_async, reason = "only a Cluster is connected to here"))]
    pub(crate) async fn links(self, options: &StoreOptions, has_two: bool) -> Result<(Link, Link), Error> {
        let direct = |target: Target| {
            let link = || Link::Direct(Direct::new(target.clone(), options.connect_timeout));
            let reads = link();
            let writes = if has_two { link() } else { reads.clone() };
            Ok((reads, writes))
        };
        match self.0 {
            Source::Client(client) => direct(Target::Server(Arc::new(client.map_err(Error::Connect)?))),
            #[cfg(feature = "sentinel")]
            Source::Sentinel(client) => {
                direct(Target::Sentinel(Arc::new(tokio::sync::Mutex::new(client.map_err(Error::Connect)?))))
            }
            Source::Manager(manager) => Ok((Link::Manager(manager.clone()), Link::Manager(manager))),
            #[cfg(feature = "deadpool")]
            Source::Pool(pool) => Ok((Link::Pool(pool.clone()), Link::Pool(pool))),
            #[cfg(feature = "cluster")]
            Source::Cluster(builder) => {
                let client = client(builder, options.connect_timeout, options.operation_timeout);
                let client = client.map_err(Error::Connect)?;
                let connect = async || ClusterLink::connect(&client).await.map_err(Error::Connect);
                let reads = connect().await?;
                let writes = if has_two { connect().await? } else { reads.clone() };
                Ok((Link::Cluster(reads), Link::Cluster(writes)))
            }
        }
    }
}
