//! What the failure tests of all stores share: every operation of a store, and what its errors must be.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::missing_errors_doc,
    reason = "these functions panic if a test fails"
)]

pub mod common;
pub mod errors;
pub mod operations;
pub mod refused_builds;
pub mod silent_servers;
pub mod unsent_requests;
