//! A change whose record somebody else holds is sent again alone; one that was refused learns the cause.

use std::time::Duration;

use session_store_core::backend::{Failure, Retry, Verdict};
use session_store_core::{ErrorKind, SessionStore as _};
use tokio::time::Instant;

use crate::callers::{
    Callers, MS, SECOND, assert_error, behind_a_gate, key, one_in_flight, poll_once, settle, write_of,
};
use crate::scripted_backend::{End, Operation, Reply, Script, Statement, broken, gate, open, overloaded, refused};

/// Batches find every record busy; statements of one session wait for a permit of the gate if they may wait.
fn busy_for_batches(script: &Script, gate: &crate::scripted_backend::Gate) {
    let gate = gate.clone();
    script.always(move |statement: &Statement| {
        if statement.may_wait {
            return Some(Reply::usual().behind(&gate));
        }
        Some(Reply::verdicts(statement.changes.iter().map(|_| Verdict::Busy)))
    });
}

#[tokio::test(start_paused = true)]
async fn a_busy_change_is_sent_alone_at_once_and_may_wait() {
    let (store, script) = Script::default().with_lone_statements(1).store::<true>(one_in_flight());
    script.next(Operation::Apply, Reply::verdict(Verdict::Busy));
    let begun = Instant::now();
    assert!(store.destroy(&key(1)).await.unwrap());
    let statements = script.statements();
    assert_eq!(statements.iter().map(|statement| statement.may_wait).collect::<Vec<_>>(), [false, true]);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(statements[1].deadline, statements[0].deadline);
}

