//! What the reply to a command says.

use mongodb::bson::{Bson, Document};
use session_store_core::Result;

use crate::error::unexpected;

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

/// A part of a command that failed.
pub(crate) struct Refusal {
    pub(crate) index: usize,
    pub(crate) code: i32,
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
        Some(Refusal { index, code: number(error.get("code")?)? })
    };
    errors.iter().map(|error| refusal(error).ok_or_else(unexpected)).collect()
}
