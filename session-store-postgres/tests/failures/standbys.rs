//! Servers that only follow another one (clause G4): they are refused, also where an address leads to one later.

use session_store_core::SessionStore as _;
use session_store_postgres::sqlx::PgPool;
use session_store_postgres::{PostgresEndpoint, PostgresStore};
use testkit::failures::operations::{Fixture, all};
use testkit::relay::Relay;
use testkit::servers::PostgresServer;

use crate::support::{
    APP, SHORT, SLACK, UNAVAILABLE, assert_works, builder, classify, errors_of, impatient, open, recovery, timed,
};

#[tokio::test]
async fn a_standby_is_refused_at_the_start() {
    let primary = PostgresServer::start(&[]).await.unwrap();
    assert_works(&open(primary.url()).await).await;
    let standby = primary.standby(&[]).await.unwrap();
    let ways: [PostgresEndpoint; 2] = [standby.url().into(), PgPool::connect_lazy(&standby.url()).unwrap().into()];
    for way in ways {
        let error = PostgresStore::builder(way).table(APP).build().await.unwrap_err();
        assert_eq!(classify(&error, &Fixture::without_session()), UNAVAILABLE, "{error:?}");
        assert!(error.to_string().contains("primary"), "{error}");
    }
    // It has nothing to make there either.
    let error = builder(standby.url()).build().await.unwrap_err();
    assert_eq!(classify(&error, &Fixture::without_session()), UNAVAILABLE, "{error:?}");
}

#[tokio::test]
async fn an_address_that_leads_to_a_standby_serves_again_when_that_is_promoted() {
    let primary = PostgresServer::start(&[]).await.unwrap();
    let network = Relay::start(primary.port()).await;
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", network.port);
    let store = impatient(url).operation_timeout(4 * SHORT).build().await.unwrap();
    let standby = primary.standby(&[]).await.unwrap();
    let fixture = Fixture::create(&store).await.unwrap();
    standby.catch_up_with(&primary).await.unwrap();
    primary.kill();
    network.target.send_replace(standby.port());
    // What is left of the connections.
    while store.destroy(&fixture.free).await.is_err_and(|error| error.outcome_unknown()) {}
    let (failures, took) = timed(errors_of(&store, all())).await;
    // Not even a read: its answers are old.
    for (operation, classification, error) in failures {
        assert_eq!(classification, UNAVAILABLE, "{operation:?}: {error:?}");
    }
    assert!(took < SHORT + SLACK, "it took {took:?}");
    standby.promote().await.unwrap();
    recovery(|| store.ping()).await;
    assert!(store.get(&fixture.live).await.unwrap().is_some());
    assert_works(&store).await;
}
