//! The application by HTTP, over memory and over a Redis server of the test's own.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::time::Duration;

use reqwest::Method;

use crate::support::{ANN, Answer, BEN, Kind, Stage, a_moment, user_id};

async fn a_wrong_password_is_refused_and_nobody_is_logged_in(kind: Kind) {
    let stage = Stage::new(kind).await;
    for (name, password) in [("ann", "blue-bicycle"), ("ann", ""), ("nobody", "apple-tree")] {
        let browser = stage.browser();
        let answer = browser.try_to_log_in(name, password).await;
        assert_eq!((answer.status, answer.location.as_str()), (303, "/login?next=/"), "{name}");
        let text = browser.get("/login").await.text;
        assert!(text.contains("The name or the password is wrong."), "{text}");
        assert!(!browser.get("/login").await.text.contains("wrong"), "it is said once");
        assert_eq!(browser.greeted().await, None, "{name}");
    }
    assert_eq!((stage.keys(ANN).await.len(), stage.keys(BEN).await.len()), (0, 0));
}

async fn a_visitor_who_only_looks_has_no_session(kind: Kind) {
    let stage = Stage::new(kind).await;
    let browser = stage.browser();
    assert_eq!(browser.get("/login").await.set_cookie, "");
    assert_eq!(browser.get("/sessions").await.location, "/login?next=%2Fsessions");
    assert_eq!((browser.cookie(), stage.count().await), (None, 0));
}

async fn a_login_gives_a_new_id_and_greets_the_user(kind: Kind) {
    let stage = Stage::new(kind).await;
    let browser = stage.browser();
    browser.try_to_log_in("ann", "wrong").await;
    let before = browser.cookie();
    assert!(before.is_some(), "there is a session with the message");
    let answer = browser.try_to_log_in("ann", "apple-tree").await;
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=86400"] {
        assert!(answer.set_cookie.contains(attribute), "{attribute}: {answer:?}");
    }
    assert!(browser.cookie().is_some());
    assert_ne!(browser.cookie(), before);
    assert!(browser.get("/").await.text.contains("You are logged in."));
    assert_eq!(browser.greeted().await.as_deref(), Some("ann"));
    assert_eq!(browser.with_cookie(before).greeted().await, None, "whoever has planted the old ID is logged in");
    assert_eq!((stage.keys(ANN).await, stage.count().await), (vec![stage.key(&browser)], 1));
}

async fn a_login_over_a_login_ends_the_first_session(kind: Kind) {
    let stage = Stage::new(kind).await;
    let browser = stage.logged_in("ann").await;
    let before = browser.cookie();
    browser.log_in("ben").await;
    assert_ne!(browser.cookie(), before);
    assert_eq!(browser.greeted().await.as_deref(), Some("ben"));
    assert_eq!(browser.with_cookie(before).greeted().await, None);
    assert_eq!((stage.keys(ANN).await, stage.keys(BEN).await), (vec![], vec![stage.key(&browser)]));
}

async fn each_browser_is_told_which_session_is_its_own(kind: Kind) {
    let stage = Stage::new(kind).await;
    let (phone, laptop, other) =
        (stage.logged_in("ann").await, stage.logged_in("ann").await, stage.logged_in("ben").await);
    let (of_phone, of_laptop) = (stage.key(&phone), stage.key(&laptop));
    assert_eq!(phone.listed().await, [(of_phone.clone(), true), (of_laptop.clone(), false)]);
    assert_eq!(laptop.listed().await, [(of_laptop, true), (of_phone, false)]);
    assert_eq!(other.listed().await, [(stage.key(&other), true)]);
}

async fn one_browser_ends_another_which_is_sent_to_the_login(kind: Kind) {
    let stage = Stage::new(kind).await;
    let (phone, laptop) = (stage.logged_in("ann").await, stage.logged_in("ann").await);
    let form = format!("key={}", stage.key(&phone));
    assert_eq!(laptop.submit("/sessions/end", &form).await.location, "/sessions");
    assert!(laptop.get("/sessions").await.text.contains("The session is ended."));
    assert_eq!(laptop.listed().await, [(stage.key(&laptop), true)]);
    let sent = phone.get("/sessions").await;
    assert_eq!((sent.status, sent.location.as_str()), (307, "/login?next=%2Fsessions"));
    assert_eq!(phone.cookie(), None);
    laptop.submit("/sessions/end", &form).await;
    assert!(laptop.get("/sessions").await.text.contains("There is no such session any more."));
}

