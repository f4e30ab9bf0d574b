#![doc = include_str!("../README.md")]

mod batch;
mod config;
mod error;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod layout;
mod link;
mod names;
mod pool;
mod pooler;
mod record;
mod sql;
mod store;
mod value;

pub use session_store_core as core;
pub use sqlx;

pub use crate::config::{Builder, Server};
pub use crate::store::PostgresStore;
