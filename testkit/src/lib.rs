#![doc = include_str!("../README.md")]
//! # Modules
//!
//! | module | what it has |
//! | --- | --- |
//! | [`servers`] | servers that one test owns and may break; a proxy that cuts and holds connections; a fake Redis |
//! | [`containers`] | servers that many tests share: by URL, or in containers (feature `containers`) |
//! | [`relay`], [`certificates`], [`web_server`] | other surroundings of a server |
//! | [`failures`] | every operation of a store, and what its errors must be when something fails |
//! | [`load`] | tasks that keep a record of what was acknowledged, while something fails |
//! | [`corpus`] | the files of a fuzzer's corpus, as ordinary tests |
//! | [`scaled`] | how long a test runs |

#[cfg(feature = "servers")]
pub mod certificates;
#[cfg(feature = "containers")]
pub mod containers;
pub mod corpus;
#[cfg(feature = "servers")]
pub mod failures;
mod length;
#[cfg(feature = "servers")]
pub mod load;
#[cfg(feature = "servers")]
pub mod relay;
#[cfg(feature = "servers")]
mod release;
#[cfg(all(feature = "servers", unix))]
pub mod servers;
#[cfg(feature = "servers")]
pub mod web_server;

pub use crate::length::{is_long, scaled};
