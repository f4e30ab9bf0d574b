//! Logging in and out, and what the cookie is.

use std::time::Duration;

use reqwest::StatusCode;
use session_store::SessionId;

use crate::support::{COOKIE, OWN_PAGE, Shop, password};

#[tokio::test]
async fn a_login_gives_a_new_id_and_keeps_the_cart() {
    let shop = Shop::open().await;
    let browser = shop.browser();
    browser.add("lamp").await;
    let (before, token) = (browser.cookie(), browser.token().await);
    browser.log_in("ann").await;

    assert!(browser.cookie() != before && browser.token().await != token);
    let page = browser.get("/").await;
    assert_eq!(page.text_of("total"), "€49.00");
    assert_eq!(shop.sessions().await, 1);

    // Whoever has planted or seen the old ID has nothing.
    browser.set_cookie(before);
    assert!(browser.is_told_that_it_ended().await);
}

#[tokio::test]
async fn a_login_as_another_user_takes_no_cart_along() {
    let shop = Shop::open().await;
    let browser = shop.browser_of("ann").await;
    browser.add("lamp").await;
    let before = browser.cookie();
    browser.log_in("ben").await;
    assert!(browser.get("/").await.body.contains("It is empty so far."));
    browser.set_cookie(before);
    assert!(browser.is_told_that_it_ended().await);
}

#[tokio::test]
async fn the_cookie_is_for_this_host_alone_and_hidden_from_scripts() {
    let shop = Shop::open().await;
    let browser = shop.browser();
    let attributes = "Path=/; Secure; HttpOnly; SameSite=Lax";

    let begun = browser.submit("/counter", &[]).await;
    assert_eq!(begun.set_cookie().unwrap(), format!("{COOKIE}={}; {attributes}", browser.cookie().unwrap()));
    let login = browser.log_in("ann").await;
    assert_eq!(login.set_cookie().unwrap(), format!("{COOKIE}={}; {attributes}", browser.cookie().unwrap()));
    assert!(browser.cookie().unwrap().parse::<SessionId>().is_ok());
    let logout = browser.submit("/logout", &[]).await;
    assert_eq!(logout.set_cookie().unwrap(), format!("{COOKIE}=; {attributes}; Max-Age=0"));
}

#[tokio::test]
async fn who_is_remembered_stays_logged_in_for_as_long_as_the_cookie_says() {
    let (shop, clock) = Shop::open_with_clock().await;
    let (remembered, other) = (shop.browser(), shop.browser_of("ann").await);
    let fields = [("user", "ann"), ("password", password("ann")), ("remember", "yes")];
    let login = remembered.submit("/login", &fields).await;
    assert!(login.set_cookie().unwrap().ends_with("; Max-Age=7776000"), "{login:?}");

    clock.advance(Duration::from_mins(61));
    assert!(other.is_told_that_it_ended().await);
    for _ in 0..6 {
        assert_eq!(remembered.get("/devices").await.status, StatusCode::OK);
        clock.advance(Duration::from_hours(13 * 24));
    }
    clock.advance(Duration::from_hours(13 * 24));
    assert!(remembered.is_told_that_it_ended().await);
}

#[tokio::test]
async fn a_wrong_password_logs_nobody_in() {
    let shop = Shop::open().await;
    let browser = shop.browser();
    for (user, wrong) in [("ann", "blue-bicycle"), ("nobody", "apple-tree"), ("\"><script>alert(1)</script>", "x")] {
        let page = browser.submit("/login", &[("user", user), ("password", wrong), ("next", "/devices")]).await;
        assert_eq!((page.status, page.set_cookie()), (StatusCode::UNPROCESSABLE_ENTITY, None));
        assert!(page.body.contains("The user name or the password is wrong."));
        assert!(!page.body.contains("<script"), "{}", page.body);
        assert_eq!(page.value_of("next").unwrap(), "/devices");
    }
    let page = browser.submit("/login", &[("user", "ann"), ("password", "x")]).await;
    assert!(page.body.contains("name=\"user\" value=\"ann\"") && !page.body.contains("value=\"x\""));
    assert_eq!(shop.sessions().await, 0);
}

