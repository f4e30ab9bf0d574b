//! Requests that arrive while a statement is in flight go out together, within the limits, each with its own answer.

use session_store_core::SetMode;
use session_store_core::backend::{Change, Group};

use crate::callers::{Callers, MINUTE, SECOND, behind_a_gate, describe, one_in_flight, options, settle, settle_many};
use crate::scripted_backend::{Operation, Reply, Script, Statement, gate, open};

#[tokio::test(start_paused = true)]
async fn requests_that_arrive_during_a_statement_are_the_next_batch() {
    let (callers, script, gate) = behind_a_gate::<false>(Script::default(), one_in_flight());
    let busy = callers.keep_busy(200, 201).await;
    let calls: Vec<_> = (0..25).map(|byte| callers.create(byte)).collect();
    settle().await;
    assert_eq!(script.sizes(), [1, 1]);
    open(&gate);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    for call in busy {
        assert!(call.await.unwrap().unwrap());
    }
    assert_eq!(script.sizes(), [1, 1, 10, 10, 5]);
    assert_eq!(script.executed_keys()[2..], (0..25).collect::<Vec<_>>(), "in the order of the requests");
}

#[tokio::test(start_paused = true)]
async fn reads_are_collected_like_changes_and_not_with_them() {
    let (callers, script, gate) = behind_a_gate::<true>(Script::default(), one_in_flight());
    let reads: Vec<_> = (0..5).map(|byte| callers.get(byte)).collect();
    let changes: Vec<_> = (0..5).map(|byte| callers.create(byte)).collect();
    settle().await;
    open(&gate);
    for read in reads {
        assert_eq!(read.await.unwrap().unwrap(), None);
    }
    for change in changes {
        change.await.unwrap().unwrap();
    }
    let sizes = |operation| script.all(operation).iter().map(Statement::len).collect::<Vec<_>>();
    assert_eq!((sizes(Operation::Read), sizes(Operation::Apply)), (vec![1, 4], vec![1, 4]));
}

