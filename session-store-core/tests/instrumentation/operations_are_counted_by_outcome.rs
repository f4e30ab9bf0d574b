//! Each operation of an observed store is counted and timed by its outcome, and does what the store within does.
#![cfg(feature = "observed")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod stage_of_stores;
mod told;

use std::pin::Pin;
use std::time::Duration;

use session_store_core::observed::Observed;
use session_store_core::{ErrorKind, Owner, Page, SessionKey, SessionStore, SetMode, UserId, Write};
use tokio::time::timeout;

use self::stage_of_stores::{Answers, Fixed};
use self::told::told;

const KEY: SessionKey = SessionKey::from_bytes([1; 32]);
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

fn every_method() -> [(&'static str, Call); 11] {
    calls! {
        get => |store| store.get(&KEY);
        set => |store| store.set(&KEY, &write(), SetMode::Create);
        touch => |store| store.touch(&KEY, MINUTE);
        destroy => |store| store.destroy(&KEY);
        rotate => |store| store.rotate(&KEY, &SessionKey::from_bytes([2; 32]), &write(), None);
        list_by_user => |store| store.list_by_user(&alice(), &page());
        destroy_by_user => |store| store.destroy_by_user(&alice(), None);
        prune => |store| store.prune(1);
        count => |store| store.count();
        clear => |store| store.clear();
        ping => |store| store.ping();
    }
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

/// That one operation is told as this outcome, once, at this level.
fn is_told(name: &str, call: Call, answers: Answers, outcome: &str, level: &str) {
    let (told, _) = told(|| async move {
        let store = Observed::new(Fixed(answers), "fixed");
        timeout(Duration::from_millis(250), call(&store)).await
    });
    let expected = format!("session_store_operations_total{{store=fixed,operation={name},outcome={outcome}}}");
    assert_eq!(told.counters("operations_total"), [(expected.as_str(), 1)], "{told:?}");
    let seconds = told.histogram(&format!("session_store_operation_seconds{{store=fixed,operation={name}}}"));
    assert!(seconds.len() == 1 && (0.0..5.0).contains(&seconds[0]), "{told:?}");
    let lines = told.lines(&format!("operation=\"{name}\""));
    assert_eq!(lines.len(), 1, "{}", told.log);
    assert!(lines[0].contains(level) && lines[0].contains(&format!("outcome=\"{outcome}\"")), "{}", told.log);
    assert!(lines[0].contains("store=\"fixed\"") && lines[0].contains("session_store:"), "{}", told.log);
}

#[test]
fn every_method_that_succeeds() {
    for (name, call) in every_method() {
        is_told(name, call, Answers::Live, "ok", "DEBUG");
    }
}

#[test]
fn every_method_of_a_session_that_is_gone() {
    for (name, call) in every_method() {
        let outcome = if ["get", "touch", "destroy"].contains(&name) { "gone" } else { "ok" };
        is_told(name, call, Answers::Gone, outcome, "DEBUG");
    }
}

#[test]
fn every_method_that_fails_by_the_kind() {
    for (name, call) in every_method() {
        for kind in KINDS {
            let level = if REFUSALS.contains(&kind) { "DEBUG" } else { "WARN" };
            is_told(name, call, Answers::Error(kind), kind.as_str(), level);
        }
    }
}

#[test]
fn every_method_that_its_caller_gives_up() {
    for (name, call) in every_method() {
        is_told(name, call, Answers::Never, "dropped", "DEBUG");
    }
}

/// What was never begun is not told.
#[test]
fn a_future_that_was_not_polled_is_none() {
    let (told, ()) = told(|| async {
        let store = Observed::new(Fixed(Answers::Live), "fixed");
        drop(store.get(&KEY));
    });
    assert!(told.metrics.is_empty() && told.log.is_empty(), "{told:?}");
}

#[tokio::test]
async fn answers_are_those_of_the_store_within() {
    for (name, call) in every_method() {
        let observed = |answers| Observed::new(Fixed(answers), "fixed");
        assert_eq!(call(&observed(Answers::Live)).await, None, "{name}");
        for kind in KINDS {
            assert_eq!(call(&observed(Answers::Error(kind))).await, Some(kind), "{name}");
        }
    }
}

#[test]
fn bytes_that_were_read_and_written() {
    let (told, ()) = told(|| async {
        for (_, call) in every_method() {
            call(&Observed::new(Fixed(Answers::Live), "fixed")).await;
            call(&Observed::new(Fixed(Answers::Gone), "fixed")).await;
        }
    });
    let bytes = |name| told.histogram(&format!("session_store_data_bytes{{store=fixed,operation={name}}}"));
    assert_eq!(bytes("get"), [4.0], "and none of a session that is gone");
    assert_eq!((bytes("set"), bytes("rotate")), (vec![12.0; 2], vec![12.0; 2]));
    assert_eq!(told.metrics.keys().filter(|name| name.contains("data_bytes")).count(), 3);
}

#[test]
fn bytes_that_were_refused_are_not_written() {
    let (told, ()) = told(|| async {
        for (_, call) in every_method() {
            call(&Observed::new(Fixed(Answers::Error(ErrorKind::TooLarge)), "fixed")).await;
        }
    });
    assert_eq!(told.metrics.keys().filter(|name| name.contains("data_bytes")).count(), 0, "{told:?}");
}

#[test]
fn a_wrapper_around_a_wrapper_tells_by_its_own_name() {
    let (told, ()) = told(|| async {
        let store = Observed::new(Observed::new(Fixed(Answers::Live), "inner"), "outer");
        for (_, call) in every_method() {
            call(&store).await;
        }
    });
    for store in ["inner", "outer"] {
        assert_eq!(told.counters(&format!("operations_total{{store={store},")).len(), 11, "{told:?}");
        let events: Vec<_> = told.counters(&format!("events_total{{store={store},"));
        assert_eq!(events.iter().map(|(_, count)| count).sum::<u64>(), 1 + 1 + 1 + 11 + 12 + 14, "{events:?}");
    }
}
