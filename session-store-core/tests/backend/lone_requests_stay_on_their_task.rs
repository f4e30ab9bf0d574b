//! A request that finds its queue idle runs on its caller's task, and takes no place of others.

use session_store_core::{ErrorKind, SessionStore as _};
use tokio::runtime::{Builder, Runtime};

use crate::callers::{
    Callers, SECOND, alice, assert_error, behind_a_gate, key, one_in_flight, options, poll_once, settle, write_of,
};
use crate::scripted_backend::{End, Operation, Reply, Script, TestStore, broken, gate, open, refused};

/// Checks that the only worker of a store is free, and is taken by one batch at a time.
async fn assert_one_worker_is_free<const ONE: bool>(callers: &Callers<ONE>, script: &Script) {
    script.always(|_| None);
    script.forget_most_running();
    let calls: Vec<_> = (240..250).map(|byte| callers.touch(byte, SECOND)).collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(script.most_running(), 2, "a lone caller and the worker");
}

async fn run_on_the_callers_task<const ONE: bool>() {
    let (store, script) = Script::default().store::<ONE>(options(10, 4));
    let caller = tokio::spawn({
        let script = script.clone();
        async move {
            for _ in 0..3 {
                store.touch(&key(1), SECOND).await.unwrap();
                store.get(&key(1)).await.unwrap();
            }
            script.next(Operation::Apply, Reply::fails(refused()));
            store.touch(&key(1), SECOND).await.unwrap_err();
            script.next(Operation::Apply, Reply::fails(broken()));
            store.touch(&key(1), SECOND).await.unwrap_err();
            store.rotate(&key(1), &key(2), &write_of(""), None).await.unwrap();
            store.count().await.unwrap();
            store.list_by_user(&alice(), &session_store_core::Page::first(1).unwrap()).await.unwrap();
            tokio::task::id()
        }
    });
    let caller = caller.await.unwrap();
    let tasks: Vec<_> = script.statements().iter().map(|statement| statement.task).collect();
    assert_eq!(tasks, [Some(caller); 11]);
}

#[tokio::test(start_paused = true)]
async fn a_lone_request_runs_on_its_callers_task_at_once() {
    run_on_the_callers_task::<true>().await;
    run_on_the_callers_task::<false>().await;
}

#[tokio::test(start_paused = true)]
async fn requests_that_came_meanwhile_go_out_together_though_nobody_calls_any_more() {
    let (callers, script, gate) = behind_a_gate::<false>(Script::default(), one_in_flight());
    let busy = callers.keep_busy(0, 100).await;
    let others: Vec<_> = (1..6).map(|byte| callers.touch(byte, SECOND)).collect();
    settle().await;
    gate.add_permits(2);
    settle().await;
    assert_eq!(script.sizes(), [1, 1, 5]);
    open(&gate);
    for call in busy.into_iter().chain(others) {
        assert!(call.await.unwrap().unwrap());
    }
    assert_one_worker_is_free(&callers, &script).await;
}

#[tokio::test(start_paused = true)]
async fn others_go_out_beside_a_lone_request_up_to_the_limit() {
    let (callers, script, gate) = behind_a_gate::<false>(Script::default(), options(10, 3));
    let mut calls = Vec::new();
    for byte in 0..6 {
        calls.push(callers.touch(byte, SECOND));
        settle().await;
    }
    assert_eq!(script.sizes(), [1, 1, 1], "the lone one and two workers");
    open(&gate);
    let tasks: Vec<_> = calls.iter().map(|call| Some(call.id())).collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(script.sizes(), [1, 1, 1, 3]);
    let by_callers: Vec<_> = script.statements().iter().map(|statement| tasks.contains(&statement.task)).collect();
    assert_eq!(by_callers, [true, false, false, false], "only the lone one ran on its caller's task");
    assert_eq!(script.most_running(), 3);
}

