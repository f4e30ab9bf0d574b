//! The comment of the table.

use session_store_core::ErrorKind;

use super::assert_is_one_of;
use crate::layout::{State, Table};

/// `bytes` are the comment of a table. It is of layout 1, and will do, or it is refused, with nothing of it but the
/// number.
pub fn layout(bytes: &[u8]) {
    let Ok(comment) = std::str::from_utf8(bytes) else { return };
    let checked = state(Some(comment), true).check();
    let number = comment.strip_prefix("session-store layout ").and_then(|number| number.parse::<u32>().ok());
    let same = number.map(|number| format!("session-store layout {number}"));
    match (number, checked) {
        (Some(1), checked) => {
            checked.unwrap();
            let error = state(Some(comment), false).check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
        }
        (_, Ok(())) => panic!("it is of another layout"),
        (_, Err(error)) => {
            assert_eq!(error.kind(), ErrorKind::Config);
            assert_is_one_of(&error, &[state(same.as_deref(), true).check().unwrap_err()]);
        }
    }
}

fn state(comment: Option<&str>, has_rights: bool) -> State {
    let table = Table { comment: comment.map(str::to_owned), has_rights };
    State { version: 17, is_standby: false, has_schema: true, table: Some(table) }
}
