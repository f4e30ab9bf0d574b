//! The ID in the cookie: what is generated, what is accepted, and that nothing shows it.

use std::collections::HashSet;

use session_store_core::{Error, ErrorKind, SessionId, SessionKey};

fn refusal(text: &str) -> (ErrorKind, String) {
    let error: Error = text.parse::<SessionId>().unwrap_err();
    let shown = format!("{error} {error:?} {error:#?}");
    assert!(text.is_empty() || !shown.contains(text), "the refusal shows what it refused");
    (error.kind(), error.to_string())
}

fn invalid(why: &str) -> (ErrorKind, String) {
    (ErrorKind::InvalidInput, why.to_owned())
}

#[test]
fn a_new_one_is_43_characters_of_base64url() {
    let id = SessionId::generate().unwrap();
    let text = id.expose_secret();
    assert_eq!(text.len(), 43);
    assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
    assert!(text.parse::<SessionId>().unwrap() == id);
}

#[test]
fn no_two_are_the_same() {
    let ids: HashSet<_> = (0..1_000).map(|_| SessionId::generate().unwrap().expose_secret().to_owned()).collect();
    assert_eq!(ids.len(), 1_000);
}

#[test]
fn every_character_carries_entropy() {
    let ids: Vec<_> = (0..1_000).map(|_| SessionId::generate().unwrap().expose_secret().to_owned()).collect();
    for place in 0..43 {
        let seen: HashSet<_> = ids.iter().map(|id| id.as_bytes()[place]).collect();
        // The last character holds the 4 bits that are left of 256.
        assert_eq!(seen.len(), if place == 42 { 16 } else { 64 }, "at {place}");
    }
}

#[test]
fn tokens_of_22_to_256_visible_characters_are_accepted() {
    let every_visible: String = ('!'..='~').collect();
    for text in ["x".repeat(22), "x".repeat(256), every_visible] {
        assert_eq!(text.parse::<SessionId>().unwrap().expose_secret(), text);
    }
}

#[test]
fn other_lengths_are_refused() {
    for text in [String::new(), "x".repeat(21), "x".repeat(257), "x".repeat(1 << 20)] {
        assert_eq!(refusal(&text), invalid(&format!("a session ID has 22 to 256 characters, not {}", text.len())));
    }
}

#[test]
fn other_characters_are_refused() {
    for odd in [' ', '\t', '\r', '\n', '\0', '\x7F', 'é', '漢', '\u{200B}'] {
        for text in [format!("{odd}{}", "x".repeat(30)), format!("{}{odd}", "x".repeat(30))] {
            assert_eq!(refusal(&text), invalid("a session ID has visible ASCII characters only"), "{odd:?}");
        }
    }
}

/// A key that was seen in a list must not work as a cookie.
#[test]
fn the_form_of_a_key_is_refused() {
    let key = SessionKey::from_bytes([0xAB; 32]).to_text();
    let upper = format!("k1_{}", "AB".repeat(32));
    let mixed = format!("k1_{}", "aB".repeat(32));
    for text in [key, upper, mixed] {
        assert_eq!(refusal(&text), invalid("a session key is not a session ID"));
    }
    for near in
        [format!("k1_{}", "ab".repeat(31)), format!("k1_{}g", "a".repeat(63)), format!("k2_{}", "ab".repeat(32))]
    {
        assert!(near.parse::<SessionId>().is_ok());
    }
}

#[test]
fn they_are_equal_when_all_characters_are() {
    let id: SessionId = "0123456789abcdefghijkl".parse().unwrap();
    assert!(id == id.clone());
    for other in
        ["0123456789abcdefghijkm", "1123456789abcdefghijkl", "0123456789abcdefghijklm", "0123456789ABCDEFGHIJKL"]
    {
        assert!(id != other.parse().unwrap());
    }
}

#[test]
fn nothing_shows_it() {
    let id = SessionId::generate().unwrap();
    assert_eq!(format!("{id:?}"), "SessionId(redacted)");
    assert_eq!(format!("{id:#?}"), "SessionId(redacted)");
    assert_eq!(format!("{:?}", Some(&id)), "Some(SessionId(redacted))");
}
