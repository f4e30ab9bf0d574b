//! Each adapter through its middleware, by HTTP and with cookies: the same scenarios for all, over memory and Redis.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod actix_session;
mod app;
mod axum_session;
mod backend;
mod browser;
mod poem;
mod saysion;
mod scenarios;
mod stores;
mod tower_sessions;
mod trillium;
