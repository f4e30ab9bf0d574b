//! The indexes of the collection.
//!
//! | name | fields | what for |
//! | --- | --- | --- |
//! | `session_store_key` | `key`, unique | to find a session; a cluster shards by it |
//! | `session_store_owner` | `owner`, of those that have one | to find a user's sessions. The key is not in it, so a rotation does not change it, and a scan meets each session |
//! | `session_store_remove_at` | `remove_at`, TTL | by it, MongoDB removes what is dead |

use std::fmt::Write as _;

use mongodb::bson::{Bson, Document, doc};

use crate::error::Error;
use crate::record::number;

pub(crate) const OWNER: &str = "session_store_owner";
pub(crate) const REMOVE_AT: &str = "session_store_remove_at";

fn all() -> [Document; 3] {
    [
        doc! { "name": "session_store_key", "key": { "key": 1 }, "unique": true },
        doc! { "name": OWNER, "key": { "owner": 1 }, "partialFilterExpression": { "owner": { "$exists": true } } },
        doc! { "name": REMOVE_AT, "key": { "remove_at": 1 }, "expireAfterSeconds": 0 },
    ]
}

/// Returns the command that creates them. It leaves those that are there as they are, so any number of nodes may send it.
pub(crate) fn creation(collection: &str) -> Document {
    doc! { "createIndexes": collection, "indexes": all().to_vec(), "writeConcern": { "w": "majority" } }
}

/// Returns the same command for `mongosh`.
pub(crate) fn command(database: &str, collection: &str) -> String {
    let indexes = all().map(|index| format!("    {}", written(&Bson::Document(index)))).join(",\n");
    format!(
        "db.getSiblingDB({}).runCommand({{\n  createIndexes: {},\n  indexes: [\n{indexes}\n  ],\n  writeConcern: {{ w: \
         \"majority\" }}\n}})\n",
        quoted(database),
        quoted(collection)
    )
}

/// Returns a value of an index as JavaScript.
fn written(value: &Bson) -> String {
    match value {
        Bson::Document(document) => {
            let fields = document.iter().map(|(name, value)| format!("{name}: {}", written(value)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        Bson::String(text) => quoted(text),
        value => value.to_string(),
    }
}

/// Returns a JavaScript string, in which everything that might end it is escaped.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            ' '..='~' if !matches!(character, '"' | '\\') => quoted.push(character),
            // Writing to a string does not fail.
            _ => _ = write!(quoted, "\\u{{{:x}}}", u32::from(character)),
        }
    }
    quoted.push('"');
    quoted
}

/// Refuses a collection that lacks an index of the store's, or has another one in its place.
pub(crate) fn compare(there: &[Document]) -> Result<(), Error> {
    for wanted in all() {
        let is_same = |index: &&Document| same(index.get("name"), wanted.get("name"));
        let index = there.iter().find(is_same).ok_or(Error::NoIndex)?;
        let options =
            ["key", "unique", "partialFilterExpression", "expireAfterSeconds", "sparse", "collation", "hidden"];
        if !options.iter().all(|option| same(index.get(option), wanted.get(option))) {
            return Err(Error::OtherIndex);
        }
    }
    Ok(())
}

/// Returns whether two options are the same. Numbers may be of different types: the server chooses its own.
fn same(one: Option<&Bson>, other: Option<&Bson>) -> bool {
    match (one, other) {
        (None | Some(Bson::Boolean(false)), None | Some(Bson::Boolean(false))) => true,
        (Some(Bson::Document(one)), Some(Bson::Document(other))) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| one.0 == other.0 && same(Some(one.1), Some(other.1)))
        }
        (Some(one), Some(other)) => one == other || number(one).is_some_and(|one| number(other) == Some(one)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_indexes_are_accepted() {
        let mut there = all().to_vec();
        there.push(doc! { "name": "of_somebody", "key": { "data": 1 } });
        compare(&there).unwrap();
        // As a shell sends it.
        there[2].insert("expireAfterSeconds", 0.0);
        compare(&there).unwrap();
        let changes: [(usize, &str, Bson); 5] = [
            (0, "unique", false.into()),
            (0, "key", doc! { "key": 1, "owner": 1 }.into()),
            (1, "key", doc! { "owner": -1 }.into()),
            (1, "partialFilterExpression", doc! {}.into()),
            (2, "expireAfterSeconds", 60.into()),
        ];
        for (place, option, value) in changes {
            let mut there = there.clone();
            there[place].insert(option, value);
            assert!(matches!(compare(&there), Err(Error::OtherIndex)), "{option}");
        }
        for place in 0..3 {
            let mut there = there.clone();
            there.remove(place);
            assert!(matches!(compare(&there), Err(Error::NoIndex)), "{place}");
        }
    }

    #[test]
    fn the_command_is_that_of_the_page() {
        let text = command("shop", "sessions");
        assert!(include_str!("../README.md").contains(text.trim_end()), "{text}");
    }

    #[test]
    fn names_in_the_command_are_quoted() {
        let text = command("shop", "a\"b\\\n\u{e9}");
        assert!(text.starts_with("db.getSiblingDB(\"shop\").runCommand({"), "{text}");
        assert!(text.contains(r#"createIndexes: "a\u{22}b\u{5c}\u{a}\u{e9}","#), "{text}");
        assert!(text.contains(r#"{ name: "session_store_key", key: { key: 1 }, unique: true }"#), "{text}");
    }
}