/// Nobody can know whether a lone caller is polled.
#[tokio::test(start_paused = true)]
async fn a_lone_request_never_takes_the_last_place() {
    let (callers, script, gate) = behind_a_gate::<false>(Script::default(), options(10, 1));
    let calls: Vec<_> = (0..5).map(|byte| callers.touch(byte, SECOND)).collect();
    settle().await;
    assert_eq!(script.sizes(), [1, 4]);
    open(&gate);
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn no_request_runs_on_its_callers_task_while_a_batch_is_in_flight() {
    let (store, script) = Script::default().store::<false>(options(10, 3));
    let (callers, first, second) = (Callers(store), gate(), gate());
    script.next(Operation::Apply, Reply::usual().behind(&first));
    script.next(Operation::Apply, Reply::usual().behind(&second));
    let (lone, batch) = (callers.touch(1, SECOND), callers.touch(2, SECOND));
    settle().await;
    open(&first);
    lone.await.unwrap().unwrap();
    let third = callers.touch(3, SECOND);
    let task = third.id();
    third.await.unwrap().unwrap();
    assert_ne!(script.statements()[2].task, Some(task));
    open(&second);
    batch.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_statement_runs_to_its_end_if_its_caller_is_dropped() {
    let (callers, script, gate) = behind_a_gate::<false>(Script::default(), one_in_flight());
    let gone = callers.touch(1, SECOND);
    settle().await;
    let others = [callers.touch(2, SECOND), callers.touch(3, SECOND)];
    settle().await;
    gone.abort();
    settle().await;
    assert_eq!(script.statements()[0].end, End::None, "it is still in flight");
    open(&gate);
    for other in others {
        other.await.unwrap().unwrap();
    }
    settle().await;
    assert!(matches!(script.statements()[0].end, End::Answered(_)));
    assert_eq!(script.sorted_executed_keys(), [1, 2, 3]);
    assert_one_worker_is_free(&callers, &script).await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_caller_keeps_its_place_until_its_statement_has_ended() {
    let (store, script) = Script::default().store::<false>(one_in_flight());
    let (callers, gate) = (Callers(store), gate());
    script.next(Operation::Apply, Reply::usual().behind(&gate));
    let gone = callers.touch(1, SECOND);
    settle().await;
    gone.abort();
    settle().await;
    let next = callers.touch(2, SECOND);
    let task = next.id();
    next.await.unwrap().unwrap();
    assert_ne!(script.statements()[1].task, Some(task), "another is not alone");
    open(&gate);
    settle().await;
    let next = callers.touch(3, SECOND);
    let task = next.id();
    next.await.unwrap().unwrap();
    assert_eq!(script.statements()[2].task, Some(task));
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_backend_is_an_error_and_keeps_no_place() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    let (callers, gate) = (Callers(store), gate());
    script.next(Operation::Apply, Reply::panics().behind(&gate));
    let panics = callers.touch(1, SECOND);
    settle().await;
    let waits = callers.touch(1, SECOND);
    settle().await;
    open(&gate);
    assert_error(panics.await.expect("the caller does not panic"), ErrorKind::Internal, true);
    assert!(waits.await.unwrap().unwrap());
    // And with nobody behind it.
    script.next(Operation::Apply, Reply::panics().unsent());
    assert_error(callers.touch(3, SECOND).await.unwrap(), ErrorKind::Internal, false);
    script.next(Operation::Read, Reply::panics());
    assert_error(callers.get(3).await.unwrap(), ErrorKind::Internal, false);
    script.next(Operation::Ping, Reply::panics());
    assert_error(callers.0.ping().await, ErrorKind::Internal, false);
    let last = callers.touch(3, SECOND);
    let task = last.id();
    last.await.unwrap().unwrap();
    assert_eq!(script.statements().last().unwrap().task, Some(task), "the place of the lone caller is free");
}

#[tokio::test(start_paused = true)]
async fn a_panic_fails_its_own_batch_only() {
    let (callers, script, gate) = behind_a_gate::<false>(Script::default(), one_in_flight());
    let busy = callers.keep_busy(200, 201).await;
    let calls: Vec<_> = (0..15).map(|byte| callers.touch(byte, SECOND)).collect();
    settle().await;
    script.next(Operation::Apply, Reply::panics());
    open(&gate);
    for call in busy {
        call.await.unwrap().unwrap();
    }
    for (byte, call) in (0..15).zip(calls) {
        let answer = call.await.unwrap();
        if byte < 10 {
            assert_error(answer, ErrorKind::Internal, true);
        } else {
            assert!(answer.unwrap());
        }
    }
    assert_one_worker_is_free(&callers, &script).await;
}

#[test]
fn a_call_that_is_dropped_outside_of_its_runtime_is_finished_in_it() {
    let (store, script): (TestStore<false>, _) = Script::default().store(one_in_flight());
    let gate = gate();
    script.next(Operation::Apply, Reply::usual().behind(&gate));
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let key = key(1);
    let mut dropped = store.touch(&key, SECOND);
    {
        let _inside = runtime.enter();
        assert!(poll_once(&mut dropped).is_pending());
    }
    drop(dropped);
    open(&gate);
    runtime.block_on(async {
        assert!(Callers(store).touch(2, SECOND).await.unwrap().unwrap());
        settle().await;
    });
    assert_eq!(script.executed_keys().len(), 2);
}

#[test]
fn a_runtime_that_ends_keeps_no_place() {
    let (store, script) = Script::default().store::<false>(options(2, 3));
    let callers = Callers(store);
    script.always(|_| Some(Reply::never()));
    let ends = Runtime::new().unwrap();
    ends.block_on(async {
        for byte in 0..9 {
            callers.touch(byte, SECOND);
            settle().await;
        }
    });
    drop(ends);
    script.always(|_| None);
    let next = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    next.block_on(async {
        script.forget_most_running();
        let calls: Vec<_> = (20..30).map(|byte| callers.touch(byte, SECOND)).collect();
        for call in calls {
            call.await.unwrap().unwrap();
        }
        assert_eq!(script.most_running(), 3, "all places are free");
    });
    assert!(script.executed_keys().iter().all(|byte| *byte >= 20), "nobody waits for the others");
}
