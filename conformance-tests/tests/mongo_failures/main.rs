//! What the MongoDB store does when things go wrong: connections that break, servers that refuse, are silent, gone or
//! the wrong ones, rights and indexes that are missing, and documents that others have written.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../failures/certificates.rs"]
mod certificates;
mod close;
mod collections;
#[path = "../failures/common.rs"]
mod common;
mod database;
mod dropped;
mod expiry;
mod indexes;
mod lost_answers;
#[path = "../failures/operations.rs"]
mod operations;
mod pool;
mod refusals;
#[path = "../failures/refused.rs"]
mod refused;
#[path = "../failures/relay.rs"]
mod relay;
mod rights;
mod rotation;
mod round_trips;
mod secrets;
mod silence;
#[path = "../failures/silenced.rs"]
mod silenced;
mod start_up;
mod support;
mod tls;
#[path = "../failures/told.rs"]
mod told;
mod updates;
mod watched;
#[path = "../failures/web_server.rs"]
mod web_server;
mod write_concern;
