//! Servers that are silent or gone: every operation ends in time, and the store works again by itself (clause E3).

use std::net::Ipv4Addr;
use std::time::Duration;

use futures_util::future::join_all;
use session_store_core::SessionStore as _;
use session_store_mongo::MongoStore;
use testkit::failures::operations::{BULK, Fixture, ON_KEYS, Operation, all};
use testkit::failures::silent_servers::{self, RECOVERY, all_work_again, all_work_at_once};
use testkit::relay::Relay;
use testkit::servers::Proxy;
use tokio::net::TcpListener;

use crate::database::Database;
use crate::support::{SHORT, SLACK, TIMEOUT, UNAVAILABLE, assert_works, builder, classify, impatient, recovery, timed};

/// A store for each operation, so that each has a connection that nobody has found fault with, and sessions that no
/// other clears.
async fn stores(url: &str) -> Vec<(Operation, MongoStore, Fixture)> {
    let mut stores = Vec::new();
    for operation in all() {
        let store = impatient(url).collection(format!("{operation:?}")).build().await.unwrap();
        let fixture = Fixture::create(&store).await.unwrap();
        operation.run(&store, &fixture).await.unwrap();
        let fixture = Fixture::create(&store).await.unwrap();
        stores.push((operation, store, fixture));
    }
    stores
}

/// Whether it was sent is not always known, so that a write is always of unknown outcome. The sweeps that write begin
/// with a read.
async fn all_end_in_a_timeout(stores: &[(Operation, MongoStore, Fixture)]) {
    silent_servers::all_end_in_a_timeout(stores, Operation::is_write).await;
}

#[tokio::test]
async fn a_stopped_server_is_a_timeout_until_it_goes_on() {
    let database = Database::alone(&[]).await;
    let stores = stores(&database.url()).await;
    database.server.stop().unwrap();
    for _ in 0..2 {
        all_end_in_a_timeout(&stores).await;
    }
    database.server.resume().unwrap();
    all_work_again(&stores).await;
}

#[tokio::test]
async fn a_network_that_swallows_everything_is_a_timeout_until_it_lets_go() {
    let database = Database::alone(&[]).await;
    let proxy = Proxy::start(&database.server.url()).await.unwrap();
    let stores = stores(&database.name_in(&proxy.url())).await;
    proxy.hold();
    for _ in 0..2 {
        all_end_in_a_timeout(&stores).await;
    }
    proxy.release();
    all_work_again(&stores).await;
}

#[tokio::test]
async fn a_connection_that_stays_dead_for_ever_is_given_up() {
    let database = Database::alone(&[]).await;
    let network = Relay::start(database.server.port()).await;
    let stores = stores(&url_of(network.port)).await;
    network.target.send_replace(database.server.port());
    all_end_in_a_timeout(&stores).await;
    all_work_at_once(&stores).await;
}

fn url_of(port: u16) -> String {
    format!("mongodb://127.0.0.1:{port}/shop?directConnection=true")
}

#[tokio::test]
async fn connections_that_were_begun_and_stay_dead_for_ever_are_given_up() {
    let database = Database::alone(&[]).await;
    let network = Relay::start(database.server.port()).await;
    // The driver gives them up when it finds the server silent: after this time and that of connecting.
    let store = impatient(format!("{}&heartbeatFrequencyMS=500", url_of(network.port))).build().await.unwrap();
    assert_works(&store).await;
    // There, whoever connects is not answered.
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    network.target.send_replace(nobody.local_addr().unwrap().port());
    for _ in 0..3 {
        join_all(ON_KEYS.map(async |operation| {
            let (answer, took) = timed(operation.run(&store, &Fixture::without_session())).await;
            assert!(answer.unwrap_err().is_transient(), "{operation:?}");
            assert!(took < SHORT + SLACK, "{operation:?} took {took:?}");
        }))
        .await;
    }
    network.target.send_replace(database.server.port());
    let took = recovery(|| store.ping()).await;
    assert!(took < RECOVERY, "it took {took:?}");
    assert_works(&store).await;
}

