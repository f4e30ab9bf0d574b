//! One multiplexed connection to one server, made again when it breaks.
//!
//! The driver's `ConnectionManager` does nearly this. But it keeps for ever a failure to connect that is not
//! one of the network (too many clients, a password that is being changed), it cannot ask Sentinel again, and
//! it does not tell whether a command was sent at all.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult};
use tokio::time::timeout;

use super::{Reply, Request, is_of_a_replica};

/// Where the server is.
#[derive(Clone)]
pub(crate) enum Target {
    Server(Arc<Client>),
    #[cfg(feature = "sentinel")]
    Sentinel(Arc<tokio::sync::Mutex<redis::sentinel::SentinelClient>>),
}

pub(crate) struct Direct {
    target: Target,
    connect_timeout: Duration,
    state: Mutex<State>,
}

enum State {
    Idle,
    /// All who need the connection wait for the same attempt, and get the same error.
    Connecting {
        attempt: Shared<BoxFuture<'static, RedisResult<Ready>>>,
        since: Instant,
    },
    Ready(Ready),
}

#[derive(Clone)]
struct Ready {
    connection: MultiplexedConnection,
    since: Instant,
}

impl Direct {
    pub(crate) fn new(target: Target, connect_timeout: Duration) -> Arc<Self> {
        Arc::new(Self { target, connect_timeout, state: Mutex::new(State::Idle) })
    }

    pub(super) async fn send(self: &Arc<Self>, request: &Request<'_>) -> RedisResult<Reply> {
        let mut ready = self.ready().await?;
        let reply = request.send_on(&mut ready.connection).await;
        if reply.as_ref().is_err_and(is_broken) {
            self.discard(|since| since == ready.since);
        }
        reply
    }

    pub(super) fn suspect(&self, since: Instant) {
        // An attempt too: the runtime that it began on may not run any more.
        self.discard(|current| current <= since);
    }

    fn discard(&self, condition: impl FnOnce(Instant) -> bool) {
        let mut state = self.state();
        let is_discarded = match &*state {
            State::Idle => false,
            State::Connecting { since, .. } => condition(*since),
            State::Ready(current) => condition(current.since),
        };
        if is_discarded {
            *state = State::Idle;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ready(self: &Arc<Self>) -> RedisResult<Ready> {
        let attempt = {
            let mut state = self.state();
            match &*state {
                State::Ready(ready) => return Ok(ready.clone()),
                State::Connecting { attempt, .. } => attempt.clone(),
                State::Idle => {
                    let attempt = Arc::clone(self).attempt().boxed().shared();
                    *state = State::Connecting { attempt: attempt.clone(), since: Instant::now() };
                    // It goes on when those who wait for it go away.
                    tokio::spawn(attempt.clone());
                    attempt
                }
            }
        };
        attempt.await
    }

    async fn attempt(self: Arc<Self>) -> RedisResult<Ready> {
        let connected = match timeout(self.connect_timeout, self.connect()).await {
            Ok(connected) => connected,
            Err(_) => Err(std::io::Error::from(std::io::ErrorKind::NotConnected).into()),
        };
        let ready = connected.map(|connection| Ready { connection, since: Instant::now() });
        *self.state() = ready.clone().map_or(State::Idle, State::Ready);
        ready
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        // Commands have a time-out of their own, see `Shared::command`.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        match &self.target {
            Target::Server(client) => client.get_multiplexed_async_connection_with_config(&config).await,
            #[cfg(feature = "sentinel")]
            Target::Sentinel(sentinel) => sentinel.lock().await.get_async_connection_with_config(&config).await,
        }
    }
}

/// Whether the next command needs a new connection: this one is gone, or leads to a replica.
fn is_broken(error: &RedisError) -> bool {
    error.is_unrecoverable_error() || error.is_io_error() || is_of_a_replica(error)
}
