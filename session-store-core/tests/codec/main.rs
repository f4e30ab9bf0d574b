//! The codec: what it writes, what it reads back, and what it refuses. One scenario per file.
#![cfg(feature = "codec")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../support/any_value.rs"]
mod any_value;
#[path = "../support/envelopes.rs"]
mod envelopes;
#[path = "../support/sample_sessions.rs"]
mod sample_sessions;
#[cfg(feature = "encryption")]
#[path = "../support/test_keys.rs"]
mod test_keys;

mod codec_errors_show_no_data;
#[cfg(feature = "compression")]
mod compression_is_used_if_it_pays;
#[cfg(feature = "compression")]
mod damaged_envelopes_are_corrupt;
mod data_of_release_0_1_is_read;
mod deep_nesting_is_refused;
#[cfg(feature = "compression")]
mod dictionaries_change;
#[cfg(feature = "encryption")]
mod encrypted_envelopes_open_only_whole;
#[cfg(feature = "encryption")]
mod encrypted_values_round_trip;
mod fields_come_and_go;
#[cfg(feature = "encryption")]
mod keys_and_encryption_change_without_downtime;
mod limits_are_exact;
mod policies_travel_in_envelopes;
mod random_bytes_are_corrupt;
#[cfg(all(feature = "encryption", feature = "compression"))]
mod reencryption_keeps_the_data;
mod unknown_envelopes_are_corrupt;
mod values_round_trip;
