//! The names of the database and the collection.

use session_store_core::{Error, Namespace, Result};

/// The collection of a store whose builder names none.
pub(crate) const DEFAULT_COLLECTION: &str = "sessions";

/// Returns the name of the collection, which is the namespace.
pub(crate) fn collection(name: &str) -> Result<Namespace> {
    if name.contains('$') || name.starts_with("system.") || name.starts_with('.') || name.ends_with('.') {
        return Err(Error::config(
            "MongoDB refuses a collection whose name contains `$`, begins or ends with a dot, or begins with `system.`; \
             choose another name",
        ));
    }
    Namespace::new(name)
}

/// Refuses what is no name of a database. The driver takes any name, and the server would refuse it later.
pub(crate) fn check_database(name: &str) -> Result<()> {
    let is_refused = |character: char| "/\\. \"$*<>:|?\0".contains(character);
    if (1..=63).contains(&name.len()) && !name.chars().any(is_refused) {
        return Ok(());
    }
    Err(Error::config(
        "a MongoDB database's name has 1 to 63 bytes and contains none of /\\. \"$*<>:|? and NUL; choose another name",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mongodb_refuses_are_refused() {
        for name in ["", "$app", "a$b", ".app", "app.", "system.app", "a\0b"] {
            assert!(collection(name).is_err(), "{name:?}");
        }
        for name in ["sessions", "systems", "a.b..c", "*?[a]{b}\\ \n\u{e9}\"'.1"] {
            assert_eq!(collection(name).unwrap().as_str(), name);
        }
        for name in ["", "a.b", "a b", "a/b", "a\0b", &"x".repeat(64)] {
            assert!(check_database(name).is_err(), "{name:?}");
        }
        for name in ["shop", "\u{e9}'-_1", &"x".repeat(63)] {
            check_database(name).unwrap();
        }
    }
}
