//! The table: how it is made, and whether it will do.

use session_store_core::{Error, Result};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::error::{LACKS_RIGHTS, NO_TABLE, from_sqlx};
use crate::names::Names;
use crate::pool::standby;
use crate::record::value;

/// The layout that this release reads and writes.
const LAYOUT: u32 = 1;

/// What the table's comment begins with; the number of its layout comes after it.
const MARK: &str = "session-store layout ";

const TABLE: &str = include_str!("../migrations/0001_sessions.sql");

/// The oldest release that PostgreSQL's own project still mends, or did lately.
const OLDEST: i32 = 13;

/// Any number that no other application is likely to lock: "sessions", as bytes.
const MIGRATION_LOCK: i64 = i64::from_be_bytes(*b"sessions");

/// The statements that make the table.
pub(crate) fn ddl(names: &Names, unlogged: bool) -> String {
    let usual = Names::default();
    let mut ddl = TABLE.replace("CREATE TABLE", if unlogged { "CREATE UNLOGGED TABLE" } else { "CREATE TABLE" });
    for purpose in ["primary_key", "owner", "prune_at"] {
        ddl = ddl.replace(&usual.index(purpose), &names.index(purpose));
    }
    // Last, and no quoted name has the quotes of this in it, whatever it is made of.
    ddl.replace(&usual.table(), &names.table())
}

/// Makes the table and its schema, if they are not there. Any number of nodes may do so at once.
pub(crate) async fn migrate(connection: &mut PgConnection, names: &Names, unlogged: bool) -> Result<()> {
    let failed = |error: sqlx::Error| from_sqlx(&error);
    let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await.map_err(failed)?;
    execute(&mut transaction, format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")).await?;
    let state = State::read(&mut transaction, names).await?;
    if !state.has_schema {
        execute(&mut transaction, format!("CREATE SCHEMA {}", names.schema())).await?;
    }
    if state.table.is_none() {
        execute(&mut transaction, ddl(names, unlogged)).await?;
    }
    transaction.commit().await.map_err(failed)
}

async fn execute(connection: &mut PgConnection, sql: String) -> Result<()> {
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await;
    done.map(drop).map_err(|error| from_sqlx(&error))
}

/// Refuses a server or a table that will not do.
pub(crate) async fn check(connection: &mut PgConnection, names: &Names) -> Result<()> {
    State::read(connection, names).await?.check()
}

/// What the server says of itself and of the table.
pub(crate) struct State {
    pub(crate) version: i32,
    pub(crate) is_standby: bool,
    pub(crate) has_schema: bool,
    pub(crate) table: Option<Table>,
}

pub(crate) struct Table {
    pub(crate) comment: Option<String>,
    pub(crate) has_rights: bool,
}

impl State {
    async fn read(connection: &mut PgConnection, names: &Names) -> Result<Self> {
        let (schema, table) = (literal(names.bare_schema()), literal(names.bare_table()));
        let sql = format!(
            "SELECT current_setting('server_version_num')::int / 10000, pg_is_in_recovery(), s.oid IS NOT NULL,
                t.oid IS NOT NULL, obj_description(t.oid, 'pg_class'),
                COALESCE(has_schema_privilege(s.oid, 'USAGE') AND has_table_privilege(t.oid, 'SELECT')
                    AND has_table_privilege(t.oid, 'INSERT') AND has_table_privilege(t.oid, 'UPDATE')
                    AND has_table_privilege(t.oid, 'DELETE'), false)
            FROM (VALUES (1)) AS one
            LEFT JOIN pg_namespace AS s ON s.nspname = {schema}
            LEFT JOIN pg_class AS t ON t.relnamespace = s.oid AND t.relname = {table}"
        );
        // A simple query, which every pooler passes on.
        let row: PgRow =
            sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(connection).await.map_err(|error| from_sqlx(&error))?;
        Ok(Self {
            version: value(&row, 0)?,
            is_standby: value(&row, 1)?,
            has_schema: value(&row, 2)?,
            table: if value(&row, 3)? {
                Some(Table { comment: value(&row, 4)?, has_rights: value(&row, 5)? })
            } else {
                None
            },
        })
    }

    pub(crate) fn check(&self) -> Result<()> {
        let version = self.version;
        if version < OLDEST {
            return Err(Error::config(format!(
                "the PostgreSQL server is {version}; the store needs {OLDEST} or newer"
            )));
        }
        if self.is_standby {
            return Err(standby());
        }
        let Some(table) = &self.table else { return Err(Error::new(NO_TABLE.0, NO_TABLE.1)) };
        let layout = table.comment.as_deref().and_then(|comment| comment.strip_prefix(MARK)?.parse::<u32>().ok());
        match layout {
            None => Err(Error::config(
                "the table is not one of session-store's, or has lost its comment; choose another name",
            )),
            Some(layout) if layout > LAYOUT => Err(Error::config(format!(
                "the table is of layout {layout}, made by a later release, and this one knows {LAYOUT} only; update the \
                 application"
            ))),
            Some(layout) if layout < LAYOUT => Err(Error::config(format!(
                "the table is of layout {layout}, and this release needs {LAYOUT}; `Builder::migrate` brings it up to date"
            ))),
            Some(_) if !table.has_rights => Err(Error::new(LACKS_RIGHTS.0, LACKS_RIGHTS.1)),
            Some(_) => Ok(()),
        }
    }
}

/// A text that stands for itself in a statement, also where the server takes backslashes for escapes.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use session_store_core::Namespace;

    use super::*;

    fn state(comment: Option<&str>) -> State {
        let table = Table { comment: comment.map(str::to_owned), has_rights: true };
        State { version: 17, is_standby: false, has_schema: true, table: Some(table) }
    }

    #[test]
    fn what_will_not_do_is_refused_with_advice() {
        let good = || state(Some("session-store layout 1"));
        good().check().unwrap();
        let without_rights = Table { comment: Some("session-store layout 1".to_owned()), has_rights: false };
        let table = [
            (State { version: 12, ..good() }, "needs 13"),
            (State { is_standby: true, ..good() }, "standby"),
            (State { table: None, ..good() }, "Builder::migrate"),
            (state(None), "not one of session-store's"),
            (state(Some("of somebody")), "not one of session-store's"),
            (state(Some("session-store layout 0")), "up to date"),
            (state(Some("session-store layout 2")), "later release"),
            (State { table: Some(without_rights), ..good() }, "GRANTs"),
        ];
        for (state, advice) in table {
            let error = state.check().unwrap_err().to_string();
            assert!(error.contains(advice), "{error}");
        }
    }

    #[test]
    fn the_ddl_is_the_file_with_other_names() {
        assert_eq!(ddl(&Names::default(), false), TABLE);
        for table in ["s", "\"public\".\"sessions\"", "CREATE TABLE"] {
            let names = Names::new("shop", &Namespace::new(table).unwrap()).unwrap();
            let ddl = ddl(&names, true);
            assert!(ddl.contains(&format!("CREATE UNLOGGED TABLE {} (", names.table())), "{ddl}");
            assert_eq!(ddl.matches(&names.table()).count(), 4, "{ddl}");
            assert!(!ddl.contains(&Names::default().table()), "{ddl}");
        }
    }
}
