//! A replica set whose primary changes under load: nothing that a majority has is lost.

use std::time::{Duration, Instant};

use testkit::load::Load;
use testkit::scaled;
use testkit::servers::MongoReplicaSet;
use tokio::time::sleep;

use crate::{OPERATION_TIMEOUT, store};

/// How soon after there is a new primary all must work again.
const RECOVERY: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_primaries_step_down() {
    let set = MongoReplicaSet::start().await.unwrap();
    let store = store(&set.url()).await;
    let load = Load::start(&store);
    let mut changes = Vec::new();
    for _ in 0..scaled(2, 5) {
        sleep(Duration::from_millis(500)).await;
        set.step_down().await.unwrap();
        changes.push(Instant::now());
    }
    sleep(RECOVERY).await;
    let report = load.stop().await;
    report.check(&*store, OPERATION_TIMEOUT, &changes, RECOVERY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_primaries_are_killed() {
    let set = MongoReplicaSet::start().await.unwrap();
    let store = store(&set.url()).await;
    let load = Load::start(&store);
    let mut changes = Vec::new();
    for _ in 0..scaled(1, 3) {
        sleep(Duration::from_millis(500)).await;
        let killed = set.kill_primary().await.unwrap();
        set.wait_for_new_primary(killed).await.unwrap();
        changes.push(Instant::now());
        sleep(Duration::from_millis(500)).await;
        set.restart(killed).await.unwrap();
        set.wait_until_whole().await.unwrap();
    }
    sleep(RECOVERY).await;
    let report = load.stop().await;
    let unknown = report.check(&*store, OPERATION_TIMEOUT, &changes, RECOVERY).await;
    assert!(unknown > 0, "no operation was under way when the primary was killed");
}
