//! What holds for every request, and for every answer.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use axum::middleware::{Next, from_fn, map_response};
use axum::response::{IntoResponse as _, Response};

use crate::numbers;
use crate::refusal::Refusal;
use crate::state::App;

/// The most bytes of a form.
const BODY_LIMIT: usize = 16 * 1024;

const ON_EACH_ANSWER: [(HeaderName, &str); 4] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; \
         base-uri 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // With none at all, browsers would leave out the origin of forms, too.
    (REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// The same routes behind all that is here.
pub(crate) fn guarded(routes: Router<App>) -> Router<App> {
    routes
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn(from_here))
        .layer(map_response(with_headers))
        .layer(from_fn(numbers::count))
}

/// Refuses what changes something and was not sent by a page of this site, so that no other site can act in a visitor's
/// name, or log him in as somebody else. It needs no session.
///
/// Every browser of today says with a form where it comes from. What says nothing is no browser, and is refused as well:
/// there is one rule.
pub(crate) async fn from_here(request: Request, next: Next) -> Response {
    if request.method().is_safe() || is_from_here(request.headers()) {
        next.run(request).await
    } else {
        Refusal::Forged.into_response()
    }
}

fn is_from_here(headers: &HeaderMap) -> bool {
    match headers.get("sec-fetch-site") {
        // `none` is what the visitor has done himself, as loading a page again.
        Some(site) => site == "same-origin" || site == "none",
        None => is_own_origin(headers).unwrap_or(false),
    }
}

/// The scheme is not compared: behind a proxy that ends TLS, this process does not know it.
fn is_own_origin(headers: &HeaderMap) -> Option<bool> {
    let origin: Uri = headers.get(ORIGIN)?.to_str().ok()?.parse().ok()?;
    let host = headers.get(HOST)?.to_str().ok()?;
    origin.scheme()?;
    Some(origin.authority()?.as_str().eq_ignore_ascii_case(host))
}

async fn with_headers(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    for (name, value) in ON_EACH_ANSWER {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Pages are their visitor's own. Only files say something else.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(given: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("shop.example:3000"));
        for (name, value) in given {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        is_from_here(&headers)
    }

    #[test]
    fn what_the_browser_says_of_the_site_decides() {
        assert!(judged(&[("sec-fetch-site", "same-origin")]));
        assert!(judged(&[("sec-fetch-site", "none")]));
        for site in ["cross-site", "same-site", "nonsense", ""] {
            assert!(!judged(&[("sec-fetch-site", site), ("origin", "http://shop.example:3000")]), "{site}");
        }
    }

    #[test]
    fn without_that_the_origin_decides_and_one_is_needed() {
        assert!(judged(&[("origin", "http://shop.example:3000")]));
        assert!(judged(&[("origin", "https://SHOP.example:3000")]));
        for origin in ["null", "", "http://shop.example", "http://evil.example:3000", "shop.example:3000", "http://"] {
            assert!(!judged(&[("origin", origin)]), "{origin}");
        }
        assert!(!judged(&[]));
    }
}
