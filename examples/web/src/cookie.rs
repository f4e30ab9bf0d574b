//! The cookie with the session ID.

use std::fmt::Write as _;

use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use session_store::{Session, SessionId};

/// The prefix has browsers take it only with `Secure`, with this path and for this host alone, so that no neighbour can
/// plant one.
const NAME: &str = "__Host-session";

const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";

/// Until when the browser keeps it.
#[derive(Clone, Copy)]
pub(crate) enum Kept {
    /// Until the browser ends.
    ForNow,
    /// As long as the session can live.
    Remembered,
}

/// The session ID that the browser has sent. What is none is a stranger's.
pub(crate) fn read(headers: &HeaderMap) -> Option<SessionId> {
    let lines = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(name, value)| if name == NAME { value.parse().ok() } else { None })
}

/// The answer gives the browser this session.
pub(crate) fn set<T>(answer: &mut Response, session: &Session<T>, kept: Kept) {
    let mut cookie = format!("{NAME}={}; {ATTRIBUTES}", session.id().expose_secret());
    if let Kept::Remembered = kept {
        let _ = write!(cookie, "; Max-Age={}", session.time_left().as_secs());
    }
    put(answer, &cookie);
}

/// The answer takes the cookie away.
pub(crate) fn remove(answer: &mut Response) {
    put(answer, &format!("{NAME}=; {ATTRIBUTES}; Max-Age=0"));
}

fn put(answer: &mut Response, cookie: &str) {
    // An ID that was generated has only characters that a header may have.
    if let Ok(mut value) = HeaderValue::from_str(cookie) {
        value.set_sensitive(true);
        answer.headers_mut().append(SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_from(lines: &[&'static str]) -> Option<SessionId> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_static(line));
        }
        read(&headers)
    }

    #[test]
    fn the_id_is_found_among_other_cookies_and_nothing_else_is_one() {
        let id = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let found = read_from(&["a=b", "x=y;  __Host-session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA; c=d"]);
        assert_eq!(found.unwrap().expose_secret(), id);
        for other in
            ["__Host-session=short", "session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "__Host-session", ""]
        {
            assert!(read_from(&[other]).is_none(), "{other}");
        }
    }
}
