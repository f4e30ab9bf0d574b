//! What has to hold for each application, on each store.

use std::net::TcpListener;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use session_store_core::{Page, SetMode, UserId, Version, Write};
use session_store_middleware::{Adapter, Data, WhenGone};
use tokio::time::sleep;

use crate::app::{App, Gate, Setup};
use crate::backend::{Backend, Kind};
use crate::browser::Browser;

const HOUR: Duration = Duration::from_hours(1);

/// An application, and the store that it is on.
pub(crate) struct Stage {
    pub(crate) backend: Backend,
    pub(crate) adapter: Adapter,
    pub(crate) gate: Gate,
    pub(crate) url: String,
}

impl Stage {
    pub(crate) async fn new(app: impl App, kind: Kind) -> Self {
        Self::with(app, kind, HOUR, WhenGone::default()).await
    }

    async fn with(app: impl App, kind: Kind, timeout: Duration, when_gone: WhenGone) -> Self {
        let backend = Backend::new(kind).await;
        let adapter = Adapter::new(backend.store.clone()).user_at("/user").when_gone(when_gone);
        let gate = Gate::new();
        let url = serve(app, Setup { adapter: adapter.clone(), timeout, gate: gate.clone() });
        Self { backend, adapter, gate, url }
    }

    fn browser(&self) -> Browser {
        Browser::new(&self.url)
    }

    pub(crate) async fn logged_in(&self, user: &str) -> Browser {
        let browser = self.browser();
        browser.post(&format!("/login/{user}")).await;
        assert_eq!(browser.get("/read").await, format!("{user} 0"));
        browser
    }

    /// Of this user, with their data.
    pub(crate) async fn listed(&self, name: &str) -> Vec<(session_store_core::SessionKey, Data, Version)> {
        let listing = self.adapter.list(&user(name), &Page::first(100).unwrap()).await.unwrap();
        listing.sessions.into_iter().map(|listed| (listed.key, listed.data.unwrap(), listed.meta.version)).collect()
    }

    async fn count(&self) -> u64 {
        self.backend.store.count().await.unwrap()
    }
}

fn serve(app: impl App, setup: Setup) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    app.serve(listener, setup);
    url
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub(crate) async fn a_login_gives_a_new_id_and_the_old_one_is_worth_nothing(app: impl App, kind: Kind) {
    let stage = Stage::new(app, kind).await;
    let browser = stage.browser();
    assert_eq!(browser.get("/read").await, "nobody 0");
    assert_eq!(browser.post("/count").await, "1");
    let (before, visitor) = (browser.cookies(), browser.copy(None));
    assert_eq!(stage.listed("ann").await.len(), 0);
    browser.post("/login/ann").await;
    assert_ne!(browser.cookies(), before, "the ID is the same");
    assert_eq!(browser.get("/read").await, "ann 1");
    assert_eq!(visitor.get("/read").await, "nobody 0");
    assert_eq!(stage.listed("ann").await.len(), 1);
    browser.post("/logout").await;
    assert_eq!(browser.get("/read").await, "nobody 0");
    assert_eq!(stage.listed("ann").await.len(), 0);
}

pub(crate) async fn requests_at_once_keep_their_sessions(app: impl App, kind: Kind) {
    let stage = Stage::new(app, kind).await;
    let names: Vec<_> = (0..20).map(|number| format!("user{number}")).collect();
    join_all(names.iter().map(async |name| {
        let browser = stage.logged_in(name).await;
        for count in 1..=3 {
            assert_eq!(browser.post("/count").await, count.to_string());
        }
        assert_eq!(browser.get("/read").await, format!("{name} 3"));
    }))
    .await;
    // In one session the last one wins, but nothing breaks.
    let browser = stage.logged_in("ann").await;
    join_all((0..8).map(async |_| browser.copy(None).post("/count").await)).await;
    let (user, count) = browser.get("/read").await.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert_eq!(user, "ann");
    assert!((1..=8).contains(&count.parse().unwrap()), "{count}");
    assert_eq!(stage.listed("ann").await.len(), 1);
}

async fn slow_request_during<A: App>(app: A, kind: Kind, when_gone: WhenGone, path: &'static str, is_logout: bool) {
    let stage = Stage::with(app, kind, HOUR, when_gone).await;
    let browser = stage.logged_in("ann").await;
    let slow = browser.copy(None);
    let answer = tokio::spawn({
        let slow = slow.clone();
        async move { slow.send(Method::POST, path).await }
    });
    stage.gate.wait().await;
    if is_logout {
        browser.post("/logout").await;
    } else {
        assert_eq!(stage.adapter.destroy_all(&user("ann")).await.unwrap(), 1);
    }
    stage.gate.open();
    let answer = answer.await.unwrap();
    let is_told = A::TELLS_WHAT_IS_LOST && when_gone == WhenGone::Refuse;
    assert_eq!(answer.status >= 500, is_told, "{answer:?}");
    assert_eq!(slow.get("/read").await, "nobody 0", "the session is back");
    assert_eq!(stage.listed("ann").await.len(), 0, "the session is back");
}

