//! Keys and peppers parse from the text that they expose, refuse any other, and are shown nowhere else.

use std::collections::HashSet;
use std::fmt::Debug;

use session_store_core::codec::{EncryptionKey, KeyRing};
use session_store_core::sessions::Pepper;
use session_store_core::{Error, ErrorKind, Result, SessionKey};

use crate::test_keys::{KEY, codec, key, ring};

/// Bytes 0 to 31, as another implementation of base64url writes them.
const TEXT: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

fn bytes() -> [u8; 32] {
    std::array::from_fn(|n| u8::try_from(n).unwrap())
}

fn parsed(text: &str) -> [Result<String>; 2] {
    let key = text.parse::<EncryptionKey>().map(|key| key.expose_secret().to_string());
    let pepper = text.parse::<Pepper>().map(|pepper| pepper.expose_secret().to_string());
    [key, pepper]
}

#[test]
fn their_text_is_43_characters_that_parse_back() {
    assert_eq!(*EncryptionKey::from_bytes(&bytes()).expose_secret(), TEXT);
    assert_eq!(*Pepper::from_bytes(&bytes()).expose_secret(), TEXT);
    let last = "_".repeat(42) + "8";
    for text in [TEXT, &"A".repeat(43), &last] {
        assert_eq!(parsed(text).map(Result::unwrap), [text, text]);
    }
}

#[test]
fn any_other_text_is_refused() {
    let refused = [
        String::new(),
        "A".repeat(42),
        "A".repeat(44),
        "A".repeat(42) + "B",
        "A".repeat(43) + "=",
        format!(" {TEXT}"),
        format!("{TEXT}\n"),
        "+".repeat(42) + "A",
        "/".repeat(42) + "A",
        hex::encode(bytes()),
        "é".repeat(21) + "A",
        "A".repeat(1 << 20),
    ];
    let names = ["an encryption key", "a pepper"];
    for text in refused {
        for (answer, name) in parsed(&text).into_iter().zip(names) {
            let error: Error = answer.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let expected = format!(
                "{name} is 32 random bytes as 43 characters of base64url without padding; make one with `generate`"
            );
            assert_eq!(error.to_string(), expected);
            assert!(text.len() < 10 || !format!("{error:?}").contains(&text));
        }
    }
}

#[test]
fn generated_ones_differ() {
    let keys = (0..100).map(|_| EncryptionKey::generate().unwrap().expose_secret().to_string());
    let peppers = (0..100).map(|_| Pepper::generate().unwrap().expose_secret().to_string());
    let all: HashSet<_> = keys.chain(peppers).collect();
    assert_eq!(all.len(), 200);
    assert!(all.iter().all(|text| text.len() == 43));
}

/// SHA-256 of a domain string and the key, by another implementation.
#[test]
fn the_id_of_a_key_is_known() {
    assert_eq!(EncryptionKey::from_bytes(&bytes()).id(), "f444f1e142bbd0d2");
    assert_ne!(key(1).id(), key(2).id());
    assert!(!key(0x11).id().contains("1111"));
}

/// All ways in which 32 bytes may be shown.
fn forms(secret: [u8; 32]) -> Vec<String> {
    let list = format!("{secret:?}");
    let list = list.trim_matches(['[', ']']).to_owned();
    let text = EncryptionKey::from_bytes(&secret).expose_secret().to_string();
    vec![hex::encode(secret), hex::encode_upper(secret), text[..42].to_owned(), list, format!("{secret:#?}")]
}

fn shows_nothing(value: &dyn Debug, secrets: &[[u8; 32]]) {
    let shown = format!("{value:?} {value:#?}");
    for form in secrets.iter().flat_map(|secret| forms(*secret)) {
        assert!(!shown.contains(&form), "{shown}");
    }
}

#[test]
fn debug_shows_the_ids_of_keys_and_nothing_of_peppers() {
    let secret = bytes();
    let (key, pepper) = (EncryptionKey::from_bytes(&secret), Pepper::from_bytes(&secret));
    assert_eq!(format!("{key:?}"), "EncryptionKey(f444f1e142bbd0d2)");
    assert_eq!(format!("{pepper:?}"), "Pepper(redacted)");
    let ring = KeyRing::new(key.clone()).with_next(key.clone()).with_former(key.clone());
    shows_nothing(&ring, &[secret]);
    shows_nothing(&codec(ring), &[secret]);
    shows_nothing(&key, &[secret]);
    shows_nothing(&pepper, &[secret]);
}

#[test]
fn errors_show_neither_key_nor_data() {
    let secret = "correct horse battery staple";
    let data = codec(ring(0x5A)).encode(&KEY, secret).unwrap();
    let flipped = [&data[..data.len() - 1], &[data[data.len() - 1] ^ 1]].concat();
    let other = SessionKey::from_bytes([0xA5; 32]);
    let (codec, another) = (codec(ring(0x5A)), codec(ring(1)));
    let errors = [
        codec.decode::<u32>(&KEY, &data).unwrap_err(),
        codec.decode::<String>(&KEY, &flipped).unwrap_err(),
        codec.decode::<String>(&other, &data).unwrap_err(),
        codec.reencrypt(&other, &data).unwrap_err(),
        another.decode::<String>(&KEY, &data).unwrap_err(),
        codec.with_decoded_limit(3).decode::<String>(&KEY, &data).unwrap_err(),
    ];
    for error in errors {
        shows_nothing(&error, &[[0x5A; 32], [0xA5; 32], [7; 32]]);
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("horse") && std::error::Error::source(&error).is_none(), "{shown}");
    }
}
