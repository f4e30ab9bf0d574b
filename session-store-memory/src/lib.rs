#![doc = include_str!("../README.md")]

mod clock;
mod config;
mod index;
mod scan;
mod shard;
mod shared;
mod store;
mod sweeper;

pub use session_store_core as core;

pub use crate::clock::{Clock, ManualClock, SystemClock};
pub use crate::config::Builder;
pub use crate::store::MemoryStore;
