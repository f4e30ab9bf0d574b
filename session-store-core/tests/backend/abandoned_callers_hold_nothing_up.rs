//! Callers that are not polled, runtimes that end, and backends that answer wrongly hold nothing up.

use std::sync::Arc;

use session_store_core::backend::{StoreOptions, Verdict};
use session_store_core::{ErrorKind, IfChanged, SessionStore as _};
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

use crate::callers::{Callers, SECOND, assert_error, key, one_in_flight, options, poll_once, settle, settle_many};
use crate::scripted_backend::{Operation, Reply, Script, TestStore, gate, open};

async fn a_lone_caller_that_is_not_polled<const ONE: bool>() {
    let (store, script) = Script::default().store::<ONE>(one_in_flight());
    let (key_1, gate) = (key(1), gate());
    script.next(Operation::Apply, Reply::usual().behind(&gate));
    let mut change = store.destroy(&key_1);
    assert!(poll_once(&mut change).is_pending());
    script.next(Operation::Read, Reply::never());
    let mut read = store.get(&key_1);
    assert!(poll_once(&mut read).is_pending());
    // One of another session, and one of the same.
    let callers = Callers(store.clone());
    for byte in [2, 1] {
        assert!(callers.destroy(byte).await.unwrap().is_ok() || byte == 1);
        callers.get(byte).await.unwrap().unwrap();
        if byte == 2 {
            open(&gate);
        }
    }
    assert!(change.await.unwrap());
    drop(read);
    settle().await;
    callers.get(1).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lone_caller_that_is_not_polled_holds_nobody_up() {
    a_lone_caller_that_is_not_polled::<true>().await;
    a_lone_caller_that_is_not_polled::<false>().await;
}

#[tokio::test(start_paused = true)]
async fn waiting_callers_that_are_not_polled_hold_nobody_up() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    let (callers, gate) = (Callers(store.clone()), gate());
    script.hold(&gate);
    let busy = callers.keep_busy(200, 201).await;
    let keys = [key(1), key(1), key(2)];
    let mut not_polled: Vec<_> = keys.iter().map(|key| store.destroy(key)).collect();
    for call in &mut not_polled {
        assert!(poll_once(call).is_pending());
    }
    open(&gate);
    for call in busy {
        assert!(call.await.unwrap().unwrap());
    }
    assert!(callers.destroy(1).await.unwrap().unwrap());
    assert!(callers.destroy(3).await.unwrap().unwrap());
    for call in not_polled {
        assert!(call.await.unwrap(), "they get their answers when they are polled");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_is_not_polled_while_it_waits_to_be_let_in_holds_nobody_up() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    let callers = Callers(store.clone());
    script.always(|statement| statement.keys().contains(&1).then(Reply::never));
    let hot: Vec<_> = (0..16_384).map(|_| callers.touch(1, SECOND)).collect();
    settle_many().await;
    let key_2 = key(2);
    let mut not_polled = store.destroy(&key_2);
    assert!(poll_once(&mut not_polled).is_pending());
    let next = callers.destroy(3);
    settle().await;
    assert!(!next.is_finished());
    for call in hot {
        call.abort();
    }
    assert!(next.await.unwrap().unwrap());
    sleep(10 * SECOND).await;
    assert!(callers.destroy(4).await.unwrap().unwrap());
    drop(not_polled);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_number_of_answers_is_an_error_and_holds_nobody_up() {
    let done = Verdict::Done;
    for verdicts in [vec![], vec![done], vec![done; 4]] {
        let (store, script) = Script::default().store::<true>(one_in_flight());
        let (callers, gate) = (Callers(store), gate());
        script.hold(&gate);
        let _busy = callers.keep_busy(200, 201).await;
        let calls: Vec<_> = (0..3).map(|byte| callers.destroy(byte)).collect();
        settle().await;
        script.next(Operation::Apply, Reply::verdicts(verdicts));
        open(&gate);
        for call in calls {
            assert_error(call.await.unwrap(), ErrorKind::Internal, true);
        }
        assert_eq!(script.statements().len(), 3, "it is not repeated");
        assert!(callers.destroy(0).await.unwrap().unwrap());
    }
    let (store, script) = Script::default().store::<true>(one_in_flight());
    for answers in [vec![], vec![IfChanged::Gone; 2]] {
        script.next(Operation::Read, Reply::reads(answers));
        assert_error(store.get(&key(1)).await, ErrorKind::Internal, false);
    }
    script.next(Operation::Apply, Reply::verdicts([]));
    assert_error(store.destroy(&key(1)).await, ErrorKind::Internal, true);
}

fn paused_runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

/// A store whose only worker belongs to a runtime that ends, with callers of another runtime that wait for it.
fn a_runtime_ends<const ONE: bool>(
    options: StoreOptions,
    keys_of_the_other: &'static [u8],
) -> (Arc<Script>, Vec<session_store_core::Result<bool>>) {
    let (store, script): (TestStore<ONE>, _) = Script::default().store(options);
    let callers = Callers(store);
    let (ends, other) = (paused_runtime(), paused_runtime());
    script.next(Operation::Apply, Reply::never());
    script.next(Operation::Apply, Reply::never());
    let busy = ends.block_on(callers.keep_busy(1, 2));
    let waiting: Vec<_> = other.block_on(async {
        let waiting = keys_of_the_other.iter().map(|byte| callers.destroy(*byte)).collect();
        settle().await;
        waiting
    });
    drop(ends);
    let answers = other.block_on(async {
        let mut answers = Vec::new();
        for call in waiting {
            answers.push(call.await.unwrap());
        }
        // And nothing is lost: new ones are served.
        for byte in [1, 2, 3] {
            assert!(callers.destroy(byte).await.unwrap().unwrap());
        }
        answers
    });
    drop(busy);
    (script, answers)
}

#[test]
fn requests_that_wait_go_on_from_their_own_runtime_if_that_of_the_worker_ends() {
    let (script, answers) = a_runtime_ends::<false>(one_in_flight(), &[3, 4, 5]);
    for answer in answers {
        assert!(answer.unwrap());
    }
    assert_eq!(script.executed_keys()[..3], [3, 4, 5]);
    let (_, answers) = a_runtime_ends::<true>(one_in_flight(), &[3, 4, 5]);
    for answer in answers {
        assert!(answer.unwrap());
    }
}

#[test]
fn changes_that_wait_for_one_of_their_session_go_on_if_its_runtime_ends() {
    // Session 1 is changed by a caller of the runtime that ends, and session 2 by a worker of it. Without batches, a
    // caller changes both.
    for options in [one_in_flight(), options(1, 1)] {
        let (script, answers) = a_runtime_ends::<true>(options, &[1, 2, 2, 1]);
        for answer in answers {
            assert!(answer.unwrap());
        }
        assert_eq!(script.executed_keys().len(), 4 + 3);
    }
}

#[test]
fn a_runtime_that_ends_takes_its_own_requests_with_it() {
    // A runtime drops its tasks in any order.
    for _ in 0..50 {
        a_runtime_ends_with_its_own_requests();
    }
}

fn a_runtime_ends_with_its_own_requests() {
    let (store, script): (TestStore<true>, _) = Script::default().store(options(1, 1));
    let callers = Callers(store);
    let (ends, other) = (paused_runtime(), paused_runtime());
    script.next(Operation::Apply, Reply::never());
    ends.block_on(async {
        callers.destroy(1);
        settle().await;
        callers.destroy(1);
        callers.rotate(1, 2);
        settle().await;
    });
    drop(ends);
    other.block_on(async {
        assert!(callers.destroy(1).await.unwrap().unwrap());
        callers.rotate(1, 2).await.unwrap().unwrap();
    });
    assert_eq!(script.executed().len(), 2);
}

#[test]
fn a_statement_of_a_runtime_that_ends_has_an_unknown_outcome_for_callers_of_another() {
    for (reply, outcome_unknown) in [(Reply::never(), true), (Reply::never().unsent(), false)] {
        let (store, script): (TestStore<false>, _) = Script::default().store(one_in_flight());
        let (callers, gate) = (Callers(store), gate());
        let (ends, other) = (paused_runtime(), paused_runtime());
        script.hold(&gate);
        let busy = ends.block_on(callers.keep_busy(200, 201));
        let mut waiting = None;
        other.block_on(async {
            waiting = Some(callers.destroy(1));
            settle().await;
        });
        script.next(Operation::Apply, reply);
        open(&gate);
        ends.block_on(settle());
        drop(ends);
        assert_error(other.block_on(waiting.unwrap()).unwrap(), ErrorKind::Internal, outcome_unknown);
        drop(busy);
    }
}
