//! MessagePack with field names.

use rmp_serde::Deserializer;
use rmp_serde::decode::Error as DecodeError;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use super::corrupt;
use crate::{Error, Result};

/// The limit of `serde_json` too. It bounds the stack that hostile bytes can use.
const MAX_DEPTH: usize = 128;

pub(super) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    // The encoder's own text may quote the value, so it is not passed on.
    let bytes = rmp_serde::to_vec_named(value)
        .map_err(|_| Error::invalid_input("the value cannot be encoded as MessagePack; its Serialize failed"))?;
    // The encoder has no limit of depth, and what it could not read back must not be saved.
    decode::<IgnoredAny>(&bytes).map_err(|_| Error::invalid_input("the value is nested more than 128 levels deep"))?;
    Ok(bytes)
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let mut decoder = Deserializer::from_read_ref(bytes);
    decoder.set_max_depth(MAX_DEPTH);
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
        _ => "the data does not fit the type: a field is missing or has another type",
    }
}
