//! Salvo.

use std::net::TcpListener;

use salvo::conn::tcp::TcpAcceptor;
use salvo::prelude::{Depot, Request, Router, Server, handler};
use salvo::session::{SessionDepotExt as _, SessionHandler};

use crate::app::{Action, App, Gate, Setup, told, values};
use crate::scenarios::scenarios;

#[derive(Clone, Copy)]
pub(crate) struct Salvo;

impl App for Salvo {
    fn serve(self, listener: TcpListener, setup: Setup) {
        let sessions = SessionHandler::builder(setup.adapter.saysion(), &[7; 64])
            .session_ttl(Some(setup.timeout))
            .build()
            .unwrap();
        let router =
            Router::with_path("{**path}").hoop(sessions).hoop(salvo::affix_state::inject(setup.gate)).goal(answer);
        let acceptor = TcpAcceptor::try_from(tokio::net::TcpListener::from_std(listener).unwrap()).unwrap();
        tokio::spawn(Server::new(acceptor).serve(router));
    }
}

#[handler]
async fn answer(request: &mut Request, depot: &mut Depot) -> String {
    let gate = depot.get_typed::<Gate>().unwrap().clone();
    let session = depot.session_mut().unwrap();
    let count = session.get::<u64>("count").unwrap_or(0);
    match Action::of(request.uri().path()) {
        Action::Read => return told(session.get("user"), session.get("count")),
        Action::Login(user) => {
            session.regenerate();
            session.insert("user", user).unwrap();
        }
        Action::Count => {
            session.insert("count", count + 1).unwrap();
            return (count + 1).to_string();
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
            return if is_same { "same" } else { "different" }.to_owned();
        }
    }
    String::new()
}

scenarios!(super::Salvo);
