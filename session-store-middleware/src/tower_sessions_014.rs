//! tower-sessions 0.14, with the store's trait of `tower-sessions-core` 0.14: what axum-login 0.18 builds on.
//!
//! Everything is as in `tower_sessions`, for the release after it.
//!
//! - axum-login gives a new ID when somebody logs in who was not logged in; end the session first (`AuthSession::logout`)
//!   where one user logs in after another.

crate::tower_sessions::tower_sessions_store!(tower_sessions_core_014, tower_sessions_014, "tower-sessions 0.14.");
