//! With what a user logs in, in a few words.

use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;

/// What is found first counts: most browsers claim to be others as well.
const BROWSERS: [(&str, &str); 10] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chromium/", "Chromium"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

const SYSTEMS: [(&str, &str); 7] = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

/// Such as "Firefox on Linux". It has words of this file only, or a plain name of a program: a visitor can write anything
/// into this header.
pub(crate) fn of(headers: &HeaderMap) -> String {
    let claimed = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let browser = find(&BROWSERS, claimed).or_else(|| program(claimed));
    match (browser, find(&SYSTEMS, claimed)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, Some(system)) => format!("Unknown browser on {system}"),
        (None, None) => "Unknown device".to_owned(),
    }
}

fn find(known: &[(&str, &'static str)], claimed: &str) -> Option<&'static str> {
    known.iter().find(|(mark, _)| claimed.contains(mark)).map(|(_, name)| *name)
}

/// What stands before the first slash, as in `curl/8.5.0`. With Mozilla begin all those that are not what they say.
fn program(claimed: &str) -> Option<&str> {
    let (name, _) = claimed.split_once('/')?;
    let is_plain =
        (1..=24).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (is_plain && name != "Mozilla").then_some(name)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn browsers_and_systems_are_told_by_their_own_name() {
        const KHTML: &str = "AppleWebKit/537.36 (KHTML, like Gecko)";
        for (claimed, said) in [
            (&*format!("Mozilla/5.0 (X11; Linux x86_64) {KHTML} Chrome/140.0.0.0 Safari/537.36"), "Chrome on Linux"),
            (
                &*format!("Mozilla/5.0 (X11; Linux x86_64) {KHTML} HeadlessChrome/140.0.0.0 Safari/537.36"),
                "Chrome on Linux",
            ),
            (&*format!("Mozilla/5.0 (Windows NT 10.0) {KHTML} Chrome/1 Safari/537.36 Edg/140.0"), "Edge on Windows"),
            (&*format!("Mozilla/5.0 (Linux; Android 16; K) {KHTML} Chrome/1 Mobile Safari/1"), "Chrome on Android"),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) AppleWebKit/1 Version/18 Safari/1", "Safari on macOS"),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) FxiOS/1 Mobile Safari/1", "Firefox on iPhone"),
            ("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
            ("curl/8.5.0", "curl"),
            ("Mozilla/5.0 (X11; Linux x86_64)", "Unknown browser on Linux"),
            ("<script>alert(1)</script>/1", "Unknown device"),
            ("", "Unknown device"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(USER_AGENT, HeaderValue::from_str(claimed).unwrap());
            assert_eq!(of(&headers), said, "{claimed}");
        }
        assert_eq!(of(&HeaderMap::new()), "Unknown device");
    }
}
