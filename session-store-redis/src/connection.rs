//! The ways to the servers, and how a command is sent.

pub(crate) mod direct;
pub(crate) mod request;

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::ConnectionManager;
use redis::{Cmd, Pipeline, RedisResult, Value};
use session_store_core::backend::Call;

use self::direct::Direct;
use self::request::{Reply, Request, check_value};
#[cfg(feature = "cluster")]
use crate::cluster::connection::ClusterLink;
use crate::error::Error;
use crate::protocol::is_refusal;
use crate::protocol::script::Script;

/// A way to the servers. Clones are the same way.
#[derive(Clone)]
pub(crate) enum Link {
    Direct(Arc<Direct>),
    Manager(ConnectionManager),
    #[cfg(feature = "deadpool")]
    Pool(deadpool_redis::Pool),
    #[cfg(feature = "cluster")]
    Cluster(ClusterLink),
}

/// The address of a master of a Cluster; the one server has none.
pub(crate) type Node = Option<String>;

impl Link {
    async fn send(&self, request: &Request<'_>) -> Result<Reply, Error> {
        match self {
            Self::Direct(direct) => direct.send(request).await,
            // Large futures, kept out of the small one of a single connection.
            Self::Manager(manager) => {
                let mut manager = manager.clone();
                request.mark_sent();
                let reply = match request.pipeline() {
                    None => Box::pin(manager.send_packed_command(request.command)).await.and_then(Reply::of),
                    Some(both) => Box::pin(manager.send_packed_commands(&both, 0, 2)).await.and_then(Reply::of_both),
                };
                reply.map_err(Error::Command)
            }
            #[cfg(feature = "deadpool")]
            Self::Pool(pool) => {
                let mut connection = Box::pin(pool.get()).await.map_err(no_connection_of_pool)?;
                request.send_on(&mut connection).await.map_err(Error::Command)
            }
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => Box::pin(cluster.send(request)).await,
        }
    }

    /// Sends reading commands in one piece, and returns an answer for each.
    async fn send_all(&self, commands: &[Cmd]) -> Result<Vec<RedisResult<Value>>, Error> {
        #[cfg(feature = "cluster")]
        if let Self::Cluster(cluster) = self {
            return cluster.send_all(commands).await;
        }
        let mut all = Pipeline::with_capacity(commands.len());
        for command in commands {
            all.add_command(command.clone());
        }
        let count = commands.len();
        let values = match self {
            Self::Direct(direct) => {
                let mut ready = direct.ready().await?;
                let values = ready.connection.send_packed_commands(&all, 0, count).await;
                direct.discard_if(values.as_ref().is_err_and(crate::error::breaks_connection), &ready);
                values
            }
            Self::Manager(manager) => manager.clone().send_packed_commands(&all, 0, count).await,
            #[cfg(feature = "deadpool")]
            Self::Pool(pool) => {
                let mut connection = pool.get().await.map_err(no_connection_of_pool)?;
                connection.send_packed_commands(&all, 0, count).await
            }
            #[cfg(feature = "cluster")]
            Self::Cluster(_) => Ok(Vec::new()),
        };
        Ok(values.map_err(Error::Command)?.into_iter().map(check_value).collect())
    }

    /// Drops a connection that was there before `since`, if it is the store's own.
    fn mark_stale(&self, since: Instant) {
        if let Self::Direct(direct) = self {
            direct.mark_stale(since);
        }
    }

    /// Drops the connections that the store has made.
    fn close(&self) {
        match self {
            Self::Direct(direct) => direct.close(),
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => cluster.close(),
            _ => {}
        }
    }
}

/// How many replicas must confirm each write, and the command that asks them.
pub(crate) struct Replicas {
    needed: i64,
    wait: Cmd,
}

impl Replicas {
    pub(crate) fn new(needed: u32, patience: Duration) -> Self {
        let mut wait = redis::cmd("WAIT");
        wait.arg(needed).arg(u64::try_from(patience.as_millis()).unwrap_or(u64::MAX));
        Self { needed: i64::from(needed), wait }
    }

    /// Refuses a write that too few of them have confirmed.
    fn check(&self, confirmed: &RedisResult<i64>) -> Result<(), Error> {
        match confirmed {
            Ok(confirmed) if *confirmed >= self.needed => Ok(()),
            Ok(confirmed) => Err(Error::TooFewReplicas { confirmed: *confirmed, needed: self.needed }),
            Err(error) => Err(Error::Wait(error.clone())),
        }
    }
}

/// The connections of a store.
pub(crate) struct Connections {
    reads: Link,
    /// Another connection than that of the reads if writes wait for replicas: a WAIT holds up all that comes behind it.
    writes: Link,
    replicas: Option<Replicas>,
}

impl Connections {
    pub(crate) fn new((reads, writes): (Link, Link), replicas: Option<Replicas>) -> Self {
        Self { reads, writes, replicas }
    }

    #[cfg_attr(not(feature = "cluster"), allow(clippy::unused_self, reason = "there is none then"))]
    pub(crate) fn is_cluster(&self) -> bool {
        #[cfg(feature = "cluster")]
        if let Link::Cluster(_) = self.reads {
            return true;
        }
        false
    }

