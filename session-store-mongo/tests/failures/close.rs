//! A store that is closed: whoever waits is answered at once, and its connections end, unless they are another's.

use std::time::Duration;

use futures_util::future::join_all;
use session_store_mongo::MongoStore;
use session_store_mongo::mongodb::bson::doc;
use testkit::failures::operations::{Fixture, Operation, all};

use crate::database::{CAN_FAIL, Database};
use crate::support::{CLOSED, SLACK, assert_works, builder, classify, errors_of, open, timed};

/// What goes together in batches.
const BATCHED: [Operation; 6] =
    [Operation::Get, Operation::Create, Operation::Replace, Operation::Update, Operation::Upsert, Operation::Touch];

/// Far below the operation timeout of five seconds.
const AT_ONCE: Duration = Duration::from_millis(500);

async fn is_closed(store: &MongoStore) {
    let (failures, took) = timed(errors_of(store, all())).await;
    for (operation, classification, error) in failures {
        assert_eq!(classification, CLOSED, "{operation:?}: {error:?}");
        assert!(error.to_string().contains("closed"), "{error}");
    }
    assert!(took < AT_ONCE, "it took {took:?}");
}

#[tokio::test]
async fn every_method_of_every_handle_says_that_the_store_is_closed() {
    let database = Database::new("close_handles").await;
    let store = open(format!("{}&appName=closed", database.url())).await;
    let handle = store.clone();
    assert_works(&store).await;
    let ((), took) = timed(store.close()).await;
    assert!(took < AT_ONCE, "it took {took:?}");
    is_closed(&handle).await;
    // Once more is no harm, and others go on.
    handle.close().await;
    database.until_gone("closed").await;
    assert_works(&open(database.url()).await).await;
}

#[tokio::test]
async fn a_client_or_a_database_that_was_given_is_left_alone() {
    let database = Database::new("close_client").await;
    let client = database.server.client().unwrap();
    let given = client.database(database.name());
    let ways = [(open(given.clone()).await, open(given.clone()).await), {
        let of_client = || builder(client.clone()).database(database.name()).build();
        (of_client().await.unwrap(), of_client().await.unwrap())
    }];
    for (closed, other) in ways {
        assert_works(&closed).await;
        closed.close().await;
        is_closed(&closed).await;
        assert_works(&other).await;
        given.run_command(doc! { "ping": 1 }).await.unwrap();
    }
}

#[tokio::test]
async fn close_answers_those_who_wait_and_lets_end_what_is_under_way() {
    const UNDER_WAY: Duration = Duration::from_millis(1_500);
    let database = Database::alone(&CAN_FAIL).await;
    let url = format!("{}&appName=closed", database.url());
    let store = builder(url).connections(32).batches_in_flight(1).build().await.unwrap();
    assert_works(&store).await;
    let blocked = doc! { "blockConnection": true, "blockTimeMS": i64::try_from(UNDER_WAY.as_millis()).unwrap() };
    database.fail(&["find", "update", "delete", "aggregate"], None, blocked).await;
    let call = |operation: Operation| {
        let store = store.clone();
        tokio::spawn(async move {
            let fixture = Fixture::without_session();
            operation.run(&store, &fixture).await.map_err(|error| (classify(&error, &fixture), error))
        })
    };
    let mut calls: Vec<_> = all().chain(all()).map(call).collect();
    // Of each kind, one goes alone, and the others in one batch: `get`, `set` and `touch`. The others have commands of
    // their own.
    database.until_under_way(calls.len() - 12 + 2 * 3).await;
    calls.extend(BATCHED.map(call));
    let waiting = BATCHED.len();
    tokio::time::sleep(SLACK / 5).await;
    let closing = {
        let store = store.clone();
        tokio::spawn(async move { store.close().await })
    };
    let ((), took) = timed(async {
        while calls.iter().filter(|call| call.is_finished()).count() < waiting {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(took < AT_ONCE, "it took {took:?}");
    let (ended, took) = timed(join_all(calls)).await;
    assert!(took < UNDER_WAY + SLACK, "it took {took:?}");
    closing.await.unwrap();
    let mut closed = 0;
    for answer in ended {
        // What was under way has been answered; a sweep goes no further.
        if let Err((classification, error)) = answer.unwrap() {
            assert_eq!(classification, CLOSED, "{error:?}");
            closed += 1;
        }
    }
    assert!(closed >= waiting, "{closed}");
    is_closed(&store).await;
    database.until_gone("closed").await;
}
