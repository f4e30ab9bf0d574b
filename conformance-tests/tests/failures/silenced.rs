//! Stores whose server does not answer, one for each operation.

use std::time::Duration;

use futures_util::future::join_all;
use session_store_core::SessionStore;

use crate::common::recovery;
use crate::operations::{Operation, Stage};

/// How soon all must work again, after what was wrong is mended.
pub(crate) const RECOVERY: Duration = Duration::from_secs(2);

pub(crate) async fn all_work_again<S: SessionStore>(stores: &[(Operation, S, Stage)]) {
    let recoveries = stores.iter().map(|(_, store, stage)| recovery(|| store.get(&stage.live)));
    let slowest = join_all(recoveries).await.into_iter().max().unwrap();
    assert!(slowest < RECOVERY, "it took {slowest:?}");
    all_work_at_once(stores).await;
}

/// The very next call.
pub(crate) async fn all_work_at_once<S: SessionStore>(stores: &[(Operation, S, Stage)]) {
    for (operation, store, _) in stores {
        let stage = Stage::set(store).await.unwrap();
        assert!(operation.run(store, &stage).await.unwrap(), "{operation:?}");
    }
}
