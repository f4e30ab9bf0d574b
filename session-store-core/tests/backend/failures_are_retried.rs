//! Statements that failed are sent again as the backend advises, unless they may have been executed (K3).

use std::collections::HashSet;
use std::error::Error as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use session_store_core::backend::{Deadline, Failure, Next, Retry, retry};
use session_store_core::{ErrorKind, Page, SessionStore as _};
use tokio::time::Instant;

use crate::callers::{MS, SECOND, alice, assert_error, behind_a_gate, key, one_in_flight, settle, write_of};
use crate::scripted_backend::{Operation, Reply, Script, broken, open, overloaded, refused};

/// Returns the times between the statements.
fn pauses(script: &Script) -> Vec<Duration> {
    script.statements().windows(2).map(|pair| pair[1].begun - pair[0].begun).collect()
}

#[tokio::test(start_paused = true)]
async fn reads_are_retried_until_the_deadline_and_then_return_the_last_error() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    let number = AtomicU32::new(0);
    script.always(move |_| {
        let text = format!("failure {}", number.fetch_add(1, Ordering::SeqCst));
        let failure = Failure::new(ErrorKind::Unavailable, text).ambiguous().with_retry(Retry::UntilDeadline);
        Some(Reply::fails(failure))
    });
    let begun = Instant::now();
    let error = assert_error(store.get(&key(1)).await, ErrorKind::Unavailable, false);
    let statements = script.statements();
    assert_eq!(error.to_string(), format!("failure {}", statements.len() - 1));
    // There was time for the last statement.
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(4_800) && took <= Duration::from_millis(4_900), "{took:?}");
    assert!(statements.len() > 80, "{}", statements.len());
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_to_50_ms_and_are_random() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    script.always(|_| Some(Reply::fails(overloaded())));
    store.destroy(&key(1)).await.unwrap_err();
    let pauses = pauses(&script);
    let mut longest = MS;
    for pause in &pauses {
        // A timer may be a millisecond late.
        assert!((longest / 2..longest + 2 * MS).contains(pause), "{pause:?} is not up to {longest:?}");
        longest = (longest * 2).min(50 * MS);
    }
    assert!(pauses[6..].iter().collect::<HashSet<_>>().len() > 10, "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_retried_as_often_as_the_backend_says() {
    let cases = [(Retry::Never, 1), (Retry::Times(0), 1), (Retry::Times(1), 2), (Retry::Times(4), 5)];
    for (retry, statements) in cases {
        let (store, script) = Script::default().store::<true>(one_in_flight());
        script.always(move |_| Some(Reply::fails(overloaded().with_retry(retry))));
        assert_error(store.destroy(&key(1)).await, ErrorKind::Unavailable, false);
        assert_eq!(script.statements().len(), statements, "{retry:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_statement_is_retried() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    let operations = [
        Operation::Read,
        Operation::Apply,
        Operation::Rotate,
        Operation::FindCause,
        Operation::List,
        Operation::Destroy,
        Operation::Prune,
        Operation::Count,
        Operation::Clear,
        Operation::Scan,
        Operation::Ping,
    ];
    for operation in operations {
        script.next(operation, Reply::fails(overloaded()));
    }
    store.get(&key(1)).await.unwrap();
    store.destroy(&key(1)).await.unwrap();
    store.rotate(&key(1), &key(2), &write_of(""), None).await.unwrap();
    script.next(Operation::Apply, Reply::verdict(session_store_core::backend::Verdict::Refused));
    assert_error(store.destroy(&key(1)).await, ErrorKind::Conflict, false);
    store.list_by_user(&alice(), &Page::first(1).unwrap()).await.unwrap();
    store.destroy_by_user(&alice(), None).await.unwrap();
    store.prune(1).await.unwrap();
    store.count().await.unwrap();
    store.clear().await.unwrap();
    store.scan(None, 1).await.unwrap();
    store.ping().await.unwrap();
    for operation in operations {
        let expected = if operation == Operation::Apply { 3 } else { 2 };
        assert_eq!(script.all(operation).len(), expected, "{operation:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_may_have_been_executed_is_not_repeated() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    let vague = broken().with_retry(Retry::UntilDeadline);
    script.next(Operation::Apply, Reply::fails(vague.clone()));
    assert_error(store.destroy(&key(1)).await, ErrorKind::Unavailable, true);
    script.next(Operation::Rotate, Reply::fails(vague.clone()));
    assert_error(store.rotate(&key(1), &key(2), &write_of(""), None).await, ErrorKind::Unavailable, true);
    for operation in [Operation::Destroy, Operation::Prune, Operation::Clear] {
        script.next(operation, Reply::fails(vague.clone()));
    }
    assert_error(store.destroy_by_user(&alice(), None).await, ErrorKind::Unavailable, true);
    assert_error(store.prune(1).await, ErrorKind::Unavailable, true);
    assert_error(store.clear().await, ErrorKind::Unavailable, true);
    assert_eq!(script.statements().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_not_sent_is_repeated_though_its_connection_broke() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    let vague = broken().with_retry(Retry::UntilDeadline);
    script.next(Operation::Apply, Reply::fails(vague.clone()).unsent());
    assert!(store.destroy(&key(1)).await.unwrap());
    assert_eq!(script.statements().len(), 2);
    // One that was sent before, and certainly not executed, counts by its last statement.
    script.next(Operation::Apply, Reply::fails(overloaded()));
    script.next(Operation::Apply, Reply::fails(vague).unsent());
    assert!(store.destroy(&key(1)).await.unwrap());
    assert_eq!(script.statements().len(), 5);
    script.next(Operation::Apply, Reply::fails(broken()).unsent());
    assert_error(store.destroy(&key(1)).await, ErrorKind::Unavailable, false);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_is_not_ambiguous_has_a_known_outcome_though_it_was_sent() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    script.next(Operation::Apply, Reply::fails(refused()));
    assert_error(store.destroy(&key(1)).await, ErrorKind::Internal, false);
    script.next(Operation::Clear, Reply::bulk(1, 1, Next::From(1)));
    script.next(Operation::Clear, Reply::fails(refused()));
    assert_error(store.clear().await, ErrorKind::Internal, true);
}

#[tokio::test(start_paused = true)]
async fn every_caller_of_a_batch_gets_the_whole_error() {
    let (callers, script, gate) = behind_a_gate::<false>(Script::default(), one_in_flight());
    let _busy = callers.keep_busy(200, 201).await;
    let calls: Vec<_> = (0..3).map(|byte| callers.touch(byte, SECOND)).collect();
    settle().await;
    let failure = Failure::new(ErrorKind::Config, "a right is missing").with_source("server", "42501").of_statement();
    script.next(Operation::Apply, Reply::fails(failure.with_transient(true)));
    open(&gate);
    for call in calls {
        let error = assert_error(call.await.unwrap(), ErrorKind::Config, false);
        assert_eq!(error.to_string(), "a right is missing");
        assert_eq!(error.source().unwrap().to_string(), "server, code 42501");
        assert!(error.is_transient() && error.key().is_none());
    }
}

/// Runs a step of a start-up that fails each time, and returns its outcome, its attempts and how long it took.
async fn start_up(advice: Retry) -> (Result<Option<()>, &'static str>, u32, Duration) {
    let (attempts, begun) = (AtomicU32::new(0), Instant::now());
    let classify = |_: &&str| Failure::new(ErrorKind::Unavailable, "broken").with_retry(advice);
    let step = || async {
        attempts.fetch_add(1, Ordering::Relaxed);
        Err("broken")
    };
    let outcome = retry(Deadline::after(SECOND), classify, step).await;
    (outcome, attempts.into_inner(), begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_step_of_a_start_up_is_repeated_as_advised_until_its_deadline() {
    let (outcome, attempts, took) = start_up(Retry::Never).await;
    assert_eq!((outcome, attempts, took), (Err("broken"), 1, Duration::ZERO));
    let (outcome, attempts, took) = start_up(Retry::UntilDeadline).await;
    assert_eq!(outcome, Err("broken"));
    assert!(attempts > 5 && took > SECOND / 2 && took < SECOND, "{attempts} {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_step_of_a_start_up_that_does_not_end_is_given_up_at_its_deadline() {
    let begun = Instant::now();
    let classify = |_: &&str| Failure::new(ErrorKind::Unavailable, "broken");
    let step = || std::future::pending::<Result<(), &str>>();
    assert_eq!(retry(Deadline::after(SECOND), classify, step).await, Ok(None));
    assert!(begun.elapsed() < SECOND + 2 * MS, "{:?}", begun.elapsed());
}
