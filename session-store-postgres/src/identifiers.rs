//! Names in SQL: of the table, and of what belongs to it.

use session_store_core::{Error, Namespace, Result};

/// PostgreSQL truncates longer names, without an error.
const MAX_LEN: usize = 63;

pub(crate) const DEFAULT_SCHEMA: &str = "public";
pub(crate) const DEFAULT_TABLE: &str = "sessions";

/// The schema and the table of a store, as they are written in a statement.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    schema: String,
    table: String,
}

impl Default for Names {
    fn default() -> Self {
        Self { schema: DEFAULT_SCHEMA.to_owned(), table: DEFAULT_TABLE.to_owned() }
    }
}

impl Names {
    pub(crate) fn new(schema: &str, table: &Namespace) -> Result<Self> {
        if !(1..=MAX_LEN).contains(&schema.len()) || schema.contains('\0') {
            return Err(Error::config("schema must have 1 to 63 bytes without NUL; choose another schema"));
        }
        Ok(Self { schema: schema.to_owned(), table: table.as_str().to_owned() })
    }

    /// Returns the schema, quoted.
    pub(crate) fn schema(&self) -> String {
        quote(&self.schema)
    }

    /// Returns the schema's name as it is.
    pub(crate) fn bare_schema(&self) -> &str {
        &self.schema
    }

    /// Returns the table's name as it is.
    pub(crate) fn bare_table(&self) -> &str {
        &self.table
    }

    /// Returns the table in its schema, quoted.
    pub(crate) fn table(&self) -> String {
        format!("{}.{}", self.schema(), quote(&self.table))
    }

    /// Returns the name of an index of the table, quoted. It has more bytes than a table of ours may have, so no other
    /// store's table can be in its way; and begins with the table's name and what it is for, so no other index is.
    pub(crate) fn index(&self, purpose: &str) -> String {
        const REST: &str = "_index_of_a_table_of_session_store";
        let mut name = format!("{}_{purpose}{REST}", self.table);
        // The end of the name is plain ASCII: it cannot be cut in the middle of a character.
        name.truncate(MAX_LEN);
        quote(&name)
    }
}

/// Returns an identifier for exactly this name, with any characters.
fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(table: &str) -> Names {
        Names::new("public", &Namespace::new(table).unwrap()).unwrap()
    }

    #[test]
    fn names_are_quoted() {
        assert_eq!(names("a\".b; --").table(), "\"public\".\"a\"\".b; --\"");
    }

    #[test]
    fn an_index_has_a_name_that_no_table_and_no_other_index_has() {
        let long = "t".repeat(Namespace::MAX_LEN);
        for table in ["a", "a_owner", "a_owner_index", &long, &long[1..]] {
            for purpose in ["primary_key", "owner", "prune_at"] {
                let name = names(table).index(purpose);
                let bytes = name.trim_matches('"').len();
                assert!((Namespace::MAX_LEN + 1..=MAX_LEN).contains(&bytes), "{name}: {bytes}");
            }
        }
        assert_ne!(names("a").index("owner"), names("a_owner").index("owner"));
        assert_ne!(names("a").index("owner"), names("a").index("prune_at"));
    }

    #[test]
    fn a_schema_that_would_be_cut_is_refused() {
        let table = Namespace::new("sessions").unwrap();
        for schema in ["", "a\0", &"s".repeat(64)] {
            assert!(Names::new(schema, &table).is_err());
        }
    }
}
