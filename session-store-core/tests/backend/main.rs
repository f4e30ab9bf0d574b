//! What `Store<B>` does for every backend, on a backend whose answers a test decides. One topic per file.
#![cfg(feature = "backend")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod callers;
#[path = "../support/captured_telemetry.rs"]
mod captured_telemetry;
mod scripted_backend;

mod abandoned_callers_hold_nothing_up;
mod any_callers_come_and_go;
mod arguments_are_checked_first;
mod batches_collect_requests;
mod bulk_operations_go_page_by_page;
mod busy_records_are_waited_for;
mod changes_of_a_session_keep_their_order;
mod closing_answers_everybody;
mod deadlines_are_kept;
mod failures_are_retried;
mod lone_requests_stay_on_their_task;
mod refused_batches_are_halved;
mod requests_of_a_session_are_shared;