#[tokio::test(start_paused = true)]
async fn each_caller_gets_its_own_answer() {
    use session_store_core::backend::Verdict::{AlreadyExists, Conflict, Done, NotFound};

    let (callers, script, gate) = behind_a_gate::<false>(Script::default(), one_in_flight());
    let _busy = callers.keep_busy(200, 201).await;
    let touches: Vec<_> = (0..3).map(|byte| callers.touch(byte, SECOND)).collect();
    let writes: Vec<_> = (3..5).map(|byte| callers.create(byte)).collect();
    settle().await;
    script.next(Operation::Apply, Reply::verdicts([Done, NotFound, Done, AlreadyExists, Conflict]));
    open(&gate);
    let mut answers = Vec::new();
    for touch in touches {
        answers.push(touch.await.unwrap().unwrap());
    }
    assert_eq!(answers, [true, false, true]);
    let mut kinds = Vec::new();
    for (byte, write) in (3..).zip(writes) {
        let error = write.await.unwrap().unwrap_err();
        assert_eq!(error.key(), Some(&crate::callers::key(byte)));
        kinds.push(error.kind().as_str());
    }
    assert_eq!(kinds, ["already_exists", "conflict"]);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_was_just_answered_joins_the_next_batch() {
    let (callers, script, gate) = behind_a_gate::<false>(Script::default(), one_in_flight());
    let _busy = callers.keep_busy(200, 201).await;
    let calls: Vec<_> = (0..5)
        .map(|byte| {
            let callers = callers.clone();
            tokio::spawn(async move {
                for _ in 0..3 {
                    callers.touch(byte, SECOND).await.unwrap().unwrap();
                }
            })
        })
        .collect();
    settle().await;
    open(&gate);
    for call in calls {
        call.await.unwrap();
    }
    // The first of them may find the queue idle, and then runs alone.
    assert!(script.statements().len() <= 7, "{:?}", script.sizes());
    assert_eq!(script.executed().len(), 2 + 15);
}

#[tokio::test(start_paused = true)]
async fn batches_are_bounded_by_bytes_and_one_large_request_still_goes() {
    let mut options = one_in_flight();
    options.batch_bytes = 100;
    let groups = vec![Group::batched(&options).with_overhead(0)];
    let (callers, script, gate) = behind_a_gate::<false>(Script::default().with_groups(groups, |_| 0), options);
    let _busy = callers.keep_busy(200, 201).await;
    let calls: Vec<_> = [1, 40, 59, 1, 500, 1]
        .into_iter()
        .zip(0..)
        .map(|(bytes, byte)| callers.set_data(byte, SetMode::Create, vec![7; bytes]))
        .collect();
    settle().await;
    open(&gate);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(script.sizes(), [1, 1, 3, 1, 1, 1], "exactly 100 bytes are within the limit");
}

#[tokio::test(start_paused = true)]
async fn requests_without_data_count_by_their_overhead() {
    let mut options = one_in_flight();
    options.batch_bytes = 100;
    let groups = vec![Group::batched(&options).with_overhead(50)];
    let (callers, script, gate) = behind_a_gate::<false>(Script::default().with_groups(groups, |_| 0), options);
    let _busy = callers.keep_busy(200, 201).await;
    let calls: Vec<_> = (0..5).map(|byte| callers.touch(byte, SECOND)).collect();
    settle().await;
    open(&gate);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(script.sizes(), [1, 1, 2, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn imports_count_by_their_data() {
    let mut options = one_in_flight();
    options.batch_bytes = 7;
    let groups = vec![Group::batched(&options).with_overhead(0)];
    let (callers, script, gate) = behind_a_gate::<false>(Script::default().with_groups(groups, |_| 0), options);
    let _busy = callers.keep_busy(200, 201).await;
    // Four bytes each.
    let calls: Vec<_> = (0..3).map(|byte| callers.import(byte)).collect();
    settle().await;
    open(&gate);
    for call in calls {
        call.await.unwrap().unwrap().unwrap();
    }
    assert_eq!(script.sizes(), [1, 1, 1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn changes_of_different_groups_share_no_statement() {
    let options = one_in_flight();
    let groups = vec![Group::batched(&options), Group::batched(&options)];
    let script = Script::default().with_groups(groups, |change| usize::from(matches!(change, Change::Touch(_))));
    let (store, script) = script.store::<false>(options);
    let (callers, gate) = (Callers(store), gate());
    script.hold(&gate);
    let touches: Vec<_> = (0..6).map(|byte| callers.touch(byte, SECOND)).collect();
    let writes: Vec<_> = (10..16).map(|byte| callers.create(byte)).collect();
    settle().await;
    // Neither group waits for the other: a lone caller and a worker of each.
    assert_eq!(script.statements().len(), 4);
    open(&gate);
    for touch in touches {
        touch.await.unwrap().unwrap();
    }
    for write in writes {
        write.await.unwrap().unwrap();
    }
    for statement in script.statements() {
        let kinds = describe(&statement.changes);
        assert!(kinds.iter().all(|kind| *kind == kinds[0]), "{kinds:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_batches_every_request_is_sent_at_once() {
    let (callers, script, gate) = behind_a_gate::<false>(Script::default(), options(1, 1));
    let calls: Vec<_> = (0..20).map(|byte| callers.create(byte)).collect();
    settle().await;
    assert_eq!(script.sizes(), [1; 20]);
    open(&gate);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(script.most_running(), 20);
}

#[tokio::test(start_paused = true)]
async fn rotations_are_single_statements() {
    let (callers, script, gate) = behind_a_gate::<false>(Script::default(), one_in_flight());
    let calls: Vec<_> = (0..5).map(|byte| callers.rotate(byte, byte + 100)).collect();
    settle().await;
    assert_eq!(script.all(Operation::Rotate).len(), 5, "and wait for no batch");
    open(&gate);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(script.keys(), [[0], [1], [2], [3], [4]]);
    assert!(script.executed().iter().all(|change| matches!(change, Change::Rotate(rotate)
        if rotate.to.as_bytes()[0] == rotate.from.as_bytes()[0] + 100 && rotate.write.data() == "rotated")));
}

/// At most 16,384 callers are let in. Those of one session show it: they take no statement, but their places.
#[tokio::test(start_paused = true)]
async fn the_number_of_waiting_callers_is_bounded() {
    let mut options = one_in_flight();
    options.operation_timeout = MINUTE;
    let (callers, script, gate) = behind_a_gate::<true>(Script::default(), options);
    let mut hot: Vec<_> = (0..16_383).map(|_| callers.touch(1, SECOND)).collect();
    settle_many().await;
    let last = callers.touch(2, SECOND);
    settle().await;
    assert_eq!(script.keys(), [[1], [2]], "the last place is free");
    let too_many = callers.touch(3, SECOND);
    settle().await;
    assert_eq!(script.keys(), [[1], [2]], "no place is free");
    // One goes away, and another is let in.
    hot.pop().unwrap().abort();
    settle().await;
    open(&gate);
    assert!(too_many.await.unwrap().unwrap());
    assert!(last.await.unwrap().unwrap());
    for call in hot {
        assert!(call.await.unwrap().unwrap());
    }
    assert_eq!(script.executed_keys().len(), 4, "the touches of one session were one");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_is_not_let_in_times_out_and_was_not_sent() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    let callers = Callers(store);
    script.always(|_| Some(Reply::never()));
    let hot: Vec<_> = (0..16_384).map(|_| callers.touch(1, SECOND)).collect();
    settle_many().await;
    let too_many = callers.touch(2, SECOND).await.unwrap();
    crate::callers::assert_error(too_many, session_store_core::ErrorKind::Timeout, false);
    assert!(script.keys().iter().all(|keys| *keys == [1]));
    drop(hot);
}
