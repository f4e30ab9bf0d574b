//! The pruner calls `prune` in bounded rounds, at times that no two nodes share. Tokio's clock is paused: nothing
//! here waits.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use session_store_core::pruner::{Builder, Pruner};
use session_store_core::{ErrorKind, SessionStore};
use tokio::runtime::{Handle, Runtime};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};

use crate::scripted_prune::{Call, More, ScriptedPrune, Step};

const MINUTE: Duration = Duration::from_mins(1);
const SECOND: Duration = Duration::from_secs(1);
const DONE: Step = Step::Removes(0, More::IsNone);
const FULL: Step = Step::Removes(10, More::Remains);

fn pruner(store: &ScriptedPrune) -> Builder {
    Pruner::builder(store.clone()).every(MINUTE).limit(10).pause(SECOND)
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// The calls of each round: within one, no call begins later than a pause after the one before.
fn rounds(calls: &[Call]) -> Vec<&[Call]> {
    calls.chunk_by(|one, next| next.begun - one.ended.unwrap() < 10 * SECOND).collect()
}

/// Waits until a call is under way.
async fn under_way(store: &ScriptedPrune) {
    let begun = async {
        while store.calls().last().is_none_or(|call| call.ended.is_some()) {
            sleep(SECOND / 10).await;
        }
    };
    timeout(60 * MINUTE, begun).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_first_round_comes_after_a_random_part_of_the_interval() {
    let started = Instant::now();
    let stores: Vec<_> = (0..100).map(|_| ScriptedPrune::new(Duration::ZERO, &[], DONE)).collect();
    let pruners: Vec<_> = stores.iter().map(|store| pruner(store).spawn().unwrap()).collect();
    sleep(MINUTE + SECOND).await;
    let firsts: Vec<_> = stores.iter().map(|store| store.calls()[0].begun - started).collect();
    drop(pruners);
    // A timer may be a millisecond late.
    assert!(firsts.iter().all(|first| *first < MINUTE + SECOND / 500), "{firsts:?}");
    assert!(firsts.iter().any(|first| *first < MINUTE / 3) && firsts.iter().any(|first| *first > 2 * MINUTE / 3));
    assert!(firsts.iter().collect::<HashSet<_>>().len() > 50, "{firsts:?}");
}

#[tokio::test(start_paused = true)]
async fn each_interval_is_up_to_a_tenth_longer_or_shorter() {
    let store = ScriptedPrune::new(5 * SECOND, &[], DONE);
    let pruner = pruner(&store).spawn().unwrap();
    sleep(200 * MINUTE).await;
    pruner.stop().await;
    let calls = store.calls();
    let rests: Vec<_> = calls.windows(2).map(|pair| pair[1].begun - pair[0].ended.unwrap()).collect();
    assert!(rests.len() > 150);
    assert!(rests.iter().all(|rest| (54 * SECOND..66 * SECOND + SECOND / 100).contains(rest)), "{rests:?}");
    assert!(rests.iter().any(|rest| *rest < 57 * SECOND) && rests.iter().any(|rest| *rest > 63 * SECOND), "{rests:?}");
}

#[tokio::test(start_paused = true)]
async fn a_round_goes_on_with_pauses_until_nothing_is_left() {
    let store = ScriptedPrune::new(Duration::ZERO, &[FULL, FULL, Step::Removes(3, More::IsNone)], DONE);
    let pruner = pruner(&store).spawn().unwrap();
    sleep(2 * MINUTE + 10 * SECOND).await;
    pruner.stop().await;
    let calls = store.calls();
    assert!(calls.iter().all(|call| call.limit == 10));
    let rounds = rounds(&calls);
    assert_eq!(rounds[0].len(), 3);
    assert!(rounds[1..].iter().all(|round| round.len() == 1) && rounds.len() > 1);
    for pair in rounds[0].windows(2) {
        let pause = pair[1].begun - pair[0].ended.unwrap();
        assert!((SECOND..SECOND + SECOND / 100).contains(&pause), "{pause:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_round_makes_no_more_calls_than_its_most() {
    let store = ScriptedPrune::new(Duration::ZERO, &[], FULL);
    let pruner = pruner(&store).max_calls(4).spawn().unwrap();
    sleep(10 * MINUTE).await;
    pruner.stop().await;
    let calls = store.calls();
    let rounds = rounds(&calls);
    assert!(rounds.len() > 5);
    // The last one was cut short, perhaps.
    assert!(rounds[..rounds.len() - 1].iter().all(|round| round.len() == 4), "{rounds:?}");
}

#[tokio::test(start_paused = true)]
async fn a_round_that_is_longer_than_the_interval_is_not_overlapped() {
    let store = ScriptedPrune::new(3 * MINUTE, &[], FULL);
    let pruner = pruner(&store).max_calls(2).spawn().unwrap();
    sleep(60 * MINUTE).await;
    drop(pruner);
    let calls = store.calls();
    assert!(calls.len() > 8);
    assert!(calls.windows(2).all(|pair| pair[0].ended.unwrap() <= pair[1].begun), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn errors_and_panics_end_their_round_only() {
    let store = ScriptedPrune::new(Duration::ZERO, &[Step::Fails, FULL, Step::Panics, FULL, Step::Fails], DONE);
    let pruner = pruner(&store).spawn().unwrap();
    sleep(10 * MINUTE).await;
    pruner.stop().await;
    let calls = store.calls();
    let sizes: Vec<_> = rounds(&calls).iter().map(|round| round.len()).collect();
    assert_eq!(sizes[..4], [1, 2, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_for_the_call_that_is_under_way_and_for_nothing_else() {
    let store = ScriptedPrune::new(20 * SECOND, &[], FULL);
    let pruner = pruner(&store).pause(30 * SECOND).spawn().unwrap();
    under_way(&store).await;
    let before = Instant::now();
    pruner.stop().await;
    let calls = store.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].ended, Some(Instant::now()));
    assert!(before.elapsed() > 19 * SECOND);
    assert_eq!((tasks(), store.handles()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn stopping_a_pruner_that_rests_or_pauses_takes_no_time() {
    let store = ScriptedPrune::new(Duration::ZERO, &[], FULL);
    let resting = pruner(&ScriptedPrune::new(Duration::ZERO, &[], DONE)).every(30 * 24 * 60 * MINUTE).spawn().unwrap();
    let pausing = pruner(&store).pause(MINUTE).max_calls(u32::MAX).spawn().unwrap();
    sleep(MINUTE + SECOND).await;
    let before = Instant::now();
    timeout(SECOND, resting.stop()).await.unwrap();
    timeout(SECOND, pausing.stop()).await.unwrap();
    assert_eq!(before.elapsed(), Duration::ZERO);
    assert_eq!(tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn stopping_ends_a_round_without_pauses_too() {
    let store = ScriptedPrune::new(SECOND, &[], FULL);
    let pruner = pruner(&store).pause(Duration::ZERO).max_calls(u32::MAX).spawn().unwrap();
    under_way(&store).await;
    let calls = store.calls().len();
    timeout(MINUTE, pruner.stop()).await.unwrap();
    assert_eq!(store.calls().len(), calls);
}

#[tokio::test(start_paused = true)]
async fn dropping_it_ends_it_at_once_and_lets_go_of_the_store() {
    let store = ScriptedPrune::new(20 * SECOND, &[], FULL);
    let pruner = pruner(&store).spawn().unwrap();
    under_way(&store).await;
    let before = Instant::now();
    drop(pruner);
    yield_now().await;
    assert_eq!((tasks(), store.handles(), before.elapsed()), (0, 1, Duration::ZERO));
    sleep(10 * MINUTE).await;
    assert_eq!(store.calls().len(), 1);
    assert_eq!(store.calls()[0].ended, None);
}

#[test]
fn it_ends_with_its_runtime() {
    let store = ScriptedPrune::new(Duration::ZERO, &[], DONE);
    let runtime = Runtime::new().unwrap();
    let ended = runtime.block_on(async { pruner(&store).spawn().unwrap() });
    drop(runtime);
    assert_eq!(store.handles(), 1);
    Runtime::new().unwrap().block_on(ended.stop());
}

#[tokio::test(start_paused = true)]
async fn it_takes_any_store_and_its_longest_interval() {
    let store: Arc<dyn SessionStore> = Arc::new(ScriptedPrune::new(Duration::ZERO, &[], DONE));
    let longest = 30 * 24 * 60 * MINUTE;
    let all = [
        Pruner::builder(Arc::clone(&store)).spawn().unwrap(),
        Pruner::builder(store).every(longest).pause(longest).limit(100_000).max_calls(u32::MAX).spawn().unwrap(),
        Pruner::builder(ScriptedPrune::new(SECOND, &[], DONE)).every(SECOND).limit(1).max_calls(1).spawn().unwrap(),
    ];
    sleep(60 * MINUTE).await;
    assert_eq!(tasks(), all.len());
}

#[tokio::test]
async fn settings_out_of_their_bounds_are_refused() {
    let refused = |change: fn(Builder) -> Builder| {
        let error = change(pruner(&ScriptedPrune::new(SECOND, &[], DONE))).spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string()
    };
    let interval = "the interval of a pruner is not within 1 second and 30 days; set one that is";
    assert_eq!(refused(|builder| builder.every(Duration::from_nanos(999_999_999))), interval);
    assert_eq!(refused(|builder| builder.every(30 * 24 * 60 * MINUTE + Duration::from_nanos(1))), interval);
    assert_eq!(refused(|builder| builder.every(Duration::MAX)), interval);
    let limit = "a call of a pruner removes 1 to 100,000 records; set a limit within these";
    assert_eq!(refused(|builder| builder.limit(0)), limit);
    assert_eq!(refused(|builder| builder.limit(100_001)), limit);
    let pause = "the pause of a pruner is longer than its interval; set a shorter pause";
    assert_eq!(refused(|builder| builder.pause(MINUTE + Duration::from_nanos(1))), pause);
    let calls = "a round of 0 calls would remove nothing; set 1 or more, or spawn no pruner";
    assert_eq!(refused(|builder| builder.max_calls(0)), calls);
    assert_eq!(tasks(), 0);
}

#[test]
fn it_needs_a_runtime() {
    let error = pruner(&ScriptedPrune::new(SECOND, &[], DONE)).spawn().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(error.to_string(), "a pruner needs a Tokio runtime; spawn it inside one, or call `prune` yourself");
}
