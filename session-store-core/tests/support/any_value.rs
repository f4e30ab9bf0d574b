//! Values of every shape that serde knows, one inside the other.

use std::collections::BTreeMap;
use std::fmt;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) enum Value {
    Unit,
    Flag(bool),
    Byte(i8),
    Signed(i64),
    Unsigned(u64),
    Wide(i128),
    Real(f64),
    Single(f32),
    Letter(char),
    Text(String),
    Blob(Blob),
    Maybe(Option<Box<Value>>),
    Wrapped(Wrapper),
    Pair(Box<Value>, Box<Value>),
    Many(Vec<Value>),
    ByName(BTreeMap<String, Value>),
    ByNumber(BTreeMap<i64, Value>),
    Struct { first: Box<Value>, second: Option<u16>, third: (bool, String) },
}

/// A struct that MessagePack does not see.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Wrapper(Box<Value>);

/// Bytes that are written as bytes, not as a list of numbers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Blob(Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Blob;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Blob, E> {
                Ok(Blob(bytes.to_vec()))
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}

/// Any value. NaN is left out, because it is not equal to itself.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    let extreme = prop_oneof![Just(i64::MIN), Just(-1), Just(0), Just(i64::MAX), any::<i64>()];
    let leaf = prop_oneof![
        Just(Value::Unit),
        any::<bool>().prop_map(Value::Flag),
        any::<i8>().prop_map(Value::Byte),
        extreme.prop_map(Value::Signed),
        prop_oneof![Just(u64::MAX), any::<u64>()].prop_map(Value::Unsigned),
        prop_oneof![Just(i128::MIN), Just(i128::MAX), any::<i128>()].prop_map(Value::Wide),
        prop_oneof![Just(f64::INFINITY), Just(f64::MIN), Just(-0.0), any::<f64>()].prop_map(Value::Real),
        any::<f32>().prop_map(Value::Single),
        any::<char>().prop_map(Value::Letter),
        prop_oneof!["\\PC{0,40}", "[ -~]{0,300}", Just("é e\u{301} 漢字 🦀 \0 \u{10FFFF}".to_owned())]
            .prop_map(Value::Text),
        vec(any::<u8>(), 0..300).prop_map(|bytes| Value::Blob(Blob(bytes))),
        Just(Value::Maybe(None)),
    ];
    leaf.prop_recursive(6, 48, 6, |inner| {
        prop_oneof![
            inner.clone().prop_map(|value| Value::Maybe(Some(Box::new(value)))),
            inner.clone().prop_map(|value| Value::Wrapped(Wrapper(Box::new(value)))),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| Value::Pair(Box::new(one), Box::new(other))),
            vec(inner.clone(), 0..20).prop_map(Value::Many),
            btree_map("\\PC{0,10}", inner.clone(), 0..20).prop_map(Value::ByName),
            btree_map(any::<i64>(), inner.clone(), 0..6).prop_map(Value::ByNumber),
            (inner, any::<Option<u16>>(), any::<bool>(), "\\PC{0,10}").prop_map(|(first, second, flag, text)| {
                Value::Struct { first: Box::new(first), second, third: (flag, text) }
            }),
        ]
    })
}
