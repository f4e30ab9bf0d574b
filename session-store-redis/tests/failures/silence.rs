//! Servers that are silent or gone: every operation ends in time, and the store works again by itself (clause E3).

use futures_util::future::join_all;
use session_store_core::{ErrorKind, SessionStore as _};
use session_store_redis::{RedisEndpoint, RedisStore};
use testkit::failures::operations::{BULK, Fixture, Operation, all};
use testkit::failures::silent_servers::{self, RECOVERY, all_work_again, all_work_at_once};
use testkit::failures::unsent_requests::nothing_more_is_sent;
use testkit::relay::Relay;
use testkit::servers::{Proxy, RedisCluster, RedisServer};

use crate::support::{SHORT, SLACK, builder, open_impatient, recovery, timed};

/// A store for each operation, so that each has a connection that nobody has found fault with, and sessions that no
/// other clears.
async fn stores(url: &str) -> Vec<(Operation, RedisStore, Fixture)> {
    join_all(all().map(|operation| async move {
        let store = open_impatient(url, &format!("{operation:?}")).await;
        let fixture = Fixture::create(&store).await.unwrap();
        operation.run(&store, &fixture).await.unwrap();
        let fixture = Fixture::create(&store).await.unwrap();
        (operation, store, fixture)
    }))
    .await
}

/// A prune and a clear begin with reads.
async fn all_end_in_a_timeout(stores: &[(Operation, RedisStore, Fixture)]) {
    let changes = |operation: Operation| operation.is_write() || operation == Operation::DestroyByUser;
    silent_servers::all_end_in_a_timeout(stores, changes).await;
}

#[tokio::test]
async fn a_stopped_server_is_a_timeout_until_it_goes_on() {
    let server = RedisServer::start(&[]).await.unwrap();
    let stores = stores(&server.url()).await;
    server.stop().unwrap();
    all_end_in_a_timeout(&stores).await;
    nothing_more_is_sent(&stores).await;
    server.resume().unwrap();
    all_work_again(&stores).await;
}

#[tokio::test]
async fn a_network_that_swallows_everything_is_a_timeout_until_it_lets_go() {
    let server = RedisServer::start(&[]).await.unwrap();
    let proxy = Proxy::start(&server.url()).await.unwrap();
    let stores = stores(&proxy.url()).await;
    proxy.hold();
    all_end_in_a_timeout(&stores).await;
    nothing_more_is_sent(&stores).await;
    proxy.release();
    all_work_again(&stores).await;
}

#[tokio::test]
async fn a_connection_that_stays_dead_for_ever_is_given_up() {
    let server = RedisServer::start(&[]).await.unwrap();
    let network = Relay::start(server.port()).await;
    let stores = stores(&format!("redis://127.0.0.1:{}", network.port)).await;
    network.target.send_replace(server.port());
    all_end_in_a_timeout(&stores).await;
    all_work_at_once(&stores).await;
}

#[tokio::test]
async fn a_server_that_is_down_is_unavailable_at_once_and_used_again_when_it_is_back() {
    let server = RedisServer::start(&[]).await.unwrap();
    let store = open_impatient(server.url(), "app").await;
    let fixture = Fixture::create(&store).await.unwrap();
    server.kill();
    for operation in all() {
        let (answer, took) = timed(operation.run(&store, &fixture)).await;
        let error = answer.unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Unavailable, true), "{operation:?}: {error}");
        assert!(!error.outcome_unknown(), "{operation:?}: {error}");
        assert!(took < SLACK, "{operation:?} took {took:?}");
    }
    let (answer, took) = timed(builder(server.url()).build()).await;
    let error = answer.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Unavailable, true), "{error}");
    assert!(took < SLACK, "it took {took:?}");

    server.restart().await.unwrap();
    assert!(recovery(|| store.ping()).await < RECOVERY);
    let fixture = Fixture::create(&store).await.unwrap();
    assert!(Operation::Rotate.run(&store, &fixture).await.unwrap());
}

#[tokio::test]
async fn a_stopped_server_is_a_failure_of_build_within_the_timeouts() {
    let server = RedisServer::start(&[]).await.unwrap();
    server.stop().unwrap();
    let (answer, took) = timed(builder(server.url()).operation_timeout(SHORT).connect_timeout(SHORT).build()).await;
    let error = answer.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert!(took < SHORT + SLACK, "it took {took:?}");
}

#[tokio::test]
async fn a_sweep_ends_in_its_own_timeout() {
    let server = RedisServer::start(&[]).await.unwrap();
    let store = builder(server.url()).bulk_timeout(SHORT).build().await.unwrap();
    let fixture = Fixture::create(&store).await.unwrap();
    server.stop().unwrap();
    let sweeps = BULK.map(async |operation| {
        let (answer, took) = timed(operation.run(&store, &fixture)).await;
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Timeout);
        assert!(took < SHORT + SLACK, "{operation:?} took {took:?}");
    });
    join_all(sweeps).await;
}

#[tokio::test]
async fn a_stopped_cluster_is_a_timeout_until_it_goes_on() {
    let cluster = RedisCluster::start().await.unwrap();
    // The nodes stop for less time than it takes them to miss each other.
    let stores = join_all(all().map(async |operation| {
        let store = open_impatient(RedisEndpoint::cluster(cluster.urls()), &format!("{operation:?}")).await;
        let fixture = Fixture::create(&store).await.unwrap();
        (operation, store, fixture)
    }));
    let stores = stores.await;
    cluster.nodes().iter().for_each(|node| node.stop().unwrap());
    join_all(stores.iter().map(|(operation, store, fixture)| async move {
        let (answer, took) = timed(operation.run(store, fixture)).await;
        let error = answer.unwrap_err();
        assert!(error.is_transient(), "{operation:?}: {error:?}");
        assert!(took < SHORT + SLACK, "{operation:?} took {took:?}");
    }))
    .await;
    cluster.nodes().iter().for_each(|node| node.resume().unwrap());
    all_work_again(&stores).await;
}
