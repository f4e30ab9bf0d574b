//! What all handles of a store share, and how a command is sent.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, Instant as Deadline};

use redis::{Cmd, ErrorKind as Driver, RedisError, RedisResult, ServerErrorKind, Value};
use session_store_core::{Error, ErrorKind, Result, Sweep, Timeouts, Timestamp};
use tokio::time::timeout_at;

use crate::clock::{REFRESH, ServerClock};
use crate::error::from_redis;
use crate::keys::Keys;
use crate::link::{Link, Node, Reply, Request, is_of_a_replica};
use crate::script::Script;
use crate::wire::{is_refusal, parse};

/// Whether a command changes anything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Effect {
    Read,
    Write,
}

pub(crate) struct Shared {
    pub(crate) keys: Keys,
    pub(crate) data_limit: usize,
    pub(crate) timeouts: Timeouts,
    pub(crate) clock: ServerClock,
    pub(crate) reads: Link,
    /// Another connection than that of the reads where writes wait for replicas, which holds up all behind them.
    pub(crate) writes: Link,
    pub(crate) replicas: Option<Replicas>,
}

/// How many replicas must confirm each write, and the command that asks them.
pub(crate) struct Replicas {
    count: i64,
    wait: Cmd,
}

impl Replicas {
    pub(crate) fn new(count: u32, patience: Duration) -> Self {
        let mut wait = redis::cmd("WAIT");
        wait.arg(count).arg(u64::try_from(patience.as_millis()).unwrap_or(u64::MAX));
        Self { count: i64::from(count), wait }
    }

    /// Whether enough of them have confirmed a write.
    fn check(&self, confirmed: &RedisResult<i64>) -> Result<()> {
        let confirmed = confirmed.as_ref().map_err(|error| from_redis(error, true))?;
        if *confirmed >= self.count {
            return Ok(());
        }
        let count = self.count;
        Err(Error::new(
            ErrorKind::Unavailable,
            format!("only {confirmed} of {count} replicas have confirmed the write; are they running?"),
        )
        .with_outcome_unknown())
    }
}

impl Shared {
    /// When an operation that begins now must have ended (clause E3).
    pub(crate) fn deadline(&self) -> Deadline {
        self.timeouts.deadline()
    }

    pub(crate) fn sweep(&self) -> Sweep {
        self.timeouts.sweep()
    }

    pub(crate) fn is_cluster(&self) -> bool {
        self.writes.is_cluster()
    }

    fn link(&self, effect: Effect) -> &Link {
        match effect {
            Effect::Read => &self.reads,
            Effect::Write => &self.writes,
        }
    }

    pub(crate) async fn command(&self, command: &Cmd, effect: Effect, deadline: Deadline) -> Result<Value> {
        let reply = self.in_time(command, None, effect, deadline).await?;
        self.confirmed(reply.value, reply.replicas.as_ref(), Instant::now())
    }

    pub(crate) async fn script(
        &self,
        script: &Script,
        call: &Cmd,
        effect: Effect,
        deadline: Deadline,
    ) -> Result<Value> {
        let reply = self.in_time(call, Some(script), effect, deadline).await?;
        self.confirmed(reply.value, reply.replicas.as_ref(), Instant::now())
    }

    /// A script that changes many sessions, and gives an answer for each.
    pub(crate) async fn batch(
        &self,
        script: &Script,
        call: &Cmd,
        sessions: usize,
        deadline: Deadline,
    ) -> Result<Vec<Result<Value>>> {
        let reply = self.in_time(call, Some(script), Effect::Write, deadline).await?;
        let (replicas, answered) = (reply.replicas.as_ref(), Instant::now());
        match reply.value {
            Value::Array(each) if each.len() == sessions => {
                Ok(each.into_iter().map(|value| self.one_of_many(value, replicas, answered)).collect())
            }
            _ => Err(unexpected().with_outcome_unknown()),
        }
    }

    fn one_of_many(&self, value: Value, replicas: Option<&RedisResult<i64>>, answered: Instant) -> Result<Value> {
        let Value::ServerError(error) = value else { return self.confirmed(value, replicas, answered) };
        let error = RedisError::from(error);
        if is_of_a_replica(&error) {
            self.suspect(Effect::Write, answered);
        }
        Err(from_redis(&error, false))
    }

    /// The answer, unless it is of a write that too few replicas have confirmed.
    fn confirmed(&self, value: Value, replicas: Option<&RedisResult<i64>>, answered: Instant) -> Result<Value> {
        let (Some(needed), Some(confirmed)) = (&self.replicas, replicas) else { return Ok(value) };
        if is_refusal(&value) {
            return Ok(value);
        }
        // A primary that its replicas have left may not be the primary any more.
        needed.check(confirmed).inspect_err(|_| self.suspect(Effect::Write, answered))?;
        Ok(value)
    }

    /// A reading command on every server that holds keys.
    pub(crate) async fn ask_all(&self, command: &Cmd, deadline: Deadline) -> Result<Vec<(Node, Value)>> {
        let sent = AtomicBool::new(false);
        self.read(|| self.reads.ask_all(command, &sent), &sent, deadline).await
    }

    /// The same on one of these servers.
    pub(crate) async fn ask(&self, node: &Node, command: &Cmd, deadline: Deadline) -> Result<Value> {
        let sent = AtomicBool::new(false);
        self.read(|| self.reads.ask(node, command, &sent), &sent, deadline).await
    }

