//! Values nest at most 128 levels deep, so that no bytes can use up the stack.

use crate::envelopes::envelope;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use session_store_core::ErrorKind;
use session_store_core::codec::Codec;

const KEY: session_store_core::SessionKey = session_store_core::SessionKey::from_bytes([7; 32]);

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Arrays(Vec<Arrays>);

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Structs {
    next: Option<Box<Structs>>,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
enum Enums {
    End,
    Next(Box<Enums>),
}

fn arrays(levels: usize) -> Arrays {
    (1..levels).fold(Arrays(vec![]), |inner, _| Arrays(vec![inner]))
}

fn structs(levels: usize) -> Structs {
    (1..levels).fold(Structs { next: None }, |inner, _| Structs { next: Some(Box::new(inner)) })
}

fn enums(levels: usize) -> Enums {
    (0..levels).fold(Enums::End, |inner, _| Enums::Next(Box::new(inner)))
}

fn goes_128_levels_deep<T: Serialize + DeserializeOwned + PartialEq>(nested: fn(usize) -> T) {
    let codec = Codec::new();
    let data = codec.encode(&KEY, &nested(128)).unwrap();
    assert!(codec.decode::<T>(&KEY, &data).unwrap() == nested(128));

    let error = codec.encode(&KEY, &nested(129)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn arrays_in_arrays() {
    goes_128_levels_deep(arrays);
}

#[test]
fn structs_in_structs() {
    goes_128_levels_deep(structs);
}

#[test]
fn enums_in_enums() {
    goes_128_levels_deep(enums);
}

/// An extension of MessagePack within so many arrays.
struct Extension(usize);

impl Serialize for Extension {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.checked_sub(1) {
            Some(fewer) => serializer.collect_seq([Self(fewer)]),
            None => serializer.serialize_newtype_struct(rmp_serde::MSGPACK_EXT_STRUCT_NAME, &(1_i8, Bytes)),
        }
    }
}

struct Bytes;

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(b"data")
    }
}

#[test]
fn an_extension_is_a_level_as_well() {
    let codec = Codec::new();
    let data = codec.encode(&KEY, &Extension(127)).unwrap();
    codec.decode::<serde::de::IgnoredAny>(&KEY, &data).unwrap();
    assert_eq!(codec.encode(&KEY, &Extension(128)).unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// What no codec wrote: `level` so many times around `end`.
fn refused<T: DeserializeOwned>(levels: usize, level: &[u8], end: &[u8]) {
    let payload = [level.repeat(levels), end.to_vec()].concat();
    let error = Codec::new().decode::<T>(&KEY, &envelope(1, 0, &payload)).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{levels} levels");
    assert_eq!(error.to_string(), "the data is nested too deeply", "{levels} levels");
}

#[test]
fn deeper_bytes_are_corrupt() {
    for levels in [129, 1_000, 300_000] {
        refused::<Arrays>(levels - 1, &[0x91], &[0x90]);
        refused::<Structs>(levels, b"\x81\xA4next", &[0xC0]);
        refused::<Enums>(levels, b"\x81\xA4Next", b"\xA3End");
        refused::<Enums>(levels, b"\x81\x01", b"\xA3End");
        refused::<serde_json::Value>(levels, &[0x91], &[0xC0]);
        refused::<()>(levels, &[0x91], &[0xC0]);
    }
}
