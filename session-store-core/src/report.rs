//! What stores report besides their answers.

/// Tells tracing and metrics that a list left out a record that could not be read (clause Z2).
///
/// `store` is the kind of store, such as `"redis"`: the label of the counter
/// `session_store_corrupt_records_total`. Nothing of the record is shown.
pub fn corrupt_record_skipped(store: &'static str) {
    metrics::counter!("session_store_corrupt_records_total", "store" => store).increment(1);
    tracing::warn!(store, "a list left out a corrupt record; destroy it, or clear the user's sessions");
}
