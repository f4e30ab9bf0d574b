//! MessagePack with field names.

use rmp_serde::Deserializer;
use rmp_serde::decode::Error as DecodeError;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use super::corrupt;
use crate::{Error, Result};

/// Maps and arrays within each other. It bounds the stack that hostile bytes can use.
const MAX_DEPTH: usize = 128;

pub(super) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    // The encoder's own text may quote the value, so it is not passed on.
    let bytes = rmp_serde::to_vec_named(value)
        .map_err(|_| Error::invalid_input("the value cannot be encoded as MessagePack; its Serialize failed"))?;
    // The encoder has no limit of depth, and what could not be read back must not be saved.
    read::<IgnoredAny>(&bytes).map_err(|_| {
        Error::invalid_input(
            "the value cannot be read back; it is nested more than 128 levels deep, or its Serialize is at fault",
        )
    })?;
    Ok(bytes)
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    // Once for the shape alone: the decoder counts depth in maps and arrays, but not in an enum that
    // contains itself, which would use up the stack.
    read::<IgnoredAny>(bytes)?;
    read(bytes)
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T> {
    let mut decoder = Deserializer::from_read_ref(bytes);
    // It refuses the level at which its count reaches zero.
    decoder.set_max_depth(MAX_DEPTH + 1);
    let value = T::deserialize(&mut decoder).map_err(|error| corrupt(reason(&error)))?;
    // After the last byte, and only there, not even a marker can be read.
    match <()>::deserialize(&mut decoder) {
        Err(DecodeError::InvalidMarkerRead(_)) => Ok(value),
        _ => Err(corrupt("the data goes on after its value")),
    }
}

/// The decoder's own text quotes values, so only its class is passed on.
fn reason(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::InvalidMarkerRead(_) | DecodeError::InvalidDataRead(_) => "the data ends too early",
        DecodeError::DepthLimitExceeded => "the data is nested too deeply",
        DecodeError::Utf8Error(_) => "the data has a text that is not UTF-8",
        _ => {
            "the data does not fit the type: a field is missing (one that is new wants `#[serde(default)]`) or of another type"
        }
    }
}
