//! Whether a server and its table are supported.

use session_store_core::{Error, ErrorKind, Result};

use crate::error;
use crate::schema::State;

/// The layout that this release reads and writes.
const LAYOUT: u32 = 1;

/// What the table's comment begins with; the number of its layout comes after it.
const MARK: &str = "session-store layout ";

/// The oldest release that PostgreSQL's own project still maintains, or did lately.
const OLDEST: i32 = 13;

/// Refuses a server or a table that is not supported.
pub(crate) fn check(state: &State) -> Result<()> {
    let version = state.version;
    if version < OLDEST {
        return Err(Error::config(format!("the PostgreSQL server is {version}; the store requires {OLDEST} or newer")));
    }
    if state.is_standby {
        return Err(error::Error::Standby.into());
    }
    let of = |(kind, message): (ErrorKind, &'static str)| Error::new(kind, message);
    let Some(table) = &state.table else { return Err(of(error::NO_TABLE)) };
    let layout = table.comment.as_deref().and_then(|comment| comment.strip_prefix(MARK)?.parse::<u32>().ok());
    match layout {
        None => {
            Err(Error::config("the table is not one of session-store's, or has lost its comment; choose another name"))
        }
        Some(layout) if layout > LAYOUT => Err(Error::config(format!(
            "the table is of layout {layout}, which a later release created, and this one supports only {LAYOUT}; update \
             the application"
        ))),
        Some(layout) if layout < LAYOUT => Err(Error::config(format!(
            "the table is of layout {layout}, and this release requires {LAYOUT}; `PostgresStoreBuilder::migrate` brings it \
             up to date"
        ))),
        Some(_) if !table.has_rights => Err(of(error::LACKS_RIGHTS)),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Table;

    fn state(comment: Option<&str>) -> State {
        let table = Table { comment: comment.map(str::to_owned), has_rights: true };
        State { version: 17, is_standby: false, has_schema: true, table: Some(table) }
    }

    #[test]
    fn what_is_not_supported_is_refused_with_advice() {
        let good = || state(Some("session-store layout 1"));
        check(&good()).unwrap();
        let without_rights = Table { comment: Some("session-store layout 1".to_owned()), has_rights: false };
        let table = [
            (State { version: 12, ..good() }, "requires 13"),
            (State { is_standby: true, ..good() }, "standby"),
            (State { table: None, ..good() }, "Builder::migrate"),
            (state(None), "not one of session-store's"),
            (state(Some("of somebody")), "not one of session-store's"),
            (state(Some("session-store layout 0")), "up to date"),
            (state(Some("session-store layout 2")), "later release"),
            (State { table: Some(without_rights), ..good() }, "GRANTs"),
        ];
        for (state, advice) in table {
            let error = check(&state).unwrap_err().to_string();
            assert!(error.contains(advice), "{error}");
        }
    }
}
