//! poem.

use std::net::TcpListener;

use poem::listener::TcpAcceptor;
use poem::session::{CookieConfig, ServerSession, Session};
use poem::web::Data;
use poem::{EndpointExt as _, Server, handler, http::Uri};

use crate::app::{App, Gate, Setup, act, session_at_once};
use crate::scenarios::scenarios;

#[derive(Clone, Copy)]
pub(crate) struct Poem;

impl App for Poem {
    const EXTENDS_UNCHANGED: bool = false;

    fn serve(self, listener: TcpListener, setup: Setup) {
        let config = CookieConfig::default().secure(false).max_age(setup.timeout);
        let app = answer.with(ServerSession::new(config, setup.adapter.poem())).data(setup.gate);
        let acceptor = TcpAcceptor::from_std(listener).unwrap();
        tokio::spawn(Server::new_with_acceptor(acceptor).run(app));
    }
}

#[handler]
async fn answer(Data(gate): Data<&Gate>, session: &Session, uri: &Uri) -> String {
    let Ok(text) = act(&mut session.clone(), gate, uri.path()).await;
    text
}

session_at_once!(Session, |session, name, value| session.set(name, value), renew, purge);
scenarios!(super::Poem);
