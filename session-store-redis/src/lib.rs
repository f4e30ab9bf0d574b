#![doc = include_str!("../README.md")]

mod batch;
mod check;
mod clock;
#[cfg(feature = "cluster")]
mod cluster;
mod config;
mod error;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod keys;
mod link;
mod record;
mod scan;
mod script;
mod shared;
mod single;
mod store;
mod wire;

pub use session_store_core as core;

pub use crate::config::{Builder, Server};
pub use crate::store::RedisStore;
