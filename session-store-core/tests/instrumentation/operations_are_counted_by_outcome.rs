//! Each operation of an observed store is counted and timed by its outcome, and does what the store within does.

use std::pin::Pin;
use std::time::Duration;

use session_store_core::observed::Observed;
use session_store_core::{
    Bytes, ErrorKind, Owner, Page, Record, Result, SessionKey, SessionStore, SetMode, UserId, Version, Write,
};
use tokio::time::timeout;

use crate::captured_telemetry::{CapturedEvents, capture};
use crate::fixed_answers::{self, Answers, FixedAnswers};

const KEY: SessionKey = SessionKey::from_bytes([1; 32]);
const VERSION: Version = Version::from_bytes([3; 16]);
const MINUTE: Duration = Duration::from_mins(1);

type Call = for<'a> fn(&'a dyn SessionStore) -> Pin<Box<dyn Future<Output = Option<ErrorKind>> + Send + 'a>>;

macro_rules! calls {
    ($($name:ident => |$store:ident| $call:expr;)*) => {
        [$((stringify!($name), |$store| Box::pin(async { $call.await.err().map(|error| error.kind()) }))),*]
    };
}

fn write() -> Write {
    Write::new("12 bytes big", MINUTE, MINUTE).unwrap().with_owner(Owner::Anonymous)
}

fn page() -> Page {
    Page::first(1).unwrap()
}

fn alice() -> UserId {
    UserId::new("alice").unwrap()
}

fn record_of_another_store() -> Record {
    Record { data: Bytes::from_static(b"imported data"), ..fixed_answers::record() }
}

/// `close` cannot fail.
async fn close(store: &dyn SessionStore) -> Result<()> {
    store.close().await;
    Ok(())
}

