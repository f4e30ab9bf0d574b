//! Trillium with async-session.

use std::net::TcpListener;

use trillium::{Conn, State};
use trillium_cookies::cookies;
use trillium_sessions::{SessionConnExt as _, sessions};

use crate::app::{Action, App, Gate, Setup, told, values};
use crate::scenarios::scenarios;

#[derive(Clone, Copy)]
pub(crate) struct Trillium;

impl App for Trillium {
    const TELLS_WHAT_IS_LOST: bool = false;

    fn serve(self, listener: TcpListener, setup: Setup) {
        let sessions = sessions(setup.adapter.async_session(), [7; 64]).with_session_ttl(Some(setup.timeout));
        let handler = (State::new(setup.gate), cookies(), sessions, answer);
        let config = trillium_tokio::config()
            .without_signals()
            .with_prebound_server(tokio::net::TcpListener::from_std(listener).unwrap());
        tokio::spawn(config.run_async(handler));
    }
}

async fn answer(mut conn: Conn) -> Conn {
    let gate = conn.state::<Gate>().unwrap().clone();
    let action = Action::of(conn.path());
    let session = conn.session_mut();
    let count = session.get::<u64>("count").unwrap_or(0);
    let mut text = String::new();
    match action {
        Action::Read => text = told(session.get("user"), session.get("count")),
        Action::Login(user) => {
            session.regenerate();
            session.insert("user", user).unwrap();
        }
        Action::Count => {
            session.insert("count", count + 1).unwrap();
            text = (count + 1).to_string();
        }
        Action::Same => session.insert("count", count).unwrap(),
        Action::Slow => {
            gate.pass().await;
            session.insert("count", count + 1).unwrap();
        }
        Action::SlowRenew => {
            gate.pass().await;
            session.regenerate();
        }
        Action::Logout => session.destroy(),
        Action::Put => session.insert("values", values()).unwrap(),
        Action::Check => {
            let is_same = session.get::<serde_json::Value>("values") == Some(values());
            text = String::from(if is_same { "same" } else { "different" });
        }
    }
    conn.ok(text)
}

scenarios!(super::Trillium);
