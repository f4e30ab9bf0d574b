//! A store that is closed: whoever waits is answered at once, and its connections end.

use std::time::Duration;

use futures_util::future::join_all;
use session_store_core::SessionStore as _;
use session_store_postgres::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use testkit::failures::operations::{Fixture, Operation, all};

use crate::database::{Database, LOCK_TABLE};
use crate::support::{CLOSED, assert_works, builder, classify, errors_of, open, timed};

/// Far below the operation timeout of five seconds.
const AT_ONCE: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn close_answers_those_who_wait_and_lets_end_what_is_under_way() {
    let database = Database::new("close_waiting").await;
    let options: PgConnectOptions = database.url().parse().unwrap();
    let options = options.application_name("to be closed");
    let store = builder(options).batches_in_flight(1).build().await.unwrap();
    let fixture = Fixture::create(&store).await.unwrap();
    let foreign = database.begin(LOCK_TABLE).await;
    let call = |operation: Operation| {
        let store = store.clone();
        tokio::spawn(async move { timed(operation.run(&store, &Fixture::without_session())).await })
    };
    let under_way = {
        let store = store.clone();
        tokio::spawn(async move { store.get(&fixture.live).await })
    };
    database.until_waiting(1).await;
    let first = call(Operation::Touch);
    database.until_waiting(2).await;
    // The first of each kind runs on its caller's task, and one batch beside it.
    let batches = [Operation::Get, Operation::Touch].map(call);
    database.until_waiting(4).await;
    // These wait for the batches that are under way.
    let waiting: Vec<_> = [Operation::Get, Operation::Touch].into_iter().cycle().take(20).map(call).collect();
    while tokio::runtime::Handle::current().metrics().global_queue_depth() > 0 {
        tokio::task::yield_now().await;
    }
    let closing = {
        let store = store.clone();
        tokio::spawn(async move { store.close().await })
    };
    let (waiting, took) = timed(join_all(waiting)).await;
    assert!(took < AT_ONCE, "it took {took:?}");
    for answer in waiting {
        let error = answer.unwrap().0.unwrap_err();
        assert_eq!(classify(&error, &Fixture::without_session()), CLOSED, "{error:?}");
    }
    assert!(!under_way.is_finished() && !first.is_finished() && !closing.is_finished());
    assert!(batches.iter().all(|batch| !batch.is_finished()));
    foreign.roll_back().await;
    assert!(under_way.await.unwrap().unwrap().is_some());
    assert!(!first.await.unwrap().0.unwrap());
    let [get, touch] = batches;
    assert!(!get.await.unwrap().0.unwrap() && !touch.await.unwrap().0.unwrap());
    closing.await.unwrap();
    database.until("NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'to be closed')").await;
}

#[tokio::test]
async fn every_method_of_every_handle_says_that_the_store_is_closed() {
    let database = Database::new("close_handles").await;
    let store = open(database.url()).await;
    let handle = store.clone();
    assert_works(&store).await;
    store.close().await;
    for (operation, classification, error) in errors_of(&handle, all()).await {
        assert_eq!(classification, CLOSED, "{operation:?}: {error:?}");
        assert!(error.to_string().contains("closed"), "{error}");
    }
    // Once more is no harm, and others go on.
    handle.close().await;
    database.until_connections(0).await;
    assert_works(&open(database.url()).await).await;
}

#[tokio::test]
async fn a_pool_that_was_given_is_left_alone() {
    let database = Database::new("close_pool").await;
    let pool = PgPoolOptions::new().max_connections(2).connect(&database.url()).await.unwrap();
    let (closed, other) = (open(pool.clone()).await, open(pool.clone()).await);
    assert_works(&closed).await;
    closed.close().await;
    for (operation, classification, error) in errors_of(&closed, all()).await {
        assert_eq!(classification, CLOSED, "{operation:?}: {error:?}");
    }
    assert!(!pool.is_closed());
    assert_works(&other).await;
    other.ping().await.unwrap();
}
