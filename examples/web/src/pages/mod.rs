//! The pages, and what they are asked by.

mod admin;
mod devices;
mod files;
pub(crate) mod layout;
mod login;
mod operation;
mod shop;

use axum::Router;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};

use crate::refusal::Refusal;
use crate::state::App;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(shop::show))
        .route("/counter", post(shop::click))
        .route("/cart/add", post(shop::add))
        .route("/cart/remove", post(shop::remove))
        .route("/login", get(login::show).post(login::log_in))
        .route("/logout", post(login::log_out))
        .route("/devices", get(devices::show))
        .route("/devices/end", post(devices::end))
        .route("/devices/end-others", post(devices::end_others))
        .route("/admin", get(admin::show))
        .route("/admin/end", post(admin::end))
        .route("/health", get(operation::health))
        .route("/metrics", get(operation::metrics))
        .route("/style.css", get(files::style))
        .route("/icon.svg", get(files::icon))
        .fallback(async || Refusal::NotFound)
        .method_not_allowed_fallback(async || Refusal::WrongMethod)
}

/// To a page, by a new GET, so that loading it again sends no form again.
fn see(address: &str) -> Response {
    Redirect::to(address).into_response()
}
