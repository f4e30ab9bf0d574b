//! After `close`, every method is refused at once; those who wait are answered, and what is in flight finishes (W3).

use std::time::Duration;

use session_store_core::backend::{Next, Verdict};
use session_store_core::{ErrorKind, Page, Result, SessionStore, SetMode};
use tokio::time::{Instant, sleep};

use crate::callers::{
    Callers, MS, OLD, SECOND, alice, assert_elapsed, assert_error, behind_a_gate, key, one_in_flight, options, record,
    settle, settle_many, write_of,
};
use crate::scripted_backend::{End, Operation, Reply, Script, gate, open, overloaded};

fn assert_closed<T: std::fmt::Debug>(answer: Result<T>) {
    let error = assert_error(answer, ErrorKind::Unavailable, false);
    assert_eq!((error.to_string().as_str(), error.is_transient()), ("the store is closed", false));
}

#[tokio::test(start_paused = true)]
async fn every_method_of_every_handle_is_refused_at_once() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    let handle: Box<dyn SessionStore> = Box::new(store.clone());
    store.destroy(&key(1)).await.unwrap();
    handle.close().await;
    let begun = Instant::now();
    for store in [Box::new(store), handle] {
        assert_closed(store.get(&key(1)).await);
        assert_closed(store.get_if_changed(&key(1), OLD).await);
        for mode in [SetMode::Create, SetMode::Replace, SetMode::Update(OLD), SetMode::Upsert] {
            assert_closed(store.set(&key(1), &write_of("data"), mode).await);
        }
        assert_closed(store.touch(&key(1), SECOND).await);
        assert_closed(store.destroy(&key(1)).await);
        assert_closed(store.destroy_if(&key(1), OLD).await);
        assert_closed(store.import(&key(1), &record()).await);
        assert_closed(store.rotate(&key(1), &key(2), &write_of("data"), None).await);
        assert_closed(store.list_by_user(&alice(), &Page::first(1).unwrap()).await);
        assert_closed(store.destroy_by_user(&alice(), None).await);
        assert_closed(store.prune(1).await);
        assert_closed(store.count().await);
        assert_closed(store.clear().await);
        assert_closed(store.scan(None, 1).await);
        assert_closed(store.ping().await);
        // Also if the arguments are wrong.
        assert_closed(store.touch(&key(1), Duration::ZERO).await);
        assert_closed(store.rotate(&key(1), &key(1), &write_of("data"), None).await);
        assert_closed(store.prune(0).await);
        assert_closed(store.scan(None, 0).await);
        assert_closed(store.set(&key(1), &write_of(vec![0; 2 << 20]), SetMode::Create).await);
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let operations: Vec<_> = script.statements().iter().map(|statement| statement.operation).collect();
    assert_eq!(operations, [Operation::Apply, Operation::Close]);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_answered_at_once_and_what_is_in_flight_finishes() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    let (callers, gate) = (Callers(store.clone()), gate());
    script.hold(&gate);
    let in_flight = callers.keep_busy(200, 201).await;
    let mut reads = Vec::new();
    for byte in 1..=3 {
        reads.push(callers.get(byte));
        settle().await;
    }
    let waiting_read = reads.pop().unwrap();
    let (in_a_queue, in_order, merged) = (callers.destroy(1), callers.touch(200, SECOND), callers.touch(200, SECOND));
    settle().await;
    let begun = Instant::now();
    let closing = tokio::spawn(async move { store.close().await });
    assert_closed(waiting_read.await.unwrap());
    assert_closed(in_a_queue.await.unwrap());
    assert_closed(in_order.await.unwrap());
    assert_closed(merged.await.unwrap());
    assert_eq!(begun.elapsed(), Duration::ZERO);
    sleep(SECOND).await;
    assert!(!closing.is_finished(), "it waits for what is in flight");
    assert!(script.all(Operation::Close).is_empty());
    script.always(|_| None);
    open(&gate);
    for call in in_flight {
        assert!(call.await.unwrap().unwrap());
    }
    for read in reads {
        assert_eq!(read.await.unwrap().unwrap(), None);
    }
    closing.await.unwrap();
    assert_elapsed(begun, SECOND);
    assert_eq!(script.all(Operation::Close).len(), 1);
    assert_eq!(script.sorted_executed_keys(), [200, 201]);
}

