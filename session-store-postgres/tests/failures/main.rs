//! What the PostgreSQL store does when things go wrong: connections that break, servers that refuse, are silent, gone or
//! the wrong ones, rights and tables that are missing, and rows that others hold.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod clock;
mod close;
mod database;
mod dropped;
mod existing;
mod layout_change;
mod locks;
mod lost_answers;
mod migrate;
mod neighbours;
mod pgbouncer;
mod pool;
mod refusals;
mod retries;
mod rights;
mod silence;
mod standbys;
mod start_up;
mod support;
mod sweeps;
mod terminated;
mod tls;
mod unreadable;
mod waits;
