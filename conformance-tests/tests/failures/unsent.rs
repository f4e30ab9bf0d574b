//! Stores that cannot send anything, and know it.

use futures_util::future::join_all;
use session_store_core::SessionStore;

use crate::common::{SHORT, SLACK, timed};
use crate::operations::{ON_KEYS, Operation, Stage};

/// The connections are new ones now, which are not made: so nothing is sent.
pub(crate) async fn nothing_more_is_sent<S: SessionStore>(stores: &[(Operation, S, Stage)]) {
    join_all(stores.iter().filter(|(operation, ..)| ON_KEYS.contains(operation)).map(
        |(operation, store, stage)| async move {
            let (answer, took) = timed(operation.run(store, stage)).await;
            let error = answer.unwrap_err();
            assert!(error.is_transient() && !error.outcome_unknown(), "{operation:?}: {error:?}");
            assert!(took < SHORT + SLACK, "{operation:?} took {took:?}");
        },
    ))
    .await;
}
