//! A store that tells what it does.
//!
//! [`Observed`] is a store around a store. It tells operators by [tracing](https://docs.rs/tracing) and by the
//! [metrics](https://docs.rs/metrics) facade what each operation does and how long it takes, and what happens to
//! sessions; and an [`Audit`] of the application's own the latter once more, with key and user.

mod event;
mod operation;
mod store;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

pub use self::event::{Audit, Cause, Event};
use self::operation::Operation;

tokio::task_local! {
    /// Why a session is being destroyed, beside the call: a store need not know.
    static WHY: Why;
}

#[derive(Clone, Copy)]
pub(crate) enum Why {
    Ended(Cause),
    /// A login beyond the sessions that a user may have.
    #[cfg_attr(not(feature = "sessions"), expect(dead_code, reason = "only `Sessions` have logins"))]
    LimitReached,
}

/// Runs a `destroy` for this reason.
#[cfg(feature = "sessions")]
pub(crate) async fn because<F: Future>(why: Why, destroy: F) -> F::Output {
    WHY.scope(why, destroy).await
}

/// A store that tells what it does, and does what the store within does.
///
/// # What it tells
///
/// Metrics, each with the label `store`, the name that was given:
///
/// | metric | kind | what |
/// | --- | --- | --- |
/// | `session_store_operations_total` | counter | operations; labels `operation`: the method; `outcome`: `ok`, `gone` where the session is not live, the [kind](crate::ErrorKind) of an error, or `dropped` where the caller went away |
/// | `session_store_operation_seconds` | histogram | how long each took; label `operation` |
/// | `session_store_data_bytes` | histogram | the encoded data that each has read or written; label `operation`: `get`, `set`, `rotate` |
/// | `session_store_events_total` | counter | sessions that something happened to; labels `event` and `reason`: [`Event::name`] and [`Event::reason`] |
/// | `session_store_audit_failures_total` | counter | panics of an audit |
///
/// To tracing, with the target `session_store`: each event at level info, each operation at level debug, or at level
/// warn where it failed. A refusal is no failure. No session ID, key, user or data is in any of them.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
/// use session_store_core::SessionStore;
/// use session_store_core::observed::{Audit, Event, Observed};
///
/// #[derive(Debug)]
/// struct ToStandardError;
///
/// impl Audit for ToStandardError {
///     fn record(&self, event: &Event<'_>) {
///         eprintln!("{event:?}"); // shows no key and no user
///     }
/// }
///
/// fn observed(store: impl SessionStore) -> Arc<dyn SessionStore> {
///     Arc::new(Observed::new(store, "redis").with_audit(ToStandardError))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Observed<S> {
    store: S,
    name: &'static str,
    audits: Vec<Arc<dyn Audit>>,
}

impl<S> Observed<S> {
    /// The store under this name, such as `redis`, which is the label `store` of its metrics.
    pub fn new(store: S, name: &'static str) -> Self {
        Self { store, name, audits: Vec::new() }
    }

    /// The same, and each event goes to this audit as well.
    #[must_use]
    pub fn with_audit(mut self, audit: impl Audit) -> Self {
        self.audits.push(Arc::new(audit));
        self
    }

    fn operation(&self, name: &'static str) -> Operation {
        Operation::begin(self.name, name)
    }

    fn tell(&self, event: &Event<'_>) {
        let (store, name, reason, count) = (self.name, event.name(), event.reason(), event.count());
        metrics::counter!("session_store_events_total", "store" => store, "event" => name, "reason" => reason)
            .increment(count);
        tracing::info!(target: "session_store", store, event = name, reason, count, "sessions");
        for audit in &self.audits {
            if catch_unwind(AssertUnwindSafe(|| audit.record(event))).is_err() {
                metrics::counter!("session_store_audit_failures_total", "store" => store).increment(1);
                tracing::warn!(target: "session_store", store, event = name, "an audit panicked");
            }
        }
    }
}
