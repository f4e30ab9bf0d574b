//! What stores and the pruner report to metrics, tracing and audits, and when the pruner runs.
#![cfg(any(feature = "observed", feature = "pruner"))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../support/captured_telemetry.rs"]
mod captured_telemetry;
#[cfg(feature = "observed")]
#[path = "../support/fixed_answers.rs"]
mod fixed_answers;
#[cfg(feature = "pruner")]
#[path = "../support/scripted_prune.rs"]
mod scripted_prune;

#[cfg(feature = "observed")]
mod operations_are_counted_by_outcome;
#[cfg(feature = "pruner")]
mod pruning_in_the_background;
#[cfg(feature = "pruner")]
mod pruning_is_reported;
