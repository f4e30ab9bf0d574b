//! MessagePack with field names.

use rmp_serde::Deserializer;
use rmp_serde::decode::Error as DecodeError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::corrupt;
use super::shape::{self, MAX_DEPTH};
use crate::{Error, Result};

pub(super) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    // The encoder's own text may quote the value, so it is not passed on.
    let bytes = rmp_serde::to_vec_named(value)
        .map_err(|_| Error::invalid_input("the value cannot be encoded as MessagePack; its Serialize failed"))?;
    // The encoder has no limit of depth, and what could not be read back must not be saved.
    shape::check(&bytes).map_err(|_| {
        Error::invalid_input(
            "the value cannot be read back; it is nested more than 128 levels deep, or its Serialize is at fault",
        )
    })?;
    Ok(bytes)
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    shape::check(bytes).map_err(corrupt)?;
    let mut decoder = Deserializer::from_read_ref(bytes);
    // It refuses the level at which its count reaches zero.
    decoder.set_max_depth(MAX_DEPTH + 1);
    T::deserialize(&mut decoder).map_err(|error| corrupt(reason(&error)))
}

/// The decoder's own text quotes values, so only its class is passed on.
fn reason(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::InvalidMarkerRead(_) | DecodeError::InvalidDataRead(_) => shape::ENDS_EARLY,
        DecodeError::DepthLimitExceeded => shape::TOO_DEEP,
        DecodeError::Utf8Error(_) => "the data has a text that is not UTF-8",
        _ => {
            "the data does not fit the type: a field is missing (one that is new wants `#[serde(default)]`) or of another type"
        }
    }
}
