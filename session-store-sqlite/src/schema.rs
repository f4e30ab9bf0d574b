//! The table: how it is created, and what the file says about it.

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection as _};

use crate::error::Error;
use crate::identifiers::{DEFAULT_TABLE, Names};
use crate::record::value;

const TABLE: &str = include_str!("../migrations/0001_sessions.sql");

/// What the comment in the table's definition begins with; the number of its layout comes after it. SQLite keeps the
/// definition as it was written.
const MARK: &str = "-- session-store layout ";

/// Returns the statements that create the table.
pub(crate) fn ddl(names: &Names) -> String {
    let mut ddl = TABLE.to_owned();
    for column in ["owner", "prune_at"] {
        ddl = ddl.replace(&format!("\"{DEFAULT_TABLE}.{column}\""), &names.index(column));
    }
    ddl.replace(&format!("\"{DEFAULT_TABLE}\""), &names.table())
}

/// Creates the table if it does not exist. Any number of processes may do so at once.
pub(crate) async fn migrate(connection: &mut SqliteConnection, names: &Names) -> Result<(), Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(Error::Statement)?;
    if Layout::read(&mut transaction, names).await? == Layout::NoTable {
        sqlx::raw_sql(AssertSqlSafe(ddl(names))).execute(&mut *transaction).await.map_err(Error::Statement)?;
    }
    transaction.commit().await.map_err(Error::Statement)
}

/// What the file says about the table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Layout {
    NoTable,
    /// The table is none of a store's, or has lost its comment.
    Foreign,
    /// The table is a store's, of this layout.
    Number(u32),
}

impl Layout {
    pub(crate) async fn read(connection: &mut SqliteConnection, names: &Names) -> Result<Self, Error> {
        let query = sqlx::query("SELECT sql FROM sqlite_schema WHERE name = ? COLLATE NOCASE").bind(names.bare_table());
        let Some(row) = query.fetch_optional(connection).await.map_err(Error::Statement)? else {
            return Ok(Self::NoTable);
        };
        let definition = value::<Option<&str>>(&row, 0)?.unwrap_or_default();
        let number = definition.split_once(MARK).and_then(|(_, rest)| rest.lines().next()?.trim().parse().ok());
        Ok(number.map_or(Self::Foreign, Self::Number))
    }
}

#[cfg(test)]
mod tests {
    use session_store_core::Namespace;

    use super::*;

    #[test]
    fn the_ddl_is_the_file_with_other_names() {
        let names = |name: &str| Names::new(&Namespace::new(name).unwrap());
        assert_eq!(ddl(&names(DEFAULT_TABLE)), TABLE);
        for namespace in ["shop", "\"sessions\"", "CREATE TABLE"] {
            let (names, text) = (names(namespace), ddl(&names(namespace)));
            assert_eq!(text.matches(&names.table()).count(), 3, "{text}");
            assert!(!text.contains("\"sessions"), "{text}");
        }
    }
}