    /// Sends a command that changes nothing.
    pub(crate) async fn read(&self, command: &Cmd) -> Result<Value, Error> {
        let request = Request { command, wait: None, call: None };
        Ok(self.send(&self.reads, None, &request).await?.value)
    }

    /// Sends many commands that change nothing, in one piece.
    pub(crate) async fn read_all(&self, commands: &[Cmd]) -> Result<Vec<RedisResult<Value>>, Error> {
        match self.reads.send_all(commands).await {
            Ok(answers) if answers.len() != commands.len() => Err(Error::Unexpected),
            answers => answers,
        }
    }

    /// Runs a script that changes nothing.
    pub(crate) async fn read_script(&self, script: &Script, command: &Cmd) -> Result<Value, Error> {
        let request = Request { command, wait: None, call: None };
        Ok(self.send(&self.reads, Some(script), &request).await?.value)
    }

    /// Runs a script that changes something.
    pub(crate) async fn write(&self, script: &Script, command: &Cmd, call: Option<&Call>) -> Result<Value, Error> {
        let request = Request { command, wait: self.replicas.as_ref().map(|replicas| &replicas.wait), call };
        let reply = self.send(&self.writes, Some(script), &request).await?;
        self.confirm(reply.value, reply.replicas.as_ref(), Instant::now())
    }

    /// Runs a script that changes many sessions, and returns an answer for each.
    pub(crate) async fn write_each(
        &self,
        script: &Script,
        command: &Cmd,
        call: &Call,
        sessions: usize,
    ) -> Result<impl Iterator<Item = Result<Value, Error>>, Error> {
        let wait = self.replicas.as_ref().map(|replicas| &replicas.wait);
        let reply = self.send(&self.writes, Some(script), &Request { command, wait, call: Some(call) }).await?;
        let (replicas, answered) = (reply.replicas, Instant::now());
        match reply.value {
            Value::Array(each) if each.len() == sessions => Ok(each.into_iter().map(move |value| match value {
                Value::ServerError(error) => Err(self.leave_replica(Error::Command(error.into()), answered)),
                value => self.confirm(value, replicas.as_ref(), answered),
            })),
            _ => Err(Error::Unexpected),
        }
    }

    /// Returns the answer, unless it is of a write that too few replicas have confirmed.
    fn confirm(&self, value: Value, confirmed: Option<&RedisResult<i64>>, answered: Instant) -> Result<Value, Error> {
        let (Some(replicas), Some(confirmed)) = (&self.replicas, confirmed) else { return Ok(value) };
        if !is_refusal(&value) {
            // A primary that its replicas have left may not be the primary any more.
            replicas.check(confirmed).inspect_err(|_| self.mark_stale(answered))?;
        }
        Ok(value)
    }

    /// Sends a reading command to every server that holds keys.
    pub(crate) async fn ask_all(&self, command: &Cmd) -> Result<Vec<(Node, Value)>, Error> {
        #[cfg(feature = "cluster")]
        if let Link::Cluster(cluster) = &self.reads {
            return Box::pin(cluster.ask_masters(command)).await;
        }
        Ok(vec![(None, self.read(command).await?)])
    }

    /// Sends a reading command to one of these servers.
    pub(crate) async fn ask(&self, node: &Node, command: &Cmd) -> Result<Value, Error> {
        #[cfg(feature = "cluster")]
        if let (Link::Cluster(cluster), Some(node)) = (&self.reads, node) {
            return Box::pin(cluster.ask_node(node, command)).await;
        }
        debug_assert!(node.is_none(), "only a Cluster has addresses");
        self.read(command).await
    }

    pub(crate) fn close(&self) {
        self.reads.close();
        self.writes.close();
    }

    /// Makes new connections for what comes next, instead of those that were there before `since`: a command was not
    /// answered in time, or the server is no primary any more.
    pub(crate) fn mark_stale(&self, since: Instant) {
        self.reads.mark_stale(since);
        self.writes.mark_stale(since);
    }

    /// Sends a command. A script that the server does not know yet is sent again, in full: it was certainly not executed.
    async fn send(&self, link: &Link, script: Option<&Script>, request: &Request<'_>) -> Result<Reply, Error> {
        let mut answer = link.send(request).await;
        if let (Some(script), Err(error)) = (script, &answer)
            && error.is_unknown_script()
        {
            let command = &script.in_full(request.command);
            answer = Box::pin(link.send(&Request { command, ..*request })).await;
        }
        answer.map_err(|error| self.leave_replica(error, Instant::now()))
    }

    /// Leaves a server that is no primary any more.
    fn leave_replica(&self, error: Error, answered: Instant) -> Error {
        if error.is_of_a_replica() {
            self.mark_stale(answered);
        }
        error
    }
}

#[cfg(feature = "deadpool")]
fn no_connection_of_pool(error: deadpool_redis::PoolError) -> Error {
    Error::Connect(match error {
        deadpool_redis::PoolError::Backend(error) => error,
        deadpool_redis::PoolError::Timeout(_) => std::io::Error::from(std::io::ErrorKind::TimedOut).into(),
        _ => std::io::Error::from(std::io::ErrorKind::NotConnected).into(),
    })
}
