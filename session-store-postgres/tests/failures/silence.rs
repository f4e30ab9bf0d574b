//! Servers that are silent or gone: every operation ends in time, and the store works again by itself (clause E3).

use std::time::Duration;

use futures_util::future::join_all;
use session_store_core::{ErrorKind, SessionStore as _};
use session_store_postgres::PostgresStore;
use testkit::failures::operations::{BULK, Fixture, ON_KEYS, Operation, all};
use testkit::failures::silent_servers::{self, RECOVERY, all_work_again, all_work_at_once};
use testkit::failures::unsent_requests::nothing_more_is_sent;
use testkit::relay::Relay;
use testkit::servers::{PostgresServer, Proxy};

use crate::support::{
    SHORT, SLACK, assert_works, builder, changes, classify, errors_of, impatient, pool_of_one, recovery, timed,
    until_idle,
};

/// A store for each operation, so that each has a connection that nobody has found fault with, and sessions that no
/// other clears.
async fn stores(url: &str) -> Vec<(Operation, PostgresStore, Fixture)> {
    let mut stores = Vec::new();
    for operation in all() {
        let pool = pool_of_one(url).await;
        let store = impatient(pool.clone()).table(format!("{operation:?}")).build().await.unwrap();
        let fixture = Fixture::create(&store).await.unwrap();
        operation.run(&store, &fixture).await.unwrap();
        let fixture = Fixture::create(&store).await.unwrap();
        until_idle(&pool).await;
        stores.push((operation, store, fixture));
    }
    stores
}

async fn all_end_in_a_timeout(stores: &[(Operation, PostgresStore, Fixture)]) {
    silent_servers::all_end_in_a_timeout(stores, changes).await;
}

#[tokio::test]
async fn a_stopped_server_is_a_timeout_until_it_goes_on() {
    let server = PostgresServer::start(&[]).await.unwrap();
    let stores = stores(&server.url()).await;
    server.stop().unwrap();
    all_end_in_a_timeout(&stores).await;
    nothing_more_is_sent(&stores).await;
    server.resume().unwrap();
    all_work_again(&stores).await;
}

#[tokio::test]
async fn a_network_that_swallows_everything_is_a_timeout_until_it_lets_go() {
    let server = PostgresServer::start(&[]).await.unwrap();
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
    let server = PostgresServer::start(&[]).await.unwrap();
    let network = Relay::start(server.port()).await;
    let stores = stores(&format!("postgres://postgres@127.0.0.1:{}/postgres", network.port)).await;
    network.target.send_replace(server.port());
    all_end_in_a_timeout(&stores).await;
    all_work_at_once(&stores).await;
}

#[tokio::test]
async fn a_connection_that_dies_while_it_is_given_back_is_given_up() {
    let server = PostgresServer::start(&[]).await.unwrap();
    let network = Relay::start(server.port()).await;
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", network.port);
    let store = impatient(url).connections(1).build().await.unwrap();
    assert_works(&store).await;
    store.ping().await.unwrap();
    // The driver tries the connection once more after each use.
    network.target.send_replace(server.port());
    let took = recovery(|| store.ping()).await;
    assert!(took < RECOVERY, "it took {took:?}");
    assert_works(&store).await;
}

#[tokio::test]
async fn connections_that_died_while_they_rested_are_given_up_in_time() {
    const CONNECTIONS: u32 = 8;
    let server = PostgresServer::start(&[]).await.unwrap();
    let network = Relay::start(server.port()).await;
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", network.port);
    let store = builder(url).connections(CONNECTIONS).connect_timeout(SHORT).build().await.unwrap();
    let rotations = (0..CONNECTIONS).map(async |_| {
        let fixture = Fixture::create(&store).await.unwrap();
        assert!(Operation::Rotate.run(&store, &fixture).await.unwrap());
    });
    join_all(rotations).await;
    tokio::time::sleep(Duration::from_secs(1) + SLACK).await;
    network.target.send_replace(server.port());
    // One such connection fails one call at the most.
    let calls = (0..CONNECTIONS).map(async |_| {
        let fixture = Fixture::without_session();
        let (answer, took) = timed(Operation::List.run(&store, &fixture)).await;
        let classification = answer.map_err(|error| classify(&error, &fixture));
        assert!(took < SHORT + SLACK, "it took {took:?}: {classification:?}");
    });
    join_all(calls).await;
    assert_works(&store).await;
}

