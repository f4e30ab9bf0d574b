//! What the scripts for Cluster answer, tried with any answer; see [`crate::fuzzing`].

use redis::Value;
use session_store_core::backend::Verdict;

use super::sweep::Topology;
use super::user::marked;
use super::{Ended, Result, Written, ended, written};
use crate::error::Error;
use crate::protocol::is_refusal;

/// Either it is the answer of a script, or it is unexpected; a write is then not taken for one that was not done.
pub(crate) fn answer(value: &Value) {
    match or_unexpected(written(value.clone())) {
        Some(Written::Done(_)) => assert!(!is_refusal(value)),
        Some(Written::Refused(verdict)) => assert!(is_refusal(value) && verdict != Verdict::Done),
        Some(Written::NeedsMark(..)) | None => {}
    }
    if let Some(Ended::Live(Some(entry))) = or_unexpected(ended(value.clone())) {
        assert!(!entry.user.is_empty());
    }
    if let Some(marked) = or_unexpected(marked(value.clone())) {
        assert!(marked.is_sorted_by_key(|marked| marked.key));
    }
    let topology = Topology::read(vec![(Some("127.0.0.1:7".to_owned()), value.clone())]);
    assert!(matches!(topology, Ok(_) | Err(Error::Unexpected | Error::SlotsMove)));
}

fn or_unexpected<T>(result: Result<T>) -> Option<T> {
    result.map_err(|error| assert!(matches!(error, Error::Unexpected), "{error:?}")).ok()
}