pub(crate) async fn a_logout_while_a_request_runs_is_final(app: impl App, kind: Kind) {
    slow_request_during(app, kind, WhenGone::Refuse, "/slow", true).await;
    slow_request_during(app, kind, WhenGone::Refuse, "/slow", false).await;
}

pub(crate) async fn what_is_lost_can_be_discarded(app: impl App, kind: Kind) {
    slow_request_during(app, kind, WhenGone::Discard, "/slow", true).await;
}

pub(crate) async fn a_session_that_ends_before_it_gets_a_new_id_has_none(app: impl App, kind: Kind) {
    slow_request_during(app, kind, WhenGone::Refuse, "/slow-renew", false).await;
    slow_request_during(app, kind, WhenGone::Discard, "/slow-renew", false).await;
}

/// Both at once, because both wait.
pub(crate) async fn a_session_lives_while_it_is_used_and_no_longer(app: impl App, kind: Kind) {
    tokio::join!(ends_when_its_time_is_over(app, kind), lives_on_and_is_not_written(app, kind));
}

async fn ends_when_its_time_is_over(app: impl App, kind: Kind) {
    let stage = Stage::with(app, kind, Duration::from_secs(2), WhenGone::default()).await;
    let browser = stage.logged_in("ann").await;
    let cookies = browser.cookies();
    sleep(Duration::from_millis(3_100)).await;
    // As one that does not heed what it is told of the cookie.
    browser.set_cookies(cookies);
    assert_eq!(stage.count().await, 0);
    assert_eq!(browser.get("/read").await, "nobody 0");
    assert_eq!(stage.listed("ann").await.len(), 0);
}

async fn lives_on_and_is_not_written<A: App>(app: A, kind: Kind) {
    let stage = Stage::with(app, kind, Duration::from_secs(2), WhenGone::default()).await;
    let browser = stage.logged_in("ann").await;
    browser.post("/count").await;
    let [(key, _, before)] = stage.listed("ann").await.try_into().unwrap();
    for _ in 0..5 {
        sleep(Duration::from_millis(700)).await;
        if A::EXTENDS_UNCHANGED {
            assert_eq!(browser.get("/read").await, "ann 1");
        } else {
            browser.post("/same").await;
        }
    }
    browser.post("/same").await;
    let [(still, _, after)] = stage.listed("ann").await.try_into().unwrap();
    assert_eq!((still, after), (key, before), "what has not changed was written");
    browser.post("/count").await;
    let [(_, data, written)] = stage.listed("ann").await.try_into().unwrap();
    assert_ne!(written, before);
    assert_eq!(data.get::<u64>("count"), Some(2));
}

pub(crate) async fn sessions_are_listed_and_ended_from_elsewhere(app: impl App, kind: Kind) {
    let stage = Stage::new(app, kind).await;
    let (phone, laptop, other) =
        (stage.logged_in("ann").await, stage.logged_in("ann").await, stage.logged_in("ben").await);
    phone.post("/count").await;
    let of_phone = |listed: &[(session_store_core::SessionKey, Data, Version)]| {
        listed.iter().find(|(_, data, _)| data.get::<u64>("count") == Some(1)).map(|(key, ..)| *key)
    };
    let listed = stage.listed("ann").await;
    let key = of_phone(&listed).unwrap();
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|(_, data, _)| data.get::<String>("user").as_deref() == Some("ann")));
    assert!(!stage.adapter.end(&user("ben"), &key).await.unwrap(), "it is not ben's");
    assert!(stage.adapter.end(&user("ann"), &key).await.unwrap());
    let is = async |browser: &Browser| browser.copy(None).get("/read").await;
    assert_eq!((is(&phone).await, is(&laptop).await), ("nobody 0".to_owned(), "ann 0".to_owned()));
    let third = stage.logged_in("ann").await;
    third.post("/count").await;
    let key = of_phone(&stage.listed("ann").await).unwrap();
    assert_eq!(stage.adapter.destroy_others(&user("ann"), &key).await.unwrap(), 1);
    assert_eq!((is(&third).await, is(&laptop).await), ("ann 1".to_owned(), "nobody 0".to_owned()));
    assert_eq!(stage.adapter.destroy_all(&user("ann")).await.unwrap(), 1);
    assert_eq!((is(&third).await, is(&other).await), ("nobody 0".to_owned(), "ben 0".to_owned()));
}

