//! The PostgreSQL store through `PgBouncer`, which gives each transaction another session of the server. Where none is
//! to be had, scripts/test counts it as not run.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(dead_code, reason = "what the tests of failures use besides")]

#[cfg(unix)]
#[path = "../failures/common.rs"]
mod common;
#[cfg(unix)]
mod database;
#[cfg(unix)]
#[path = "../failures/operations.rs"]
mod operations;
#[cfg(unix)]
mod pooled;
#[cfg(unix)]
mod support;
#[cfg(unix)]
#[path = "../failures/told.rs"]
mod told;
#[cfg(unix)]
#[path = "../with_pgbouncer/mod.rs"]
mod with_pgbouncer;

use std::process::ExitCode;

#[cfg(not(unix))]
fn main() -> ExitCode {
    ExitCode::SUCCESS
}

#[cfg(unix)]
fn main() -> ExitCode {
    with_pgbouncer::run(vec![
        trial("two_sessions_of_the_server_serve_sixty_four_tasks", pooled::two_sessions_serve_many_tasks),
        trial("a_pool_that_was_given_is_found_to_lead_through_it", pooled::a_given_pool_is_found_out),
        trial("one_that_is_killed_is_unavailable_until_it_is_back", pooled::one_that_is_killed),
        trial("a_server_behind_it_that_ends_its_sessions_fails_no_read", pooled::a_server_that_ends_its_sessions),
    ])
}

/// These panic where they fail.
#[cfg(unix)]
fn trial<Running>(name: &'static str, case: fn() -> Running) -> libtest_mimic::Trial
where
    Running: Future<Output = ()> + 'static,
{
    with_pgbouncer::trial(name, move || async move {
        case().await;
        Ok(())
    })
}
