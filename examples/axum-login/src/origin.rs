//! No other site acts in a visitor's name.
//!
//! The session's cookie is `SameSite=Strict`, the default of tower-sessions, so a form of another site comes without
//! it. That leaves the login, which needs no cookie, and other applications under the same domain, which are the same
//! site. So each form must also come from a page of this very origin, as the browser says itself.

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::page;

/// Refuses what may change something, unless it comes from a page of this application.
pub(crate) async fn require_own(request: Request, next: Next) -> Response {
    if request.method().is_safe() || is_own(request.headers()) {
        return next.run(request).await;
    }
    let page = page::plain("Refused", "This form was not sent by a page of this site.");
    (StatusCode::FORBIDDEN, page).into_response()
}

/// What says nothing of its origin is no browser of today, and is refused too.
fn is_own(headers: &HeaderMap) -> bool {
    match headers.get("sec-fetch-site") {
        Some(site) => site == "same-origin",
        // Older browsers send only this.
        None => is_from_this_host(headers).unwrap_or(false),
    }
}

/// The scheme is left out: behind a proxy that ends TLS, it is not known here.
fn is_from_this_host(headers: &HeaderMap) -> Option<bool> {
    let origin: Uri = headers.get(ORIGIN)?.to_str().ok()?.parse().ok()?;
    origin.scheme()?;
    Some(origin.authority()?.as_str() == headers.get(HOST)?.to_str().ok()?)
}
