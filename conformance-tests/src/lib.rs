#![doc = include_str!("../README.md")]

mod case;
mod cases;
mod check;
mod clause;
#[cfg(feature = "containers")]
pub mod containers;
mod gate;
mod harness;
#[cfg(feature = "servers")]
mod release;
mod runner;
#[cfg(all(feature = "servers", unix))]
pub mod servers;

pub use async_trait::async_trait;

pub use crate::case::{Case, Failure};
pub use crate::cases::cases;
pub use crate::clause::{Clause, Proof, clauses};
pub use crate::harness::{Capability, Harness};
pub use crate::runner::run;
