//! Names in SQL: of the table, and of what belongs to it.

use session_store_core::Namespace;

pub(crate) const DEFAULT_TABLE: &str = "sessions";

/// What the name of a table begins with whose namespace is no plain name.
const ENCODED: &str = "session_store_x";

/// The table of a store.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    table: String,
}

impl Names {
    /// SQLite compares names without regard to the case of ASCII letters, and keeps names that begin with `sqlite_` for
    /// itself. So only namespaces of lower-case letters, digits and underscores name their table as they are; of others,
    /// the name has the bytes in hexadecimal.
    pub(crate) fn new(namespace: &Namespace) -> Self {
        let name = namespace.as_str();
        let is_plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        let is_taken = name.starts_with("sqlite_") || name.starts_with(ENCODED);
        let table = if is_plain && !is_taken { name.to_owned() } else { format!("{ENCODED}{}", hex::encode(name)) };
        Self { table }
    }

    /// Returns the table's name as it is.
    pub(crate) fn bare_table(&self) -> &str {
        &self.table
    }

    /// Returns the table, quoted. Its name has no quotes in it.
    pub(crate) fn table(&self) -> String {
        format!("\"{}\"", self.table)
    }

    /// Returns an index of the table, quoted. No table has a dot in its name.
    pub(crate) fn index(&self, column: &str) -> String {
        format!("\"{}.{column}\"", self.table)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_namespace_has_a_table_of_its_own_also_without_regard_to_case() {
        let long = "t".repeat(Namespace::MAX_LEN);
        let names = ["a", "A", "a.owner", "sqlite_a", "\"", "é", "session_store_x41", "a b", "1", &long];
        let tables: HashSet<_> =
            names.iter().map(|name| Names::new(&Namespace::new(*name).unwrap()).table().to_lowercase()).collect();
        assert_eq!(tables.len(), names.len());
        assert!(tables.iter().all(|table| !table.starts_with("\"sqlite_") && !table.contains('.')));
        assert_eq!(Names::new(&Namespace::new("shop_1").unwrap()).table(), "\"shop_1\"");
    }
}