#[tokio::test]
async fn a_server_that_is_down_is_unavailable_and_used_again_when_it_is_back() {
    let database = Database::alone(&[]).await;
    let store = impatient(database.url()).build().await.unwrap();
    let fixture = Fixture::create(&store).await.unwrap();
    assert_works(&store).await;
    for is_killed in [true, false] {
        if is_killed {
            database.server.kill();
        } else {
            database.server.shut_down().await.unwrap();
        }
        // What is left of the connections.
        while store.destroy(&fixture.free).await.is_err_and(|error| error.outcome_unknown()) {}
        let failures = all().map(async |operation| {
            // Changes of one session would wait for each other.
            let fixture = Fixture::without_session();
            let (answer, took) = timed(operation.run(&store, &fixture)).await;
            let error = answer.unwrap_err();
            assert_eq!(classify(&error, &fixture), UNAVAILABLE, "{operation:?}: {error:?}");
            assert!(took < SHORT + SLACK, "{operation:?} took {took:?}");
        });
        join_all(failures).await;
        let (answer, took) = timed(impatient(database.url()).build()).await;
        assert_eq!(classify(&answer.unwrap_err(), &fixture), UNAVAILABLE);
        assert!(took < SHORT + SLACK, "it took {took:?}");

        database.server.restart().await.unwrap();
        assert!(recovery(|| store.ping()).await < RECOVERY);
        assert_works(&store).await;
    }
}

#[tokio::test]
async fn a_stopped_server_is_a_failure_of_build_within_the_timeouts() {
    let database = Database::alone(&[]).await;
    database.server.stop().unwrap();
    let (answer, took) = timed(impatient(database.url()).build()).await;
    assert_eq!(classify(&answer.unwrap_err(), &Fixture::without_session()), UNAVAILABLE);
    assert!(took < SHORT + SLACK, "it took {took:?}");
}

/// All sweeps end in time, while the server is stopped.
async fn sweeps_end(database: &Database, store: MongoStore) {
    let fixture = Fixture::create(&store).await.unwrap();
    // A connection for each, and no other.
    join_all(BULK.map(|operation| operation.run(&store, &fixture))).await;
    database.server.stop().unwrap();
    let sweeps = BULK.map(async |operation| {
        let (answer, took) = timed(operation.run(&store, &fixture)).await;
        assert_eq!(classify(&answer.unwrap_err(), &fixture), TIMEOUT, "{operation:?}");
        assert!(took < SHORT + SLACK, "{operation:?} took {took:?}");
    });
    join_all(sweeps).await;
    database.server.resume().unwrap();
    recovery(|| store.ping()).await;
    assert_works(&store).await;
}

#[tokio::test]
async fn a_sweep_ends_in_its_own_timeout() {
    let database = Database::alone(&[]).await;
    sweeps_end(&database, builder(database.url()).bulk_timeout(SHORT).build().await.unwrap()).await;
}

#[tokio::test]
async fn each_command_of_a_sweep_has_the_operation_timeout() {
    let database = Database::alone(&[]).await;
    let patient = impatient(database.url()).bulk_timeout(Duration::from_mins(1));
    sweeps_end(&database, patient.build().await.unwrap()).await;
}

#[tokio::test]
async fn an_operation_timeout_shorter_than_the_connect_timeout_is_kept() {
    let database = Database::alone(&[]).await;
    let proxy = Proxy::start(&database.server.url()).await.unwrap();
    let url = database.name_in(&proxy.url());
    let store = impatient(url).connect_timeout(10 * SHORT).connections(1).build().await.unwrap();
    assert_works(&store).await;
    proxy.hold();
    proxy.cut().await;
    for _ in 0..2 {
        join_all(ON_KEYS.map(async |operation| {
            let (answer, took) = timed(operation.run(&store, &Fixture::without_session())).await;
            let error = answer.unwrap_err();
            assert!(error.is_transient(), "{operation:?}: {error:?}");
            assert!(took < SHORT + SLACK, "{operation:?} took {took:?}");
        }))
        .await;
    }
    proxy.release();
    assert!(recovery(|| store.ping()).await < RECOVERY);
    assert_works(&store).await;
}
