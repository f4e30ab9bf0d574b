#![doc = include_str!("../README.md")]

mod login;
mod origin;
mod page;
mod refusal;
mod sessions;
mod users;
mod visitor;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use axum_login::tower_sessions::cookie::time::Duration;
use axum_login::tower_sessions::{Expiry, SessionManagerLayer};
use axum_login::{AuthManagerLayerBuilder, login_required};
use axum_messages::MessagesManagerLayer;
use session_store::SessionStore;
use session_store_middleware::Adapter;

use crate::users::Backend;

/// Where axum-login writes whose session it is: `user_id` in the value named `axum-login.data`. A dot and a hyphen
/// stand for themselves in a JSON Pointer; only `~` and `/` in a name would be written `~0` and `~1`.
const USER: &str = "/axum-login.data/user_id";

/// How long a session lives that nobody uses.
const IDLE: Duration = Duration::DAY;

/// The store, told whose each session is. That is what the lists of sessions need.
#[must_use]
pub fn adapter(store: Arc<dyn SessionStore>) -> Adapter {
    Adapter::new(store).user_at(USER)
}

/// The application.
pub fn router(adapter: Adapter) -> Router {
    let sessions = SessionManagerLayer::new(adapter.tower_sessions_014())
        // It listens on loopback without TLS, where not every browser takes a cookie that is `Secure`. An application
        // behind HTTPS leaves this line out.
        .with_secure(false)
        .with_expiry(Expiry::OnInactivity(IDLE))
        // So that each request is seen in the list. One that has changed nothing costs the store a touch, and no write.
        .with_always_save(true);
    let auth = AuthManagerLayerBuilder::new(Backend::new(), sessions).build();
    let pages = Router::new()
        .route("/", get(page::home))
        .route("/sessions", get(sessions::show))
        .route_layer(login_required!(Backend, login_url = "/login"));
    // Not behind `login_required`, whose redirect has the browser send the form once more, to the login.
    let forms = Router::new()
        .route("/logout", post(login::log_out))
        .route("/sessions/end", post(sessions::end))
        .route("/sessions/end-others", post(sessions::end_others));
    let login = Router::new().route("/login", get(login::show).post(login::log_in));
    pages
        .merge(forms)
        .merge(login)
        .layer(MessagesManagerLayer)
        .layer(auth)
        // Outermost: what comes from another site does not even reach the session.
        .layer(from_fn(origin::require_own))
        .with_state(adapter)
}
