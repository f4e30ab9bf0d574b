//! The application that each middleware serves, so that all are asked the same.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use session_store_middleware::Adapter;
use tokio::sync::Semaphore;

/// One that runs until the test ends.
pub(crate) trait App: Copy {
    /// Whether a visitor is told by the status that nothing was saved.
    const TELLS_WHAT_IS_LOST: bool = true;
    /// Whether a session is extended by a request that changes nothing.
    const EXTENDS_UNCHANGED: bool = true;

    /// Serves on this listener.
    fn serve(self, listener: TcpListener, setup: Setup);
}

#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) adapter: Adapter,
    /// The idle timeout.
    pub(crate) timeout: Duration,
    pub(crate) gate: Gate,
}

/// What a request asks for, by its path.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Tells the user and the count.
    Read,
    /// A new ID, and a user.
    Login(String),
    /// Counts one further.
    Count,
    /// Writes what is there already.
    Same,
    /// Counts one further, but reads and writes on two sides of the gate.
    Slow,
    /// A new ID, on the other side of the gate.
    SlowRenew,
    /// Ends the session.
    Logout,
    /// Puts the values there that JSON can hold.
    Put,
    /// Tells whether they are there.
    Check,
}

impl Action {
    pub(crate) fn of(path: &str) -> Self {
        match path.trim_start_matches('/').split_once('/') {
            Some(("login", user)) => return Self::Login(user.to_owned()),
            Some(_) => panic!("{path}"),
            None => {}
        }
        match path.trim_start_matches('/') {
            "read" => Self::Read,
            "count" => Self::Count,
            "same" => Self::Same,
            "slow" => Self::Slow,
            "slow-renew" => Self::SlowRenew,
            "logout" => Self::Logout,
            "put" => Self::Put,
            "check" => Self::Check,
            other => panic!("{other}"),
        }
    }
}

/// What [`Action::Read`] answers.
pub(crate) fn told(user: Option<String>, count: Option<u64>) -> String {
    format!("{} {}", user.unwrap_or("nobody".to_owned()), count.unwrap_or(0))
}

/// All kinds of values, with those among them that other encodings lose.
pub(crate) fn values() -> Value {
    json!({
        "null": null, "yes": true, "no": false,
        "least": i64::MIN, "most": u64::MAX, "zero": 0, "minus": -0.0,
        "tenth": 0.1, "whole": 1.0, "large": 1e300, "small": 5e-324,
        "text": "ä\u{1F600}\u{0}\"\\\n", "empty": "", "list": [[], {}, [1, 1.0, "1"]],
        "nested": { "b": { "a": [null] }, "": 0 },
    })
}

/// Where a request waits.
#[derive(Clone)]
pub(crate) struct Gate {
    waiting: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self { waiting: Arc::new(Semaphore::new(0)), open: Arc::new(Semaphore::new(0)) }
    }

    /// Returns when it was opened.
    pub(crate) async fn pass(&self) {
        self.waiting.add_permits(1);
        self.open.acquire().await.unwrap().forget();
    }

    /// Returns when a request waits.
    pub(crate) async fn wait(&self) {
        self.waiting.acquire().await.unwrap().forget();
    }

    /// For one request.
    pub(crate) fn open(&self) {
        self.open.add_permits(1);
    }
}
