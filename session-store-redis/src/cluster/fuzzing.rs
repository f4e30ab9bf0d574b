//! What the scripts for Cluster answer, tried with any answer; see [`crate::fuzzing`].

use redis::Value;
use session_store_core::{ErrorKind, Result, SessionKey};

use super::user::marked;
use super::{Ended, Written, ended, written};
use crate::wire::is_refusal;

/// Either it is the answer of a script, or it is refused; a write is then not taken for one that was not done.
pub(crate) fn answer(value: &Value, key: &SessionKey) {
    match written(value.clone(), key) {
        Ok(Written::Done(_)) => assert!(!is_refusal(value)),
        Ok(Written::NeedsMark(..)) => {}
        Err(error) => assert!(error.kind() != ErrorKind::Internal || error.outcome_unknown(), "{error:?}"),
    }
    if let Ok(Ended::Live(Some(entry))) = or_internal(ended(value.clone()), true) {
        assert!(!entry.user.is_empty());
    }
    if let Ok(marked) = or_internal(marked(value.clone()), false) {
        assert!(marked.is_sorted_by_key(|marked| marked.key));
    }
}

fn or_internal<T>(result: Result<T>, outcome_unknown: bool) -> Result<T> {
    if let Err(error) = &result {
        assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Internal, outcome_unknown));
    }
    result
}
