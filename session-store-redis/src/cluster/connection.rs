//! A Redis Cluster.
//!
//! The driver resends what a broken connection left open, up to 16 times, also what is not true any more the
//! second time (clause K3). So its own retries are off, and what a node has refused is sent again here.

use std::time::Duration;

use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};
use tokio::time::sleep;

use super::{Node, Reply, Request};

/// How often a command follows a slot, with a pause that doubles: a third of a second in all.
const REDIRECTIONS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(5);

#[derive(Clone)]
pub(crate) struct Cluster(ClusterConnection);

/// The client of a builder that the user has given, for as long as an answer takes.
pub(crate) fn client(builder: ClusterClientBuilder, connect: Duration, answer: Duration) -> RedisResult<ClusterClient> {
    builder.retries(0).connection_timeout(connect).response_timeout(answer).build()
}

impl Cluster {
    pub(crate) async fn connect(client: &ClusterClient) -> RedisResult<Self> {
        Ok(Self(client.get_async_connection().await?))
    }

    pub(super) async fn send(&self, request: &Request<'_>) -> RedisResult<Reply> {
        let mut answer = self.send_to_owner(request).await;
        for attempt in 0..REDIRECTIONS {
            let error = match answer {
                Err(error) if is_redirection(&error) => error,
                answer => return answer,
            };
            if attempt > 0 {
                sleep(FIRST_PAUSE * 2_u32.pow(attempt)).await;
            }
            answer = match asked(&error) {
                Some(node) => self.send_to(request, node).await,
                // The driver looks at the slots again before it sends anything else.
                None => self.send_to_owner(request).await,
            };
        }
        answer
    }

    async fn send_to_owner(&self, request: &Request<'_>) -> RedisResult<Reply> {
        let mut connection = self.0.clone();
        let route = route_of(request.command);
        request.mark_sent();
        match request.pipeline() {
            None => Reply::of(connection.route_command(request.command.clone(), RoutingInfo::SingleNode(route)).await?),
            Some(both) => Reply::of_both(connection.route_pipeline(both, 0, 2, route).await?),
        }
    }

    /// To the node that a slot is moving to, which serves it to those who say ASKING.
    async fn send_to(&self, request: &Request<'_>, node: SingleNodeRoutingInfo) -> RedisResult<Reply> {
        let mut all = Pipeline::with_capacity(3);
        all.cmd("ASKING").add_command(request.command.clone());
        let mut count = 1;
        if let Some(wait) = request.wait {
            all.add_command(wait.clone());
            count = 2;
        }
        let values = self.0.clone().route_pipeline(all, 1, count, node).await?;
        if request.wait.is_some() {
            return Reply::of_both(values);
        }
        Reply::of(values.into_iter().next().unwrap_or(Value::Nil))
    }

    /// The answers of all masters, by their addresses.
    pub(super) async fn ask_masters(&self, command: &Cmd) -> RedisResult<Vec<(Node, Value)>> {
        let all = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
        match self.0.clone().route_command(command.clone(), all).await?.extract_error()? {
            Value::Map(answers) => {
                let named = |(node, answer)| Ok((Some(redis::from_redis_value(node)?), answer));
                answers.into_iter().map(named).collect()
            }
            _ => Err((ErrorKind::UnexpectedReturnType, "not an answer of each master").into()),
        }
    }

    pub(super) async fn ask_node(&self, node: &str, command: &Cmd) -> RedisResult<Value> {
        let node = by_address(node).ok_or((ErrorKind::Client, "not an address"))?;
        self.0.clone().route_command(command.clone(), RoutingInfo::SingleNode(node)).await?.extract_error()
    }
}

/// The master of the command's key: also reads must see what was acknowledged (clause G4).
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

fn asked(error: &RedisError) -> Option<SingleNodeRoutingInfo> {
    let (node, _) = error.redirect_node().filter(|_| error.kind() == ServerErrorKind::Ask.into())?;
    by_address(node)
}

fn by_address(node: &str) -> Option<SingleNodeRoutingInfo> {
    let (host, port) = node.rsplit_once(':')?;
    Some(SingleNodeRoutingInfo::ByAddress { host: host.to_owned(), port: port.parse().ok()? })
}
