//! axum with tower-sessions, in both releases.

macro_rules! with_axum {
    ($module:ident, $tower_sessions:ident, $method:ident, $name:ident) => {
        pub(crate) mod $module {
            use std::net::TcpListener;

            use axum::extract::State;
            use axum::http::{StatusCode, Uri};
            use axum::{Extension, Router};
            use serde::Serialize;
            use serde::de::DeserializeOwned;
            use session_store_middleware::Adapter;
            use $tower_sessions::cookie::time::Duration;
            use $tower_sessions::session::Error;
            use $tower_sessions::{Expiry, Session, SessionManagerLayer};

            use crate::app::{self, App, Gate, Setup, act};
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
                Extension(mut session): Extension<Session>,
                uri: Uri,
            ) -> (StatusCode, String) {
                match act(&mut session, &gate, uri.path()).await {
                    Ok(text) => (StatusCode::OK, text),
                    Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
                }
            }

            impl app::Session for Session {
                type Error = Error;

                async fn value<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
                    self.get(name).await
                }

                async fn put<T: Serialize>(&mut self, name: &str, value: T) -> Result<(), Error> {
                    // Before a future that must be `Send`, which the value need not be.
                    let value = serde_json::to_value(value)?;
                    self.insert_value(name, value).await.map(drop)
                }

                async fn give_new_id(&mut self) -> Result<(), Error> {
                    self.cycle_id().await
                }

                async fn end(&mut self) -> Result<(), Error> {
                    self.flush().await
                }
            }

            scenarios!(super::$name);
        }
    };
}

with_axum!(release_0_15, tower_sessions, tower_sessions, TowerSessions);
with_axum!(release_0_14, tower_sessions_014, tower_sessions_014, TowerSessions014);
