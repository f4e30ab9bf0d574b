//! Whatever callers come and go: requests are executed once, limits hold, and in the end every place is free.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use proptest::prelude::*;
use session_store_core::SetMode;
use session_store_core::backend::{Change, Group};
use tokio::runtime::{Builder, Runtime};

use crate::callers::{Callers, SECOND, options};
use crate::scripted_backend::{Operation, Reply, Script, Statement, TestStore};

fn two_threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Writes to these sessions, of so many bytes and after so many yields each.
type Writes = Vec<(u8, usize, usize)>;

fn execute<const ONE: bool>(writes: &Writes, batch_size: usize, bytes: usize, in_flight: usize) -> Arc<Script> {
    let mut options = options(batch_size, in_flight);
    options.batch_bytes = bytes;
    let groups = vec![Group::batched(&options).with_overhead(0)];
    let (store, script): (TestStore<ONE>, _) = Script::default().with_groups(groups, |_| 0).store(options);
    two_threads().block_on(async {
        let callers = Callers(store);
        let mut calls = Vec::new();
        for &(byte, bytes, yields) in writes {
            for _ in 0..yields {
                tokio::task::yield_now().await;
            }
            calls.push(callers.set_data(byte, SetMode::Upsert, vec![7; bytes]));
        }
        for call in calls {
            call.await.unwrap().unwrap();
        }
    });
    script
}

/// Checks that each write was executed once, and that no limit was passed.
fn check(script: &Script, writes: &Writes, batch_size: usize, bytes: usize, in_flight: usize, one: bool) {
    let mut expected: HashMap<u8, Vec<usize>> = HashMap::new();
    for (byte, bytes, _) in writes {
        expected.entry(*byte).or_default().push(*bytes);
    }
    let (mut executed, mut versions): (HashMap<u8, Vec<usize>>, _) = (HashMap::new(), HashSet::new());
    for change in script.executed() {
        executed.entry(change.key().as_bytes()[0]).or_default().push(change.data_len());
        let Change::Set(set) = change else { panic!("{change:?}") };
        assert!(versions.insert(*set.version.as_bytes()), "a write was executed twice");
    }
    for sizes in expected.values_mut().chain(executed.values_mut()) {
        sizes.sort_unstable();
    }
    assert_eq!(executed, expected);
    for statement in script.statements() {
        let total: usize = statement.changes.iter().map(Change::data_len).sum();
        assert!(statement.len() <= batch_size && (total <= bytes || statement.len() == 1), "{statement:?}");
        let keys: HashSet<_> = statement.keys().into_iter().collect();
        assert!(!one || keys.len() == statement.len(), "a session is there twice: {statement:?}");
    }
    assert!(script.most_running() <= most_in_flight(in_flight), "{}", script.most_running());
}

/// A lone caller never takes the last place.
fn most_in_flight(batches_in_flight: usize) -> usize {
    batches_in_flight.max(2)
}

/// How many batches are in flight if there are more than enough requests.
fn most_at_once<const ONE: bool>(callers: &Callers<ONE>, script: &Script) -> usize {
    script.forget_most_running();
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
        let calls: Vec<_> = (100..130).map(|byte| callers.touch(byte, SECOND)).collect();
        for call in calls {
            call.await.unwrap().unwrap();
        }
    });
    script.most_running()
}

/// The first byte of the key, yields before the call, yields before it is aborted, and whether the backend panics.
type Visit = (u8, usize, Option<usize>, bool);

fn come_and_go<const ONE: bool>(visits: &[Visit], in_flight: usize) {
    let (store, script): (TestStore<ONE>, _) = Script::default().store(options(4, in_flight));
    let callers = Callers(store);
    let panics: HashSet<u8> = visits.iter().filter(|visit| visit.3).map(|visit| visit.0).collect();
    let is_hit = panics.clone();
    script.always(move |statement: &Statement| {
        let is_hit =
            statement.operation == Operation::Apply && statement.keys().iter().any(|byte| is_hit.contains(byte));
        is_hit.then(Reply::panics)
    });
    let runtime = two_threads();
    runtime.block_on(async {
        let mut stay = Vec::new();
        for &(byte, yields, goes_after, _) in visits {
            for _ in 0..yields {
                tokio::task::yield_now().await;
            }
            let call = callers.set(byte, SetMode::Upsert);
            let Some(yields) = goes_after else {
                stay.push((byte, call));
                continue;
            };
            for _ in 0..yields {
                tokio::task::yield_now().await;
            }
            call.abort();
        }
        for (byte, call) in stay {
            // A panic fails its whole batch.
            match call.await.unwrap() {
                Ok(_) => assert!(!panics.contains(&byte)),
                Err(error) => assert!(error.outcome_unknown()),
            }
        }
        callers.set(250, SetMode::Upsert).await.unwrap().unwrap();
    });
    // With this, all that was taken over by tasks has ended or is gone.
    drop(runtime);
    assert!(script.most_running() <= most_in_flight(in_flight), "{}", script.most_running());
    let mut versions = HashSet::new();
    for change in script.statements().iter().flat_map(|statement| &statement.changes) {
        let Change::Set(set) = change else { panic!("{change:?}") };
        assert!(versions.insert(*set.version.as_bytes()), "a request was sent twice");
    }
    assert_eq!(most_at_once(&callers, &script), most_in_flight(in_flight), "places were lost or doubled");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_request_is_executed_once(
        writes in proptest::collection::vec((0_u8..12, 1_usize..50, 0_usize..4), 1..120),
        batch_size in 2_usize..20,
        bytes in 1_usize..200,
        in_flight in 1_usize..5,
    ) {
        check(&execute::<true>(&writes, batch_size, bytes, in_flight), &writes, batch_size, bytes, in_flight, true);
        check(&execute::<false>(&writes, batch_size, bytes, in_flight), &writes, batch_size, bytes, in_flight, false);
    }

    #[test]
    fn places_are_neither_lost_nor_doubled(
        visits in proptest::collection::vec(
            (0_u8..40, 0_usize..12, proptest::option::of(0_usize..6), proptest::bool::weighted(0.05)),
            1..80,
        ),
        in_flight in 1_usize..5,
    ) {
        come_and_go::<true>(&visits, in_flight);
        come_and_go::<false>(&visits, in_flight);
    }
}