#[tokio::test(start_paused = true)]
async fn only_so_many_statements_wait_at_once_and_the_others_are_sent_again_after_a_pause() {
    let (store, script) = Script::default().with_lone_statements(2).store::<true>(one_in_flight());
    let (callers, gate) = (Callers(store), gate());
    busy_for_batches(&script, &gate);
    let calls: Vec<_> = (0..5).map(|byte| callers.destroy(byte)).collect();
    tokio::time::sleep(200 * MS).await;
    let waiting = || script.statements().iter().filter(|statement| statement.may_wait).count();
    assert_eq!(waiting(), 2);
    let again = script.statements().iter().filter(|statement| statement.len() == 1 && !statement.may_wait).count();
    assert!(again > 6, "{again}");
    open(&gate);
    for call in calls {
        assert!(call.await.unwrap().unwrap());
    }
    assert_eq!(waiting(), 5, "each gets its turn to wait");
    assert_eq!(script.executed_keys().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn without_lone_statements_a_busy_change_is_sent_again_after_pauses() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    for _ in 0..3 {
        script.next(Operation::Apply, Reply::verdict(Verdict::Busy));
    }
    let begun = Instant::now();
    assert!(store.destroy(&key(1)).await.unwrap());
    let statements = script.statements();
    assert!(statements.iter().all(|statement| !statement.may_wait) && statements.len() == 4);
    assert!(statements.windows(2).all(|pair| pair[1].begun - pair[0].begun >= MS / 2));
    // 1, 2 and 4 ms, each at least a half of it; a timer may be a millisecond late.
    assert!((3 * MS..=10 * MS).contains(&begun.elapsed()), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_statement_that_waited_in_vain_is_sent_again_after_a_pause() {
    let (store, script) = Script::default().with_lone_statements(1).store::<true>(one_in_flight());
    for _ in 0..3 {
        script.next(Operation::Apply, Reply::verdict(Verdict::Busy));
    }
    assert!(store.destroy(&key(1)).await.unwrap());
    let statements = script.statements();
    assert_eq!(statements.iter().map(|statement| statement.may_wait).collect::<Vec<_>>(), [false, true, true, true]);
    assert_eq!(statements[1].begun, statements[0].begun);
    assert!(statements[2].begun - statements[1].begun >= MS / 2 && statements[3].begun - statements[2].begun >= MS);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_stays_busy_is_a_timeout_of_known_outcome() {
    for lone_statements in [0, 1] {
        let script = Script::default().with_lone_statements(lone_statements);
        let (store, script) = script.store::<true>(one_in_flight());
        let callers = Callers(store);
        script.always(|statement| Some(Reply::verdicts(statement.changes.iter().map(|_| Verdict::Busy))));
        let begun = Instant::now();
        let calls = [callers.destroy(1), callers.destroy(2), callers.destroy(3)];
        for call in calls {
            let error = assert_error(call.await.unwrap(), ErrorKind::Timeout, false);
            assert!(error.to_string().contains("another operation held"), "{error}");
        }
        assert!(begun.elapsed() > 4_800 * MS && begun.elapsed() < 5 * SECOND, "{:?}", begun.elapsed());
        assert!(script.executed().is_empty());
    }
}

/// Touches of one session share one change. The first of their callers runs out of time while it is busy.
#[tokio::test(start_paused = true)]
async fn a_caller_that_times_out_while_its_record_is_busy_changed_nothing() {
    let (callers, script, gate) = behind_a_gate::<false>(Script::default(), one_in_flight());
    let _busy = callers.keep_busy(200, 201).await;
    let first = callers.touch(1, SECOND);
    tokio::time::sleep(2 * SECOND).await;
    let last = callers.touch(1, SECOND);
    settle().await;
    script.always(|statement| Some(Reply::verdicts(statement.changes.iter().map(|_| Verdict::Busy))));
    open(&gate);
    assert_error(first.await.unwrap(), ErrorKind::Timeout, false);
    assert_error(last.await.unwrap(), ErrorKind::Timeout, false);
    assert!(script.keys()[2..].iter().all(|keys| *keys == [1]));
}

#[tokio::test(start_paused = true)]
async fn a_statement_that_waits_past_the_deadline_has_an_unknown_outcome() {
    let (callers, script, gate) = behind_a_gate::<false>(Script::default().with_lone_statements(1), one_in_flight());
    let _busy = callers.keep_busy(200, 201).await;
    let call = callers.destroy(1);
    settle().await;
    script.next(Operation::Apply, Reply::verdict(Verdict::Busy));
    script.next(Operation::Apply, Reply::never());
    open(&gate);
    assert_error(call.await.unwrap(), ErrorKind::Timeout, true);
}

#[tokio::test(start_paused = true)]
async fn a_busy_record_holds_up_no_other() {
    let (store, script) = Script::default().with_lone_statements(1).store::<true>(one_in_flight());
    let (callers, held, all) = (Callers(store), gate(), gate());
    script.hold(&all);
    let _busy = callers.keep_busy(200, 201).await;
    let busy = callers.destroy(1);
    let other = callers.destroy(2);
    settle().await;
    script.next(Operation::Apply, Reply::verdicts([Verdict::Busy, Verdict::Done]));
    script.always(move |statement| statement.may_wait.then(|| Reply::usual().behind(&held)));
    open(&all);
    assert!(other.await.unwrap().unwrap(), "those of its batch are answered");
    for byte in 3..10 {
        assert!(callers.destroy(byte).await.unwrap().unwrap());
    }
    assert!(!busy.is_finished());
    let behind = callers.destroy(1);
    settle().await;
    assert!(!behind.is_finished());
    assert_eq!(script.statements().iter().filter(|statement| statement.keys() == [1]).count(), 1, "one at a time");
    busy.abort();
    behind.abort();
}

#[tokio::test(start_paused = true)]
async fn a_lone_caller_with_a_busy_record_holds_up_no_other_either() {
    let (store, script) = Script::default().with_lone_statements(1).store::<true>(one_in_flight());
    let (callers, gate) = (Callers(store.clone()), gate());
    script.next(Operation::Apply, Reply::verdict(Verdict::Busy));
    script.next(Operation::Apply, Reply::usual().behind(&gate));
    let busy = callers.destroy(1);
    settle().await;
    assert!(script.statements()[1].may_wait);
    let other = callers.destroy(2);
    let task = other.id();
    assert!(other.await.unwrap().unwrap());
    assert_eq!(script.statements()[2].task, Some(task), "the other is alone");
    let behind = callers.destroy(1);
    settle().await;
    assert_eq!(script.statements().len(), 3, "those of its session wait");
    open(&gate);
    assert!(busy.await.unwrap().unwrap() && behind.await.unwrap().unwrap());
    // The statement that waited has given its permit back.
    script.next(Operation::Apply, Reply::verdict(Verdict::Busy));
    store.destroy(&key(3)).await.unwrap();
    assert!(script.statements().last().unwrap().may_wait);
}

#[tokio::test(start_paused = true)]
async fn a_busy_change_that_nobody_waits_for_is_not_sent_again() {
    let (callers, script, gate) = behind_a_gate::<true>(Script::default(), one_in_flight());
    let _busy = callers.keep_busy(200, 201).await;
    let gone = callers.destroy(1);
    settle().await;
    script.always(|statement| Some(Reply::verdicts(statement.changes.iter().map(|_| Verdict::Busy))));
    script.next(Operation::Apply, Reply::verdict(Verdict::Busy).behind(&gate));
    gate.add_permits(2);
    settle().await;
    gone.abort();
    settle().await;
    open(&gate);
    tokio::time::sleep(SECOND).await;
    assert_eq!(script.keys()[2..], [[1]]);
    script.always(|_| None);
    assert!(callers.destroy(1).await.unwrap().unwrap(), "its session can be changed by others");
}

#[tokio::test(start_paused = true)]
async fn a_busy_rotation_is_sent_again_too() {
    let (store, script) = Script::default().with_lone_statements(1).store::<true>(one_in_flight());
    script.next(Operation::Rotate, Reply::verdict(Verdict::Busy));
    store.rotate(&key(1), &key(2), &write_of(""), None).await.unwrap();
    let may_wait: Vec<_> = script.all(Operation::Rotate).iter().map(|statement| statement.may_wait).collect();
    assert_eq!(may_wait, [false, true]);
}

#[tokio::test(start_paused = true)]
async fn a_lone_statement_that_fails_is_not_taken_for_a_busy_one() {
    let (store, script) = Script::default().with_lone_statements(1).store::<true>(one_in_flight());
    script.next(Operation::Apply, Reply::verdict(Verdict::Busy));
    script.next(Operation::Apply, Reply::fails(broken()));
    assert_error(store.destroy(&key(1)).await, ErrorKind::Unavailable, true);
    assert_eq!(script.statements().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_change_learns_its_cause() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    for (cause, kind) in [(Verdict::Conflict, ErrorKind::Conflict), (Verdict::Corrupt, ErrorKind::Corrupt)] {
        script.next(Operation::Apply, Reply::verdict(Verdict::Refused));
        script.next(Operation::FindCause, Reply::verdict(cause));
        let error = assert_error(store.destroy(&key(1)).await, kind, false);
        assert_eq!(error.key(), Some(&key(1)));
    }
    script.next(Operation::Apply, Reply::verdict(Verdict::Refused));
    script.next(Operation::FindCause, Reply::verdict(Verdict::NotFound));
    assert!(!store.destroy(&key(1)).await.unwrap());
    let operations: Vec<_> = script.statements().iter().map(|statement| statement.operation).collect();
    assert_eq!(operations, [Operation::Apply, Operation::FindCause].repeat(3));
    assert!(script.all(Operation::FindCause).iter().all(|statement| statement.keys() == [1]));
}

#[tokio::test(start_paused = true)]
async fn a_refused_change_without_a_cause_any_more_is_sent_again() {
    for cause in [Verdict::Busy, Verdict::Refused] {
        let (store, script) = Script::default().with_lone_statements(1).store::<true>(one_in_flight());
        script.next(Operation::Apply, Reply::verdict(Verdict::Refused));
        script.next(Operation::FindCause, Reply::verdict(cause));
        assert!(store.destroy(&key(1)).await.unwrap());
        let operations: Vec<_> = script.statements().iter().map(|statement| statement.operation).collect();
        assert_eq!(operations, [Operation::Apply, Operation::FindCause, Operation::Apply]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cause_that_cannot_be_found_is_an_error_of_known_outcome() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    let failures = [
        (refused(), ErrorKind::Internal, None),
        (broken(), ErrorKind::Unavailable, None),
        (Failure::new(ErrorKind::Corrupt, "the record cannot be read"), ErrorKind::Corrupt, Some(key(1))),
    ];
    for (failure, kind, about) in failures {
        script.next(Operation::Apply, Reply::verdict(Verdict::Refused));
        script.next(Operation::FindCause, Reply::fails(failure));
        let error = assert_error(store.destroy(&key(1)).await, kind, false);
        assert_eq!(error.key().copied(), about);
    }
    script.next(Operation::Apply, Reply::verdict(Verdict::Refused));
    script.next(Operation::FindCause, Reply::fails(overloaded().with_retry(Retry::Times(1))));
    assert_error(store.destroy(&key(1)).await, ErrorKind::Conflict, false);
    script.next(Operation::Apply, Reply::verdict(Verdict::Refused));
    script.next(Operation::FindCause, Reply::never());
    assert_error(store.destroy(&key(1)).await, ErrorKind::Timeout, false);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_is_not_polled_while_its_record_is_busy_holds_up_no_other() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    let key_1 = key(1);
    let mut not_polled = store.destroy(&key_1);
    script.next(Operation::Apply, Reply::verdict(Verdict::Busy));
    assert!(poll_once(&mut not_polled).is_pending());
    settle().await;
    assert!(poll_once(&mut not_polled).is_pending(), "it is in its pause");
    assert!(matches!(script.statements()[0].end, End::Answered(_)));
    assert!(store.destroy(&key(2)).await.unwrap());
    assert!(store.destroy(&key(1)).await.unwrap(), "its pause ends without it");
    assert!(not_polled.await.unwrap());
    assert_eq!(script.keys(), [[1], [2], [1], [1]]);
}
