//! With `ONE_CHANGE_PER_KEY`, one change of a session is in flight, others wait in order, and other sessions pass (O1).

use session_store_core::backend::{Change, Verdict};
use session_store_core::{ErrorKind, SessionStore as _, SetMode};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::callers::{
    Callers, OLD, SECOND, assert_error, behind_a_gate, describe, key, one_in_flight, options, poll_once, settle,
};
use crate::scripted_backend::{End, Operation, Reply, Script, gate, open};

/// Begins calls of one session behind a change of it that is in flight, and returns what is executed after that.
async fn order_behind_a_change(begin: impl FnOnce(&Callers<true>) -> Vec<JoinHandle<()>>) -> Vec<String> {
    let (callers, script, gate) = behind_a_gate::<true>(Script::default(), one_in_flight());
    let _first = callers.create(1);
    settle().await;
    let calls = begin(&callers);
    settle().await;
    assert_eq!(script.statements().len(), 1);
    open(&gate);
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(script.most_running(), 1);
    describe(&script.executed()[1..])
}

/// A task for each call, in order, that expects it to succeed.
macro_rules! calls {
    ($callers:ident: $($method:ident($($argument:expr),*)),*) => {{
        let mut calls = Vec::new();
        $({
            let call = $callers.$method($($argument),*);
            calls.push(tokio::spawn(async move { _ = call.await.unwrap().unwrap(); }));
        })*
        calls
    }};
}

#[tokio::test(start_paused = true)]
async fn changes_of_a_session_go_out_one_by_one_in_order() {
    let order = order_behind_a_change(
        |callers| calls!(callers: replace(1), set(1, SetMode::Update(OLD)), touch(1, SECOND), create(1), import(1)),
    );
    assert_eq!(order.await, ["replace", "update", "touch 1", "create", "import"]);
}

#[tokio::test(start_paused = true)]
async fn changes_of_other_sessions_pass() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    let (callers, gate) = (Callers(store), gate());
    script.next(Operation::Apply, Reply::usual().behind(&gate));
    let first = callers.replace(1);
    settle().await;
    let second = callers.replace(1);
    settle().await;
    for byte in 2..20 {
        callers.replace(byte).await.unwrap().unwrap();
    }
    assert!(!second.is_finished());
    assert_eq!(script.statements().iter().filter(|statement| statement.keys() == [1]).count(), 1);
    open(&gate);
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_session_takes_one_place_in_a_batch() {
    let (callers, script, gate) = behind_a_gate::<true>(Script::default(), one_in_flight());
    let _busy = callers.keep_busy(200, 201).await;
    let hot: Vec<_> = (0..50).map(|_| callers.replace(1)).collect();
    let others: Vec<_> = (2..8).map(|byte| callers.replace(byte)).collect();
    settle().await;
    gate.add_permits(1 + 1 + 1);
    settle().await;
    assert_eq!(script.keys()[2], [1, 2, 3, 4, 5, 6, 7]);
    for other in others {
        assert!(other.is_finished());
    }
    open(&gate);
    for call in hot {
        call.await.unwrap().unwrap();
    }
    assert!(
        script.statements().iter().all(|statement| statement.keys().into_iter().filter(|byte| *byte == 1).count() < 2)
    );
}

#[tokio::test(start_paused = true)]
async fn waiting_touches_become_one_with_the_longest_idle_time() {
    let (callers, script, gate) = behind_a_gate::<true>(Script::default(), one_in_flight());
    let first = callers.touch(1, 9 * SECOND);
    settle().await;
    let touches: Vec<_> = [3, 7, 5].into_iter().map(|seconds| callers.touch(1, seconds * SECOND)).collect();
    settle().await;
    script.next(Operation::Apply, Reply::verdict(Verdict::NotFound));
    open(&gate);
    assert!(first.await.unwrap().unwrap(), "the one in flight is another");
    for touch in touches {
        assert!(!touch.await.unwrap().unwrap(), "all get the answer");
    }
    let sent: Vec<_> = script.statements().iter().flat_map(|statement| describe(&statement.changes)).collect();
    assert_eq!(sent, ["touch 9", "touch 7"]);
}

