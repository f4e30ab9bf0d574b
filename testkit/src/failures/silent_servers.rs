//! Stores whose server does not answer: one store for each operation.

use std::time::Duration;

use futures_util::future::join_all;
use session_store_core::{ErrorKind, SessionStore};

use super::common::{SHORT, SLACK, recovery, timed};
use super::errors::classify;
use super::operations::{Fixture, Operation};

/// How soon everything must work again after the cause is gone.
pub const RECOVERY: Duration = Duration::from_secs(2);

/// Panics unless the operation of each store ends in a timeout, of unknown outcome if it `may_be_done`. The timeouts of
/// the stores are [`SHORT`].
pub async fn all_end_in_a_timeout<S: SessionStore>(
    stores: &[(Operation, S, Fixture)],
    may_be_done: impl Fn(Operation) -> bool,
) {
    join_all(stores.iter().map(async |(operation, store, fixture)| {
        let (answer, took) = timed(operation.run(store, fixture)).await;
        let error = answer.unwrap_err();
        let timeout = (ErrorKind::Timeout, true, may_be_done(*operation));
        assert_eq!(classify(&error, fixture), timeout, "{operation:?}: {error:?}");
        assert!(took < SHORT + SLACK, "{operation:?} took {took:?}");
    }))
    .await;
}

/// Panics unless all stores recover within [`RECOVERY`].
pub async fn all_work_again<S: SessionStore>(stores: &[(Operation, S, Fixture)]) {
    let recoveries = stores.iter().map(|(_, store, fixture)| recovery(|| store.get(&fixture.live)));
    let slowest = join_all(recoveries).await.into_iter().max().unwrap();
    assert!(slowest < RECOVERY, "it took {slowest:?}");
    all_work_at_once(stores).await;
}

/// Panics unless the very next call to each store succeeds.
pub async fn all_work_at_once<S: SessionStore>(stores: &[(Operation, S, Fixture)]) {
    for (operation, store, _) in stores {
        let fixture = Fixture::create(store).await.unwrap();
        assert!(operation.run(store, &fixture).await.unwrap(), "{operation:?}");
    }
}
