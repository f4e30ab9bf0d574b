//! Salvo.

use std::net::TcpListener;

use salvo::conn::tcp::TcpAcceptor;
use salvo::prelude::{Depot, Request, Router, Server, handler};
use salvo::session::{SessionDepotExt as _, SessionHandler};
use saysion::Session;

use crate::app::{App, Gate, Setup, act, session_at_once};
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
    let Ok(text) = act(depot.session_mut().unwrap(), &gate, request.uri().path()).await;
    text
}

session_at_once!(Session, |session, name, value| session.insert(name, value).unwrap(), regenerate, destroy);
scenarios!(super::Salvo);
