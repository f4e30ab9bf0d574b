//! What the MongoDB store does when things go wrong: connections that break, servers that refuse, are silent, gone or
//! the wrong ones, rights and indexes that are missing, and documents that others have written.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod close;
mod collections;
mod corrupt;
mod database;
mod dropped;
mod expiry;
mod hot_session;
mod indexes;
mod lost_answers;
mod pool;
mod refusals;
mod rights;
mod rotation;
mod round_trips;
mod secrets;
mod silence;
mod start_up;
mod support;
mod tls;
mod updates;
mod watched;
mod write_concern;
