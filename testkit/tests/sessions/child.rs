//! This program once more, as a process of its own.

use std::env;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::time::timeout;

use crate::namespace_fixture::NamespaceFixture;
use crate::{node, secrets};

/// What the process is to do.
const VARIABLE: &str = "SESSION_STORE_TEST_CHILD";

const LIMIT: Duration = Duration::from_mins(1);

#[derive(Deserialize, Serialize)]
pub(crate) struct Orders {
    pub(crate) fixture: NamespaceFixture,
    pub(crate) task: Task,
}

#[derive(Deserialize, Serialize)]
pub(crate) enum Task {
    /// Do all that can be done, and find no secret in what is told of it.
    KeepSecrets,
    /// Do what a node does, and tell what it has seen.
    BeNode(node::NodeOrders),
}

/// This process's orders, if it is a child.
pub(crate) fn orders() -> Option<Orders> {
    Some(serde_json::from_str(&env::var(VARIABLE).ok()?).unwrap())
}

#[allow(clippy::print_stdout, reason = "the answer to the parent")]
pub(crate) async fn obey(Orders { fixture, task }: Orders) {
    let answer = match task {
        Task::KeepSecrets => secrets::keep(&fixture).await,
        Task::BeNode(orders) => node::report(&fixture, &orders).await,
    };
    println!("{answer}");
}

/// What a child with these orders and these variables answers.
pub(crate) async fn answer(orders: &Orders, variables: &[(&str, String)]) -> String {
    let mut command = Command::new(env::current_exe().unwrap());
    command.env(VARIABLE, serde_json::to_string(orders).unwrap()).envs(variables.iter().cloned());
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(LIMIT, command.output()).await.expect("it ends in time").unwrap();
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// In a process of its own, so that all that is told in it is heard.
pub(crate) async fn keeps_secrets(fixture: Arc<NamespaceFixture>) {
    let orders = Orders { fixture: fixture.at(fixture.url.clone()), task: Task::KeepSecrets };
    let answer = answer(&orders, &[]).await;
    assert!(answer.contains("no secret"), "{answer}");
}
