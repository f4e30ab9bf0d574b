//! Every request ends by its deadline (E3), and its error says whether it may have been executed (E1).

use session_store_core::{ErrorKind, SessionStore as _};
use tokio::time::{Instant, sleep};

use crate::callers::{
    Callers, MS, SECOND, assert_elapsed, assert_error, behind_a_gate, key, one_in_flight, poll_once, settle, write_of,
};
use crate::scripted_backend::{End, Operation, Reply, Script, gate, open, overloaded, refused};

#[tokio::test(start_paused = true)]
async fn a_lone_request_times_out_and_says_whether_it_was_sent() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    for (reply, outcome_unknown) in [(Reply::never(), true), (Reply::never().unsent(), false)] {
        script.next(Operation::Apply, reply.clone());
        let begun = Instant::now();
        let error = assert_error(store.destroy(&key(1)).await, ErrorKind::Timeout, outcome_unknown);
        assert_elapsed(begun, 5 * SECOND);
        assert_eq!(error.to_string(), "scripted: no answer within the operation timeout of 5s");
        script.next(Operation::Rotate, reply);
        let rotated = store.rotate(&key(1), &key(2), &write_of(""), None).await;
        assert_error(rotated, ErrorKind::Timeout, outcome_unknown);
    }
    script.next(Operation::Read, Reply::never());
    assert_error(store.get(&key(1)).await, ErrorKind::Timeout, false);
    script.next(Operation::Ping, Reply::never());
    let begun = Instant::now();
    assert_error(store.ping().await, ErrorKind::Timeout, false);
    assert_elapsed(begun, 5 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn the_place_of_a_lone_caller_is_free_after_its_timeout() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    let callers = Callers(store);
    script.next(Operation::Apply, Reply::never());
    let late = callers.destroy(1);
    sleep(4 * SECOND).await;
    let waits = callers.destroy(1);
    assert_error(late.await.unwrap(), ErrorKind::Timeout, true);
    assert!(matches!(script.statements()[0].end, End::Dropped(_)), "its statement is dropped");
    assert!(waits.await.unwrap().unwrap());
    let next = callers.destroy(2);
    let task = next.id();
    next.await.unwrap().unwrap();
    assert_eq!(script.statements().last().unwrap().task, Some(task));
}

