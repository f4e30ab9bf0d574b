//! The store.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use session_store_core::batch::BatchLimits;
use session_store_core::{
    Entry, Error, Page, Pruned, Record, Result, SessionKey, SessionStore, SetMode, Sweep, UserId, Version, Write,
};

use crate::batch::{Change, Changes, Gets};
#[cfg(feature = "cluster")]
use crate::cluster;
use crate::config::{Builder, Server};
use crate::error::about;
use crate::keys::Kind;
use crate::record::{self, Stored, decode};
use crate::scan::Scan;
use crate::shared::{Effect, Shared};
use crate::single;
use crate::wire::{parse, parse_written, status};

/// How often `clear` walks through the keys at the most: new sessions come all the time.
const PASSES: usize = 3;

/// A store in Redis or Valkey. Clones are handles on the same connections.
///
/// See the [crate's page](crate) for what it promises.
#[derive(Clone)]
pub struct RedisStore {
    shared: Arc<Shared>,
    gets: Arc<Gets>,
    changes: Arc<Changes>,
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("cluster", &self.shared.is_cluster())
            .field("data_limit", &self.shared.data_limit)
            .field("operation_timeout", &self.shared.timeouts.operation)
            .finish_non_exhaustive()
    }
}

/// Calls the operation of one server or of a Cluster.
macro_rules! on {
    ($self:ident, $operation:ident($($argument:expr),*)) => {{
        #[cfg(feature = "cluster")]
        if $self.shared.is_cluster() {
            return cluster::$operation(&$self.shared, $($argument),*).await;
        }
        single::$operation(&$self.shared, $($argument),*).await
    }};
}

impl RedisStore {
    /// A store on a server: a URL such as `redis://user:password@host:6379/0`, or an existing connection.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use session_store_redis::RedisStore;
    ///
    /// # async fn open() -> session_store_redis::core::Result<()> {
    /// let store = RedisStore::builder("redis://127.0.0.1/").prefix("shop").build().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(server: impl Into<Server>) -> Builder {
        Builder::new(server.into())
    }

    pub(crate) fn new(shared: Arc<Shared>, batches: BatchLimits) -> Result<Self> {
        let (gets, changes) = (Gets::new(&shared, batches)?, Changes::new(&shared, batches)?);
        Ok(Self { shared, gets: Arc::new(gets), changes: Arc::new(changes) })
    }

    async fn end_all(&self, sessions: &[Vec<u8>], sweep: Sweep) -> Result<u64> {
        on!(self, end_all(sessions, sweep))
    }

    async fn prune_index(&self, index: &[u8], limit: u64, sweep: Sweep) -> Result<u64> {
        on!(self, prune_index(index, limit, sweep))
    }

    /// Those that are sessions: on Cluster a rotation leaves something else under its old key for a minute.
    #[cfg_attr(not(feature = "cluster"), allow(clippy::unused_async, unused_variables, reason = "there is none then"))]
    async fn sessions_among(&self, keys: Vec<SessionKey>, sweep: Sweep) -> Result<Vec<SessionKey>> {
        #[cfg(feature = "cluster")]
        if self.shared.is_cluster() {
            return cluster::sessions_among(&self.shared, keys, sweep).await;
        }
        Ok(keys)
    }
}

#[async_trait]
impl SessionStore for RedisStore {
    async fn get(&self, key: &SessionKey) -> Result<Option<Record>> {
        let answer = self.gets.call(key).await;
        let Some(bytes) = parse::<Option<Vec<u8>>>(answer.map_err(|error| about(error, key))?)? else {
            return Ok(None);
        };
        match decode(key, &bytes)? {
            Stored::Moved => Ok(None),
            Stored::Session(head) => {
                let data = record::data(bytes, &head);
                Ok(Some(Record { meta: head.meta, data, read_at: self.shared.clock.now() }))
            }
        }
    }

    async fn set(&self, key: &SessionKey, write: &Write, mode: SetMode) -> Result<Version> {
        write.check_size(self.shared.data_limit)?;
        #[cfg(feature = "cluster")]
        if self.shared.is_cluster() {
            return cluster::set(&self.shared, key, write, mode).await;
        }
        let version = Version::generate()?;
        let change = Change::set(&self.shared, key, write, &mode, &version)?;
        status(&parse_written::<Vec<u8>>(self.changes.call(change).await?)?, key, key)?;
        Ok(version)
    }

    async fn touch(&self, key: &SessionKey, idle: Duration) -> Result<bool> {
        let answer = self.changes.call(Change::touch(&self.shared, key, idle)?).await?;
        match parse_written::<Vec<u8>>(answer)?.as_slice() {
            b"MISSING" => Ok(false),
            answer => status(answer, key, key).map(|()| true),
        }
    }

    async fn destroy(&self, key: &SessionKey) -> Result<bool> {
        on!(self, destroy(key))
    }

    async fn rotate(
        &self,
        from: &SessionKey,
        to: &SessionKey,
        write: &Write,
        expected: Option<Version>,
    ) -> Result<Version> {
        if from == to {
            return Err(Error::same_key(from));
        }
        write.check_size(self.shared.data_limit)?;
        on!(self, rotate(from, to, write, expected))
    }

    async fn list_by_user(&self, user: &UserId, page: &Page) -> Result<Vec<Entry>> {
        on!(self, list_by_user(user, page, self.shared.sweep()))
    }

    async fn destroy_by_user(&self, user: &UserId, except: Option<&SessionKey>) -> Result<u64> {
        on!(self, destroy_by_user(user, except, self.shared.sweep()))
    }

    async fn prune(&self, limit: u32) -> Result<Pruned> {
        if limit == 0 {
            return Err(Error::invalid_input("a prune removes at least one entry; give a limit of 1 or more"));
        }
        let (limit, sweep) = (u64::from(limit), self.shared.sweep());
        let (mut removed, mut scan) = (0, Scan::new(&self.shared, Kind::Index));
        while let Some(indexes) = scan.next(sweep.deadline()).await? {
            for index in indexes {
                removed += self.prune_index(&index, limit - removed, sweep).await?;
                if removed == limit {
                    return Ok(Pruned { removed, more: true });
                }
            }
        }
        Ok(Pruned { removed, more: false })
    }

    async fn count(&self) -> Result<u64> {
        let sweep = self.shared.sweep();
        // SCAN may give a key twice.
        let mut met = HashSet::new();
        let mut scan = Scan::new(&self.shared, Kind::Session);
        while let Some(keys) = scan.next(sweep.deadline()).await? {
            let keys = keys.iter().filter_map(|key| self.shared.keys.session_of(key)).collect();
            met.extend(self.sessions_among(keys, sweep).await?);
        }
        Ok(met.len() as u64)
    }

    async fn clear(&self) -> Result<u64> {
        let sweep = self.shared.sweep();
        let mut ended = 0;
        for _ in 0..PASSES {
            let before = ended;
            let mut scan = Scan::new(&self.shared, Kind::Session);
            while let Some(keys) = scan.next(sweep.deadline()).await? {
                ended += self.end_all(&keys, sweep).await?;
            }
            // What a rotation or a moving slot has carried past the scan is met by the next.
            if ended == before {
                break;
            }
        }
        Ok(ended)
    }

    async fn ping(&self) -> Result<()> {
        // A question about a key, which also a server that is still loading refuses.
        let mut exists = redis::cmd("EXISTS");
        exists.arg(self.shared.keys.prefix(Kind::Session));
        self.shared.command(&exists, Effect::Read, self.shared.deadline()).await.map(drop)
    }
}