#[tokio::test(start_paused = true)]
async fn the_connections_are_closed_once_though_the_store_is_closed_twice() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    let other = store.clone();
    store.close().await;
    store.close().await;
    other.close().await;
    SessionStore::close(&other).await;
    let closes = script.all(Operation::Close);
    assert_eq!(closes.len(), 1);
    assert!(closes[0].deadline.instant() > Instant::now().into_std());
}

#[tokio::test(start_paused = true)]
async fn closing_waits_for_a_statement_until_the_operation_timeout() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    let callers = Callers(store.clone());
    // A statement whose caller is not polled never ends.
    let key_1 = key(1);
    script.next(Operation::Apply, Reply::never());
    let mut not_polled = store.destroy(&key_1);
    assert!(crate::callers::poll_once(&mut not_polled).is_pending());
    let begun = Instant::now();
    callers.0.close().await;
    assert!((5 * SECOND..5 * SECOND + 50 * MS).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert_eq!(script.all(Operation::Close).len(), 1);
    drop(not_polled);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_does_not_close_does_not_keep_the_caller() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    script.next(Operation::Close, Reply::never());
    let begun = Instant::now();
    store.close().await;
    assert!((5 * SECOND..5 * SECOND + 150 * MS).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert!(matches!(script.statements()[0].end, End::Dropped(_)));
}

#[tokio::test(start_paused = true)]
async fn a_request_between_two_attempts_is_refused() {
    for lone_statements in [0, 1] {
        let script = Script::default().with_lone_statements(lone_statements);
        let (store, script) = script.store::<true>(one_in_flight());
        let callers = Callers(store);
        let busy = callers.destroy(1);
        script.next(Operation::Apply, Reply::verdict(Verdict::Busy));
        script.next(Operation::Apply, Reply::verdict(Verdict::Busy));
        settle().await;
        script.always(|statement| (statement.operation != Operation::Close).then(|| Reply::fails(overloaded())));
        let (failing, counting) = (
            callers.destroy(2),
            tokio::spawn({
                let store = callers.0.clone();
                async move { store.count().await }
            }),
        );
        settle().await;
        let statements = script.statements().len();
        callers.0.close().await;
        assert_closed(busy.await.unwrap());
        assert_closed(failing.await.unwrap());
        assert_closed(counting.await.unwrap());
        assert_eq!(script.statements().len(), statements + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_bulk_operation_that_has_changed_something_has_an_unknown_outcome() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    let gate = gate();
    script.next(Operation::Clear, Reply::bulk(1, 1, Next::From(1)).behind(&gate));
    let clearing = tokio::spawn({
        let store = store.clone();
        async move { store.clear().await }
    });
    settle().await;
    let closing = tokio::spawn(async move { store.close().await });
    settle().await;
    open(&gate);
    assert_error(clearing.await.unwrap(), ErrorKind::Unavailable, true);
    closing.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn callers_that_wait_to_be_let_in_are_answered() {
    let (callers, script, gate) = behind_a_gate::<false>(Script::default(), options(1, 1));
    let in_flight: Vec<_> = (0..16_384).map(|_| callers.touch(1, SECOND)).collect();
    settle_many().await;
    let not_let_in = callers.touch(2, SECOND);
    settle().await;
    let begun = Instant::now();
    let closing = tokio::spawn({
        let store = callers.0.clone();
        async move { store.close().await }
    });
    assert_closed(not_let_in.await.unwrap());
    assert_eq!(begun.elapsed(), Duration::ZERO, "though all places are taken");
    script.always(|_| None);
    open(&gate);
    closing.await.unwrap();
    for call in in_flight {
        assert!(call.await.unwrap().unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn statements_without_batches_finish_too() {
    let (callers, script, gate) = behind_a_gate::<true>(Script::default(), options(1, 1));
    let calls = [callers.destroy(1), callers.destroy(2)];
    let (behind, rotation) = (callers.destroy(1), callers.rotate(3, 4));
    settle().await;
    let closing = tokio::spawn({
        let store = callers.0.clone();
        async move { store.close().await }
    });
    assert_closed(behind.await.unwrap());
    script.always(|_| None);
    open(&gate);
    for call in calls {
        assert!(call.await.unwrap().unwrap());
    }
    rotation.await.unwrap().unwrap();
    closing.await.unwrap();
    assert_eq!(script.statements().last().unwrap().operation, Operation::Close);
}
