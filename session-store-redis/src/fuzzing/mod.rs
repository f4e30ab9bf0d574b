//! What is tried with any bytes: by the targets in `fuzz/`, and by the tests here with those in `corpus/`.
//!
//! Each function panics where a decoder does not keep its word.
#![allow(clippy::panic, clippy::unwrap_used, clippy::missing_panics_doc, reason = "a decoder is at fault then")]

mod answer;
mod record;
#[cfg(test)]
mod tests;

use session_store_core::SessionKey;

pub use self::answer::answer;
pub use self::record::record;

const KEY: SessionKey = SessionKey::from_bytes([7; SessionKey::LEN]);
