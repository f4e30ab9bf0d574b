//! Why a request gets another page than it asked for.

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use session_store::{Error, ErrorKind};

use crate::cookie;
use crate::local::Local;
use crate::pages::layout::plain;
use crate::query::address;
use crate::state::Gone;

pub(crate) enum Refusal {
    /// The browser has sent the cookie of a session that is gone; it wanted to go there.
    Ended(Local),
    /// Only those who are logged in may go there.
    LoginFirst(Local),
    /// Only an admin may.
    NotAllowed,
    /// The form was not filled in on a page of this site, or on one of a former session.
    Forged,
    /// The form cannot be read.
    Unreadable(StatusCode),
    /// There is no such page.
    NotFound,
    /// It is there, but for another method.
    WrongMethod,
    /// The store, or what it was asked.
    Failed(Error),
}

impl Refusal {
    pub(crate) fn unreadable() -> Self {
        Self::Unreadable(StatusCode::BAD_REQUEST)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Gone> for Refusal {
    fn from(_: Gone) -> Self {
        Self::Ended(Local::start())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Ended(wanted) => {
                let mut answer = to_login(&wanted, "ended");
                cookie::remove(&mut answer);
                answer
            }
            Self::LoginFirst(wanted) => to_login(&wanted, "login-first"),
            Self::NotAllowed => page(StatusCode::FORBIDDEN, "Not for you", "Only an admin may see this page."),
            Self::Forged => page(
                StatusCode::FORBIDDEN,
                "Nothing was changed",
                "This form did not come from a page of this site, or from one that is out of date. Load the page again, and \
                 then try once more.",
            ),
            Self::Unreadable(status) => {
                page(status, "Not understood", "This form cannot be read. Nothing was changed.")
            }
            Self::NotFound => page(StatusCode::NOT_FOUND, "Not found", "There is no such page."),
            Self::WrongMethod => {
                page(StatusCode::METHOD_NOT_ALLOWED, "Not possible", "This page cannot be had that way.")
            }
            Self::Failed(error) => failed(&error),
        }
    }
}

fn page(status: StatusCode, title: &str, text: &str) -> Response {
    (status, plain(title, text)).into_response()
}

fn to_login(wanted: &Local, notice: &str) -> Response {
    Redirect::to(&address("/login", &[("notice", notice), ("next", wanted.as_str())])).into_response()
}

/// It takes no cookie away: when the store is back, so are the sessions.
fn failed(error: &Error) -> Response {
    tracing::warn!(%error, kind = error.kind().as_str(), "a request failed");
    if !(error.is_transient() || error.kind() == ErrorKind::Conflict) {
        return page(StatusCode::INTERNAL_SERVER_ERROR, "That did not work", "The fault is ours. It has been noted.");
    }
    let text = "We cannot reach your session at the moment. Nothing is lost: please try again in a few seconds.";
    let mut answer = page(StatusCode::SERVICE_UNAVAILABLE, "Please try again", text);
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    answer
}
