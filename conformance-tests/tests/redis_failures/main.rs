//! What the Redis store does when things go wrong: connections that break, servers that refuse, are silent, gone or
//! the wrong ones, rights that are missing, and keys that are not the store's.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod acl;
mod answers;
#[path = "../failures/certificates.rs"]
mod certificates;
#[path = "../failures/common.rs"]
mod common;
mod existing;
mod foreign_keys;
mod lost_answers;
mod neighbours;
#[path = "../failures/operations.rs"]
mod operations;
mod refusals;
#[path = "../failures/relay.rs"]
mod relay;
mod replicas;
mod round_trips;
mod scripts;
mod silence;
#[path = "../failures/silenced.rs"]
mod silenced;
mod start_up;
mod support;
mod tls;
mod ttl;
#[path = "../failures/unsent.rs"]
mod unsent;
#[path = "../failures/web_server.rs"]
mod web_server;
mod wrong_server;
