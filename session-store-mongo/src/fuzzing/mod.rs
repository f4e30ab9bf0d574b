//! What is tried with any bytes: by the targets in `fuzz/`, and by the tests here with those in `corpus/`.
//!
//! Each function panics if a decoder breaks its promise.
#![allow(clippy::panic, clippy::unwrap_used, clippy::missing_panics_doc, reason = "a decoder is at fault then")]

mod document;
mod reply;
#[cfg(test)]
mod tests;

use mongodb::bson::RawDocumentBuf;
use session_store_core::SessionKey;

pub use self::document::document;
pub use self::reply::reply;
use crate::error::{Error, classify};

const KEY: SessionKey = SessionKey::from_bytes([7; SessionKey::LEN]);

/// The bytes as a document, in which length and end are put right: what has them wrong, the driver does not read.
fn whole(bytes: &[u8]) -> Option<RawDocumentBuf> {
    let mut bytes = bytes.to_vec();
    let len = i32::try_from(bytes.len()).ok()?;
    *bytes.first_chunk_mut()? = len.to_le_bytes();
    *bytes.last_mut()? = 0;
    RawDocumentBuf::from_bytes(bytes).ok()
}

/// The error is one of these, with all that can be seen of it: so it shows nothing of what was decoded.
fn assert_is_one_of(error: &Error, all: &[Error]) {
    let seen = |error: &Error| {
        let shown = format!("{error:?}");
        let error = classify(error).into_error();
        (shown, error.to_string(), format!("{error:?}"))
    };
    assert!(all.iter().any(|one| seen(one) == seen(error)), "{error:?}");
}
