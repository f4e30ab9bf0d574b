//! Forms that no page of the shop has sent.

use reqwest::StatusCode;

use crate::support::{Browser, OWN_PAGE, Shop, password};

/// Every form of the shop, with all that it needs but the token.
const FORMS: [(&str, &[(&str, &str)]); 8] = [
    ("/counter", &[]),
    ("/cart/add", &[("product", "mug")]),
    ("/cart/remove", &[("product", "mug")]),
    ("/logout", &[]),
    ("/devices/end", &[("key", "k1_0000000000000000000000000000000000000000000000000000000000000000")]),
    ("/devices/end-others", &[]),
    ("/admin/end", &[("user", "root")]),
    ("/login", &[("user", "ben"), ("password", "blue-bicycle")]),
];

async fn is_refused(browser: &Browser, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> bool {
    let page = browser.send("POST", path, fields, headers).await;
    page.status == StatusCode::FORBIDDEN && page.set_cookie().is_none() && page.body.contains("Nothing was changed")
}

#[tokio::test]
async fn a_form_without_its_sessions_token_is_refused() {
    let shop = Shop::open().await;
    let (root, other) = (shop.browser_of("root").await, shop.browser_of("ann").await);
    let token = root.token().await;
    let others = other.token().await;
    for (path, fields) in FORMS {
        assert!(is_refused(&root, path, fields, &OWN_PAGE).await, "{path}");
        for wrong in ["", &others, &token[1..], &format!("{token}x")] {
            let fields: Vec<_> = fields.iter().copied().chain([("token", wrong)]).collect();
            assert!(is_refused(&root, path, &fields, &OWN_PAGE).await, "{path} {wrong}");
        }
    }
    assert_eq!((shop.sessions().await, root.token().await), (2, token));
}

#[tokio::test]
async fn a_form_from_another_site_is_refused_whatever_it_has() {
    let shop = Shop::open().await;
    let root = shop.browser_of("root").await;
    let token = root.token().await;
    let elsewhere: [&[(&str, &str)]; 6] = [
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "cross-site"), ("origin", &format!("http://{}", shop.host))],
        &[("origin", "http://evil.example")],
        &[("origin", "null")],
        &[], // it does not say
    ];
    for headers in elsewhere {
        for (path, fields) in FORMS {
            let fields: Vec<_> = fields.iter().copied().chain([("token", token.as_str())]).collect();
            assert!(is_refused(&root, path, &fields, headers).await, "{path} {headers:?}");
        }
    }
    assert_eq!((shop.sessions().await, root.token().await), (1, token));
}

#[tokio::test]
async fn no_other_site_logs_a_visitor_in_as_somebody_else() {
    let shop = Shop::open().await;
    let victim = shop.browser();
    let fields = [("user", "ben"), ("password", password("ben"))];
    for headers in [[("sec-fetch-site", "cross-site")], [("origin", "https://evil.example")], [("origin", "null")]] {
        assert!(is_refused(&victim, "/login", &fields, &headers).await, "{headers:?}");
    }
    assert!(is_refused(&victim, "/login", &fields, &[]).await);
    assert_eq!(shop.sessions().await, 0);
}

#[tokio::test]
async fn a_browser_that_tells_the_origin_only_is_as_welcome() {
    let shop = Shop::open().await;
    let browser = shop.browser();
    let origin = format!("http://{}", shop.host);
    let fields = [("user", "ben"), ("password", password("ben"))];
    let page = browser.send("POST", "/login", &fields, &[("origin", &origin)]).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_form_that_is_too_long_or_no_form_changes_nothing() {
    let shop = Shop::open().await;
    let browser = shop.browser();
    let long = "x".repeat(20_000);
    let page = browser.send("POST", "/cart/add", &[("product", "mug"), ("more", &long)], &OWN_PAGE).await;
    assert_eq!(page.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(browser.send("POST", "/cart/add", &[], &OWN_PAGE).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(shop.sessions().await, 0);
}
