//! Nodes are upgraded one at a time, so each form of a struct reads the other's data.

use serde::{Deserialize, Serialize};
use session_store_core::ErrorKind;
use session_store_core::codec::Codec;

const KEY: session_store_core::SessionKey = session_store_core::SessionKey::from_bytes([7; 32]);

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Older {
    name: String,
    theme: String,
}

/// `theme` has gone, and three fields have come, one of them in front.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Newer {
    #[serde(default)]
    visits: u32,
    name: String,
    email: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Demanding {
    name: String,
    theme: String,
    country: String,
}

fn older() -> Older {
    Older { name: "Ada".into(), theme: "dark".into() }
}

#[test]
fn fields_that_came_have_their_defaults() {
    let codec = Codec::new();
    let newer: Newer = codec.decode(&KEY, &codec.encode(&KEY, &older()).unwrap()).unwrap();
    assert_eq!(newer, Newer { visits: 0, name: "Ada".into(), email: None, roles: vec![] });
}

#[test]
fn fields_that_are_not_known_are_left_out() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Name {
        name: String,
    }
    let codec = Codec::new();
    let newer = Newer { visits: 3, name: "Ada".into(), email: Some("ada@example.com".into()), roles: vec!["a".into()] };
    let name: Name = codec.decode(&KEY, &codec.encode(&KEY, &newer).unwrap()).unwrap();
    assert_eq!(name, Name { name: "Ada".into() });
}

#[test]
fn a_missing_field_without_a_default_is_corrupt() {
    let codec = Codec::new();
    let error = codec.decode::<Demanding>(&KEY, &codec.encode(&KEY, &older()).unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(
        error.to_string(),
        "the data does not fit the type: a field is missing (one that is new wants `#[serde(default)]`) or of another type"
    );
}