fn every_method() -> [(&'static str, Call); 16] {
    calls! {
        get => |store| store.get(&KEY);
        get_if_changed => |store| store.get_if_changed(&KEY, VERSION);
        set => |store| store.set(&KEY, &write(), SetMode::Create);
        touch => |store| store.touch(&KEY, MINUTE);
        destroy => |store| store.destroy(&KEY);
        destroy_if => |store| store.destroy_if(&KEY, VERSION);
        import => |store| store.import(&KEY, &record_of_another_store());
        rotate => |store| store.rotate(&KEY, &SessionKey::from_bytes([2; 32]), &write(), None);
        list_by_user => |store| store.list_by_user(&alice(), &page());
        destroy_by_user => |store| store.destroy_by_user(&alice(), None);
        prune => |store| store.prune(1);
        count => |store| store.count();
        clear => |store| store.clear();
        scan => |store| store.scan(None, 1);
        ping => |store| store.ping();
        close => |store| close(store);
    }
}

fn fallible_methods() -> impl Iterator<Item = (&'static str, Call)> {
    every_method().into_iter().filter(|(name, _)| *name != "close")
}

const KINDS: [ErrorKind; 12] = [
    ErrorKind::AlreadyExists,
    ErrorKind::NotFound,
    ErrorKind::Conflict,
    ErrorKind::LimitReached,
    ErrorKind::InvalidInput,
    ErrorKind::TooLarge,
    ErrorKind::Corrupt,
    ErrorKind::Unavailable,
    ErrorKind::Timeout,
    ErrorKind::Config,
    ErrorKind::Unsupported,
    ErrorKind::Internal,
];

/// Those that say no more than that the store did its work.
const REFUSALS: [ErrorKind; 5] =
    [ErrorKind::AlreadyExists, ErrorKind::NotFound, ErrorKind::Conflict, ErrorKind::InvalidInput, ErrorKind::TooLarge];

/// Checks that one operation is reported once, with this outcome and at this level.
fn is_reported(name: &str, call: Call, answers: Answers, outcome: &str, level: &str) {
    let (telemetry, _) = capture(|| async move {
        let store = Observed::new(FixedAnswers(answers), "fixed");
        timeout(Duration::from_millis(250), call(&store)).await
    });
    let expected = format!("session_store_operations_total{{store=fixed,operation={name},outcome={outcome}}}");
    assert_eq!(telemetry.counters("operations_total"), [(expected.as_str(), 1)], "{telemetry:?}");
    let seconds = telemetry.histogram(&format!("session_store_operation_seconds{{store=fixed,operation={name}}}"));
    assert!(seconds.len() == 1 && (0.0..5.0).contains(&seconds[0]), "{telemetry:?}");
    let lines = telemetry.lines(&format!("operation=\"{name}\""));
    assert_eq!(lines.len(), 1, "{}", telemetry.log);
    assert!(lines[0].contains(level) && lines[0].contains(&format!("outcome=\"{outcome}\"")), "{}", telemetry.log);
    assert!(lines[0].contains("store=\"fixed\"") && lines[0].contains("session_store:"), "{}", telemetry.log);
}

#[test]
fn every_method_that_succeeds() {
    for (name, call) in every_method() {
        is_reported(name, call, Answers::Live, "ok", "DEBUG");
    }
}

#[test]
fn every_method_of_a_session_that_is_gone() {
    const REPORTED_AS_GONE: [&str; 6] = ["get", "get_if_changed", "touch", "destroy", "destroy_if", "import"];
    for (name, call) in every_method() {
        let outcome = if REPORTED_AS_GONE.contains(&name) { "gone" } else { "ok" };
        is_reported(name, call, Answers::Gone, outcome, "DEBUG");
    }
}

#[test]
fn every_method_that_fails_by_the_kind() {
    for (name, call) in fallible_methods() {
        for kind in KINDS {
            let level = if REFUSALS.contains(&kind) { "DEBUG" } else { "WARN" };
            is_reported(name, call, Answers::Error(kind), kind.as_str(), level);
        }
    }
}

#[test]
fn every_method_that_its_caller_gives_up() {
    for (name, call) in every_method() {
        is_reported(name, call, Answers::Never, "dropped", "DEBUG");
    }
}

/// What was never begun is not telemetry.
#[test]
fn a_future_that_was_not_polled_is_none() {
    let (telemetry, ()) = capture(|| async {
        let store = Observed::new(FixedAnswers(Answers::Live), "fixed");
        drop(store.get(&KEY));
    });
    assert!(telemetry.metrics.is_empty() && telemetry.log.is_empty(), "{telemetry:?}");
}

#[tokio::test]
async fn answers_are_those_of_the_store_within() {
    let observed = |answers| Observed::new(FixedAnswers(answers), "fixed");
    for (name, call) in every_method() {
        assert_eq!(call(&observed(Answers::Live)).await, None, "{name}");
    }
    for (name, call) in fallible_methods() {
        for kind in KINDS {
            assert_eq!(call(&observed(Answers::Error(kind))).await, Some(kind), "{name}");
        }
    }
}

#[test]
fn bytes_that_were_read_and_written() {
    let (telemetry, ()) = capture(|| async {
        for (_, call) in every_method() {
            call(&Observed::new(FixedAnswers(Answers::Live), "fixed")).await;
            call(&Observed::new(FixedAnswers(Answers::Changed), "fixed")).await;
            call(&Observed::new(FixedAnswers(Answers::Gone), "fixed")).await;
        }
    });
    let bytes = |name| telemetry.histogram(&format!("session_store_data_bytes{{store=fixed,operation={name}}}"));
    assert_eq!(bytes("get"), [4.0; 2], "and none of a session that is gone");
    assert_eq!(bytes("get_if_changed"), [0.0, 4.0], "no data of a session that has not changed");
    assert_eq!((bytes("set"), bytes("rotate")), (vec![12.0; 3], vec![12.0; 3]));
    assert_eq!(bytes("import"), [13.0; 2], "and none of a record that is dead");
    assert_eq!(telemetry.metrics.keys().filter(|name| name.contains("data_bytes")).count(), 5);
}

#[test]
fn bytes_that_were_refused_are_not_written() {
    let (telemetry, ()) = capture(|| async {
        for (_, call) in every_method() {
            call(&Observed::new(FixedAnswers(Answers::Error(ErrorKind::TooLarge)), "fixed")).await;
        }
    });
    assert_eq!(telemetry.metrics.keys().filter(|name| name.contains("data_bytes")).count(), 0, "{telemetry:?}");
}

#[test]
fn a_wrapper_around_a_wrapper_tells_by_its_own_name() {
    let (telemetry, ()) = capture(|| async {
        let store = Observed::new(Observed::new(FixedAnswers(Answers::Live), "inner"), "outer");
        for (_, call) in every_method() {
            call(&store).await;
        }
    });
    for store in ["inner", "outer"] {
        assert_eq!(telemetry.counters(&format!("operations_total{{store={store},")).len(), 16, "{telemetry:?}");
        let events: Vec<_> = telemetry.counters(&format!("events_total{{store={store},"));
        assert_eq!(events.iter().map(|(_, count)| count).sum::<u64>(), 1 + 1 + 1 + 1 + 1 + 11 + 12 + 14, "{events:?}");
    }
}

#[test]
fn an_import_is_an_event_and_one_of_a_dead_record_is_none() {
    let events = CapturedEvents::default();
    let (telemetry, ()) = capture(|| async {
        for answers in [Answers::Live, Answers::Gone, Answers::Error(ErrorKind::Timeout)] {
            let store = Observed::new(FixedAnswers(answers), "fixed").with_audit(events.clone());
            drop(store.import(&KEY, &record_of_another_store()).await);
        }
    });
    assert_eq!(events.take(), [format!("imported 1 {}", KEY.to_text())]);
    let counter = "session_store_events_total{store=fixed,event=imported,reason=}";
    assert_eq!(telemetry.counters("events_total"), [(counter, 1)], "{telemetry:?}");
}

#[test]
fn a_destroy_at_a_version_is_an_event_like_any_other() {
    let events = CapturedEvents::default();
    let (_, ()) = capture(|| async {
        for answers in [Answers::Live, Answers::Gone, Answers::Error(ErrorKind::Conflict)] {
            let store = Observed::new(FixedAnswers(answers), "fixed").with_audit(events.clone());
            drop(store.destroy_if(&KEY, VERSION).await);
        }
    });
    let key = KEY.to_text();
    assert_eq!(events.take(), [format!("ended destroyed 1 {key}"), format!("conflict 1 {key}")]);
}

#[test]
fn the_placement_is_that_of_the_store_within() {
    assert_eq!(Observed::new(FixedAnswers(Answers::Live), "fixed").placement(&KEY), 7);
}
