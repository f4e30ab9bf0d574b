//! The table: how it is created, and what a server says about it.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::error::Error;
use crate::identifiers::Names;
use crate::record::value;

const TABLE: &str = include_str!("../migrations/0001_sessions.sql");

/// Any number that no other application is likely to lock: "sessions", as bytes.
const MIGRATION_LOCK: i64 = i64::from_be_bytes(*b"sessions");

/// Returns the statements that create the table.
pub(crate) fn ddl(names: &Names, unlogged: bool) -> String {
    let usual = Names::default();
    let mut ddl = TABLE.replace("CREATE TABLE", if unlogged { "CREATE UNLOGGED TABLE" } else { "CREATE TABLE" });
    for purpose in ["primary_key", "owner", "prune_at"] {
        ddl = ddl.replace(&usual.index(purpose), &names.index(purpose));
    }
    // Last, and no quoted name has the quotes of this in it, whatever it is made of.
    ddl.replace(&usual.table(), &names.table())
}

/// Creates the table and its schema, if they do not exist. Any number of nodes may do so at once.
pub(crate) async fn migrate(connection: &mut PgConnection, names: &Names, unlogged: bool) -> Result<(), Error> {
    let begin = connection.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED");
    let mut transaction = begin.await.map_err(Error::Statement)?;
    execute(&mut transaction, format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")).await?;
    let state = State::read(&mut transaction, names).await?;
    if !state.has_schema {
        execute(&mut transaction, format!("CREATE SCHEMA {}", names.schema())).await?;
    }
    if state.table.is_none() {
        execute(&mut transaction, ddl(names, unlogged)).await?;
    }
    transaction.commit().await.map_err(Error::Statement)
}

async fn execute(connection: &mut PgConnection, sql: String) -> Result<(), Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop).map_err(Error::Statement)
}

/// What the server says about itself and the table.
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
    pub(crate) async fn read(connection: &mut PgConnection, names: &Names) -> Result<Self, Error> {
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
        let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(connection).await.map_err(Error::Statement)?;
        let has_table: bool = value(&row, 3)?;
        Ok(Self {
            version: value(&row, 0)?,
            is_standby: value(&row, 1)?,
            has_schema: value(&row, 2)?,
            table: if has_table { Some(Table { comment: value(&row, 4)?, has_rights: value(&row, 5)? }) } else { None },
        })
    }
}

/// Returns a text as a literal, also if the server reads backslashes as escapes.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use session_store_core::Namespace;

    use super::*;

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