    async fn read<T, Answer>(&self, ask: impl Fn() -> Answer, sent: &AtomicBool, deadline: Deadline) -> Result<T>
    where
        Answer: Future<Output = RedisResult<T>>,
    {
        let answer = async { repeated(&self.reads, sent, ask).await.map_err(|error| from_redis(&error, false)) };
        self.bounded(answer, Effect::Read, deadline, sent).await
    }

    async fn in_time(
        &self,
        command: &Cmd,
        script: Option<&Script>,
        effect: Effect,
        deadline: Deadline,
    ) -> Result<Reply> {
        let sent = AtomicBool::new(false);
        // A large future, which stays where it is: each move would copy it.
        let answer = pin!(self.send(command, script, effect, &sent));
        self.bounded(answer, effect, deadline, &sent).await
    }

    async fn bounded<T>(
        &self,
        command: impl Future<Output = Result<T>>,
        effect: Effect,
        deadline: Deadline,
        sent: &AtomicBool,
    ) -> Result<T> {
        let started = Instant::now();
        let Ok(answer) = timeout_at(deadline.into(), command).await else {
            // At the end of a sweep, little time may have been left: that proves nothing.
            let which = if started.elapsed() >= self.timeouts.operation / 2 {
                self.suspect(effect, started);
                format!("the operation timeout of {:?}", self.timeouts.operation)
            } else {
                "what was left of the operation's or the sweep's time".to_owned()
            };
            let error = Error::new(ErrorKind::Timeout, format!("no answer from the Redis server in {which}"));
            let may_have_run = effect == Effect::Write && sent.load(Ordering::Relaxed);
            return Err(if may_have_run { error.with_outcome_unknown() } else { error });
        };
        answer
    }

    /// Sends a command. What came to nothing for certain is sent again: a script that the server does not know
    /// yet, in full; a read whose connection broke, on a new one (clause K3).
    async fn send(&self, command: &Cmd, script: Option<&Script>, effect: Effect, sent: &AtomicBool) -> Result<Reply> {
        let link = self.link(effect);
        let replicas = self.replicas.as_ref().filter(|_| effect == Effect::Write);
        let wait = replicas.map(|replicas| &replicas.wait);
        let request = Request { command, wait, sent };
        let mut answer = match effect {
            Effect::Read => repeated(link, sent, || link.send(&request)).await,
            Effect::Write => link.send(&request).await,
        };
        if let (Some(script), true) = (script, answer.as_ref().is_err_and(is_unknown_script)) {
            let command = &script.in_full(command);
            answer = link.send(&Request { command, wait, sent }).await;
        }
        answer.map_err(|error| {
            if is_of_a_replica(&error) {
                self.suspect(effect, Instant::now());
            }
            let may_have_run = effect == Effect::Write && sent.load(Ordering::Relaxed) && link.is_vague(&error);
            from_redis(&error, may_have_run)
        })
    }

    /// Makes new connections for what comes next; where a write told of it, for the reads as well.
    fn suspect(&self, effect: Effect, since: Instant) {
        self.reads.suspect(since);
        if effect == Effect::Write {
            self.writes.suspect(since);
        }
    }

    /// Asks the server for its clock.
    pub(crate) async fn set_clock(&self) -> Result<()> {
        let asked = Instant::now();
        let answer = self.command(&redis::cmd("TIME"), Effect::Read, self.deadline()).await?;
        self.clock.set(server_time(answer)?, asked);
        Ok(())
    }

    /// Keeps the clock right for as long as there is a handle of the store.
    pub(crate) fn keep_clock(self: &Arc<Self>) {
        let shared = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(REFRESH).await;
                let Some(shared) = shared.upgrade() else { return };
                if let Err(error) = shared.set_clock().await {
                    tracing::debug!(kind = error.kind().as_str(), "the Redis server's clock could not be read");
                }
            }
        });
    }
}

/// What TIME answers.
pub(crate) fn server_time(answer: Value) -> Result<Timestamp> {
    let (seconds, micros): (i64, i64) = parse(answer)?;
    let millis = seconds.checked_mul(1_000).and_then(|millis| millis.checked_add(micros / 1_000));
    millis.map(Timestamp::from_millis).ok_or_else(unexpected)
}

/// A read, and again where the connection broke (clause K3): once, and on Cluster until the driver has made new
/// connections, which it does by and by.
async fn repeated<T, Answer>(link: &Link, sent: &AtomicBool, ask: impl Fn() -> Answer) -> RedisResult<T>
where
    Answer: Future<Output = RedisResult<T>>,
{
    const PAUSES: [u64; 5] = [0, 5, 10, 20, 40];
    let pauses = if link.is_cluster() { PAUSES.len() } else { 1 };
    let mut answer = ask().await;
    for pause in PAUSES.into_iter().take(pauses) {
        if !(sent.load(Ordering::Relaxed) && answer.as_ref().is_err_and(is_broken)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(pause)).await;
        answer = ask().await;
    }
    answer
}

fn is_broken(error: &RedisError) -> bool {
    error.is_connection_dropped()
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == Driver::Server(ServerErrorKind::NoScript)
}

/// An answer that no script of this store gives.
pub(crate) fn unexpected() -> Error {
    Error::new(ErrorKind::Internal, "the Redis server gave an answer of an unexpected form")
}
