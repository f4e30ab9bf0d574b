//! What is tried with any bytes: by the targets in `fuzz/`, and by the tests here with those in `corpus/`.
//!
//! Each function panics where a decoder does not keep its word.
#![allow(clippy::panic, clippy::unwrap_used, clippy::missing_panics_doc, reason = "a decoder is at fault then")]

#[cfg(test)]
mod tests;
mod text;

pub(crate) mod refused;

pub use self::text::text;
#[cfg(all(feature = "compression", feature = "encryption"))]
pub use crate::codec::fuzzing::{envelope, messagepack};
