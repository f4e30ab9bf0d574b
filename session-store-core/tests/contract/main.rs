//! The contract's types: their bounds, their arithmetic on times, their errors, and stores behind pointers.
#![allow(clippy::unwrap_used, reason = "tests")]

mod cursors_and_comparisons;
mod errors_have_a_kind_and_show_no_value;
mod input_outside_its_bounds_is_refused;
mod pointers_forward_every_method;
mod session_ids_are_secret;
mod session_keys_are_hashes;
mod times_of_a_session;
