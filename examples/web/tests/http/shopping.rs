//! The counter and the cart, for whoever comes.

use std::sync::Arc;

use futures_util::future::join_all;
use reqwest::StatusCode;

use crate::remote::Remote;
use crate::support::{OWN_PAGE, Shop};

#[tokio::test]
async fn a_mere_visit_begins_no_session() {
    let shop = Shop::open().await;
    let browser = shop.browser();
    for path in ["/", "/login", "/devices", "/admin", "/health", "/metrics", "/style.css", "/nowhere"] {
        let page = browser.get(path).await;
        assert_eq!(page.set_cookie(), None, "{path}");
    }
    // Taking away what is not there is no change either.
    assert_eq!(browser.submit("/cart/remove", &[("product", "mug")]).await.set_cookie(), None);
    assert_eq!(shop.sessions().await, 0);
}

#[tokio::test]
async fn the_first_change_begins_a_session_which_the_next_ones_use() {
    let shop = Shop::open().await;
    let browser = shop.browser();
    let first = browser.submit("/counter", &[]).await;
    assert_eq!((first.status, first.location()), (StatusCode::SEE_OTHER, "/"));
    assert!(first.set_cookie().is_some());
    assert!(browser.submit("/counter", &[]).await.set_cookie().is_none());
    assert_eq!(browser.get("/").await.text_of("clicks"), "2");
    assert_eq!(shop.sessions().await, 1);
}

#[tokio::test]
async fn twenty_clicks_at_once_are_all_counted() {
    // Far enough away that each is read before the others are saved.
    let shop = Shop::open_on(Arc::new(Remote::default()), "remote").await;
    let browser = shop.browser();
    browser.add("mug").await;
    let token = browser.token().await;
    let fields = [("token", token.as_str())];
    let clicks = (0..20).map(|_| browser.send("POST", "/counter", &fields, &OWN_PAGE));
    for page in join_all(clicks).await {
        assert_eq!(page.status, StatusCode::SEE_OTHER);
    }
    assert_eq!(browser.get("/").await.text_of("clicks"), "20");
}

#[tokio::test]
async fn a_cart_adds_up() {
    let shop = Shop::open().await;
    let browser = shop.browser();
    for product in ["mug", "mug", "lamp", "notebook"] {
        browser.add(product).await;
    }
    assert_eq!(browser.get("/").await.text_of("total"), "€86.50");
    for product in ["mug", "lamp"] {
        browser.submit("/cart/remove", &[("product", product)]).await;
    }
    let page = browser.get("/").await;
    assert_eq!(page.text_of("total"), "€23.50");
    assert!(!page.body.contains("Remove<span class=\"unseen\"> one Desk lamp"), "{}", page.body);
}

#[tokio::test]
async fn what_the_shop_does_not_sell_is_refused() {
    let shop = Shop::open().await;
    let page = shop.browser().submit("/cart/add", &[("product", "<b>moon</b>")]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(!page.body.contains("moon"));
    assert_eq!(shop.sessions().await, 0);
}

#[tokio::test]
async fn each_visitor_has_a_cart_of_his_own() {
    let shop = Shop::open().await;
    let (one, other) = (shop.browser(), shop.browser());
    one.add("mug").await;
    other.add("lamp").await;
    assert_eq!(one.get("/").await.text_of("total"), "€14.00");
    assert_eq!(other.get("/").await.text_of("total"), "€49.00");
}
