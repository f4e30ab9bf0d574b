//! Calls that their callers drop: each was done or was not, and disturbs nobody (clause K2).

use std::task::Poll;
use std::time::Duration;

use futures_util::future::poll_fn;
use session_store_core::{Page, SessionStore as _};
use session_store_mongo::MongoStore;
use session_store_mongo::mongodb::bson::doc;
use testkit::failures::operations::{Fixture, Operation, all};

use crate::database::{CAN_FAIL, Database, binary, of_key};
use crate::support::{assert_works, builder, timed};

/// No operation has more steps.
const MOST_STEPS: usize = 64;

/// Lets an operation take so many steps, and drops it there; none is left where it was done before.
async fn drop_after<F: Future>(operation: F, steps: usize) -> Option<F::Output> {
    let mut operation = Box::pin(operation);
    let mut taken = 0;
    poll_fn(|context| match operation.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if taken == steps => Poll::Ready(None),
        Poll::Pending => {
            taken += 1;
            Poll::Pending
        }
    })
    .await
}

/// Its connections are fewer than the calls that are dropped.
async fn store(database: &Database) -> MongoStore {
    builder(database.url()).connections(2).build().await.unwrap()
}

/// Others are served, and soon.
async fn serves(store: &MongoStore, dropped: Operation) {
    let (other, took) = timed(Fixture::create(store)).await;
    assert!(took < Duration::from_secs(1), "{dropped:?}: it took {took:?}");
    assert!(Operation::Rotate.run(store, &other.unwrap()).await.unwrap());
}

/// It was done, or it was not: keys, lists and documents agree.
async fn is_valid(database: &Database, store: &MongoStore, operation: Operation, fixture: &Fixture) {
    database.until_under_way(0).await;
    let mut live = Vec::new();
    for key in [fixture.live, fixture.free] {
        live.extend(store.get(&key).await.unwrap().map(|_| key));
        assert!(database.count(of_key(&key)).await <= 1, "{operation:?}");
    }
    live.sort_unstable();
    let listed = store.list_by_user(&fixture.user, &Page::first(10).unwrap()).await.unwrap();
    assert_eq!(listed.iter().map(|entry| entry.key).collect::<Vec<_>>(), live, "{operation:?}");
    let owned = doc! { "owner": binary(fixture.user.as_str().as_bytes()) };
    assert_eq!(database.count(owned).await, live.len() as u64, "{operation:?}");
    // A creation adds one, and only what ends sessions leaves none.
    match operation {
        Operation::Create => assert!(live.contains(&fixture.live)),
        Operation::Destroy | Operation::DestroyByUser | Operation::Clear => assert!(live.len() <= 1),
        _ => assert_eq!(live.len(), 1, "{operation:?}"),
    }
    for key in live {
        assert!(store.destroy(&key).await.unwrap(), "{operation:?}");
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_after_any_step_was_done_or_was_not() {
    let database = Database::alone(&[]).await;
    let store = store(&database).await;
    for operation in all() {
        let (mut dropped, mut steps) = (0, 0);
        loop {
            let fixture = Fixture::create(&store).await.unwrap();
            let answer = drop_after(operation.run(&store, &fixture), steps).await;
            is_valid(&database, &store, operation, &fixture).await;
            if let Some(answer) = answer {
                assert!(answer.unwrap(), "{operation:?}");
                break;
            }
            (dropped, steps) = (dropped + 1, steps + 1);
            assert!(steps < MOST_STEPS, "{operation:?} never ends");
        }
        assert!(dropped > 0, "{operation:?} was never dropped");
        serves(&store, operation).await;
    }
    assert_works(&store).await;
}

#[tokio::test]
async fn a_call_that_is_dropped_while_its_command_is_under_way_disturbs_nobody() {
    let database = Database::alone(&CAN_FAIL).await;
    let store = store(&database).await;
    for operation in all() {
        let fixture = Fixture::create(&store).await.unwrap();
        let blocked = doc! { "blockConnection": true, "blockTimeMS": 60 };
        database.fail(&["find", "aggregate", "update", "delete"], Some(1), blocked).await;
        tokio::select! {
            answer = operation.run(&store, &fixture) => panic!("{operation:?}: {answer:?}"),
            () = database.until_under_way(1) => {}
        }
        serves(&store, operation).await;
        is_valid(&database, &store, operation, &fixture).await;
    }
    assert_works(&store).await;
}
