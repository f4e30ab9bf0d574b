//! Pools that are given, and pools that are small.

use std::time::Duration;

use futures_util::future::join_all;
use session_store_core::SessionStore as _;
use session_store_postgres::PostgresStore;
use session_store_postgres::sqlx::postgres::{PgPool, PgPoolOptions};
use testkit::failures::operations::{Fixture, Operation, all};

use crate::database::Database;
use crate::support::{
    CLOSED, SHORT, SLACK, UNAVAILABLE, assert_works, builder, errors_of, open, serves_a_hundred_tasks, timed,
};

async fn impatient_pool(database: &Database, patience: Duration) -> PgPool {
    PgPoolOptions::new().max_connections(1).acquire_timeout(patience).connect(&database.url()).await.unwrap()
}

/// All operations fail in time, as long as somebody holds the only connection.
async fn fails_while_taken(store: &PostgresStore, pool: &PgPool) {
    let taken = pool.acquire().await.unwrap();
    let (failures, took) = timed(errors_of(store, all())).await;
    for (operation, classification, error) in failures {
        // It never had a connection to be sent on.
        assert_eq!(classification, UNAVAILABLE, "{operation:?}: {error:?}");
        assert!(error.to_string().contains("free"), "{error}");
    }
    assert!(took < SHORT + SLACK, "it took {took:?}");
    drop(taken);
    assert_works(store).await;
}

#[tokio::test]
async fn a_pool_whose_only_connection_is_taken_is_unavailable_until_it_is_free() {
    let database = Database::new("pool_taken").await;
    let pool = impatient_pool(&database, Duration::from_secs(30)).await;
    let store = builder(pool.clone()).connect_timeout(SHORT).build().await.unwrap();
    assert_works(&store).await;
    fails_while_taken(&store, &pool).await;
}

#[tokio::test]
async fn a_pool_with_a_short_patience_of_its_own_is_unavailable_too() {
    let database = Database::new("pool_impatient").await;
    let pool = impatient_pool(&database, SHORT / 2).await;
    let store = open(pool.clone()).await;
    fails_while_taken(&store, &pool).await;
}

#[tokio::test]
async fn a_pool_that_its_owner_has_closed_is_a_store_that_is_closed() {
    let database = Database::new("pool_closed").await;
    let pool = impatient_pool(&database, SHORT).await;
    let store = open(pool.clone()).await;
    pool.close().await;
    for (operation, classification, error) in errors_of(&store, all()).await {
        assert_eq!(classification, CLOSED, "{operation:?}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_serves_a_hundred_tasks() {
    let database = Database::new("one_connection").await;
    let store = builder(database.url()).connections(1).build().await.unwrap();
    serves_a_hundred_tasks(&store).await;
    database.until_connections(1).await;
    join_all((0..100).map(async |_| store.ping().await.unwrap())).await;
}

/// Case P4: both nodes have larger pools than the role may have connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_with_fewer_connections_than_the_pools_fails_nothing() {
    let database = Database::new("connection_limit").await;
    drop(open(database.url()).await);
    let url = database.role("limited", &[]).await;
    database
        .execute("ALTER ROLE limited CONNECTION LIMIT 8; GRANT SELECT, INSERT, UPDATE, DELETE ON app TO limited")
        .await;
    let nodes = [open(url.as_str()).await, open(url).await];
    // Each has one of its own at least.
    for node in &nodes {
        node.ping().await.unwrap();
    }
    let calls = (0..60).flat_map(|_| nodes.iter().map(serves_one));
    join_all(calls).await;
}

async fn serves_one(store: &PostgresStore) {
    let fixture = Fixture::create(store).await.unwrap();
    assert!(Operation::Rotate.run(store, &fixture).await.unwrap());
}

#[tokio::test]
async fn a_server_without_a_pooler_is_not_taken_for_one() {
    let database = Database::new("no_pooler").await;
    let store = open(database.url()).await;
    assert!(format!("{store:?}").contains("is_pooled: false"), "{store:?}");
}
