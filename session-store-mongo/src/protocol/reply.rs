//! What the reply to a command says.

use mongodb::bson::{Bson, Document};
use mongodb::error::Error as Driver;
use session_store_core::Result;

use crate::error::{DUPLICATE_KEY, unexpected};

/// The code of the write concern error in a reply, if there is one.
pub(crate) fn write_concern_error(reply: &Document) -> Option<i32> {
    let error = reply.get_document("writeConcernError").ok()?;
    Some(error.get("code").and_then(number).unwrap_or(0))
}

/// A small number, of whatever type a server makes it.
pub(crate) fn number(value: &Bson) -> Option<i32> {
    match value {
        Bson::Int32(int) => Some(*int),
        Bson::Int64(int) => i32::try_from(*int).ok(),
        // A whole one is written without a point.
        Bson::Double(double) => double.to_string().parse().ok(),
        _ => None,
    }
}

/// How many documents the command has removed.
pub(crate) fn removed(reply: &Document) -> Result<u64> {
    let removed = reply.get("n").and_then(number).and_then(|n| u64::try_from(n).ok());
    removed.ok_or_else(|| unexpected().with_outcome_unknown())
}

/// A part of a command that failed.
pub(crate) struct Refusal {
    pub(crate) index: usize,
    pub(crate) code: i32,
    /// Whether it is because another session has the key.
    pub(crate) is_taken: bool,
}

/// The parts of a command that failed, as the reply names them.
pub(crate) fn refusals(reply: &Document) -> Result<Vec<Refusal>> {
    // Whatever the answer says, the command was run.
    let unexpected = || unexpected().with_outcome_unknown();
    let Some(errors) = reply.get("writeErrors") else { return Ok(Vec::new()) };
    let errors = errors.as_array().ok_or_else(unexpected)?;
    let refusal = |error: &Bson| {
        let error = error.as_document()?;
        let index = usize::try_from(number(error.get("index")?)?).ok()?;
        Some(Refusal { index, code: number(error.get("code")?)?, is_taken: is_taken(error) })
    };
    errors.iter().map(|error| refusal(error).ok_or_else(unexpected)).collect()
}

/// Whether a rotation failed because another session has the key.
pub(crate) fn says_taken(error: &Driver) -> bool {
    let reply = error.server_response().and_then(|reply| Document::try_from(&**reply).ok());
    // A mongos may say it of the whole command.
    reply.is_some_and(|reply| is_taken(&reply) || refusals(&reply).is_ok_and(|all| all.iter().any(|one| one.is_taken)))
}

/// Whether an error is a duplicate in the index of keys, and in no other.
fn is_taken(error: &Document) -> bool {
    let is_of_keys = |pattern: &Document| pattern.len() == 1 && pattern.contains_key("key");
    error.get("code").and_then(number) == Some(DUPLICATE_KEY) && error.get_document("keyPattern").is_ok_and(is_of_keys)
}
