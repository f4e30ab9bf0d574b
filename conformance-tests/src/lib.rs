#![doc = include_str!("../README.md")]

mod case;
mod cases;
mod check;
mod clause;
mod gate;
mod harness;
mod runner;

pub use async_trait::async_trait;

pub use crate::case::{Case, Failure};
pub use crate::cases::cases;
pub use crate::clause::{Clause, Proof, clauses};
pub use crate::harness::{Capability, Harness};
pub use crate::runner::run;
