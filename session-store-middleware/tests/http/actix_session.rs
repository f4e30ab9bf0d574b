//! Actix Web with actix-session.

use std::net::TcpListener;

use actix_session::config::{PersistentSession, TtlExtensionPolicy};
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::cookie::time::Duration;
use actix_web::{App as Application, Error, HttpRequest, HttpServer, rt, web};

use crate::app::{Action, App, Gate, Setup, told, values};
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

async fn answer(gate: web::Data<Gate>, session: Session, request: HttpRequest) -> Result<String, Error> {
    let count = || Ok::<_, Error>(session.get::<u64>("count")?.unwrap_or(0));
    match Action::of(request.path()) {
        Action::Read => return Ok(told(session.get("user")?, session.get("count")?)),
        Action::Login(user) => {
            session.renew();
            session.insert("user", user)?;
        }
        Action::Count => {
            let count = count()? + 1;
            session.insert("count", count)?;
            return Ok(count.to_string());
        }
        Action::Same => session.insert("count", count()?)?,
        Action::Slow => {
            let count = count()?;
            gate.pass().await;
            session.insert("count", count + 1)?;
        }
        Action::SlowRenew => {
            gate.pass().await;
            session.renew();
        }
        Action::Logout => session.purge(),
        Action::Put => session.insert("values", values())?,
        Action::Check => {
            let is_same = session.get::<serde_json::Value>("values")? == Some(values());
            return Ok(if is_same { "same" } else { "different" }.to_owned());
        }
    }
    Ok(String::new())
}

scenarios!(super::Actix);
