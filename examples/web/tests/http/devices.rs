//! The list of devices, and ending sessions from there.

use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use session_store::{Login, Sessions, UserId};

use crate::support::{FIREFOX, OWN_PAGE, Shop};

#[tokio::test]
async fn each_device_lists_both_and_marks_itself() {
    let shop = Shop::open().await;
    let one = shop.browser_of("ann").await;
    let other = shop.browser_named("curl/8.5.0");
    other.log_in("ann").await;
    let _stranger = shop.browser_of("ben").await;
    for browser in [&one, &other] {
        let page = browser.get("/devices").await;
        assert_eq!(page.devices(), (2, 1), "{}", page.body);
        assert!(page.body.contains("Firefox on Linux") && page.body.contains("curl"));
        assert_eq!(page.values_of("key").len(), 1, "its own has no button");
    }
    assert!(other.get("/devices").await.body.contains(">curl <span class=\"badge\">this one"));
}

#[tokio::test]
async fn ending_one_session_from_another_logs_it_out() {
    let shop = Shop::open().await;
    let (one, other) = (shop.browser_of("ann").await, shop.browser_of("ann").await);
    let key = one.get("/devices").await.value_of("key").unwrap();
    let ended = one.submit("/devices/end", &[("key", &key)]).await;
    assert_eq!(ended.location(), "/devices?notice=ended");
    assert!(one.get(ended.location()).await.body.contains("That session is ended."));
    assert!(other.is_told_that_it_ended().await);

    assert_eq!(one.get("/devices").await.devices(), (1, 1));
    let again = one.submit("/devices/end", &[("key", &key)]).await;
    assert_eq!(again.location(), "/devices?notice=gone");
}

#[tokio::test]
async fn a_session_that_has_ended_is_told_so_on_every_page_and_by_every_form() {
    let shop = Shop::open().await;
    let browser = shop.browser_of("ann").await;
    let (cookie, token) = (browser.cookie(), browser.token().await);
    shop.store.clear().await.unwrap();
    for (method, path) in [("GET", "/"), ("GET", "/admin"), ("POST", "/counter"), ("POST", "/devices/end-others")] {
        browser.set_cookie(cookie.clone());
        let page = browser.send(method, path, &[("token", &token)], &OWN_PAGE).await;
        assert!(page.location().starts_with("/login?notice=ended&"), "{path} {page:?}");
        assert_eq!(browser.cookie(), None);
    }
    assert_eq!(shop.sessions().await, 0);
}

#[tokio::test]
async fn ending_all_others_leaves_this_one_and_those_of_other_users() {
    let shop = Shop::open().await;
    let (here, one, other) = (shop.browser_of("ann").await, shop.browser_of("ann").await, shop.browser_of("ann").await);
    let stranger = shop.browser_of("ben").await;
    let ended = here.submit("/devices/end-others", &[]).await;
    assert!(here.get(ended.location()).await.body.contains("2 other sessions are ended."));
    assert!(one.is_told_that_it_ended().await && other.is_told_that_it_ended().await);
    assert_eq!(here.get("/devices").await.devices(), (1, 1));
    assert_eq!(stranger.get("/devices").await.status, StatusCode::OK);
}

