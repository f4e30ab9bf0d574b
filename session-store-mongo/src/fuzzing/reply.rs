//! The reply to a command that changes something, or asks for the indexes.

use mongodb::bson::{Bson, Document};
use session_store_core::ErrorKind;

use super::{assert_is_one_of, whole};
use crate::batch::Verdict;
use crate::error::{CONVERSION_FAILURE, from_code, from_write_concern, unexpected};
use crate::indexes;
use crate::reply::{Refusal, refusals, removed, write_concern_error};

/// `bytes` are a reply that all that reads replies takes, or refuses; a refusal shows nothing of it but a code.
pub fn reply(bytes: &[u8]) {
    let Some(document) = whole(bytes) else { return };
    // What is not well-formed is refused by the driver.
    let Ok(reply) = Document::try_from(&*document) else { return };
    let unknown = unexpected().with_outcome_unknown();
    match refusals(&reply) {
        Ok(refusals) => refusals.into_iter().for_each(refused),
        Err(error) => assert_is_one_of(&error, std::slice::from_ref(&unknown)),
    }
    match removed(&reply) {
        Ok(removed) => assert!(i32::try_from(removed).is_ok()),
        Err(error) => assert_is_one_of(&error, &[unknown]),
    }
    if let Some(code) = write_concern_error(&reply) {
        assert!(from_write_concern(code).outcome_unknown());
    }
    compared(&reply);
}

fn refused(refusal: Refusal) {
    let (code, is_taken) = (refusal.code, refusal.is_taken);
    match Verdict::of(refusal) {
        Ok(Verdict::Done) => panic!("what was refused is not done"),
        Ok(Verdict::Refused) => assert_eq!(code, CONVERSION_FAILURE),
        Ok(Verdict::Raced) => {}
        Err(error) => {
            assert!(!is_taken);
            assert_is_one_of(&error, &[from_code(code), from_code(code).with_outcome_unknown()]);
        }
    }
}

/// The reply as an index, and what it has arrays of.
fn compared(reply: &Document) {
    let arrays = reply.values().filter_map(Bson::as_array);
    let arrays = arrays.map(|array| array.iter().filter_map(Bson::as_document).cloned().collect::<Vec<_>>());
    for indexes in arrays.chain([vec![reply.clone()]]) {
        if let Err(error) = indexes::compare(&indexes) {
            assert_eq!(error.kind(), ErrorKind::Config);
            assert_is_one_of(&error, &[crate::error::no_indexes(), crate::error::other_index()]);
        }
    }
}
