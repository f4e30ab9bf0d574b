//! How a store is built.

use session_store_core::backend::{Deadline, Open, Store, StoreOptions, retry};
use session_store_core::{Error, ErrorKind, Namespace, Result};

use crate::backend::RedisBackend;
use crate::connection::{Connections, Replicas};
use crate::endpoint::RedisEndpoint;
use crate::error::classify;
use crate::identifiers::Keys;
use crate::server_check::{self, check};

/// The largest data limit: Redis refuses longer strings than 512 MiB.
const LARGEST_DATA: usize = 256 << 20;

/// Builds a [`RedisStore`](crate::RedisStore). Every setting has a default.
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct RedisStoreBuilder {
    endpoint: RedisEndpoint,
    prefix: String,
    options: StoreOptions,
    wait_replicas: u32,
    allow_eviction: bool,
}

impl Open for RedisBackend {
    type Endpoint = RedisEndpoint;
    type Builder = RedisStoreBuilder;

    fn builder(endpoint: RedisEndpoint) -> RedisStoreBuilder {
        RedisStoreBuilder {
            endpoint,
            prefix: "session".to_owned(),
            options: StoreOptions::default(),
            wait_replicas: 0,
            allow_eviction: false,
        }
    }
}

impl RedisStoreBuilder {
    session_store_core::store_option_setters!();

    /// Sets the namespace: what all keys of this application's sessions begin with, 1 to 40 bytes without NUL, taken
    /// literally. Defaults to `session`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets how many replicas must confirm each write before it is acknowledged (`WAIT`), within a quarter of the
    /// operation timeout; else the write is `Unavailable`, of unknown outcome. It narrows what a failover may
    /// lose; the [crate's page](crate) says how far. Defaults to none.
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

    /// Connects, and verifies that the server is supported.
    ///
    /// # Errors
    ///
    /// `Config` if a setting is out of its bounds, if the address or the password is wrong, if the server
    /// is older than Redis 6.2, may evict keys, or is a node of a Cluster or a Sentinel and the client is not
    /// one for it; `Unavailable` or `Timeout` if it cannot be reached.
    pub async fn build(self) -> Result<Store<RedisBackend>> {
        // The drivers' futures are large.
        Box::pin(self.connect()).await
    }

    async fn connect(self) -> Result<Store<RedisBackend>> {
        let Self { endpoint, prefix, options, wait_replicas, allow_eviction } = self;
        let keys = Keys::new(&Namespace::new(prefix)?);
        options.check(LARGEST_DATA)?;
        if endpoint.may_use_tls() {
            install_tls_provider();
        }
        let operation = options.operation_timeout;
        let links = endpoint.links(&options, wait_replicas > 0);
        let links = Deadline::after(operation.max(options.connect_timeout)).limit(links).await.ok_or_else(|| {
            let text = "the Redis servers gave no answer; are they running, and is the address right?";
            Error::new(ErrorKind::Unavailable, text)
        })?;
        let links = links.map_err(|error| classify(&error, false).into_error())?;
        let replicas = (wait_replicas > 0).then(|| Replicas::new(wait_replicas, operation / 4));
        let backend = RedisBackend::new(Connections::new(links, replicas), keys, operation);
        start(&backend, Deadline::after(operation), allow_eviction).await?;
        backend.keep_clock();
        Ok(Store::new(backend, options))
    }
}

/// Checks the servers, and reads their clock. It does so again if a connection breaks that was there before: a manager
/// or a pool may have one that the server has closed.
async fn start(backend: &RedisBackend, deadline: Deadline, allow_eviction: bool) -> Result<()> {
    let is_cluster = backend.connections().is_cluster();
    let classify = |error: &_| classify(error, is_cluster);
    let start = || async {
        for info in server_check::infos(backend.connections()).await? {
            if let Err(unsupported) = check(&info, is_cluster, allow_eviction) {
                return Ok(Err(unsupported));
            }
        }
        backend.set_clock().await.map(Ok)
    };
    match retry(deadline, classify, start).await {
        Ok(Some(supported)) => supported,
        Ok(None) => Err(Error::new(ErrorKind::Timeout, "no answer from the Redis server in time")),
        Err(error) => Err(classify(&error).into_error()),
    }
}

/// Makes ring the provider of cryptography if the process has none: rustls panics at a `rediss://` URL if the process
/// has no provider by default, or has two to choose from.
fn install_tls_provider() {
    #[cfg(feature = "tls")]
    {
        // It fails if the application has chosen one, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
