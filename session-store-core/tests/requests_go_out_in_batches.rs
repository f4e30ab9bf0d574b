//! The batcher: requests collect while a statement is under way, and each caller gets its own answer.
#![cfg(feature = "batch")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod table;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use proptest::prelude::*;
use session_store_core::ErrorKind;
use session_store_core::batch::{BatchLimits, Batcher};
use tokio::runtime::Builder;
use tokio::time::Instant;

use self::table::{Add, Adding, FLAKY, PANIC, POISON, Table, add, gated, limits, open, settle, soon};

/// Keeps the one worker busy, so that what comes now waits for the next batch.
async fn keep_busy(batcher: &Batcher<Adding>) {
    let batcher = batcher.clone();
    tokio::spawn(async move { batcher.call(add(200, 1), Instant::now() + Duration::from_hours(1)).await });
    settle().await;
}

#[tokio::test]
async fn a_lone_request_goes_out_at_once() {
    let table = Arc::new(Table::default());
    let batcher = Batcher::new(Adding(Arc::clone(&table)), BatchLimits::default()).unwrap();
    assert_eq!(batcher.call(add(1, 5), soon()).await.unwrap(), 5);
    assert_eq!(batcher.call(add(1, 5), soon()).await.unwrap(), 10);
    assert_eq!(table.batches.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn what_arrives_while_a_batch_is_under_way_is_the_next_one() {
    let table = gated();
    let batcher = Batcher::new(Adding(Arc::clone(&table)), limits(10, 1)).unwrap();
    keep_busy(&batcher).await;
    let calls: Vec<_> = (0..25)
        .map(|n| {
            tokio::spawn({
                let batcher = batcher.clone();
                async move { batcher.call(add(n, u64::from(n)), soon()).await }
            })
        })
        .collect();
    settle().await;
    open(&table);
    for (n, call) in (0_u64..).zip(calls) {
        assert_eq!(call.await.unwrap().unwrap(), n);
    }
    let sizes: Vec<_> = table.batches.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 10, 10, 5]);
}

#[tokio::test]
async fn who_is_answered_and_asks_again_at_once_comes_into_the_next_batch() {
    let table = gated();
    let batcher = Batcher::new(Adding(Arc::clone(&table)), limits(10, 1)).unwrap();
    keep_busy(&batcher).await;
    let calls: Vec<_> = (0..5)
        .map(|n| {
            tokio::spawn({
                let batcher = batcher.clone();
                async move {
                    for _ in 0..3 {
                        batcher.call(add(n, 1), soon()).await.unwrap();
                    }
                }
            })
        })
        .collect();
    settle().await;
    open(&table);
    for call in calls {
        call.await.unwrap();
    }
    let sizes: Vec<_> = table.batches.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 5, 5, 5]);
}

#[tokio::test]
async fn batches_are_bounded_by_bytes_and_one_large_request_still_goes() {
    let table = gated();
    let batcher = Batcher::new(Adding(Arc::clone(&table)), BatchLimits { bytes: 100, ..limits(10, 1) }).unwrap();
    keep_busy(&batcher).await;
    let calls: Vec<_> = [1, 40, 40, 40, 500, 1]
        .into_iter()
        .enumerate()
        .map(|(n, bytes)| {
            tokio::spawn({
                let batcher = batcher.clone();
                async move { batcher.call(Add { bytes, ..add(n.try_into().unwrap(), 1) }, soon()).await }
            })
        })
        .collect();
    settle().await;
    open(&table);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let sizes: Vec<_> = table.batches.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 3, 1, 1, 1]);
}

#[tokio::test]
async fn a_poisoned_request_does_not_fail_its_neighbours() {
    let table = gated();
    let batcher = Batcher::new(Adding(Arc::clone(&table)), limits(100, 1)).unwrap();
    keep_busy(&batcher).await;
    let calls: Vec<_> = (0..30)
        .map(|n| {
            tokio::spawn({
                let batcher = batcher.clone();
                async move { batcher.call(add(n, if n == 17 { POISON } else { 1 }), soon()).await }
            })
        })
        .collect();
    settle().await;
    open(&table);
    for (n, call) in calls.into_iter().enumerate() {
        match call.await.unwrap() {
            Ok(sum) => assert!(sum == 1 && n != 17),
            Err(error) => assert!(error.kind() == ErrorKind::InvalidInput && n == 17),
        }
    }
    assert_eq!(table.sums.lock().unwrap().len(), 1 + 29);
}

