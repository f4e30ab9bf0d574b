//! What the Redis store does when things go wrong: connections that break, servers that refuse, are silent, gone or
//! the wrong ones, rights that are missing, and keys that are not the store's.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod acl;
mod answers;
mod existing;
mod foreign_keys;
mod imports;
mod known_versions;
mod lost_answers;
mod neighbours;
mod refusals;
mod replicas;
mod round_trips;
mod scans;
mod scripts;
mod silence;
mod start_up;
mod support;
mod tls;
mod ttl;
mod wrong_server;
