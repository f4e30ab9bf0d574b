//! What the reply to a command says.

use mongodb::bson::{Bson, Document};
use mongodb::error::Error as Driver;
use session_store_core::backend::{Change, Verdict};

use crate::error::{CONVERSION_FAILURE, DUPLICATE_KEY, Error, did_not_begin};
use crate::record::number;

/// Returns the code of the write concern error in a reply, if there is one.
pub(crate) fn read_write_concern_error(reply: &Document) -> Option<i32> {
    let error = reply.get_document("writeConcernError").ok()?;
    Some(error.get("code").and_then(number).unwrap_or(0))
}

/// Returns how many documents the command has removed.
pub(crate) fn read_removed(reply: &Document) -> Result<u64, Error> {
    let removed = reply.get("n").and_then(number).and_then(|n| u64::try_from(n).ok());
    removed.ok_or(Error::UnexpectedAnswer)
}

/// A part of a command that failed.
#[derive(Clone, Copy)]
pub(crate) struct Refusal {
    pub(crate) index: usize,
    pub(crate) code: i32,
    /// Whether it failed because another session has the key.
    pub(crate) is_key_taken: bool,
}

impl Refusal {
    /// Returns what it means for this change.
    pub(crate) fn verdict(self, change: &Change) -> Result<Verdict, Error> {
        match self.code {
            CONVERSION_FAILURE if matches!(change, Change::Touch(_)) => Ok(Verdict::NotFound),
            CONVERSION_FAILURE => Ok(Verdict::Refused),
            // Another write was just inserting the key.
            _ if self.is_key_taken => Ok(Verdict::Busy),
            code if did_not_begin(code) => Ok(Verdict::Busy),
            code => Err(Error::Update { code }),
        }
    }
}

/// Returns the parts of a command that failed.
pub(crate) fn read_refusals(reply: &Document) -> Result<Vec<Refusal>, Error> {
    let Some(errors) = reply.get("writeErrors") else { return Ok(Vec::new()) };
    let errors = errors.as_array().ok_or(Error::UnexpectedAnswer)?;
    let refusal = |error: &Bson| {
        let error = error.as_document()?;
        let index = usize::try_from(number(error.get("index")?)?).ok()?;
        Some(Refusal { index, code: number(error.get("code")?)?, is_key_taken: is_duplicate_key(error) })
    };
    errors.iter().map(|error| refusal(error).ok_or(Error::UnexpectedAnswer)).collect()
}

/// Returns what became of each of these changes, which were the updates of one command.
pub(crate) fn read_verdicts(reply: &Document, changes: &[Change]) -> Result<Vec<Result<Verdict, Error>>, Error> {
    let mut verdicts: Vec<_> = changes.iter().map(|_| Ok(Verdict::Done)).collect();
    for refusal in read_refusals(reply)? {
        let place = verdicts.get_mut(refusal.index).zip(changes.get(refusal.index));
        let (verdict, change) = place.ok_or(Error::UnexpectedAnswer)?;
        *verdict = refusal.verdict(change);
    }
    Ok(verdicts)
}

/// Returns whether a rotation failed because another session has the key.
pub(crate) fn is_key_taken(error: &Driver) -> bool {
    let reply = error.server_response().and_then(|reply| Document::try_from(&**reply).ok());
    // A mongos may report it about the whole command.
    let is_taken = |reply: &Document| {
        is_duplicate_key(reply) || read_refusals(reply).is_ok_and(|all| all.iter().any(|one| one.is_key_taken))
    };
    reply.is_some_and(|reply| is_taken(&reply))
}

/// Returns whether an error is a duplicate in the index of keys, and in no other.
fn is_duplicate_key(error: &Document) -> bool {
    let is_of_keys = |pattern: &Document| pattern.len() == 1 && pattern.contains_key("key");
    error.get("code").and_then(number) == Some(DUPLICATE_KEY) && error.get_document("keyPattern").is_ok_and(is_of_keys)
}
