#![doc = include_str!("../README.md")]

mod adapter;
mod data;
mod loaded;
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
