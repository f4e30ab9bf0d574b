//! Reads of one session share a lookup; without `ONE_CHANGE_PER_KEY` its changes share a batch, in order.

use session_store_core::backend::Verdict;
use session_store_core::{ErrorKind, IfChanged, Record, SessionStore as _, Version};
use tokio::time::sleep;

use crate::callers::{
    Callers, OLD, SECOND, assert_error, behind_a_gate, describe, key, one_in_flight, options, record, settle,
};
use crate::scripted_backend::{Operation, Reply, Script, gate, open, refused};

const NEW: Version = Version::from_bytes([9; 16]);

fn unchanged() -> IfChanged {
    let Record { meta, read_at, .. } = record();
    IfChanged::Unchanged { meta, read_at }
}

/// Reads one session at these known versions at the same time, and returns the known version of the lookup that they
/// share, and their answers.
async fn read_together(known: &[Option<Version>], answer: IfChanged) -> (Option<Version>, Vec<IfChanged>) {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    let (callers, gate) = (Callers(store.clone()), gate());
    script.hold(&gate);
    let _busy = [callers.get(200), callers.get(201)];
    settle().await;
    let calls: Vec<_> = known
        .iter()
        .map(|known| {
            let (store, known) = (store.clone(), *known);
            tokio::spawn(async move {
                match known {
                    Some(version) => store.get_if_changed(&key(1), version).await.unwrap(),
                    None => store.get(&key(1)).await.unwrap().map_or(IfChanged::Gone, IfChanged::Changed),
                }
            })
        })
        .collect();
    settle().await;
    script.next(Operation::Read, Reply::reads([answer]));
    open(&gate);
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    let read = script.statements().remove(2);
    assert_eq!(read.keys(), [1]);
    (read.lookups[0].known, answers)
}

#[tokio::test(start_paused = true)]
async fn reads_of_one_session_share_one_lookup() {
    let (known, answers) = read_together(&[None, None, None], IfChanged::Changed(record())).await;
    assert_eq!((known, answers), (None, vec![IfChanged::Changed(record()); 3]));
    let (known, answers) = read_together(&[None, None], IfChanged::Gone).await;
    assert_eq!((known, answers), (None, vec![IfChanged::Gone; 2]));
}

#[tokio::test(start_paused = true)]
async fn reads_at_the_same_known_version_ask_for_no_data() {
    let (known, answers) = read_together(&[Some(OLD), Some(OLD)], unchanged()).await;
    assert_eq!((known, answers), (Some(OLD), vec![unchanged(); 2]));
    let (known, answers) = read_together(&[Some(NEW), Some(NEW)], IfChanged::Changed(record())).await;
    assert_eq!((known, answers), (Some(NEW), vec![IfChanged::Changed(record()); 2]));
}

#[tokio::test(start_paused = true)]
async fn reads_at_different_versions_share_the_record_and_each_compares_its_own() {
    let changed = || IfChanged::Changed(record());
    let (known, answers) = read_together(&[Some(OLD), Some(NEW), Some(OLD)], changed()).await;
    assert_eq!((known, answers), (None, vec![unchanged(), changed(), unchanged()]));
    let (known, answers) = read_together(&[Some(OLD), None], changed()).await;
    assert_eq!((known, answers), (None, vec![unchanged(), changed()]));
    let (known, answers) = read_together(&[None, Some(OLD), Some(NEW)], IfChanged::Gone).await;
    assert_eq!((known, answers), (None, vec![IfChanged::Gone; 3]));
}

#[tokio::test(start_paused = true)]
async fn a_lone_read_names_the_version_that_its_caller_holds() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    script.next(Operation::Read, Reply::reads([unchanged()]));
    assert_eq!(store.get_if_changed(&key(1), OLD).await.unwrap(), unchanged());
    store.get(&key(1)).await.unwrap();
    let known: Vec<_> = script.statements().iter().map(|statement| statement.lookups[0].known).collect();
    assert_eq!(known, [Some(OLD), None]);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_says_unchanged_to_a_caller_without_a_version_is_at_fault() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    script.next(Operation::Read, Reply::reads([unchanged()]));
    assert_eq!(store.get(&key(1)).await.unwrap_err().kind(), ErrorKind::Internal);
}

