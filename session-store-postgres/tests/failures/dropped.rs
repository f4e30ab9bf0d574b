//! Calls that their callers drop: they leave no broken connection and no lock.

use std::time::Duration;

use session_store_core::SessionStore as _;
use session_store_postgres::PostgresStore;
use testkit::failures::operations::{Fixture, Operation, all};

use crate::database::{Database, LOCK_TABLE};
use crate::support::{assert_works, builder, changes, timed};

/// Its connections are fewer than the calls that are dropped.
async fn store(database: &Database) -> PostgresStore {
    builder(database.url()).connections(2).build().await.unwrap()
}

/// Others are served, and soon.
async fn serves(store: &PostgresStore, dropped: Operation) {
    let (other, took) = timed(Fixture::create(store)).await;
    assert!(took < Duration::from_secs(1), "{dropped:?}: it took {took:?}");
    assert!(Operation::Rotate.run(store, &other.unwrap()).await.unwrap());
}

async fn leaves_nothing(database: &Database, store: &PostgresStore, fixture: &Fixture) {
    database.until("NOT EXISTS (SELECT FROM pg_locks WHERE relation = 'app'::regclass)").await;
    // It was done, or it was not.
    assert_eq!(store.get(&fixture.live).await.unwrap().is_some(), store.destroy(&fixture.live).await.unwrap());
}

async fn works_on(database: &Database, store: &PostgresStore) {
    database.until_connections(2).await;
    assert_works(store).await;
    let own = "datname = current_database() AND state LIKE 'idle in transaction%'";
    database.until(&format!("NOT EXISTS (SELECT FROM pg_stat_activity WHERE {own})")).await;
}

#[tokio::test]
async fn a_call_that_is_dropped_while_it_waits_for_a_row_leaves_nothing() {
    let database = Database::new("dropped_before_rows").await;
    let store = store(&database).await;
    // Neither a creation nor a prune waits for a row.
    let waits = |operation: &Operation| !matches!(operation, Operation::Create | Operation::Prune);
    for operation in all().filter(|operation| changes(*operation) && waits(operation)) {
        let fixture = Fixture::create(&store).await.unwrap();
        let foreign = database.hold(&fixture.live).await;
        tokio::select! {
            answer = operation.run(&store, &fixture) => panic!("{operation:?}: {answer:?}"),
            () = database.until_held_up(1) => {}
        }
        serves(&store, operation).await;
        foreign.roll_back().await;
        leaves_nothing(&database, &store, &fixture).await;
    }
    works_on(&database, &store).await;
}

#[tokio::test]
async fn a_call_that_is_dropped_while_its_statement_runs_leaves_nothing() {
    let database = Database::new("dropped_statements").await;
    let store = store(&database).await;
    for operation in all() {
        let fixture = Fixture::create(&store).await.unwrap();
        let foreign = database.begin(LOCK_TABLE).await;
        tokio::select! {
            answer = operation.run(&store, &fixture) => panic!("{operation:?}: {answer:?}"),
            () = database.until_waiting(1) => {}
        }
        foreign.roll_back().await;
        serves(&store, operation).await;
        leaves_nothing(&database, &store, &fixture).await;
    }
    works_on(&database, &store).await;
}
