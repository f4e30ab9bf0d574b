//! What operators ask, and what every answer has.

use std::sync::Arc;

use reqwest::StatusCode;
use session_store::memory::MemoryStore;

use crate::support::Shop;

#[tokio::test]
async fn health_and_metrics_tell_nothing_of_anybody() {
    let shop = Shop::open_on(Arc::new(MemoryStore::new()), "told").await;
    let ann = shop.browser_of("ann").await;
    let cookie = ann.cookie().unwrap();
    let health = shop.browser().get("/health").await;
    assert_eq!((health.status, health.body.as_str()), (StatusCode::OK, "ok"));

    let metrics = shop.browser().get("/metrics").await;
    assert_eq!(metrics.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    for line in [
        r#"session_store_events_total{store="told",event="logged_in",reason=""} 1"#,
        r#"session_store_operations_total{store="told",operation="set",outcome="ok"} 1"#,
        r#"session_store_operation_seconds_bucket{store="told",operation="set",le="+Inf"} 1"#,
        r#"web_demo_requests_total{status="200"}"#,
    ] {
        assert!(metrics.body.contains(line), "{line} is not in {}", metrics.body);
    }
    assert!(!metrics.body.contains(&cookie) && !metrics.body.contains("ann"));
}

#[tokio::test]
async fn every_answer_has_the_headers_that_protect_it() {
    let shop = Shop::open().await;
    let browser = shop.browser();
    let policy = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; \
                  frame-ancestors 'none'; base-uri 'none'";
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/login"),
        ("GET", "/devices"),
        ("GET", "/nowhere"),
        ("GET", "/counter"),
        ("GET", "/style.css"),
        ("GET", "/icon.svg"),
        ("GET", "/metrics"),
        ("POST", "/counter"),
    ] {
        let page = browser.send(method, path, &[], &[]).await;
        assert_eq!(page.headers["content-security-policy"], policy, "{path}");
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
        assert_eq!(page.headers["referrer-policy"], "same-origin");
        let is_file = path.contains('.');
        let cached = if is_file { "public, max-age=300" } else { "no-store" };
        assert_eq!(page.headers["cache-control"], cached, "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_says_so_on_a_page() {
    let shop = Shop::open().await;
    let browser = shop.browser();
    for (path, status) in [("/nowhere", StatusCode::NOT_FOUND), ("/counter", StatusCode::METHOD_NOT_ALLOWED)] {
        let page = browser.get(path).await;
        assert_eq!(page.status, status);
        assert!(page.body.contains("<h1>"), "{}", page.body);
    }
}

#[tokio::test]
async fn no_page_has_a_script_or_a_style_of_its_own() {
    let shop = Shop::open().await;
    let root = shop.browser_of("root").await;
    root.add("mug").await;
    for path in ["/", "/devices", "/admin"] {
        let page = root.get(path).await;
        for forbidden in ["<script", " style=", "<style", " onclick", "javascript:"] {
            assert!(!page.body.contains(forbidden), "{path} {forbidden}");
        }
    }
}
