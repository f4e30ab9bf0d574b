//! tower-sessions 0.14, with the store's trait of `tower-sessions-core` 0.14: what axum-login 0.18 builds on.
//!
//! Everything is as in `tower_sessions`, for the release after it.

crate::tower_sessions::tower_sessions_store!(tower_sessions_core_014, tower_sessions_014, "tower-sessions 0.14.");