#[tokio::test(start_paused = true)]
async fn the_operation_timeout_is_that_of_the_options() {
    let mut options = one_in_flight();
    options.operation_timeout = 700 * MS;
    let (store, script) = Script::default().store::<true>(options);
    script.next(Operation::Apply, Reply::never());
    let begun = Instant::now();
    let error = assert_error(store.destroy(&key(1)).await, ErrorKind::Timeout, true);
    assert_elapsed(begun, 700 * MS);
    assert!(error.to_string().ends_with("700ms"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_still_waits_for_its_batch_times_out_and_was_not_sent() {
    let (store, script) = Script::default().store::<false>(one_in_flight());
    let callers = Callers(store);
    script.always(|_| Some(Reply::never()));
    let _busy = callers.keep_busy(200, 201).await;
    let begun = Instant::now();
    assert_error(callers.destroy(1).await.unwrap(), ErrorKind::Timeout, false);
    assert_elapsed(begun, 5 * SECOND);
    settle().await;
    assert_eq!(script.keys(), [[200], [201]], "it is not sent later either");
}

#[tokio::test(start_paused = true)]
async fn a_batch_ends_by_the_deadline_of_its_last_caller() {
    let (callers, script, gate) = behind_a_gate::<false>(Script::default(), one_in_flight());
    let _busy = callers.keep_busy(200, 201).await;
    let begun = Instant::now();
    let first = callers.destroy(1);
    sleep(2 * SECOND).await;
    let last = callers.destroy(2);
    sleep(SECOND).await;
    script.next(Operation::Apply, Reply::never());
    open(&gate);
    assert_error(first.await.unwrap(), ErrorKind::Timeout, true);
    assert_elapsed(begun, 5 * SECOND);
    assert_eq!(script.statements()[2].end, End::None, "it continues for the other caller");
    assert_error(last.await.unwrap(), ErrorKind::Timeout, true);
    assert_elapsed(begun, 7 * SECOND);
    sleep(5 * MS).await;
    let batch = &script.statements()[2];
    assert_eq!(batch.keys(), [1, 2]);
    assert_eq!(batch.deadline.instant(), (begun + 7 * SECOND).into_std());
    assert!(matches!(batch.end, End::Dropped(at) if at <= begun + 7 * SECOND + 100 * MS), "{batch:?}");
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_nobody_waits_for_is_not_started() {
    let (callers, script, gate) = behind_a_gate::<true>(Script::default(), one_in_flight());
    let _busy = callers.keep_busy(200, 201).await;
    for byte in 0..3 {
        let gone = callers.touch(byte, SECOND);
        settle().await;
        gone.abort();
    }
    settle().await;
    open(&gate);
    settle().await;
    assert_eq!(script.keys(), [[200], [201]]);
    // Their sessions can be changed by others.
    for byte in 0..3 {
        callers.touch(byte, SECOND).await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_is_executed_and_what_was_not_is_not_if_callers_go_away() {
    let (callers, script, gate) = behind_a_gate::<false>(Script::default(), one_in_flight());
    let [sent, also_sent] = callers.keep_busy(1, 2).await;
    let (gone, stays) = (callers.touch(3, SECOND), callers.touch(4, SECOND));
    settle().await;
    for call in [sent, also_sent, gone] {
        call.abort();
    }
    settle().await;
    open(&gate);
    stays.await.unwrap().unwrap();
    assert_eq!(script.sorted_executed_keys(), [1, 2, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_deadline_has_passed_is_not_sent_though_its_caller_is_there() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    let (callers, gate) = (Callers(store.clone()), gate());
    script.hold(&gate);
    let _busy = callers.keep_busy(200, 201).await;
    let key = key(1);
    let mut not_polled = store.destroy(&key);
    assert!(poll_once(&mut not_polled).is_pending());
    sleep(3 * SECOND).await;
    let later = callers.destroy(2);
    sleep(2 * SECOND).await;
    open(&gate);
    later.await.unwrap().unwrap();
    assert_eq!(script.keys()[2..], [[2]]);
    assert_error(not_polled.await, ErrorKind::Timeout, false);
    assert!(callers.destroy(1).await.unwrap().unwrap(), "its session can be changed by others");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_times_out_between_retries_was_not_executed() {
    let (callers, script, gate) = behind_a_gate::<false>(Script::default(), one_in_flight());
    let _busy = callers.keep_busy(200, 201).await;
    let first = callers.destroy(1);
    sleep(2 * SECOND).await;
    let last = callers.destroy(2);
    settle().await;
    script.always(|_| Some(Reply::fails(overloaded())));
    open(&gate);
    assert_error(first.await.unwrap(), ErrorKind::Timeout, false);
    assert_error(last.await.unwrap(), ErrorKind::Unavailable, false);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_times_out_before_the_retry_is_sent_was_not_executed() {
    let (callers, script, gate) = behind_a_gate::<false>(Script::default(), one_in_flight());
    let _busy = callers.keep_busy(200, 201).await;
    let first = callers.destroy(1);
    sleep(2 * SECOND).await;
    let last = callers.destroy(2);
    settle().await;
    script.next(Operation::Apply, Reply::fails(overloaded()));
    // Sent when 6 seconds have passed: after the first deadline, before the last.
    script.next(Operation::Apply, Reply::never().connecting(4 * SECOND));
    open(&gate);
    assert_error(first.await.unwrap(), ErrorKind::Timeout, false);
    assert_error(last.await.unwrap(), ErrorKind::Timeout, true);
    assert_eq!(script.sizes()[2..], [2, 2]);
}

/// The halves are two statements: the second one, which is not sent yet, says nothing about the first.
#[tokio::test(start_paused = true)]
async fn a_caller_whose_half_of_a_batch_was_executed_does_not_hear_that_it_was_not() {
    let (callers, script, gate) = behind_a_gate::<false>(Script::default(), one_in_flight());
    let _busy = callers.keep_busy(200, 201).await;
    let first = callers.destroy(1);
    sleep(2 * SECOND).await;
    let last = callers.destroy(2);
    settle().await;
    script.next(Operation::Apply, Reply::fails(refused()));
    script.next(Operation::Apply, Reply::usual());
    script.next(Operation::Apply, Reply::fails(refused()).connecting(4 * SECOND));
    open(&gate);
    match first.await.unwrap() {
        Ok(was_live) => assert!(was_live),
        Err(error) => assert!(error.outcome_unknown(), "{error}"),
    }
    assert_error(last.await.unwrap(), ErrorKind::Internal, false);
    assert_eq!(script.sorted_executed_keys(), [1, 200, 201]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_after_the_deadline() {
    let (callers, script, gate) = behind_a_gate::<false>(Script::default(), one_in_flight());
    let _busy = callers.keep_busy(200, 201).await;
    let (first, last) = (callers.destroy(1), callers.destroy(2));
    settle().await;
    script.next(Operation::Apply, Reply::fails(refused()));
    // The first half takes all the time that there is.
    script.next(Operation::Apply, Reply::never());
    open(&gate);
    assert_error(first.await.unwrap(), ErrorKind::Timeout, true);
    assert_error(last.await.unwrap(), ErrorKind::Timeout, false);
    sleep(SECOND).await;
    assert_eq!(script.keys()[2..], [vec![1, 2], vec![1]]);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_waits_for_another_of_its_session_times_out_and_was_not_sent() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    let callers = Callers(store);
    script.always(|_| Some(Reply::never()));
    let first = callers.destroy(1);
    settle().await;
    let begun = Instant::now();
    sleep(SECOND).await;
    let second = callers.replace(1);
    assert_error(first.await.unwrap(), ErrorKind::Timeout, true);
    assert_error(second.await.unwrap(), ErrorKind::Timeout, true);
    assert_elapsed(begun, 6 * SECOND);
    assert_eq!(script.statements()[1].begun, begun + 5 * SECOND);

    let first = callers.destroy(1);
    settle().await;
    let begun = Instant::now();
    let second = callers.replace(1);
    assert_error(second.await.unwrap(), ErrorKind::Timeout, false);
    assert_elapsed(begun, 5 * SECOND);
    assert_error(first.await.unwrap(), ErrorKind::Timeout, true);
    assert_eq!(script.statements().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_backend_learns_of_every_statement_that_is_dropped() {
    let (store, script) = Script::default().store::<false>(one_in_flight());
    script.next(Operation::Apply, Reply::never());
    store.destroy(&key(1)).await.unwrap_err();
    assert_eq!(script.timeouts(), 1);
    script.next(Operation::Read, Reply::never());
    store.get(&key(1)).await.unwrap_err();
    assert_eq!(script.timeouts(), 2);
    script.next(Operation::Count, Reply::never());
    store.count().await.unwrap_err();
    assert_eq!(script.timeouts(), 3);
    store.destroy(&key(1)).await.unwrap();
    script.next(Operation::Apply, Reply::fails(refused()));
    store.destroy(&key(1)).await.unwrap_err();
    assert_eq!(script.timeouts(), 3, "and of no other");
}
