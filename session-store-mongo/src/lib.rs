#![doc = include_str!("../README.md")]

mod batch;
mod command;
mod config;
mod document;
mod error;
mod indexes;
mod link;
mod reply;
mod store;
mod update;

pub use mongodb;
pub use session_store_core as core;

pub use crate::config::{Builder, Server};
pub use crate::store::MongoStore;
