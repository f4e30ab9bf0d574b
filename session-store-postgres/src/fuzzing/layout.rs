//! The comment of the table.

use session_store_core::ErrorKind;

use super::assert_is_one_of;
use crate::schema::{State, Table};
use crate::server_check::check;

/// Checks `bytes` as the comment of a table. It is of layout 1 and supported, or it is refused with an error that shows
/// nothing of it but the number.
pub fn layout(bytes: &[u8]) {
    let Ok(comment) = std::str::from_utf8(bytes) else { return };
    let checked = check(&state(Some(comment), true));
    let number = comment.strip_prefix("session-store layout ").and_then(|number| number.parse::<u32>().ok());
    let same = number.map(|number| format!("session-store layout {number}"));
    match (number, checked) {
        (Some(1), checked) => {
            checked.unwrap();
            let error = check(&state(Some(comment), false)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
        }
        (_, Ok(())) => panic!("it is of another layout"),
        (_, Err(error)) => {
            assert_eq!(error.kind(), ErrorKind::Config);
            assert_is_one_of(&error, &[check(&state(same.as_deref(), true)).unwrap_err()]);
        }
    }
}

fn state(comment: Option<&str>, has_rights: bool) -> State {
    let table = Table { comment: comment.map(str::to_owned), has_rights };
    State { version: 17, is_standby: false, has_schema: true, table: Some(table) }
}
