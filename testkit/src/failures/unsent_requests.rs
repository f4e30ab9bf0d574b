//! Stores that cannot send anything.

use futures_util::future::join_all;
use session_store_core::SessionStore;

use super::common::{SHORT, SLACK, timed};
use super::operations::{Fixture, ON_KEYS, Operation};

/// Panics unless every operation fails in time with an error that says that nothing was sent.
pub async fn nothing_more_is_sent<S: SessionStore>(stores: &[(Operation, S, Fixture)]) {
    join_all(stores.iter().filter(|(operation, ..)| ON_KEYS.contains(operation)).map(
        |(operation, store, fixture)| async move {
            let (answer, took) = timed(operation.run(store, fixture)).await;
            let error = answer.unwrap_err();
            assert!(error.is_transient() && !error.outcome_unknown(), "{operation:?}: {error:?}");
            assert!(took < SHORT + SLACK, "{operation:?} took {took:?}");
        },
    ))
    .await;
}
