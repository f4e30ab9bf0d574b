//! Errors of the codec say what is wrong, and nothing of what the session holds.

use std::error::Error as _;
use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::ser::{Error as _, Serializer};
use serde::{Deserialize, Serialize};
use session_store_core::codec::Codec;
use session_store_core::{Error, ErrorKind};

const KEY: session_store_core::SessionKey = session_store_core::SessionKey::from_bytes([7; 32]);

const SECRET: &str = "hunter2";

fn all_text(error: &Error) -> String {
    assert!(error.source().is_none(), "the decoder's error quotes values");
    format!("{error} {error:?} {error:#} {error:#?}")
}

fn misread<T: DeserializeOwned + Debug>(value: &impl Serialize, secret: &str) {
    let codec = Codec::new();
    let error = codec.decode::<T>(&KEY, &codec.encode(&KEY, value).unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(!all_text(&error).contains(secret), "{}", all_text(&error));
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "its fields are only looked for")]
struct Strict {
    password: u32,
}

#[derive(Debug, Deserialize)]
enum Choice {
    One,
}

#[derive(Debug)]
struct Picky;

impl<'de> Deserialize<'de> for Picky {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Err(serde::de::Error::custom(format!("`{text}` will not do")))
    }
}

#[test]
fn decoding_quotes_nothing() {
    misread::<u32>(&SECRET, SECRET);
    misread::<(u32,)>(&(SECRET,), SECRET);
    misread::<Strict>(&serde_json::json!({ "password": SECRET }), SECRET);
    misread::<Strict>(&serde_json::json!({ "password": 1, SECRET: 2 }), SECRET);
    misread::<Choice>(&SECRET, SECRET);
    misread::<Picky>(&SECRET, SECRET);
    misread::<u8>(&471_147, "471147");
    misread::<char>(&SECRET, SECRET);
    assert!(matches!(Codec::new().decode(&KEY, &Codec::new().encode(&KEY, "One").unwrap()).unwrap(), Choice::One));
}

struct Failing;

impl Serialize for Failing {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom(format!("cannot write {SECRET}")))
    }
}

#[test]
fn encoding_quotes_nothing() {
    let error = Codec::new().encode(&KEY, &(1, Failing)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), "the value cannot be encoded as MessagePack; its Serialize failed");
    assert!(!all_text(&error).contains(SECRET));
}

/// Announces two elements, and writes one.
struct Miscounting;

impl Serialize for Miscounting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;
        let mut list = serializer.serialize_seq(Some(2))?;
        list.serialize_element(SECRET)?;
        list.end()
    }
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    let error = Codec::new().encode(&KEY, &Miscounting).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(!all_text(&error).contains(SECRET));
}

#[test]
fn a_damaged_envelope_quotes_nothing() {
    let codec = Codec::new();
    let mut data = codec.encode(&KEY, SECRET).unwrap().to_vec();
    data.push(0);
    assert!(!all_text(&codec.decode::<String>(&KEY, &data).unwrap_err()).contains(SECRET));
}
