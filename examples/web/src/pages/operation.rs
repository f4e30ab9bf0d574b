//! What operators ask. It shows nothing of any session.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use crate::numbers;
use crate::state::App;

/// Whether the store answers; why it does not, is in the log.
pub(super) async fn health(State(app): State<App>) -> (StatusCode, &'static str) {
    match app.sessions.store().ping().await {
        Ok(()) => (StatusCode::OK, "ok"),
        Err(error) => {
            tracing::warn!(%error, "the store does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
        }
    }
}

pub(super) async fn metrics() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], numbers::text())
}