#[tokio::test]
async fn a_batch_of_unknown_outcome_is_not_repeated() {
    let table = gated();
    let batcher = Batcher::new(Adding(Arc::clone(&table)), limits(100, 1)).unwrap();
    keep_busy(&batcher).await;
    let calls: Vec<_> = (0..5)
        .map(|n| {
            tokio::spawn({
                let batcher = batcher.clone();
                async move { batcher.call(add(n, if n == 3 { FLAKY } else { 1 }), soon()).await }
            })
        })
        .collect();
    settle().await;
    open(&table);
    for (n, call) in calls.into_iter().enumerate() {
        let answer = call.await.unwrap();
        assert!(answer.unwrap_err().outcome_unknown(), "{n}");
    }
    assert_eq!(table.batches.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_panic_ends_its_own_batch_only() {
    let table = gated();
    let batcher = Batcher::new(Adding(Arc::clone(&table)), limits(1, 1)).unwrap();
    let calls: Vec<_> = (0..4)
        .map(|n| {
            tokio::spawn({
                let batcher = batcher.clone();
                async move { batcher.call(add(n, if n == 1 { PANIC } else { 1 }), soon()).await }
            })
        })
        .collect();
    settle().await;
    open(&table);
    for (n, call) in calls.into_iter().enumerate() {
        let answer = call.await.unwrap();
        assert!(if n == 1 { answer.unwrap_err().outcome_unknown() } else { answer.is_ok() }, "{n}");
    }
    assert_eq!(batcher.call(add(9, 1), soon()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_before_its_batch_is_not_asked_for() {
    let table = gated();
    let batcher = Batcher::new(Adding(Arc::clone(&table)), limits(10, 1)).unwrap();
    let call = |n| {
        tokio::spawn({
            let batcher = batcher.clone();
            async move { batcher.call(add(n, 1), soon()).await }
        })
    };
    let first = call(1);
    settle().await;
    let (second, third) = (call(2), call(3));
    settle().await;
    first.abort();
    second.abort();
    settle().await;
    open(&table);
    third.await.unwrap().unwrap();
    // What was sent is executed, and what was not is not.
    assert_eq!(*table.sums.lock().unwrap(), HashMap::from([(1, 1), (3, 1)]));
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_at_its_deadline_and_tells_whether_it_was_sent() {
    let table = gated();
    let batcher = Batcher::new(Adding(Arc::clone(&table)), limits(10, 1)).unwrap();
    let deadline = Instant::now() + Duration::from_secs(1);
    let call = |n| {
        let batcher = batcher.clone();
        async move { batcher.call(add(n, 1), deadline).await.unwrap_err() }
    };
    let sent = tokio::spawn(call(1));
    settle().await;
    let waiting = call(2).await;
    let sent = sent.await.unwrap();
    assert_eq!((sent.kind(), sent.outcome_unknown()), (ErrorKind::Timeout, true));
    assert_eq!((waiting.kind(), waiting.outcome_unknown()), (ErrorKind::Timeout, false));
    assert_eq!(Instant::now(), deadline);
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_bounded() {
    let table = gated();
    let batcher = Batcher::new(Adding(Arc::clone(&table)), BatchLimits { waiting: 2, ..limits(1, 1) }).unwrap();
    let call = |n| {
        tokio::spawn({
            let batcher = batcher.clone();
            async move { batcher.call(add(n, 1), Instant::now() + Duration::from_secs(1)).await }
        })
    };
    let calls = [call(1), call(2), call(3)];
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
    }
    open(&table);
    settle().await;
    assert_eq!(table.batches.lock().unwrap().len(), 1);
    assert_eq!(batcher.call(add(4, 1), soon()).await.unwrap(), 1);
}

#[tokio::test]
async fn closing_answers_those_who_wait() {
    let table = gated();
    let batcher = Batcher::new(Adding(Arc::clone(&table)), limits(1, 1)).unwrap();
    let call = |n| {
        tokio::spawn({
            let batcher = batcher.clone();
            async move { batcher.call(add(n, 1), soon()).await }
        })
    };
    let (running, waiting) = (call(1), call(2));
    settle().await;
    batcher.close();
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.is_transient(), error.outcome_unknown()), (ErrorKind::Unavailable, false, false));
    open(&table);
    assert_eq!(running.await.unwrap().unwrap(), 1);
    assert_eq!(batcher.call(add(3, 1), soon()).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[test]
fn limits_of_zero_are_refused() {
    let none = BatchLimits { requests: 0, ..BatchLimits::default() };
    let error = Batcher::new(Adding(Arc::default()), none).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes, in whatever order: every request is executed once, no batch has a key twice, and no limit is
    /// passed.
    #[test]
    fn every_request_is_executed_once(
        requests in proptest::collection::vec((0_u8..12, 1_u64..9, 1_usize..50, 0_usize..4), 1..120),
        most in 1_usize..20,
        bytes in 1_usize..200,
        in_flight in 1_usize..5,
    ) {
        let table = Arc::new(Table::default());
        let batcher = Batcher::new(Adding(Arc::clone(&table)), BatchLimits { bytes, ..limits(most, in_flight) }).unwrap();
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let mut calls = Vec::new();
            for &(key, amount, bytes, pauses) in &requests {
                for _ in 0..pauses {
                    tokio::task::yield_now().await;
                }
                let batcher = batcher.clone();
                calls.push(tokio::spawn(async move { batcher.call(Add { key, amount, bytes }, soon()).await }));
            }
            for call in calls {
                call.await.unwrap().unwrap();
            }
        });
        let mut expected = HashMap::new();
        for (key, amount, ..) in &requests {
            *expected.entry(*key).or_insert(0) += amount;
        }
        prop_assert_eq!(&*table.sums.lock().unwrap(), &expected);
        for batch in &*table.batches.lock().unwrap() {
            let total: usize = batch.iter().map(|add| add.bytes).sum();
            prop_assert!(batch.len() <= most && (total <= bytes || batch.len() == 1));
            let keys: std::collections::HashSet<_> = batch.iter().map(|add| add.key).collect();
            prop_assert_eq!(keys.len(), batch.len());
        }
        prop_assert!(table.most_running.load(Ordering::SeqCst) <= in_flight);
    }
}
