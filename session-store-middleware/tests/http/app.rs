//! The application that each middleware serves, so that all are asked the same.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
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
enum Action {
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
    fn of(path: &str) -> Self {
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

/// A session as its middleware gives it to a request. The methods have other names than those of the middlewares, which
/// they would hide.
pub(crate) trait Session {
    type Error;
    async fn value<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Self::Error>;
    async fn put<T: Serialize>(&mut self, name: &str, value: T) -> Result<(), Self::Error>;
    /// Gives it a new ID.
    async fn give_new_id(&mut self) -> Result<(), Self::Error>;
    async fn end(&mut self) -> Result<(), Self::Error>;
}

/// Of one that answers at once.
macro_rules! session_at_once {
    ($type:ty, |$session:ident, $name:ident, $value:ident| $set:expr, $renew:ident, $end:ident) => {
        impl crate::app::Session for $type {
            type Error = std::convert::Infallible;

            async fn value<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Self::Error> {
                Ok(self.get(name))
            }

            async fn put<T: serde::Serialize>(&mut self, $name: &str, $value: T) -> Result<(), Self::Error> {
                let $session = self;
                $set;
                Ok(())
            }

            async fn give_new_id(&mut self) -> Result<(), Self::Error> {
                self.$renew();
                Ok(())
            }

            async fn end(&mut self) -> Result<(), Self::Error> {
                self.$end();
                Ok(())
            }
        }
    };
}

pub(crate) use session_at_once;

/// What the application does, and answers.
pub(crate) async fn act<S: Session>(session: &mut S, gate: &Gate, path: &str) -> Result<String, S::Error> {
    let count: u64 = session.value("count").await?.unwrap_or(0);
    match Action::of(path) {
        Action::Read => {
            let user: Option<String> = session.value("user").await?;
            return Ok(format!("{} {count}", user.as_deref().unwrap_or("nobody")));
        }
        Action::Login(user) => {
            session.give_new_id().await?;
            session.put("user", user).await?;
        }
        Action::Count => {
            session.put("count", count + 1).await?;
            return Ok((count + 1).to_string());
        }
        Action::Same => session.put("count", count).await?,
        Action::Slow => {
            gate.pass().await;
            session.put("count", count + 1).await?;
        }
        Action::SlowRenew => {
            gate.pass().await;
            session.give_new_id().await?;
        }
        Action::Logout => session.end().await?,
        Action::Put => session.put("values", values()).await?,
        Action::Check => {
            let is_same = session.value("values").await? == Some(values());
            return Ok(if is_same { "same" } else { "different" }.to_owned());
        }
    }
    Ok(String::new())
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