#[tokio::test(start_paused = true)]
async fn shared_reads_take_one_place_in_a_batch_and_share_an_error() {
    let (callers, script, gate) = behind_a_gate::<true>(Script::default(), options(2, 1));
    let _busy = [callers.get(200), callers.get(201)];
    settle().await;
    let hot: Vec<_> = (0..9).map(|_| callers.get(1)).collect();
    let other = callers.get(2);
    settle().await;
    script.next(Operation::Read, Reply::fails(refused().of_statement()));
    open(&gate);
    for call in hot {
        assert_error(call.await.unwrap(), ErrorKind::Internal, false);
    }
    assert_error(other.await.unwrap(), ErrorKind::Internal, false);
    assert_eq!(script.keys(), [vec![200], vec![201], vec![1, 2]]);
}

#[tokio::test(start_paused = true)]
async fn changes_of_one_session_go_out_in_one_batch_in_order() {
    let (callers, script, gate) = behind_a_gate::<false>(Script::default(), one_in_flight());
    let _busy = callers.keep_busy(200, 201).await;
    let (first, second, third) = (callers.create(1), callers.replace(1), callers.destroy(1));
    settle().await;
    script.next(Operation::Apply, Reply::verdicts([Verdict::AlreadyExists, Verdict::Done, Verdict::NotFound]));
    open(&gate);
    assert_error(first.await.unwrap(), ErrorKind::AlreadyExists, false);
    second.await.unwrap().unwrap();
    assert!(!third.await.unwrap().unwrap());
    let batch = &script.statements()[2];
    assert_eq!(
        (batch.keys(), describe(&batch.changes)),
        (vec![1, 1, 1], vec!["create".to_owned(), "replace".to_owned(), "destroy".to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn adjacent_touches_of_a_batch_become_one_and_never_across_another_change() {
    let (callers, script, gate) = behind_a_gate::<false>(Script::default(), one_in_flight());
    let _busy = callers.keep_busy(200, 201).await;
    let mut touches = vec![callers.touch(1, 3 * SECOND), callers.touch(2, SECOND), callers.touch(1, 7 * SECOND)];
    touches.push(callers.touch(1, 5 * SECOND));
    let write = callers.replace(1);
    touches.push(callers.touch(1, SECOND));
    touches.push(callers.touch(1, 2 * SECOND));
    settle().await;
    open(&gate);
    for touch in touches {
        assert!(touch.await.unwrap().unwrap());
    }
    write.await.unwrap().unwrap();
    let batch = &script.statements()[2];
    assert_eq!(batch.keys(), [1, 2, 1, 1]);
    assert_eq!(describe(&batch.changes), ["touch 7", "touch 1", "replace", "touch 2"]);
    assert_eq!(script.statements().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn merged_touches_take_one_place_in_a_batch() {
    let (callers, script, gate) = behind_a_gate::<false>(Script::default(), options(2, 1));
    let _busy = callers.keep_busy(200, 201).await;
    let mut touches: Vec<_> = (0..9).map(|_| callers.touch(1, SECOND)).collect();
    touches.push(callers.touch(2, SECOND));
    touches.push(callers.touch(3, SECOND));
    settle().await;
    open(&gate);
    for touch in touches {
        assert!(touch.await.unwrap().unwrap());
    }
    assert_eq!(script.keys(), [vec![200], vec![201], vec![1, 2], vec![3]]);
}

#[tokio::test(start_paused = true)]
async fn merged_touches_last_until_the_deadline_of_the_last_caller() {
    let (callers, script, gate) = behind_a_gate::<false>(Script::default(), one_in_flight());
    let _busy = callers.keep_busy(200, 201).await;
    let first = callers.touch(1, SECOND);
    sleep(3 * SECOND).await;
    let last = callers.touch(1, SECOND);
    settle().await;
    script.next(Operation::Apply, Reply::usual().taking(4 * SECOND));
    open(&gate);
    assert_error(first.await.unwrap(), ErrorKind::Timeout, true);
    assert!(last.await.unwrap().unwrap());
    assert_eq!(script.keys(), [[200], [201], [1]]);
}

#[tokio::test(start_paused = true)]
async fn several_changes_of_a_session_may_be_in_flight() {
    let (callers, script, gate) = behind_a_gate::<false>(Script::default(), options(10, 3));
    let mut calls = Vec::new();
    for _ in 0..3 {
        calls.push(callers.replace(1));
        settle().await;
    }
    assert_eq!(script.keys(), [[1], [1], [1]]);
    open(&gate);
    for call in calls {
        call.await.unwrap().unwrap();
    }
}
