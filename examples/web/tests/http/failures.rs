//! A store that is down: nobody is taken for somebody else, and nothing is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::StatusCode;

use crate::remote::Remote;
use crate::support::{OWN_PAGE, Shop, password};

async fn shop_with_switch() -> (Shop, Arc<AtomicBool>) {
    let store = Remote::default();
    let is_down = Arc::clone(&store.is_down);
    (Shop::open_on(Arc::new(store), "failing").await, is_down)
}

#[tokio::test]
async fn while_the_store_is_down_everyone_is_asked_to_try_again_and_stays_logged_in() {
    let (shop, is_down) = shop_with_switch().await;
    let root = shop.browser_of("root").await;
    root.add("lamp").await;
    let (cookie, token) = (root.cookie(), root.token().await);

    is_down.store(true, Ordering::SeqCst);
    let fields = [("token", token.as_str()), ("user", "root"), ("password", password("root")), ("product", "mug")];
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/devices"),
        ("GET", "/admin"),
        ("GET", "/login"),
        ("POST", "/counter"),
        ("POST", "/cart/add"),
        ("POST", "/devices/end-others"),
        ("POST", "/login"),
        ("POST", "/logout"),
    ] {
        let page = root.send(method, path, &fields, &OWN_PAGE).await;
        assert_eq!((page.status, page.set_cookie()), (StatusCode::SERVICE_UNAVAILABLE, None), "{path}");
        assert!(page.body.contains("Please try again") && page.headers.contains_key("retry-after"));
        assert!(!page.body.contains("/login") && !page.body.contains("10.0.0.7"), "{}", page.body);
    }

    is_down.store(false, Ordering::SeqCst);
    let page = root.get("/").await;
    assert_eq!((root.cookie(), page.text_of("total"), page.text_of("clicks")), (cookie, "€49.00", "0"));
}

#[tokio::test]
async fn whoever_has_no_session_sees_the_shop_and_cannot_begin_one() {
    let (shop, is_down) = shop_with_switch().await;
    is_down.store(true, Ordering::SeqCst);
    let browser = shop.browser();
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    let fields = [("user", "ann"), ("password", password("ann"))];
    for path in ["/counter", "/login"] {
        let page = browser.send("POST", path, &fields, &OWN_PAGE).await;
        assert_eq!((page.status, page.set_cookie()), (StatusCode::SERVICE_UNAVAILABLE, None), "{path}");
    }
}

#[tokio::test]
async fn health_says_that_the_store_is_down_and_not_why() {
    let (shop, is_down) = shop_with_switch().await;
    is_down.store(true, Ordering::SeqCst);
    let health = shop.browser().get("/health").await;
    assert_eq!((health.status, health.body.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
}
