//! Servers that only follow another one (clause G4): they are refused, also where an address leads to one later.

use conformance_tests::servers::PostgresServer;
use session_store_core::SessionStore as _;
use session_store_postgres::sqlx::PgPool;
use session_store_postgres::{PostgresStore, Server};

use crate::operations::{Stage, all};
use crate::relay::Relay;
use crate::support::{
    APP, SHORT, SLACK, UNAVAILABLE, builder, errors_of, impatient, open, recovery, timed, told, works,
};

#[tokio::test]
async fn a_standby_is_refused_at_the_start() {
    let primary = PostgresServer::start(&[]).await.unwrap();
    works(&open(primary.url()).await).await;
    let standby = primary.standby(&[]).await.unwrap();
    let ways: [Server; 2] = [standby.url().into(), PgPool::connect_lazy(&standby.url()).unwrap().into()];
    for way in ways {
        let error = PostgresStore::builder(way).table(APP).build().await.unwrap_err();
        assert_eq!(told(&error, &Stage::without_session()), UNAVAILABLE, "{error:?}");
        assert!(error.to_string().contains("primary"), "{error}");
    }
    // It has nothing to make there either.
    let error = builder(standby.url()).build().await.unwrap_err();
    assert_eq!(told(&error, &Stage::without_session()), UNAVAILABLE, "{error:?}");
}

#[tokio::test]
async fn an_address_that_leads_to_a_standby_serves_again_when_that_is_promoted() {
    let primary = PostgresServer::start(&[]).await.unwrap();
    let network = Relay::start(primary.port()).await;
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", network.port);
    let store = impatient(url).operation_timeout(4 * SHORT).build().await.unwrap();
    let standby = primary.standby(&[]).await.unwrap();
    let stage = Stage::set(&store).await.unwrap();
    standby.catch_up_with(&primary).await.unwrap();
    primary.kill();
    network.leads_to.send_replace(standby.port());
    // What is left of the connections.
    while store.destroy(&stage.free).await.is_err_and(|error| error.outcome_unknown()) {}
    let (failures, took) = timed(errors_of(&store, all())).await;
    // Not even a read: its answers are old.
    for (operation, told, error) in failures {
        assert_eq!(told, UNAVAILABLE, "{operation:?}: {error:?}");
    }
    assert!(took < SHORT + SLACK, "it took {took:?}");
    standby.promote().await.unwrap();
    recovery(|| store.ping()).await;
    assert!(store.get(&stage.live).await.unwrap().is_some());
    works(&store).await;
}
