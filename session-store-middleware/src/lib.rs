#![doc = include_str!("../README.md")]
// One adapter alone does not need all that they share.
#![cfg_attr(not(feature = "all"), allow(dead_code, unused_imports, reason = "used by other adapters"))]

mod adapter;
mod data;
mod loaded;
mod memo;
mod operations;

#[cfg(feature = "actix-session")]
pub mod actix_session;
#[cfg(any(feature = "async-session", feature = "saysion"))]
pub mod async_session;
#[cfg(feature = "axum-session")]
pub mod axum_session;
#[cfg(feature = "poem")]
pub mod poem;
#[cfg(feature = "saysion")]
pub mod saysion;
#[cfg(any(feature = "tower-sessions", feature = "tower-sessions-014"))]
pub mod tower_sessions;
#[cfg(feature = "tower-sessions-014")]
pub mod tower_sessions_014;

pub use crate::adapter::{Adapter, WhenGone};
pub use crate::data::Data;
