//! What the PostgreSQL store does when things go wrong: connections that break, servers that refuse, are silent, gone or
//! the wrong ones, rights and tables that are missing, and rows that others hold.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../failures/certificates.rs"]
mod certificates;
mod clock;
mod close;
#[path = "../failures/common.rs"]
mod common;
mod database;
mod dropped;
mod existing;
mod layout_change;
mod locks;
mod lost_answers;
mod migrate;
mod neighbours;
#[path = "../failures/operations.rs"]
mod operations;
mod pool;
mod refusals;
#[path = "../failures/refused.rs"]
mod refused;
#[path = "../failures/relay.rs"]
mod relay;
mod retries;
mod rights;
mod silence;
#[path = "../failures/silenced.rs"]
mod silenced;
mod standbys;
mod start_up;
mod support;
mod sweeps;
mod terminated;
mod tls;
#[path = "../failures/told.rs"]
mod told;
#[path = "../failures/unsent.rs"]
mod unsent;
#[path = "../failures/web_server.rs"]
mod web_server;
