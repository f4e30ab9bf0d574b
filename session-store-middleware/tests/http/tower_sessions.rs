//! axum with tower-sessions, in both releases.

macro_rules! with_axum {
    ($module:ident, $tower_sessions:ident, $method:ident, $name:ident) => {
        pub(crate) mod $module {
            use std::net::TcpListener;

            use axum::extract::State;
            use axum::http::{StatusCode, Uri};
            use axum::{Extension, Router};
            use session_store_middleware::Adapter;
            use $tower_sessions::cookie::time::Duration;
            use $tower_sessions::session::Error;
            use $tower_sessions::{Expiry, Session, SessionManagerLayer};

            use crate::app::{Action, App, Gate, Setup, told, values};
            use crate::scenarios::scenarios;

            #[derive(Clone, Copy)]
            pub(crate) struct $name;

            impl App for $name {
                fn serve(self, listener: TcpListener, setup: Setup) {
                    let timeout = Duration::try_from(setup.timeout).unwrap();
                    let store = Adapter::$method(&setup.adapter);
                    let layer = SessionManagerLayer::new(store)
                        .with_expiry(Expiry::OnInactivity(timeout))
                        .with_always_save(true);
                    let router = Router::new().fallback(answer).layer(layer).with_state(setup.gate);
                    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                    tokio::spawn(async { axum::serve(listener, router).await });
                }
            }

            async fn answer(
                State(gate): State<Gate>,
                Extension(session): Extension<Session>,
                uri: Uri,
            ) -> (StatusCode, String) {
                match act(&session, &gate, Action::of(uri.path())).await {
                    Ok(text) => (StatusCode::OK, text),
                    Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
                }
            }

            async fn act(session: &Session, gate: &Gate, action: Action) -> Result<String, Error> {
                let count = async || Ok::<_, Error>(session.get::<u64>("count").await?.unwrap_or(0));
                match action {
                    Action::Read => return Ok(told(session.get("user").await?, session.get("count").await?)),
                    Action::Login(user) => {
                        session.cycle_id().await?;
                        session.insert("user", user).await?;
                    }
                    Action::Count => {
                        let count = count().await? + 1;
                        session.insert("count", count).await?;
                        return Ok(count.to_string());
                    }
                    Action::Same => session.insert("count", count().await?).await?,
                    Action::Slow => {
                        let count = count().await?;
                        gate.pass().await;
                        session.insert("count", count + 1).await?;
                    }
                    Action::SlowRenew => {
                        count().await?;
                        gate.pass().await;
                        session.cycle_id().await?;
                    }
                    Action::Logout => session.flush().await?,
                    Action::Put => session.insert("values", values()).await?,
                    Action::Check => {
                        let is_same = session.get_value("values").await? == Some(values());
                        return Ok(if is_same { "same" } else { "different" }.to_owned());
                    }
                }
                Ok(String::new())
            }

            scenarios!(super::$name);
        }
    };
}

with_axum!(release_0_15, tower_sessions, tower_sessions, TowerSessions);
with_axum!(release_0_14, tower_sessions_014, tower_sessions_014, TowerSessions014);
