//! One operation, from its beginning to its end.

use std::time::Instant;

use crate::{ErrorKind, Result};

/// It is told when it is dropped, so that one which its caller gave up is told as well.
pub(super) struct Operation {
    store: &'static str,
    name: &'static str,
    started: Instant,
    outcome: &'static str,
    failed: bool,
    bytes: Option<usize>,
}

impl Operation {
    pub(super) fn begin(store: &'static str, name: &'static str) -> Self {
        Self { store, name, started: Instant::now(), outcome: "dropped", failed: false, bytes: None }
    }

    /// It has read or written so much data.
    pub(super) fn moved(&mut self, bytes: usize) {
        self.bytes = Some(bytes);
    }

    /// Its end; `is_gone` tells of an answer whether the session was not live.
    pub(super) fn end<T>(mut self, answer: &Result<T>, is_gone: impl FnOnce(&T) -> bool) {
        (self.outcome, self.failed) = match answer {
            Ok(answer) if is_gone(answer) => ("gone", false),
            Ok(_) => ("ok", false),
            Err(error) => (error.kind().as_str(), !is_refusal(error.kind())),
        };
    }
}

fn is_refusal(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::AlreadyExists
            | ErrorKind::NotFound
            | ErrorKind::Conflict
            | ErrorKind::InvalidInput
            | ErrorKind::TooLarge
    )
}

impl Drop for Operation {
    fn drop(&mut self) {
        let Self { store, name, outcome, bytes, .. } = *self;
        let took = self.started.elapsed();
        let labels = [("store", store), ("operation", name), ("outcome", outcome)];
        metrics::counter!("session_store_operations_total", &labels).increment(1);
        metrics::histogram!("session_store_operation_seconds", "store" => store, "operation" => name)
            .record(took.as_secs_f64());
        if let Some(bytes) = bytes {
            // Sizes are far below what a float cannot count.
            #[allow(clippy::cast_precision_loss, reason = "a session has less than 2^52 bytes")]
            metrics::histogram!("session_store_data_bytes", "store" => store, "operation" => name).record(bytes as f64);
        }
        if self.failed {
            tracing::warn!(target: "session_store", store, operation = name, outcome, ?took, "an operation failed");
        } else {
            tracing::debug!(target: "session_store", store, operation = name, outcome, ?took, bytes, "operation");
        }
    }
}
