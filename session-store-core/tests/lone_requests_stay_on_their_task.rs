//! The batcher: a request that is alone is run by its caller, and whatever becomes of the caller, its place is kept
//! and those who come behind it are served.
#![cfg(feature = "batch")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod table;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};
use std::time::Duration;

use proptest::prelude::*;
use session_store_core::batch::{BatchLimits, Batcher};
use session_store_core::{ErrorKind, Result};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::table::{Adding, FLAKY, PANIC, POISON, Table, add, gated, limits, open, settle, soon};

fn batcher(table: &Arc<Table>, limits: BatchLimits) -> Batcher<Adding> {
    Batcher::new(Adding(Arc::clone(table)), limits).unwrap()
}

/// A task that adds 1, or this much.
fn call(batcher: &Batcher<Adding>, key: u8, amount: u64, deadline: Instant) -> JoinHandle<Result<u64>> {
    let batcher = batcher.clone();
    tokio::spawn(async move { batcher.call(add(key, amount), deadline).await })
}

fn sizes(table: &Table) -> Vec<usize> {
    table.batches.lock().unwrap().iter().map(Vec::len).collect()
}

/// The one place of the batcher is free, and taken by one at a time.
async fn the_place_is_free(batcher: &Batcher<Adding>, table: &Table) {
    open(table);
    for _ in 0..2 {
        batcher.call(add(99, 1), Instant::now() + Duration::from_secs(1)).await.unwrap();
    }
    assert_eq!(table.most_running.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn it_is_run_by_its_caller() {
    let table = Arc::new(Table::default());
    let batcher = batcher(&table, limits(10, 4));
    let caller = tokio::spawn(async move {
        for _ in 0..3 {
            batcher.call(add(1, 1), soon()).await.unwrap();
        }
        batcher.call(add(1, POISON), soon()).await.unwrap_err();
        batcher.call(add(1, FLAKY), soon()).await.unwrap_err();
        tokio::task::id()
    });
    let caller = caller.await.unwrap();
    assert_eq!(*table.tasks.lock().unwrap(), [Some(caller); 5]);
}

#[tokio::test]
async fn those_who_came_meanwhile_go_out_together_and_at_once() {
    let table = gated();
    let batcher = batcher(&table, limits(10, 1));
    let first = call(&batcher, 0, 1, soon());
    settle().await;
    let others: Vec<_> = (1..6).map(|key| call(&batcher, key, 1, soon())).collect();
    settle().await;
    table.gate.as_ref().unwrap().add_permits(1);
    let first_task = first.id();
    first.await.unwrap().unwrap();
    // Nobody calls any more: who has gone must have left a worker behind.
    settle().await;
    assert_eq!(sizes(&table), [1, 5]);
    open(&table);
    for other in others {
        other.await.unwrap().unwrap();
    }
    assert_eq!(table.tasks.lock().unwrap()[0], Some(first_task));
    the_place_is_free(&batcher, &table).await;
}

#[tokio::test]
async fn others_go_out_beside_it_up_to_the_limit() {
    let table = gated();
    let batcher = batcher(&table, limits(10, 3));
    let mut calls = Vec::new();
    for key in 0..5 {
        calls.push(call(&batcher, key, 1, soon()));
        settle().await;
    }
    assert_eq!(sizes(&table), [1, 1, 1]);
    open(&table);
    let callers: Vec<_> = calls.iter().map(|call| Some(call.id())).collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(sizes(&table), [1, 1, 1, 2]);
    let by_callers: Vec<_> = table.tasks.lock().unwrap().iter().map(|task| callers.contains(task)).collect();
    assert_eq!(by_callers, [true, false, false, false], "only what is alone is run by its caller");
    assert_eq!(table.most_running.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_its_place_and_what_it_sent_in_good_hands() {
    let table = gated();
    let batcher = batcher(&table, limits(10, 1));
    let gone = call(&batcher, 1, 1, soon());
    settle().await;
    let others = [call(&batcher, 2, 1, soon()), call(&batcher, 3, 1, soon())];
    settle().await;
    gone.abort();
    settle().await;
    assert_eq!(sizes(&table), [1], "the place is not free before the statement has ended");
    open(&table);
    for other in others {
        other.await.unwrap().unwrap();
    }
    assert_eq!(*table.sums.lock().unwrap(), HashMap::from([(1, 1), (2, 1), (3, 1)]));
    the_place_is_free(&batcher, &table).await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_whose_time_runs_out_leaves_them_so_too() {
    let table = gated();
    let batcher = batcher(&table, limits(10, 1));
    let late = call(&batcher, 1, 1, Instant::now() + Duration::from_secs(1));
    settle().await;
    let other = call(&batcher, 2, 1, Instant::now() + Duration::from_mins(1));
    let error = late.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Timeout, true));
    assert_eq!(sizes(&table), [1]);
    open(&table);
    assert_eq!(other.await.unwrap().unwrap(), 1);
    assert_eq!(*table.sums.lock().unwrap(), HashMap::from([(1, 1), (2, 1)]));
    the_place_is_free(&batcher, &table).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_too_late_already_is_not_sent() {
    let table = Arc::new(Table::default());
    let error = batcher(&table, limits(10, 1)).call(add(1, 1), Instant::now()).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Timeout, false));
    settle().await;
    assert!(sizes(&table).is_empty());
}

#[tokio::test]
async fn a_panic_is_an_error_of_unknown_outcome_and_keeps_the_place() {
    let table = gated();
    let batcher = batcher(&table, limits(10, 1));
    let panics = call(&batcher, 1, PANIC, soon());
    settle().await;
    let other = call(&batcher, 2, 1, soon());
    settle().await;
    open(&table);
    let error = panics.await.expect("the caller does not panic").unwrap_err();
    assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Internal, true));
    assert_eq!(other.await.unwrap().unwrap(), 1);
    // And with nobody behind it.
    assert!(batcher.call(add(3, PANIC), soon()).await.is_err());
    assert_eq!(batcher.call(add(3, 1), soon()).await.unwrap(), 1);
}

