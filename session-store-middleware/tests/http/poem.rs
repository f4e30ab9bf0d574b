//! poem.

use std::net::TcpListener;

use poem::listener::TcpAcceptor;
use poem::session::{CookieConfig, ServerSession, Session};
use poem::web::Data;
use poem::{EndpointExt as _, Server, handler, http::Uri};

use crate::app::{Action, App, Gate, Setup, told, values};
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
    let count = || session.get::<u64>("count").unwrap_or(0);
    match Action::of(uri.path()) {
        Action::Read => return told(session.get("user"), session.get("count")),
        Action::Login(user) => {
            session.renew();
            session.set("user", user);
        }
        Action::Count => {
            let count = count() + 1;
            session.set("count", count);
            return count.to_string();
        }
        Action::Same => session.set("count", count()),
        Action::Slow => {
            let count = count();
            gate.pass().await;
            session.set("count", count + 1);
        }
        Action::SlowRenew => {
            gate.pass().await;
            session.renew();
        }
        Action::Logout => session.purge(),
        Action::Put => session.set("values", values()),
        Action::Check => {
            let is_same = session.get::<serde_json::Value>("values") == Some(values());
            return if is_same { "same" } else { "different" }.to_owned();
        }
    }
    String::new()
}

scenarios!(super::Poem);
