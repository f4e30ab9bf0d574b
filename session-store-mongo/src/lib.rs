#![doc = include_str!("../README.md")]

mod batch;
mod client;
mod command;
mod config;
mod document;
mod error;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod indexes;
mod link;
mod reply;
mod store;
mod update;

pub use mongodb;
pub use session_store_core as core;

pub use crate::client::Server;
pub use crate::config::Builder;
pub use crate::store::MongoStore;