#[tokio::test]
async fn another_users_session_cannot_be_ended_by_its_key() {
    let shop = Shop::open().await;
    let (victim, _second) = (shop.browser_of("ann").await, shop.browser_of("ann").await);
    let key = victim.get("/devices").await.value_of("key").unwrap();
    let ben = shop.browser_of("ben").await;
    assert_eq!(ben.submit("/devices/end", &[("key", &key)]).await.location(), "/devices?notice=gone");
    assert_eq!(victim.get("/devices").await.devices(), (2, 1));
    for nonsense in ["", "k1_", "<b>", &key[..20]] {
        assert_eq!(ben.submit("/devices/end", &[("key", nonsense)]).await.status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn ending_this_one_is_a_logout() {
    let shop = Shop::open().await;
    let (one, other) = (shop.browser_of("ann").await, shop.browser_of("ann").await);
    let key = other.get("/devices").await.value_of("key").unwrap();
    assert_eq!(one.submit("/devices/end", &[("key", &key)]).await.location(), "/login?notice=logged-out");
    assert_eq!(one.cookie(), None);
}

/// Twenty-five that hold something else than this release of the shop would.
#[tokio::test]
async fn more_devices_than_fit_on_a_page_are_all_there_and_end_though_they_cannot_be_read() {
    let shop = Shop::open().await;
    let browser = shop.browser_of("ann").await;
    let foreign = Sessions::<Vec<bool>>::new(Arc::clone(&shop.store));
    for _ in 0..25 {
        foreign.login(Login::new(UserId::new("ann").unwrap(), vec![true])).await.unwrap();
    }
    let first = browser.get("/devices").await;
    let (_, rest) = first.body.split_once("href=\"/devices?after=").unwrap();
    let second = browser.get(&format!("/devices?after={}", rest.split('"').next().unwrap())).await;
    assert!(!second.body.contains("/devices?after="), "it is the last page");
    assert_eq!((first.devices().0, second.devices().0), (20, 6));
    assert_eq!(first.devices().1 + second.devices().1, 1);

    let mut keys = [first.values_of("key"), second.values_of("key")].concat();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 25);
    assert!(first.body.contains("Unreadable session"));
    for key in keys {
        assert_eq!(browser.submit("/devices/end", &[("key", &key)]).await.location(), "/devices?notice=ended");
    }
    assert_eq!(browser.get("/devices").await.devices(), (1, 1));
}

#[tokio::test]
async fn a_visitor_whose_own_session_cannot_be_read_begins_anew_and_it_stays() {
    let shop = Shop::open().await;
    let foreign = Sessions::<Vec<bool>>::new(Arc::clone(&shop.store));
    let session = foreign.login(Login::new(UserId::new("ann").unwrap(), vec![true])).await.unwrap();
    let browser = shop.browser();
    browser.set_cookie(Some(session.id().expose_secret().to_owned()));
    assert!(browser.is_told_that_it_ended().await);
    assert_eq!(shop.sessions().await, 1);
}

#[tokio::test]
async fn times_are_those_of_the_stores_clock() {
    let (shop, clock) = Shop::open_with_clock().await;
    let (one, other) = (shop.browser_of("ann").await, shop.browser_of("ann").await);
    clock.advance(Duration::from_mins(2));
    one.get("/").await;
    clock.advance(Duration::from_mins(3));
    let page = other.get("/devices").await;
    for said in ["5 minutes ago", "3 minutes ago", "in 57 minutes", "14 Nov 2023, 22:13 UTC"] {
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }
}

#[tokio::test]
async fn a_hostile_user_agent_is_text_at_the_most() {
    let shop = Shop::open().await;
    for hostile in ["<script>alert(1)</script>", "<img src=x>/1 Linux", "\"onclick=x/1", FIREFOX] {
        let browser = shop.browser_named(hostile);
        browser.log_in("ben").await;
    }
    let page = shop.browser_of("ben").await.get("/devices").await;
    assert_eq!(page.devices(), (5, 1));
    assert!(page.body.contains("Unknown device") && page.body.contains("Unknown browser on Linux"));
    for hostile in ["<script", "<img", "onclick", "alert"] {
        assert!(!page.body.contains(hostile), "{hostile}");
    }
}

#[tokio::test]
async fn nobody_sees_devices_who_is_not_logged_in() {
    let shop = Shop::open().await;
    let browser = shop.browser();
    browser.add("mug").await;
    assert!(browser.get("/devices").await.location().starts_with("/login?notice=login-first"));
    assert!(browser.submit("/devices/end-others", &[]).await.location().starts_with("/login?"));
}