#[tokio::test(start_paused = true)]
async fn an_error_reaches_all_touches_that_became_one() {
    let (callers, script, gate) = behind_a_gate::<true>(Script::default(), one_in_flight());
    let _first = callers.replace(1);
    settle().await;
    let touches: Vec<_> = (0..3).map(|_| callers.touch(1, SECOND)).collect();
    settle().await;
    script.next(Operation::Apply, Reply::fails(crate::scripted_backend::broken()));
    open(&gate);
    for touch in touches {
        assert_error(touch.await.unwrap(), ErrorKind::Unavailable, true);
    }
    assert_eq!(script.statements().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn merged_touches_last_until_the_deadline_of_the_last_caller() {
    let (callers, script, gate) = behind_a_gate::<true>(Script::default(), one_in_flight());
    let held = callers.replace(1);
    sleep(SECOND).await;
    let first = callers.touch(1, SECOND);
    sleep(3 * SECOND).await;
    let last = callers.touch(1, SECOND);
    settle().await;
    script.next(Operation::Apply, Reply::usual().taking(4 * SECOND));
    open(&gate);
    held.await.unwrap().unwrap();
    assert_error(first.await.unwrap(), ErrorKind::Timeout, true);
    assert!(last.await.unwrap().unwrap());
}

#[tokio::test(start_paused = true)]
async fn touches_do_not_merge_across_another_change() {
    let order = order_behind_a_change(
        |callers| calls!(callers: touch(1, SECOND), replace(1), touch(1, 2 * SECOND), touch(1, 3 * SECOND), create(1)),
    );
    assert_eq!(order.await, ["touch 1", "replace", "touch 3", "create"]);
}

#[tokio::test(start_paused = true)]
async fn a_destroy_overtakes_touches_replaces_and_updates() {
    let order = order_behind_a_change(
        |callers| calls!(callers: touch(1, SECOND), replace(1), set(1, SetMode::Update(OLD)), destroy(1)),
    );
    assert_eq!(order.await, ["destroy", "touch 1", "replace", "update"]);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_overtakes_touches_replaces_and_updates() {
    let order = order_behind_a_change(
        |callers| calls!(callers: touch(1, SECOND), replace(1), set(1, SetMode::Update(OLD)), rotate(1, 2)),
    );
    assert_eq!(order.await, ["rotate", "touch 1", "replace", "update"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_overtakes_a_change_that_may_bring_a_session_about() {
    for mode in [SetMode::Create, SetMode::Upsert] {
        let order = order_behind_a_change(
            move |callers| calls!(callers: replace(1), set(1, mode), touch(1, SECOND), destroy(1), rotate(1, 2)),
        );
        let kind = if mode == SetMode::Create { "create" } else { "upsert" };
        assert_eq!(order.await, ["replace", kind, "destroy", "rotate", "touch 1"]);
    }
    let order = order_behind_a_change(|callers| calls!(callers: import(1), replace(1), destroy(1)));
    assert_eq!(order.await, ["import", "destroy", "replace"]);
}

#[tokio::test(start_paused = true)]
async fn destroys_and_rotations_keep_their_order() {
    let order = order_behind_a_change(
        |callers| calls!(callers: destroy(1), rotate(1, 2), replace(1), rotate(1, 3), destroy(1)),
    );
    assert_eq!(order.await, ["destroy", "rotate", "rotate", "destroy", "replace"]);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_nobody_waits_for_is_skipped() {
    let (callers, script, gate) = behind_a_gate::<true>(Script::default(), one_in_flight());
    let _first = callers.replace(1);
    settle().await;
    let (gone, also_gone) = (callers.create(1), callers.import(1));
    let stays = callers.touch(1, SECOND);
    settle().await;
    gone.abort();
    also_gone.abort();
    settle().await;
    open(&gate);
    stays.await.unwrap().unwrap();
    assert_eq!(describe(&script.executed()), ["replace", "touch 1"]);
    let last = callers.touch(1, SECOND);
    let task = last.id();
    last.await.unwrap().unwrap();
    assert_eq!(script.statements().last().unwrap().task, Some(task), "nothing is left in flight");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_nobody_waits_for_is_skipped_without_batches_too() {
    let (callers, script, gate) = behind_a_gate::<true>(Script::default(), options(1, 1));
    let _first = callers.replace(1);
    settle().await;
    let (gone, stays) = (callers.create(1), callers.touch(1, SECOND));
    let rotation = callers.rotate(1, 2);
    settle().await;
    gone.abort();
    rotation.abort();
    settle().await;
    open(&gate);
    stays.await.unwrap().unwrap();
    let sent: Vec<_> = script.statements().iter().flat_map(|statement| describe(&statement.changes)).collect();
    assert_eq!(sent, ["replace", "touch 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_merged_touch_is_sent_if_one_of_its_callers_stays() {
    let (callers, _script, gate) = behind_a_gate::<true>(Script::default(), one_in_flight());
    let _first = callers.replace(1);
    settle().await;
    let touches: Vec<_> = (0..3).map(|_| callers.touch(1, SECOND)).collect();
    settle().await;
    touches[0].abort();
    touches[2].abort();
    settle().await;
    open(&gate);
    let [_, stays, _]: [JoinHandle<_>; 3] = touches.try_into().unwrap();
    assert!(stays.await.unwrap().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_rotation_holds_the_key_that_it_changes_and_not_the_new_one() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    let (callers, gate) = (Callers(store), gate());
    script.next(Operation::Rotate, Reply::usual().behind(&gate));
    let rotation = callers.rotate(1, 2);
    settle().await;
    let waits = callers.touch(1, SECOND);
    settle().await;
    callers.touch(2, SECOND).await.unwrap().unwrap();
    assert!(!waits.is_finished());
    assert_eq!(script.keys(), [[1], [2]]);
    open(&gate);
    rotation.await.unwrap().unwrap();
    waits.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_rotation_waits_for_a_change_of_its_key() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    let (callers, gate) = (Callers(store), gate());
    script.next(Operation::Apply, Reply::usual().behind(&gate));
    let change = callers.replace(1);
    settle().await;
    let (rotation, second) = (callers.rotate(1, 2), callers.rotate(1, 3));
    settle().await;
    assert_eq!(script.statements().len(), 1);
    open(&gate);
    change.await.unwrap().unwrap();
    rotation.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    let targets: Vec<_> = script
        .executed()
        .iter()
        .filter_map(|change| if let Change::Rotate(rotate) = change { Some(rotate.to) } else { None })
        .collect();
    assert_eq!(targets, [key(2), key(3)]);
}

#[tokio::test(start_paused = true)]
async fn the_order_holds_without_batches() {
    let (callers, script, gate) = behind_a_gate::<true>(Script::default(), options(1, 1));
    let calls: Vec<_> = (0..3).flat_map(|_| [callers.replace(1), callers.replace(2)]).collect();
    settle().await;
    assert_eq!(script.keys(), [[1], [2]]);
    open(&gate);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(script.executed_keys().len(), 6);
    assert_eq!(script.most_running(), 2);
}

#[tokio::test(start_paused = true)]
async fn reads_wait_for_no_change() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    let callers = Callers(store);
    script.next(Operation::Apply, Reply::never());
    let change = callers.replace(1);
    settle().await;
    callers.get(1).await.unwrap().unwrap();
    assert!(!change.is_finished());
    change.abort();
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_caller_is_not_polled_is_finished_if_somebody_waits_for_it() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    let (key_1, gate) = (key(1), gate());
    script.next(Operation::Apply, Reply::usual().behind(&gate));
    let mut not_polled = store.destroy(&key_1);
    assert!(poll_once(&mut not_polled).is_pending());
    open(&gate);
    settle().await;
    assert_eq!(script.statements()[0].end, End::None, "nobody polls it");
    let callers = Callers(store.clone());
    assert!(callers.destroy(1).await.unwrap().unwrap());
    assert!(matches!(script.statements()[0].end, End::Answered(_)));
    assert!(not_polled.await.unwrap(), "its caller gets the answer later");
    assert_eq!(script.executed_keys(), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_is_polled_on_after_its_change_was_taken_over_gets_the_answer() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    let (callers, gate) = (Callers(store), gate());
    script.next(Operation::Apply, Reply::verdict(Verdict::NotFound).behind(&gate));
    let first = callers.destroy(1);
    settle().await;
    let second = callers.destroy(1);
    settle().await;
    open(&gate);
    assert!(!first.await.unwrap().unwrap());
    assert!(second.await.unwrap().unwrap());
}

#[tokio::test(start_paused = true)]
async fn as_many_waiting_changes_of_a_session_go_out_together_as_a_turn_has() {
    let (callers, script, gate) = behind_a_gate::<true>(Script::default().with_changes_per_turn(3), one_in_flight());
    let mut calls = vec![callers.replace(1)];
    settle().await;
    calls.extend((0..5).map(|_| callers.replace(1)));
    settle().await;
    assert_eq!(script.sizes(), [1]);
    gate.add_permits(1);
    settle().await;
    assert_eq!(script.keys(), [vec![1], vec![1, 1, 1]]);
    open(&gate);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(script.sizes(), [1, 3, 2]);
    assert_eq!(script.most_running(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_turn_of_several_changes_ends_before_a_destroy() {
    let (callers, script, gate) = behind_a_gate::<true>(Script::default().with_changes_per_turn(9), one_in_flight());
    let first = callers.create(1);
    settle().await;
    let calls = calls!(callers: create(1), touch(1, SECOND), destroy(1), create(1));
    settle().await;
    open(&gate);
    first.await.unwrap().unwrap();
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(describe(&script.executed()), ["create", "create", "destroy", "touch 1", "create"]);
    assert_eq!(script.sizes(), [1, 1, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn the_next_turn_waits_for_the_slowest_change_of_this_one() {
    let (callers, script, gate) = behind_a_gate::<true>(Script::default().with_changes_per_turn(2), one_in_flight());
    let mut calls = vec![callers.replace(1)];
    settle().await;
    calls.extend((0..3).map(|_| callers.replace(1)));
    settle().await;
    script.next(Operation::Apply, Reply::verdicts([Verdict::Done, Verdict::Busy]));
    gate.add_permits(1);
    // The change that found its record busy is sent again, and waits behind the gate.
    sleep(SECOND).await;
    assert!(calls[1].is_finished() && !calls[2].is_finished());
    assert_eq!(script.sizes(), [1, 2, 1]);
    assert_eq!(script.executed().len(), 2);
    open(&gate);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(script.sizes(), [1, 2, 1, 1]);
}
