//! The reply to a command that changes something, or asks for the indexes.

use std::time::Duration;

use mongodb::bson::{Bson, Document};
use session_store_core::backend::{Change, Import, Touch, Verdict};
use session_store_core::{Bytes, Meta, Timestamp, Version};

use super::{KEY, assert_is_one_of, whole};
use crate::error::{CONVERSION_FAILURE, Error, classify};
use crate::protocol::reply::{Refusal, read_refusals, read_removed, read_verdicts, read_write_concern_error};
use crate::schema;

/// `bytes` are a reply that all that reads replies takes, or refuses; a refusal shows nothing of it but a code.
pub fn reply(bytes: &[u8]) {
    let Some(document) = whole(bytes) else { return };
    // What is not well-formed is refused by the driver.
    let Ok(reply) = Document::try_from(&*document) else { return };
    match read_refusals(&reply) {
        Ok(refusals) => refusals.into_iter().for_each(refused),
        Err(error) => assert_is_one_of(&error, &[Error::UnexpectedAnswer]),
    }
    match read_removed(&reply) {
        Ok(removed) => assert!(i32::try_from(removed).is_ok()),
        Err(error) => assert_is_one_of(&error, &[Error::UnexpectedAnswer]),
    }
    if let Some(code) = read_write_concern_error(&reply) {
        assert!(classify(&Error::WriteConcern { code }).is_ambiguous());
    }
    let changes = [touch(), import(), touch()];
    match read_verdicts(&reply, &changes) {
        Ok(verdicts) => assert_eq!(verdicts.len(), changes.len()),
        Err(error) => assert_is_one_of(&error, &[Error::UnexpectedAnswer]),
    }
    compared(&reply);
}

fn touch() -> Change {
    Change::Touch(Touch { key: KEY, idle: Duration::from_secs(1) })
}

fn import() -> Change {
    let time = Timestamp::from_millis(0);
    let version = Version::from_bytes([1; Version::LEN]);
    let meta = Meta { user: None, created_at: time, last_seen_at: time, expires_at: time, deadline: time, version };
    Change::Import(Import { key: KEY, meta, data: Bytes::new() })
}

fn refused(refusal: Refusal) {
    let Refusal { code, is_key_taken, .. } = refusal;
    let verdicts = (refusal.verdict(&touch()), refusal.verdict(&import()));
    match verdicts {
        (Ok(Verdict::NotFound), Ok(Verdict::Refused)) => assert_eq!(code, CONVERSION_FAILURE),
        (Ok(Verdict::Busy), Ok(Verdict::Busy)) => {
            assert!(is_key_taken || !classify(&Error::Update { code }).is_ambiguous());
        }
        (Err(error), Err(_)) => {
            assert!(!is_key_taken);
            assert_is_one_of(&error, &[Error::Update { code }]);
        }
        verdicts => panic!("{verdicts:?}"),
    }
}

/// The reply as an index, and what it has arrays of.
fn compared(reply: &Document) {
    let arrays = reply.values().filter_map(Bson::as_array);
    let arrays = arrays.map(|array| array.iter().filter_map(Bson::as_document).cloned().collect::<Vec<_>>());
    for indexes in arrays.chain([vec![reply.clone()]]) {
        if let Err(error) = schema::compare(&indexes) {
            assert_is_one_of(&error, &[Error::NoIndex, Error::OtherIndex]);
        }
    }
}