async fn a_form_of_a_session_that_has_ended_leads_to_the_login(kind: Kind) {
    let stage = Stage::new(kind).await;
    let (phone, laptop) = (stage.logged_in("ann").await, stage.logged_in("ann").await);
    laptop.submit("/sessions/end-others", "").await;
    let form = format!("key={}", stage.key(&laptop));
    let cookie = phone.cookie();
    for path in ["/sessions/end", "/sessions/end-others", "/logout"] {
        let answer = phone.with_cookie(cookie.clone()).submit(path, &form).await;
        assert_eq!((answer.status, answer.location.as_str()), (303, "/login"), "{path}");
    }
    assert_eq!(laptop.greeted().await.as_deref(), Some("ann"));
}

async fn all_others_are_ended_and_this_one_stays(kind: Kind) {
    let stage = Stage::new(kind).await;
    let (phone, laptop, tablet, other) = (
        stage.logged_in("ann").await,
        stage.logged_in("ann").await,
        stage.logged_in("ann").await,
        stage.logged_in("ben").await,
    );
    assert_eq!(laptop.submit("/sessions/end-others", "").await.location, "/sessions");
    assert!(laptop.get("/sessions").await.text.contains("Other sessions that are ended: 2."));
    assert_eq!(laptop.listed().await, [(stage.key(&laptop), true)]);
    for ended in [phone, tablet] {
        assert_eq!(ended.greeted().await, None);
    }
    assert_eq!(other.greeted().await.as_deref(), Some("ben"));
}

async fn after_a_logout_the_cookie_is_worth_nothing(kind: Kind) {
    let stage = Stage::new(kind).await;
    let (phone, laptop) = (stage.logged_in("ann").await, stage.logged_in("ann").await);
    let before = phone.cookie();
    assert_eq!(laptop.listed().await.len(), 2);
    assert_eq!(phone.submit("/logout", "").await.location, "/login");
    assert_eq!(phone.cookie(), None);
    assert_eq!(phone.with_cookie(before).greeted().await, None);
    assert_eq!(laptop.listed().await, [(stage.key(&laptop), true)]);
    assert_eq!(stage.count().await, 1);
}

async fn to_end_this_session_is_to_log_out(kind: Kind) {
    let stage = Stage::new(kind).await;
    let browser = stage.logged_in("ann").await;
    let before = browser.cookie();
    let answer = browser.submit("/sessions/end", &format!("key={}", stage.key(&browser))).await;
    assert_eq!((answer.status, answer.location.as_str()), (303, "/login"));
    assert_eq!((browser.cookie(), stage.count().await), (None, 0));
    assert_eq!(browser.with_cookie(before).greeted().await, None);
}

async fn a_session_is_not_ended_by_another_user(kind: Kind) {
    let stage = Stage::new(kind).await;
    let (victim, other) = (stage.logged_in("ann").await, stage.logged_in("ben").await);
    for key in [stage.key(&victim), "nonsense".to_owned(), String::new()] {
        assert_eq!(other.submit("/sessions/end", &format!("key={key}")).await.location, "/sessions");
        assert!(other.get("/sessions").await.text.contains("There is no such session any more."));
    }
    assert_eq!(victim.greeted().await.as_deref(), Some("ann"));
    assert_eq!(stage.count().await, 2);
}

async fn a_form_from_another_site_is_refused(kind: Kind) {
    let stage = Stage::new(kind).await;
    let (phone, laptop) = (stage.logged_in("ann").await, stage.logged_in("ann").await);
    let key = format!("key={}", stage.key(&laptop));
    let login = "name=ben&password=blue-bicycle&next=/";
    let elsewhere: [&[(&str, &str)]; 6] = [
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "http://evil.example")],
        &[("origin", "http://127.0.0.1")],
        &[("origin", "null")],
        &[],
    ];
    for headers in elsewhere {
        let forms = [("/login", login), ("/logout", ""), ("/sessions/end", &key), ("/sessions/end-others", "")];
        for (path, form) in forms {
            let answer = phone.send(Method::POST, path, headers, form).await;
            assert_eq!((answer.status, answer.set_cookie.as_str()), (403, ""), "{path}, {headers:?}");
        }
    }
    assert_eq!((stage.keys(ANN).await.len(), stage.count().await), (2, 2));
    let own: &[(&str, &str)] = &[("sec-fetch-site", "same-origin")];
    assert_eq!(phone.send(Method::POST, "/sessions/end", own, &key).await.location, "/sessions");
    assert_eq!(stage.keys(ANN).await, [stage.key(&phone)]);
}