#[tokio::test]
async fn a_server_that_is_down_is_unavailable_and_used_again_when_it_is_back() {
    let server = PostgresServer::start(&[]).await.unwrap();
    let store = impatient(server.url()).operation_timeout(4 * SHORT).bulk_timeout(4 * SHORT).build().await.unwrap();
    let fixture = Fixture::create(&store).await.unwrap();
    assert_works(&store).await;
    for is_killed in [true, false] {
        if is_killed {
            server.kill();
        } else {
            server.shut_down().await.unwrap();
        }
        // What is left of the connections.
        while store.destroy(&fixture.free).await.is_err_and(|error| error.outcome_unknown()) {}
        let failures = all().map(async |operation| {
            let (answer, took) = timed(operation.run(&store, &fixture)).await;
            let error = answer.unwrap_err();
            assert_eq!(classify(&error, &fixture), (ErrorKind::Unavailable, true, false), "{operation:?}: {error:?}");
            // The driver waits for a server that starts.
            assert!(took < SHORT + SLACK, "{operation:?} took {took:?}");
        });
        join_all(failures).await;
        let (answer, took) = timed(impatient(server.url()).build()).await;
        assert_eq!(classify(&answer.unwrap_err(), &fixture), (ErrorKind::Unavailable, true, false));
        assert!(took < SLACK, "it took {took:?}");

        server.restart().await.unwrap();
        assert!(recovery(|| store.ping()).await < RECOVERY);
        assert_works(&store).await;
    }
}

#[tokio::test]
async fn a_stopped_server_is_a_failure_of_build_within_the_timeouts() {
    let server = PostgresServer::start(&[]).await.unwrap();
    server.stop().unwrap();
    let (answer, took) = timed(impatient(server.url()).build()).await;
    let error = answer.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert!(took < SHORT + SLACK, "it took {took:?}");
}

#[tokio::test]
async fn a_sweep_ends_in_its_own_timeout() {
    let server = PostgresServer::start(&[]).await.unwrap();
    let store = builder(server.url()).bulk_timeout(SHORT).build().await.unwrap();
    let fixture = Fixture::create(&store).await.unwrap();
    // A connection for each, and no other.
    join_all(BULK.map(|operation| operation.run(&store, &fixture))).await;
    server.stop().unwrap();
    let sweeps = BULK.map(async |operation| {
        let (answer, took) = timed(operation.run(&store, &fixture)).await;
        let error = answer.unwrap_err();
        assert!(error.is_transient(), "{operation:?}: {error:?}");
        assert!(took < SHORT + SLACK, "{operation:?} took {took:?}");
    });
    join_all(sweeps).await;
    server.resume().unwrap();
    recovery(|| store.ping()).await;
    assert_works(&store).await;
}

#[tokio::test]
async fn an_operation_timeout_shorter_than_the_connect_timeout_is_kept() {
    let server = PostgresServer::start(&[]).await.unwrap();
    let proxy = Proxy::start(&server.url()).await.unwrap();
    let store = impatient(proxy.url()).connect_timeout(10 * SHORT).connections(1).build().await.unwrap();
    assert_works(&store).await;
    proxy.hold();
    proxy.cut().await;
    // It finds its connection dead.
    store.ping().await.unwrap_err();
    let (failures, took) = timed(errors_of(&store, ON_KEYS)).await;
    // They never had a connection to be sent on.
    for (operation, (_, is_transient, is_unknown), error) in failures {
        assert!(is_transient && !is_unknown, "{operation:?}: {error:?}");
    }
    assert!(took < SHORT + SLACK, "it took {took:?}");
    proxy.release();
    recovery(|| store.ping()).await;
    assert_works(&store).await;
}
