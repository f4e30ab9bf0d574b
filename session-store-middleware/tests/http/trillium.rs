//! Trillium with async-session.

use std::net::TcpListener;

use async_session::Session;
use trillium::{Conn, State};
use trillium_cookies::cookies;
use trillium_sessions::{SessionConnExt as _, sessions};

use crate::app::{App, Gate, Setup, act, session_at_once};
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
    let path = conn.path().to_owned();
    let Ok(text) = act(conn.session_mut(), &gate, &path).await;
    conn.ok(text)
}

session_at_once!(Session, |session, name, value| session.insert(name, value).unwrap(), regenerate, destroy);
scenarios!(super::Trillium);