pub(crate) async fn a_database_that_is_down_is_an_error_and_no_logout(app: impl App, kind: Kind) {
    let stage = Stage::new(app, kind).await;
    let browser = stage.logged_in("ann").await;
    let cookies = browser.cookies();
    stage.backend.fail();
    for (method, path) in [(Method::GET, "/read"), (Method::POST, "/count")] {
        let answer = browser.send(method, path).await;
        assert!(answer.status >= 500, "{path}: {answer:?}");
        assert!(!answer.text.contains("nobody"), "{path}: {answer:?}");
    }
    assert_eq!(browser.cookies(), cookies, "the visitor was logged out");
    stage.backend.mend().await;
    if stage.backend.keeps_all() {
        assert_eq!(browser.get("/read").await, "ann 0");
    }
    assert_eq!(stage.logged_in("ben").await.get("/read").await, "ben 0");
}

pub(crate) async fn a_session_that_cannot_be_read_is_an_error_and_stays(app: impl App, kind: Kind) {
    let stage = Stage::new(app, kind).await;
    let browser = stage.logged_in("ann").await;
    let cookies = browser.cookies();
    let [(key, ..)] = stage.listed("ann").await.try_into().unwrap();
    let write = Write::new("random-thing", HOUR, HOUR).unwrap();
    stage.backend.store.set(&key, &write, SetMode::Replace).await.unwrap();
    for (method, path) in [(Method::GET, "/read"), (Method::POST, "/count")] {
        let answer = browser.send(method, path).await;
        assert!(answer.status >= 500, "{path}: {answer:?}");
        assert!(!answer.text.contains("nobody"), "{path}: {answer:?}");
    }
    assert_eq!(browser.cookies(), cookies, "the visitor was logged out");
    assert_eq!(stage.backend.store.get(&key).await.unwrap().unwrap().data, "random-thing");
}

pub(crate) async fn an_id_that_has_ended_is_not_used_again(app: impl App, kind: Kind) {
    let stage = Stage::new(app, kind).await;
    let browser = stage.logged_in("ann").await;
    let ended = browser.cookies();
    browser.post("/logout").await;
    browser.set_cookies(ended.clone());
    assert_eq!(browser.get("/read").await, "nobody 0");
    browser.set_cookies(ended.clone());
    assert_eq!(browser.post("/count").await, "1");
    assert_ne!(browser.cookies(), ended);
    browser.set_cookies(ended.clone());
    browser.post("/login/ben").await;
    assert_ne!(browser.cookies(), ended);
    assert_eq!(browser.get("/read").await, "ben 0");
    let garbage = ended.into_keys().map(|name| (name, "k1_not-a-session".to_owned())).collect();
    browser.set_cookies(garbage);
    assert_eq!(browser.get("/read").await, "nobody 0");
}

pub(crate) async fn nodes_share_sessions(app: impl App, kind: Kind) {
    let stage = Stage::new(app, kind).await;
    // With an adapter of its own, as another process has.
    let adapter = Adapter::new(stage.backend.store.clone()).user_at("/user");
    let node = serve(app, Setup { adapter, timeout: HOUR, gate: Gate::new() });
    let browser = stage.logged_in("ann").await;
    let there = browser.copy(Some(&node));
    assert_eq!(there.post("/count").await, "1");
    assert_eq!(browser.get("/read").await, "ann 1");
    there.post("/logout").await;
    assert_eq!(browser.get("/read").await, "nobody 0");
}

pub(crate) async fn values_come_back_exactly(app: impl App, kind: Kind) {
    let stage = Stage::new(app, kind).await;
    let browser = stage.logged_in("ann").await;
    browser.post("/put").await;
    assert_eq!(browser.get("/check").await, "same");
    // Also after they were written anew, from what was read.
    browser.post("/count").await;
    assert_eq!(browser.get("/check").await, "same");
    let [(_, data, _)] = stage.listed("ann").await.try_into().unwrap();
    assert_eq!(data.get::<serde_json::Value>("values"), Some(crate::app::values()));
}

/// All scenarios for one application, on each store.
macro_rules! scenarios {
    ($app:expr) => {
        scenarios!($app, memory, Memory);
        scenarios!($app, redis, Redis);
    };
    ($app:expr, $module:ident, $kind:ident) => {
        scenarios!(
            $app,
            $module,
            $kind,
            a_login_gives_a_new_id_and_the_old_one_is_worth_nothing
            requests_at_once_keep_their_sessions
            a_logout_while_a_request_runs_is_final
            what_is_lost_can_be_discarded
            a_session_that_ends_before_it_gets_a_new_id_has_none
            a_session_lives_while_it_is_used_and_no_longer
            sessions_are_listed_and_ended_from_elsewhere
            a_database_that_is_down_is_an_error_and_no_logout
            a_session_that_cannot_be_read_is_an_error_and_stays
            an_id_that_has_ended_is_not_used_again
            nodes_share_sessions
            values_come_back_exactly
        );
    };
    ($app:expr, $module:ident, $kind:ident, $($scenario:ident)+) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $scenario() {
                    crate::scenarios::$scenario($app, crate::backend::Kind::$kind).await;
                }
            )+
        }
    };
}

pub(crate) use scenarios;