#[tokio::test]
async fn nobody_is_sent_to_another_site_after_a_login() {
    let shop = Shop::open().await;
    for other in ["https://evil.example/", "//evil.example/", "/\\evil.example", "/\t/evil.example", "javascript:x", ""]
    {
        let browser = shop.browser();
        let query = serde_urlencoded::to_string([("next", other)]).unwrap();
        let page = browser.get(&format!("/login?{query}")).await;
        assert_eq!(page.value_of("next").unwrap(), "/", "{other}");
        let fields = [("user", "ann"), ("password", password("ann")), ("next", other)];
        assert_eq!(browser.submit("/login", &fields).await.location(), "/", "{other}");
        // Also where there is nothing to do any more.
        assert_eq!(browser.get(&format!("/login?{query}")).await.location(), "/", "{other}");
    }
    let fields = [("user", "ann"), ("password", password("ann")), ("next", "/devices?after=x")];
    assert_eq!(shop.browser().submit("/login", &fields).await.location(), "/devices?after=x");
}

#[tokio::test]
async fn what_needs_a_login_leads_to_it_and_back() {
    let shop = Shop::open().await;
    let browser = shop.browser();
    let sent = browser.get("/devices").await;
    assert_eq!((sent.status, sent.location()), (StatusCode::SEE_OTHER, "/login?notice=login-first&next=%2Fdevices"));
    let page = browser.get(sent.location()).await;
    assert!(page.body.contains("Please log in"));
    let next = page.value_of("next").unwrap();
    let fields = [("user", "ann"), ("password", password("ann")), ("next", &next)];
    assert_eq!(browser.submit("/login", &fields).await.location(), "/devices");
}

#[tokio::test]
async fn after_a_logout_the_cookie_is_worth_nothing() {
    let shop = Shop::open().await;
    let browser = shop.browser_of("ann").await;
    let cookie = browser.cookie();
    let logout = browser.submit("/logout", &[]).await;
    assert_eq!((logout.location(), browser.cookie()), ("/login?notice=logged-out", None));
    assert!(browser.get(logout.location()).await.body.contains("You are logged out."));
    assert_eq!(shop.sessions().await, 0);
    browser.set_cookie(cookie);
    assert!(browser.is_told_that_it_ended().await);
}

#[tokio::test]
async fn an_id_that_the_shop_did_not_give_is_not_taken() {
    let shop = Shop::open().await;
    let planted = SessionId::generate().unwrap().expose_secret().to_owned();
    let browser = shop.browser();
    browser.set_cookie(Some(planted.clone()));
    let fields = [("user", "ann"), ("password", password("ann"))];
    assert_eq!(browser.send("POST", "/login", &fields, &OWN_PAGE).await.status, StatusCode::SEE_OTHER);
    assert!(browser.cookie().unwrap() != planted);
    let thief = shop.browser();
    thief.set_cookie(Some(planted));
    assert!(thief.is_told_that_it_ended().await);
}

#[tokio::test]
async fn who_has_waited_too_long_on_the_login_page_may_log_in_all_the_same() {
    let (shop, clock) = Shop::open_with_clock().await;
    let browser = shop.browser();
    browser.add("mug").await;
    clock.advance(Duration::from_mins(61));
    let fields = [("user", "ann"), ("password", password("ann")), ("token", "of then")];
    assert_eq!(browser.send("POST", "/login", &fields, &OWN_PAGE).await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.get("/devices").await.status, StatusCode::OK);
}

#[tokio::test]
async fn on_the_login_page_itself_an_ended_session_is_told_at_once() {
    let shop = Shop::open().await;
    let browser = shop.browser_of("ann").await;
    shop.store.clear().await.unwrap();
    let page = browser.get("/login").await;
    assert!(page.status == StatusCode::OK && page.body.contains("Your session has ended"));
    assert_eq!(browser.cookie(), None);
}
