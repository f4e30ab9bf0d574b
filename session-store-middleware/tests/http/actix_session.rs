//! Actix Web with actix-session.

use std::net::TcpListener;

use actix_session::config::{PersistentSession, TtlExtensionPolicy};
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::cookie::time::Duration;
use actix_web::{App as Application, Error, HttpRequest, HttpServer, rt, web};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::app::{self, App, Gate, Setup, act};
use crate::scenarios::scenarios;

#[derive(Clone, Copy)]
pub(crate) struct Actix;

impl App for Actix {
    fn serve(self, listener: TcpListener, setup: Setup) {
        let timeout = Duration::try_from(setup.timeout).unwrap();
        let application = move || {
            let life = PersistentSession::default()
                .session_ttl(timeout)
                .session_ttl_extension_policy(TtlExtensionPolicy::OnEveryRequest);
            // One key for all workers and nodes.
            let key = Key::from(&[7; 64]);
            let middleware =
                SessionMiddleware::builder(setup.adapter.actix_session(), key).session_lifecycle(life).build();
            Application::new()
                .wrap(middleware)
                .app_data(web::Data::new(setup.gate.clone()))
                .default_service(web::to(answer))
        };
        let server = HttpServer::new(application).workers(1).disable_signals().listen(listener).unwrap().run();
        std::thread::spawn(|| rt::System::new().block_on(server));
    }
}

async fn answer(gate: web::Data<Gate>, mut session: Session, request: HttpRequest) -> Result<String, Error> {
    act(&mut session, &gate, request.path()).await
}

impl app::Session for Session {
    type Error = Error;

    async fn value<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        Ok(self.get(name)?)
    }

    async fn put<T: Serialize>(&mut self, name: &str, value: T) -> Result<(), Error> {
        Ok(self.insert(name, value)?)
    }

    async fn give_new_id(&mut self) -> Result<(), Error> {
        self.renew();
        Ok(())
    }

    async fn end(&mut self) -> Result<(), Error> {
        self.purge();
        Ok(())
    }
}

scenarios!(super::Actix);
