//! The servers that tests own do what they are for, and `session_store::connect` works on them.
//!
//! If there is no `PgBouncer`, scripts/test skips that module and counts it as not run.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![allow(clippy::print_stdout, reason = "what one process of a test reports to another")]

mod connect;
mod mongo;
mod pgbouncer;
mod postgres;
mod redis;
