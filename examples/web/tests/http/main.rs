//! The shop as its visitors' browsers see it: each test starts it on a store of its own, and sends it requests.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod admin;
mod devices;
mod failures;
mod forgery;
mod login;
mod operation;
mod remote;
mod shopping;
mod support;
