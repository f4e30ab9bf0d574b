//! The indexes of the collection.
//!
//! | name | fields | what for |
//! | --- | --- | --- |
//! | `session_store_key` | `key`, unique | to find a session; a cluster shards by it |
//! | `session_store_owner` | `owner`, of those that have one | to find a user's sessions. The key is not in it, so a rotation does not change it, and a scan meets each session |
//! | `session_store_remove_at` | `remove_at`, TTL | by it, MongoDB removes what is dead |

use std::fmt::Write as _;
use std::time::Instant;

use mongodb::bson::{Bson, Document, doc, rawdoc};
use session_store_core::Result;

use crate::error::{no_indexes, other_index, unexpected};
use crate::link::{Effect, Link};
use crate::reply::number;

pub(crate) const OWNER: &str = "session_store_owner";
pub(crate) const REMOVE_AT: &str = "session_store_remove_at";

fn all() -> [Document; 3] {
    [
        doc! { "name": "session_store_key", "key": { "key": 1 }, "unique": true },
        doc! { "name": OWNER, "key": { "owner": 1 }, "partialFilterExpression": { "owner": { "$exists": true } } },
        doc! { "name": REMOVE_AT, "key": { "remove_at": 1 }, "expireAfterSeconds": 0 },
    ]
}

/// The command that makes them. It does nothing where they are there, so any number of nodes may send it.
fn creation(collection: &str) -> Document {
    doc! { "createIndexes": collection, "indexes": all().to_vec(), "writeConcern": { "w": "majority" } }
}

/// The command as a DBA may give it to `mongosh`.
pub(crate) fn command(database: &str, collection: &str) -> String {
    let indexes = all().map(|index| format!("    {}", written(&Bson::Document(index)))).join(",\n");
    format!(
        "db.getSiblingDB({}).runCommand({{\n  createIndexes: {},\n  indexes: [\n{indexes}\n  ],\n  writeConcern: {{ w: \
         \"majority\" }}\n}})\n",
        quoted(database),
        quoted(collection)
    )
}

/// The values that are in an index, as JavaScript.
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

/// A JavaScript string, with an escape for all that might end it.
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

/// Makes the indexes, and the collection, where they are not there.
pub(crate) async fn ensure(link: &Link, collection: &str, deadline: Instant) -> Result<()> {
    // What is there already is left as it is, so it may be sent again.
    let running = || link.database.run_command(creation(collection)).into_future();
    link.repeat(Effect::Read, deadline, running).await.map(drop)
}

/// Refuses a collection that lacks one of them, or has another one in its place.
pub(crate) async fn check(link: &Link, collection: &str) -> Result<()> {
    let there = link.read(rawdoc! { "listIndexes": collection }, link.timeouts.deadline()).await?;
    let there = there.all()?.into_iter().map(|index| Document::try_from(index).map_err(|_| unexpected()));
    compare(&there.collect::<Result<Vec<_>>>()?)
}

pub(crate) fn compare(there: &[Document]) -> Result<()> {
    for wanted in all() {
        let is_same = |index: &&Document| same(index.get("name"), wanted.get("name"));
        let index = there.iter().find(is_same).ok_or_else(no_indexes)?;
        let options =
            ["key", "unique", "partialFilterExpression", "expireAfterSeconds", "sparse", "collation", "hidden"];
        if !options.iter().all(|option| same(index.get(option), wanted.get(option))) {
            return Err(other_index());
        }
    }
    Ok(())
}

/// Whether they are the same; numbers are, of whatever type the server makes them.
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
    use session_store_core::ErrorKind;

    use super::*;

    #[test]
    fn only_the_same_indexes_will_do() {
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
            let error = compare(&there).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains("another"), "{option}: {error}");
        }
        for place in 0..3 {
            let mut there = there.clone();
            there.remove(place);
            assert!(compare(&there).unwrap_err().to_string().contains("ensure_indexes"));
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
