//! One multiplexed connection to one server, made again when it breaks.
//!
//! The driver's `ConnectionManager` does nearly this. But it keeps for ever a failure to connect that is not
//! one of the network (too many clients, a password that is being changed), it cannot ask Sentinel again, and
//! it does not say whether a command was sent at all.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult};
use session_store_core::backend::Deadline;

use super::request::{Reply, Request};
use crate::error::{Error, breaks_connection};

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
    /// The store is closed, and connects no more.
    Closed,
}

#[derive(Clone)]
pub(super) struct Ready {
    pub(super) connection: MultiplexedConnection,
    since: Instant,
}

impl Direct {
    pub(crate) fn new(target: Target, connect_timeout: Duration) -> Arc<Self> {
        Arc::new(Self { target, connect_timeout, state: Mutex::new(State::Idle) })
    }

    pub(super) async fn send(self: &Arc<Self>, request: &Request<'_>) -> Result<Reply, Error> {
        let mut ready = self.ready().await?;
        let reply = request.send_on(&mut ready.connection).await;
        reply.map_err(|error| {
            self.discard_if(breaks_connection(&error), &ready);
            Error::Command(error)
        })
    }

    /// Drops a connection if it is broken, or leads to a replica: the next command needs another one.
    pub(super) fn discard_if(&self, is_broken: bool, ready: &Ready) {
        if is_broken {
            self.discard(|since| since == ready.since);
        }
    }

    /// Drops a connection that was there before `since`.
    pub(super) fn mark_stale(&self, since: Instant) {
        // An attempt too: the runtime that it began on may not run any more.
        self.discard(|current| current <= since);
    }

    pub(super) fn close(&self) {
        *self.state() = State::Closed;
    }

    fn discard(&self, condition: impl FnOnce(Instant) -> bool) {
        let mut state = self.state();
        if state.since().is_some_and(condition) {
            *state = State::Idle;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the connection, and makes it first if there is none.
    pub(super) async fn ready(self: &Arc<Self>) -> Result<Ready, Error> {
        let attempt = {
            let mut state = self.state();
            match &*state {
                State::Ready(ready) => return Ok(ready.clone()),
                State::Connecting { attempt, .. } => attempt.clone(),
                State::Idle => {
                    let since = Instant::now();
                    let attempt = Arc::clone(self).attempt(since).boxed().shared();
                    *state = State::Connecting { attempt: attempt.clone(), since };
                    // It goes on when those who wait for it go away.
                    tokio::spawn(attempt.clone());
                    attempt
                }
                State::Closed => return Err(Error::Closed),
            }
        };
        attempt.await.map_err(Error::Connect)
    }

    async fn attempt(self: Arc<Self>, since: Instant) -> RedisResult<Ready> {
        let connected = match Deadline::after(self.connect_timeout).limit(self.connect()).await {
            Some(connected) => connected,
            None => Err(std::io::Error::from(std::io::ErrorKind::NotConnected).into()),
        };
        let ready = connected.map(|connection| Ready { connection, since: Instant::now() });
        let mut state = self.state();
        // Otherwise it was given up, and the state is that of a later attempt, or the store is closed.
        if matches!(&*state, State::Connecting { since: current, .. } if *current == since) {
            *state = ready.clone().map_or(State::Idle, State::Ready);
        }
        drop(state);
        ready
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        // The store drops a command at its deadline.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        match &self.target {
            Target::Server(client) => client.get_multiplexed_async_connection_with_config(&config).await,
            #[cfg(feature = "sentinel")]
            Target::Sentinel(sentinel) => sentinel.lock().await.get_async_connection_with_config(&config).await,
        }
    }
}

impl State {
    fn since(&self) -> Option<Instant> {
        match self {
            Self::Idle | Self::Closed => None,
            Self::Connecting { since, .. } => Some(*since),
            Self::Ready(ready) => Some(ready.since),
        }
    }
}
