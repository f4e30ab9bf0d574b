//! The pruner tells metrics and tracing what its rounds did, and shows nothing of any session.

use std::collections::BTreeMap;
use std::time::Duration;

use metrics_util::debugging::DebugValue;
use session_store_core::pruner::Pruner;
use tokio::time::{sleep, timeout};

use crate::captured_telemetry::{self, Telemetry};
use crate::scripted_prune::{More, ScriptedPrune, Step};

const FULL: Step = Step::Removes(10, More::Remains);
const DONE: Step = Step::Removes(0, More::IsNone);
const MINUTE: Duration = Duration::from_mins(1);

/// What was logged, and each metric by its name and labels, after so many calls.
fn after(steps: &[Step], then: Step) -> (String, BTreeMap<String, DebugValue>) {
    let store = ScriptedPrune::new(Duration::from_secs(2), steps, then);
    let (Telemetry { log, metrics }, ()) = captured_telemetry::capture(async || {
        let pruner = Pruner::builder(store.clone()).name("scripted").every(MINUTE).max_calls(3).spawn().unwrap();
        let called = async {
            while store.calls().len() < steps.len() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(60 * MINUTE, called).await.unwrap();
        pruner.stop().await;
    });
    (log, metrics)
}

#[test]
fn what_rounds_removed_and_how_long_they_took() {
    let (log, measured) = after(&[FULL, Step::Removes(5, More::IsNone), DONE], DONE);
    assert_eq!(measured["session_store_pruned_total{store=scripted}"], DebugValue::Counter(15));
    assert_eq!(measured["session_store_prune_more{store=scripted}"], DebugValue::Gauge(0.0.into()));
    let DebugValue::Histogram(seconds) = &measured["session_store_prune_seconds{store=scripted}"] else { panic!() };
    // Two calls and a pause, then one call; a timer may be a millisecond late.
    let near = |seconds: f64, expected: f64| (expected..expected + 0.01).contains(&seconds);
    assert!(seconds.len() == 2 && near(seconds[0].0, 4.1) && near(seconds[1].0, 2.0), "{seconds:?}");
    assert_eq!(measured.len(), 3, "{measured:?}");
    let lines: Vec<_> = log.lines().collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(lines[0].contains("DEBUG") && lines[0].contains("a round of pruning is done"), "{log}");
    assert!(lines[0].contains(r#"store="scripted" removed=15 calls=2 took=4.1"#), "{log}");
}

#[test]
fn that_a_round_has_left_some() {
    let (log, measured) = after(&[FULL, FULL, FULL], FULL);
    assert_eq!(measured["session_store_pruned_total{store=scripted}"], DebugValue::Counter(30));
    assert_eq!(measured["session_store_prune_more{store=scripted}"], DebugValue::Gauge(1.0.into()));
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("INFO") && log.contains("has left some for the next") && log.contains("calls=3"), "{log}");
}

#[test]
fn that_a_round_which_was_stopped_has_left_some() {
    let (log, measured) = after(&[FULL], FULL);
    assert_eq!(measured["session_store_pruned_total{store=scripted}"], DebugValue::Counter(10));
    assert_eq!(measured["session_store_prune_more{store=scripted}"], DebugValue::Gauge(1.0.into()));
    assert!(log.contains("INFO") && log.contains("removed=10 calls=1"), "{log}");
}

#[test]
fn failures_by_their_kind_and_without_the_key() {
    let (log, measured) = after(&[FULL, Step::Fails, Step::Panics, Step::Fails], DONE);
    let failures = |kind| &measured[&format!("session_store_prune_failures_total{{store=scripted,kind={kind}}}")];
    assert_eq!(*failures("unavailable"), DebugValue::Counter(2));
    assert_eq!(*failures("internal"), DebugValue::Counter(1));
    // What was removed before a failure counts, and a failure does not say that nothing is left.
    assert_eq!(measured["session_store_pruned_total{store=scripted}"], DebugValue::Counter(10));
    assert!(!measured.contains_key("session_store_prune_more{store=scripted}"));
    assert_eq!(log.lines().filter(|line| line.contains("WARN")).count(), 3, "{log}");
    assert!(
        log.contains(r#"store="scripted" kind="unavailable" error=the connection broke removed=10 calls=1"#),
        "{log}"
    );
    assert!(log.contains("error=the store panicked"), "{log}");
    for secret in ["abab", "171, 171", "k1_"] {
        assert!(!log.contains(secret), "{log}");
    }
}
