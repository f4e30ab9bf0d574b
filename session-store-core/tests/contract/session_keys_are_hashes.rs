//! The key that a store holds: a fixed hash of the ID, its text and its order.

use std::collections::BTreeSet;

use session_store_core::{Error, ErrorKind, SessionId, SessionKey};

/// `printf 'session-store session key v1\0AAA...' | sha256sum`, by another implementation. Stores hold
/// these hashes, so that a release that computes another one logs everybody out.
const KNOWN: [(&str, &str); 3] = [
    (
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "k1_a737f66969542a783e7083833eef61810551219cb1aa444e96f12065888c7ce0",
    ),
    ("0123456789abcdefghijkl", "k1_d0e0a54d47c6e31e7d506256b56e76251d0c68ee7a3c4f7e57b081592de9acde"),
    ("s%3AtlFmNiYlOWVhNWJlNDA0.sig+x/=~!", "k1_6ded147855849aaaf71cd59c649c30fb43910b366123f180c7a537362b3952a7"),
];

#[test]
fn the_key_of_an_id_is_known() {
    for (id, key) in KNOWN {
        assert_eq!(SessionKey::from(&id.parse::<SessionId>().unwrap()).to_text(), key, "of {id}");
    }
}

#[test]
fn its_bytes_and_its_text_come_back() {
    let bytes: [u8; 32] = std::array::from_fn(|n| u8::try_from(n * 8).unwrap());
    let key = SessionKey::from_bytes(bytes);
    assert_eq!(key.as_bytes(), &bytes);
    assert_eq!(key.to_text(), "k1_0008101820283038404850586068707880889098a0a8b0b8c0c8d0d8e0e8f0f8");
    assert_eq!(key.to_text().parse::<SessionKey>().unwrap(), key);
}

#[test]
fn any_other_text_is_refused() {
    let digits = "ab".repeat(32);
    let cases = [
        String::new(),
        digits.clone(),
        "k1_".to_owned(),
        format!("k1_{}", &digits[1..]),
        format!("k1_{digits}a"),
        format!("k1_{digits}ab"),
        format!("K1_{digits}"),
        format!("k2_{digits}"),
        format!("k1-{digits}"),
        format!(" k1_{digits}"),
        format!("k1_{digits} "),
        format!("k1_{digits}\n"),
        format!("k1_{}", digits.to_uppercase()),
        format!("k1_{}B", &digits[1..]),
        format!("k1_{}g", &digits[1..]),
        format!("k1_+{}", &digits[1..]),
        format!("k1_{}é", &digits[2..]),
        SessionId::generate().unwrap().expose_secret().to_owned(),
    ];
    for text in cases {
        let error: Error = text.parse::<SessionKey>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text:?}");
        assert_eq!(error.to_string(), "a session key is `k1_` and 64 hexadecimal digits in lower case");
        assert!(text.len() < 4 || !format!("{error:?}").contains(&text));
    }
}

#[test]
fn keys_order_by_their_bytes() {
    let key = |first: u8, last: u8| {
        let mut bytes = [0x50; 32];
        (bytes[0], bytes[31]) = (first, last);
        SessionKey::from_bytes(bytes)
    };
    let ordered =
        [key(0x00, 0xFF), key(0x01, 0x00), key(0x7F, 0x00), key(0x7F, 0x01), key(0x80, 0x00), key(0xFF, 0xFF)];
    let sorted: Vec<_> = ordered.into_iter().rev().collect::<BTreeSet<_>>().into_iter().collect();
    assert_eq!(sorted, ordered);
    let mut texts = ordered.map(|key| key.to_text());
    texts.sort();
    assert_eq!(texts, ordered.map(|key| key.to_text()), "the order of the texts is the same");
}

#[test]
fn debug_shows_nothing_of_it() {
    let key = SessionKey::from_bytes([0xAB; 32]);
    assert_eq!(format!("{key:?}"), "SessionKey(redacted)");
    assert_eq!(format!("{key:#?}"), "SessionKey(redacted)");
}