#[test]
fn a_call_that_is_dropped_outside_of_its_runtime_is_finished_in_it() {
    let table = gated();
    let batcher = batcher(&table, limits(10, 1));
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let mut dropped = Box::pin(batcher.call(add(1, 1), soon()));
    {
        let _inside = runtime.enter();
        assert!(dropped.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    drop(dropped);
    open(&table);
    assert_eq!(runtime.block_on(batcher.call(add(2, 1), soon())).unwrap(), 1);
    assert_eq!(*table.sums.lock().unwrap(), HashMap::from([(1, 1), (2, 1)]));
}

#[test]
fn a_runtime_that_ends_keeps_no_place() {
    let table = gated();
    let batcher = batcher(&table, limits(2, 2));
    let ends = Runtime::new().unwrap();
    ends.block_on(async {
        for key in 0..9 {
            call(&batcher, key, 1, soon());
            settle().await;
        }
    });
    drop(ends);
    open(&table);
    let next = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    next.block_on(async {
        // Both places are free, and nothing is left that nobody waits for.
        let calls: Vec<_> = (20..25).map(|key| call(&batcher, key, 1, soon())).collect();
        for call in calls {
            call.await.unwrap().unwrap();
        }
    });
    assert!(table.sums.lock().unwrap().keys().all(|key| *key >= 20));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever callers come and go, lone or many: the limit holds, nothing is executed twice, who stays is answered,
    /// and in the end every place is free.
    #[test]
    fn places_are_neither_lost_nor_doubled(
        callers in proptest::collection::vec((0_usize..12, proptest::option::of(0_usize..6), 0_u8..20), 1..80),
        in_flight in 1_usize..5,
    ) {
        let table = Arc::new(Table::default());
        let batcher = batcher(&table, limits(4, in_flight));
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let mut stay = Vec::new();
            for (key, &(pauses, goes_after, trouble)) in (0_u8..).zip(&callers) {
                for _ in 0..pauses {
                    tokio::task::yield_now().await;
                }
                let one = call(&batcher, key, if trouble == 0 { PANIC } else { 1 }, soon());
                let Some(polls) = goes_after else { stay.push((one, trouble == 0)); continue };
                for _ in 0..polls {
                    tokio::task::yield_now().await;
                }
                one.abort();
            }
            for (one, panics) in stay {
                let answer = one.await.unwrap();
                // A panic fails its whole batch.
                assert!(answer.map_or_else(|error| error.outcome_unknown(), |sum| sum == 1 && !panics));
            }
            batcher.call(add(250, 1), soon()).await.unwrap();
        });
        // With this, all that was taken over by tasks has ended or is gone.
        drop(runtime);
        prop_assert!(table.most_running.load(Ordering::SeqCst) <= in_flight);
        let mut seen = HashSet::new();
        prop_assert!(table.batches.lock().unwrap().iter().flatten().all(|add| seen.insert(add.key)));
        let fresh = Builder::new_current_thread().enable_all().build().unwrap();
        prop_assert_eq!(fresh.block_on(most_at_once(&batcher, &table)), in_flight);
    }
}

/// How many batches are under way where more than enough are asked for.
async fn most_at_once(batcher: &Batcher<Adding>, table: &Table) -> usize {
    table.running.store(0, Ordering::SeqCst);
    table.most_running.store(0, Ordering::SeqCst);
    let calls: Vec<_> = (100..130).map(|key| call(batcher, key, 1, soon())).collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    table.most_running.load(Ordering::SeqCst)
}
