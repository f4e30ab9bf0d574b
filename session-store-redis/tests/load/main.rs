//! Servers that fail under load: what was acknowledged is there, no call takes too long, and the store works again
//! by itself. Also every operation on Cluster, held between its steps.
//!
//! `scripts/test --long` runs all of it for longer.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod cluster_steps;

use std::sync::Arc;
use std::time::{Duration, Instant};

use session_store_core::SessionStore;
use session_store_redis::{RedisEndpoint, RedisStore};
use testkit::load::{Load, while_killed};
use testkit::scaled;
use testkit::servers::{RedisCluster, RedisSentinel, RedisServer};
use tokio::time::sleep;

const OPERATION_TIMEOUT: Duration = Duration::from_secs(1);

/// How soon after a server's return all must work again.
const RECOVERY: Duration = Duration::from_secs(2);

async fn store(server: impl Into<RedisEndpoint>, replicas: u32) -> Arc<dyn SessionStore> {
    let builder = RedisStore::builder(server).prefix("load").operation_timeout(OPERATION_TIMEOUT);
    Arc::new(builder.wait_replicas(replicas).build().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let server = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]).await.unwrap();
    let store = store(server.url(), 0).await;
    let (report, returns) = while_killed(&store, || server.kill(), || server.restart()).await;
    let unknown = report.check(&*store, OPERATION_TIMEOUT, &returns, RECOVERY).await;
    assert!(unknown > 0, "no operation was under way when the server was killed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_fails_while_slots_of_a_cluster_move() {
    let cluster = RedisCluster::start().await.unwrap();
    let store = store(RedisEndpoint::cluster(cluster.urls()), 0).await;
    let load = Load::start(&store);
    sleep(scaled(Duration::from_millis(300), Duration::from_secs(2))).await;
    cluster.move_slots(0, 1, 0..=400).await.unwrap();
    cluster.move_slots(1, 2, 200..=400).await.unwrap();
    sleep(scaled(Duration::from_millis(300), Duration::from_secs(2))).await;
    let report = load.stop().await;
    report.check(&*store, OPERATION_TIMEOUT, &[], RECOVERY).await;
    assert_eq!(report.failures().count(), 0, "a moving slot is followed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_masters_of_a_cluster_change() {
    let cluster = RedisCluster::start().await.unwrap();
    let store = store(RedisEndpoint::cluster(cluster.urls()), 1).await;
    let load = Load::start(&store);
    sleep(scaled(Duration::from_millis(300), Duration::from_secs(2))).await;
    cluster.fail_over(3).await.unwrap();
    let asked = Instant::now();
    sleep(Duration::from_millis(500)).await;
    cluster.masters()[1].kill();
    cluster.wait_for_master(4).await.unwrap();
    // A replica again, without which no write of this master is acknowledged.
    cluster.masters()[1].restart().await.unwrap();
    let returned = Instant::now();
    sleep(scaled(Duration::from_secs(2), Duration::from_secs(6))).await;
    let report = load.stop().await;
    report.check(&*store, OPERATION_TIMEOUT, &[asked, returned], RECOVERY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_sentinel_fails_over() {
    let sentinel = RedisSentinel::start().await.unwrap();
    let store = store(RedisEndpoint::sentinel(sentinel.urls(), sentinel.master_name()), 1).await;
    let load = Load::start(&store);
    sleep(Duration::from_millis(500)).await;
    let before = sentinel.current_master_port().await.unwrap();
    sentinel.master().kill();
    sentinel.wait_for_new_master(before).await.unwrap();
    // The other server returns as a replica, without which no write is acknowledged. Sentinel would make it one, in
    // ten seconds.
    sentinel.master().restart().await.unwrap();
    let new = sentinel.current_master_port().await.unwrap().to_string();
    sentinel.master().ask::<String>(&["REPLICAOF", "127.0.0.1", &new]).await.unwrap();
    while sentinel.master().info("master_link_status").await.unwrap().as_deref() != Some("up") {
        sleep(Duration::from_millis(20)).await;
    }
    let returned = Instant::now();
    sleep(scaled(Duration::from_secs(1), Duration::from_secs(5))).await;
    let report = load.stop().await;
    report.check(&*store, OPERATION_TIMEOUT, &[returned], RECOVERY).await;
}
