//! What commands go through.

#[cfg(feature = "cluster")]
pub(crate) mod cluster;
mod direct;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use redis::aio::ConnectionManager;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};

pub(crate) use self::direct::{Direct, Target};

/// A way to the servers. Clones are the same way.
#[derive(Clone)]
pub(crate) enum Link {
    Direct(Arc<Direct>),
    Manager(ConnectionManager),
    #[cfg(feature = "deadpool")]
    Pool(deadpool_redis::Pool),
    #[cfg(feature = "cluster")]
    Cluster(cluster::Cluster),
}

/// The address of a master of a Cluster; the one server has none.
pub(crate) type Node = Option<String>;

/// One command, and the WAIT that follows it on the same connection.
pub(crate) struct Request<'a> {
    pub(crate) command: &'a Cmd,
    pub(crate) wait: Option<&'a Cmd>,
    /// Told when the command may have reached the server.
    pub(crate) sent: &'a AtomicBool,
}

/// The answers of both.
pub(crate) struct Reply {
    pub(crate) value: Value,
    /// How many replicas have confirmed the write.
    pub(crate) replicas: Option<RedisResult<i64>>,
}

impl Link {
    pub(crate) async fn send(&self, request: &Request<'_>) -> RedisResult<Reply> {
        match self {
            Self::Direct(direct) => direct.send(request).await,
            // Large futures, kept out of the small one of a single connection.
            Self::Manager(manager) => {
                let mut manager = manager.clone();
                request.mark_sent();
                match request.pipeline() {
                    None => Reply::of(Box::pin(manager.send_packed_command(request.command)).await?),
                    Some(both) => Reply::of_both(Box::pin(manager.send_packed_commands(&both, 0, 2)).await?),
                }
            }
            #[cfg(feature = "deadpool")]
            Self::Pool(pool) => {
                let mut connection = Box::pin(pool.get()).await.map_err(of_pool)?;
                request.send_on(&mut connection).await
            }
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => Box::pin(cluster.send(request)).await,
        }
    }

    /// A reading command on every server that holds keys; each answer with the server's address on Cluster.
    pub(crate) async fn ask_all(&self, command: &Cmd, sent: &AtomicBool) -> RedisResult<Vec<(Node, Value)>> {
        #[cfg(feature = "cluster")]
        if let Self::Cluster(cluster) = self {
            sent.store(true, Ordering::Relaxed);
            return Box::pin(cluster.ask_masters(command)).await;
        }
        Ok(vec![(None, self.ask(&None, command, sent).await?)])
    }

    /// A reading command on one of these servers.
    pub(crate) async fn ask(&self, node: &Node, command: &Cmd, sent: &AtomicBool) -> RedisResult<Value> {
        #[cfg(feature = "cluster")]
        if let (Self::Cluster(cluster), Some(node)) = (self, node) {
            sent.store(true, Ordering::Relaxed);
            return Box::pin(cluster.ask_node(node, command)).await;
        }
        debug_assert!(node.is_none(), "only a Cluster has addresses");
        Ok(self.send(&Request { command, wait: None, sent }).await?.value)
    }

    /// A command was not answered in time, or the server is no primary any more: a connection that was there before
    /// it is not trusted any more.
    pub(crate) fn suspect(&self, since: Instant) {
        if let Self::Direct(direct) = self {
            direct.suspect(since);
        }
    }

    /// Whether this answer of the server leaves open what became of the command.
    pub(crate) fn is_vague(&self, error: &RedisError) -> bool {
        use ServerErrorKind::{Ask, CrossSlot, Moved, NoScript, ReadOnly, TryAgain};
        match error.kind() {
            ErrorKind::Server(Ask | CrossSlot | Moved | NoScript | ReadOnly | TryAgain) => false,
            // The driver answers all commands in flight with the error that its look at the Cluster met.
            ErrorKind::Server(_) | ErrorKind::Extension => {
                let of_a_key = ["MISCONF", "NOREPLICAS", "OOM", "WRONGTYPE"];
                self.is_cluster() && !of_a_key.into_iter().any(|code| error.code() == Some(code))
            }
            _ => true,
        }
    }

    #[cfg_attr(not(feature = "cluster"), allow(clippy::unused_self, reason = "there is none then"))]
    pub(crate) fn is_cluster(&self) -> bool {
        #[cfg(feature = "cluster")]
        if let Self::Cluster(_) = self {
            return true;
        }
        false
    }
}

impl Request<'_> {
    fn mark_sent(&self) {
        self.sent.store(true, Ordering::Relaxed);
    }

    /// Both commands in one piece, so that nothing comes between them.
    fn pipeline(&self) -> Option<Pipeline> {
        let wait = self.wait?;
        let mut both = Pipeline::with_capacity(2);
        both.add_command(self.command.clone()).add_command(wait.clone());
        Some(both)
    }

    async fn send_on(&self, connection: &mut redis::aio::MultiplexedConnection) -> RedisResult<Reply> {
        self.mark_sent();
        match self.pipeline() {
            None => Reply::of(connection.send_packed_command(self.command).await?),
            Some(both) => Reply::of_both(Box::pin(connection.send_packed_commands(&both, 0, 2)).await?),
        }
    }
}

impl Reply {
    fn of(value: Value) -> RedisResult<Self> {
        Ok(Self { value: checked(value)?, replicas: None })
    }

    fn of_both(values: Vec<Value>) -> RedisResult<Self> {
        let mut values = values.into_iter();
        let value = checked(values.next().unwrap_or(Value::Nil))?;
        let replicas = checked(values.next().unwrap_or(Value::Nil));
        let replicas = replicas.and_then(|count| Ok(redis::from_redis_value(count)?));
        Ok(Self { value, replicas: Some(replicas) })
    }
}

/// The answer, unless it is an error. One within it is that of one session among many.
fn checked(value: Value) -> RedisResult<Value> {
    match value {
        Value::ServerError(error) => Err(error.into()),
        value => Ok(value),
    }
}

/// Whether the server that has answered is no primary any more.
pub(crate) fn is_of_a_replica(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown))
}

#[cfg(feature = "deadpool")]
fn of_pool(error: deadpool_redis::PoolError) -> RedisError {
    match error {
        deadpool_redis::PoolError::Backend(error) => error,
        deadpool_redis::PoolError::Timeout(_) => std::io::Error::from(std::io::ErrorKind::TimedOut).into(),
        _ => std::io::Error::from(std::io::ErrorKind::NotConnected).into(),
    }
}
