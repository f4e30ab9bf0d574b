//! The way to a Redis Cluster.
//!
//! The driver resends what a broken connection left open, up to 16 times, also what is not true any more the
//! second time (clause K3). So its own retries are off, and what a node has refused is sent again here.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};
use tokio::time::sleep;

use crate::connection::request::{Reply, Request, check_value};
use crate::error::Error;

/// How often a command follows a slot, with a pause that doubles: a third of a second in all.
const REDIRECTIONS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// The connections to a Cluster; none after the store was closed.
#[derive(Clone)]
pub(crate) struct ClusterLink(Arc<Mutex<Option<ClusterConnection>>>);

/// Returns the client of a builder that the user has given, for as long as an answer takes.
pub(crate) fn client(builder: ClusterClientBuilder, connect: Duration, answer: Duration) -> RedisResult<ClusterClient> {
    builder.retries(0).connection_timeout(connect).response_timeout(answer).build()
}

impl ClusterLink {
    pub(crate) async fn connect(client: &ClusterClient) -> RedisResult<Self> {
        Ok(Self(Arc::new(Mutex::new(Some(client.get_async_connection().await?)))))
    }

    fn connection(&self) -> Result<ClusterConnection, Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(Error::Closed)
    }

    pub(crate) fn close(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) async fn send(&self, request: &Request<'_>) -> Result<Reply, Error> {
        let connection = self.connection()?;
        follow_slot(&connection, request).await.map_err(Error::Command)
    }

    /// Sends reading commands, each to the master of its key.
    pub(crate) async fn send_all(&self, commands: &[Cmd]) -> Result<Vec<RedisResult<Value>>, Error> {
        let connection = self.connection()?;
        let sends = commands.iter().map(|command| {
            let connection = &connection;
            async move {
                let request = Request { command, wait: None, call: None };
                follow_slot(connection, &request).await.map(|reply| reply.value)
            }
        });
        Ok(join_all(sends).await)
    }

    /// Returns the answers of all masters, by their addresses.
    pub(crate) async fn ask_masters(&self, command: &Cmd) -> Result<Vec<(Option<String>, Value)>, Error> {
        let all = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
        let mut connection = self.connection()?;
        let answers = connection.route_command(command.clone(), all).await.and_then(Value::extract_error);
        match answers.map_err(Error::Command)? {
            Value::Map(answers) => answers
                .into_iter()
                .map(|(node, answer)| Ok((Some(redis::from_redis_value(node).map_err(|_| Error::Unexpected)?), answer)))
                .collect(),
            _ => Err(Error::Unexpected),
        }
    }

    pub(crate) async fn ask_node(&self, node: &str, command: &Cmd) -> Result<Value, Error> {
        let route = by_address(node).ok_or(Error::Unexpected)?;
        let mut connection = self.connection()?;
        let answer = connection.route_command(command.clone(), RoutingInfo::SingleNode(route)).await;
        answer.and_then(Value::extract_error).map_err(Error::Command)
    }
}

/// Sends a command, and again to where its slot has moved: a node that redirects has not executed it.
async fn follow_slot(connection: &ClusterConnection, request: &Request<'_>) -> RedisResult<Reply> {
    let mut answer = send_to_owner(connection, request).await;
    for attempt in 0..REDIRECTIONS {
        let error = match answer {
            Err(error) if is_redirection(&error) => error,
            answer => return answer,
        };
        if attempt > 0 {
            sleep(FIRST_PAUSE * 2_u32.pow(attempt)).await;
        }
        answer = match asked_node(&error) {
            Some(node) => send_to(connection, request, node).await,
            // The driver looks at the slots again before it sends anything else.
            None => send_to_owner(connection, request).await,
        };
    }
    answer
}

async fn send_to_owner(connection: &ClusterConnection, request: &Request<'_>) -> RedisResult<Reply> {
    let mut connection = connection.clone();
    let route = route_of(request.command);
    request.mark_sent();
    match request.pipeline() {
        None => {
            let route = RoutingInfo::SingleNode(route);
            Reply::of(connection.route_command(request.command.clone(), route).await?)
        }
        Some(both) => Reply::of_both(connection.route_pipeline(both, 0, 2, route).await?),
    }
}

/// Sends to the node that a slot is moving to, which serves it to those who say ASKING.
async fn send_to(
    connection: &ClusterConnection,
    request: &Request<'_>,
    node: SingleNodeRoutingInfo,
) -> RedisResult<Reply> {
    let mut all = Pipeline::with_capacity(3);
    all.cmd("ASKING").add_command(request.command.clone());
    let mut count = 1;
    if let Some(wait) = request.wait {
        all.add_command(wait.clone());
        count = 2;
    }
    let values = connection.clone().route_pipeline(all, 1, count, node).await?;
    if request.wait.is_some() {
        return Reply::of_both(values);
    }
    Ok(Reply { value: check_value(values.into_iter().next().unwrap_or(Value::Nil))?, replicas: None })
}

/// Returns the master of the command's key: also reads must see what was acknowledged (clause G4).
fn route_of(command: &Cmd) -> SingleNodeRoutingInfo {
    let mut arguments = command.args_iter().filter_map(|argument| match argument {
        redis::Arg::Simple(argument) => Some(argument),
        _ => None,
    });
    let key = match arguments.next() {
        Some(b"EVALSHA" | b"EVAL") => arguments.nth(2),
        _ => arguments.next(),
    };
    match key {
        Some(key) => SingleNodeRoutingInfo::SpecificNode(Route::with_key(key, SlotAddr::Master)),
        None => SingleNodeRoutingInfo::RandomPrimary,
    }
}

fn is_redirection(error: &RedisError) -> bool {
    use ServerErrorKind::{Ask, Moved, ReadOnly, TryAgain};
    matches!(error.kind(), ErrorKind::Server(Moved | Ask | ReadOnly | TryAgain))
}

fn asked_node(error: &RedisError) -> Option<SingleNodeRoutingInfo> {
    let (node, _) = error.redirect_node().filter(|_| error.kind() == ServerErrorKind::Ask.into())?;
    by_address(node)
}

fn by_address(node: &str) -> Option<SingleNodeRoutingInfo> {
    let (host, port) = node.rsplit_once(':')?;
    Some(SingleNodeRoutingInfo::ByAddress { host: host.to_owned(), port: port.parse().ok()? })
}
