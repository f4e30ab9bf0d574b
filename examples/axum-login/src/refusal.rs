//! Why a visitor does not get what he has asked for.

use std::fmt::Display;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use crate::page;

pub(crate) enum Refusal {
    LoginFirst,
    Failed,
}

impl Refusal {
    /// The cause is for who runs the application, and not for its visitors.
    pub(crate) fn failed(cause: impl Display) -> Self {
        tracing::error!(%cause, "a request failed");
        Self::Failed
    }
}

impl<E: std::error::Error> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::failed(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::LoginFirst => Redirect::to("/login").into_response(),
            Self::Failed => {
                let page = page::plain("Something went wrong", "Try again in a moment.");
                (StatusCode::INTERNAL_SERVER_ERROR, page).into_response()
            }
        }
    }
}