async fn the_user_of_every_session_is_known_outside_the_application(kind: Kind) {
    let stage = Stage::new(kind).await;
    let (phone, laptop, other) =
        (stage.logged_in("ann").await, stage.logged_in("ann").await, stage.logged_in("ben").await);
    let mut expected = [stage.key(&phone), stage.key(&laptop)];
    let mut found = stage.keys(ANN).await;
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(stage.keys(BEN).await, [stage.key(&other)]);
    assert_eq!(stage.count().await, 3);
    // As after a change of the password.
    assert_eq!(stage.outside.destroy_all(&user_id(ANN)).await.unwrap(), 2);
    assert_eq!((phone.greeted().await, laptop.greeted().await), (None, None));
    assert_eq!(other.greeted().await.as_deref(), Some("ben"));
}

async fn each_request_is_seen(kind: Kind) {
    let stage = Stage::new(kind).await;
    let browser = stage.logged_in("ann").await;
    browser.greeted().await; // which has taken the message out, and writes
    let before = stage.seen_after_login(ANN).await;
    a_moment().await;
    browser.greeted().await;
    assert!(stage.seen_after_login(ANN).await >= before + Duration::from_millis(10));
}

async fn sessions_outlive_the_application(kind: Kind) {
    let stage = Stage::new(kind).await;
    let browser = stage.logged_in("ann").await;
    let later = support::Browser::new(&stage.again().await).with_cookie(browser.cookie());
    assert_eq!(later.greeted().await.as_deref(), Some("ann"));
    assert_eq!(later.listed().await, [(stage.key(&browser), true)]);
}

async fn a_login_leads_to_a_page_of_this_site_only(kind: Kind) {
    let stage = Stage::new(kind).await;
    let asked = async |next: &str| -> Answer {
        stage.browser().submit("/login", &format!("name=ann&password=apple-tree&next={next}")).await
    };
    assert_eq!(asked("%2Fsessions").await.location, "/sessions");
    for elsewhere in ["https://evil.example/", "//evil.example/", "/\\evil.example", ""] {
        assert_eq!(asked(elsewhere).await.location, "/", "{elsewhere}");
    }
    let page = stage.browser().get("/login?next=%22%3E%3Cscript%3E").await.text;
    assert!(page.contains("name=\"next\" type=\"hidden\" value=\"/\"") && !page.contains("script"), "{page}");
}

/// All of them, on each store.
macro_rules! scenarios {
    ($($scenario:ident)+) => {
        scenarios!(memory, Memory, $($scenario)+);
        scenarios!(redis, Redis, $($scenario)+);
    };
    ($module:ident, $kind:ident, $($scenario:ident)+) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $scenario() {
                    super::$scenario(crate::support::Kind::$kind).await;
                }
            )+
        }
    };
}

scenarios!(
    a_wrong_password_is_refused_and_nobody_is_logged_in
    a_visitor_who_only_looks_has_no_session
    a_login_gives_a_new_id_and_greets_the_user
    a_login_over_a_login_ends_the_first_session
    each_browser_is_told_which_session_is_its_own
    one_browser_ends_another_which_is_sent_to_the_login
    a_form_of_a_session_that_has_ended_leads_to_the_login
    all_others_are_ended_and_this_one_stays
    after_a_logout_the_cookie_is_worth_nothing
    to_end_this_session_is_to_log_out
    a_session_is_not_ended_by_another_user
    a_form_from_another_site_is_refused
    the_user_of_every_session_is_known_outside_the_application
    each_request_is_seen
    sessions_outlive_the_application
    a_login_leads_to_a_page_of_this_site_only
);
