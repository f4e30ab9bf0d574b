//! The indexes that a store needs: who makes them, and what is refused in their place.

use futures_util::future::join_all;
use session_store_core::{Error, SessionStore as _};
use session_store_mongo::MongoStore;
use session_store_mongo::mongodb::bson::{Bson, Document, doc};
use testkit::failures::operations::{Fixture, Operation, all};

use crate::database::Database;
use crate::support::{APP, CONFIG, assert_works, builder, classify, open};

/// What there is on the collection of this name, by name.
async fn indexes(database: &Database, collection: &str) -> Vec<Document> {
    let answer = database.run(doc! { "listIndexes": collection }).await;
    let listed = answer.get_document("cursor").unwrap().get_array("firstBatch").unwrap();
    let mut listed: Vec<_> = listed.iter().map(|index| index.as_document().unwrap().clone()).collect();
    listed.sort_by_key(|index| index.get_str("name").unwrap().to_owned());
    listed
}

fn names(indexes: &[Document]) -> Vec<&str> {
    indexes.iter().map(|index| index.get_str("name").unwrap()).collect()
}

fn is_config(error: &Error, advice: &str) {
    assert_eq!(classify(error, &Fixture::without_session()), CONFIG, "{error:?}");
    assert!(error.to_string().contains(advice), "{error}");
}

#[tokio::test]
async fn a_collection_without_the_indexes_is_refused_and_the_error_says_what_to_do() {
    let database = Database::new("without_indexes").await;
    let build = || MongoStore::builder(database.url()).collection(APP).build();
    // Without a collection, with an empty one, and with all indexes but one.
    is_config(&build().await.unwrap_err(), "ensure_indexes");
    assert!(database.client_side().list_collection_names().await.unwrap().is_empty());
    database.client_side().create_collection(APP).await.unwrap();
    is_config(&build().await.unwrap_err(), "index_commands");
    for name in ["session_store_key", "session_store_owner", "session_store_remove_at"] {
        assert_works(&open(database.url()).await).await;
        assert_works(&build().await.unwrap()).await;
        database.run(doc! { "dropIndexes": APP, "index": name }).await;
        is_config(&build().await.unwrap_err(), "ensure_indexes");
        assert_eq!(indexes(&database, APP).await.len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_nodes_may_make_the_indexes_at_once() {
    let database = Database::new("twenty_nodes").await;
    for round in 0..3 {
        let nodes = (0..20).map(|_| {
            let builder = builder(database.url());
            tokio::spawn(async move {
                let store = builder.build().await.unwrap();
                let fixture = Fixture::create(&store).await.unwrap();
                assert!(Operation::Rotate.run(&store, &fixture).await.unwrap());
            })
        });
        for node in join_all(nodes).await {
            node.unwrap();
        }
        let there = indexes(&database, APP).await;
        let wanted = ["_id_", "session_store_key", "session_store_owner", "session_store_remove_at"];
        assert_eq!(names(&there), wanted, "round {round}");
        database.collection().drop().await.unwrap();
    }
}

#[tokio::test]
async fn an_index_that_is_another_is_refused_and_left_as_it_is() {
    let database = Database::new("other_indexes").await;
    let others = [
        // The same name.
        doc! { "name": "session_store_key", "key": { "key": 1 } },
        doc! { "name": "session_store_key", "key": { "key": 1, "owner": 1 }, "unique": true },
        doc! { "name": "session_store_owner", "key": { "owner": 1 } },
        doc! { "name": "session_store_remove_at", "key": { "remove_at": 1 }, "expireAfterSeconds": 60 },
        doc! { "name": "session_store_remove_at", "key": { "expires_at": 1 }, "expireAfterSeconds": 0 },
        // The same fields.
        doc! { "name": "mine", "key": { "key": 1 }, "unique": true },
        doc! { "name": "mine", "key": { "remove_at": 1 }, "expireAfterSeconds": 0 },
    ];
    for other in others {
        database.run(doc! { "createIndexes": APP, "indexes": [other.clone()] }).await;
        let before = indexes(&database, APP).await;
        is_config(&builder(database.url()).build().await.unwrap_err(), "another");
        assert_eq!(indexes(&database, APP).await, before, "{other}");
        database.collection().drop().await.unwrap();
    }
    // One that is nobody's concern.
    database.run(doc! { "createIndexes": APP, "indexes": [{ "name": "mine", "key": { "last_seen_at": 1 } }] }).await;
    assert_works(&open(database.url()).await).await;
    assert_eq!(indexes(&database, APP).await.len(), 5);
}

#[tokio::test]
async fn an_index_that_is_hidden_from_queries_is_refused() {
    let database = Database::new("hidden_index").await;
    assert_works(&open(database.url()).await).await;
    let hidden = doc! { "name": "session_store_owner", "hidden": true };
    database.run(doc! { "collMod": APP, "index": hidden }).await;
    is_config(&MongoStore::builder(database.url()).collection(APP).build().await.unwrap_err(), "another");
}

/// The command that `mongosh` would run, and the database in which.
fn as_mongosh_reads(text: &str) -> (String, Document) {
    let (database, rest) = text.strip_prefix("db.getSiblingDB(").unwrap().split_once(").runCommand(").unwrap();
    let command = rest.trim_end().strip_suffix(')').unwrap();
    (serde_json::from_str(&as_json(database)).unwrap(), serde_json::from_str(&as_json(command)).unwrap())
}

/// JavaScript's names of fields are JSON's with quotes, and its escapes other ones.
fn as_json(text: &str) -> String {
    // Every second part is a string.
    let parts = text.split('"').enumerate();
    parts.map(|(number, part)| if number % 2 == 1 { of_string(part) } else { with_quotes(part) }).collect()
}

fn of_string(part: &str) -> String {
    let mut parts = part.split("\\u{");
    let first = parts.next().unwrap().to_owned();
    let escaped = parts.map(|escaped| {
        let (code, rest) = escaped.split_once('}').unwrap();
        format!("\\u{code:0>4}{rest}")
    });
    format!("\"{first}{}\"", escaped.collect::<String>())
}

fn with_quotes(part: &str) -> String {
    let word = |word: &str| match word.split_once(':') {
        Some((name, rest)) => format!("\"{name}\":{rest}"),
        None => word.to_owned(),
    };
    part.split_inclusive([' ', '\n']).map(word).collect()
}

/// The type of a number depends on who sends it.
fn with_plain_numbers(index: &Document) -> Document {
    let plain = |value: &Bson| match value {
        Bson::Int64(number) => Bson::Int32(i32::try_from(*number).unwrap()),
        Bson::Document(document) => with_plain_numbers(document).into(),
        value => value.clone(),
    };
    index.iter().map(|(name, value)| (name.clone(), plain(value))).collect()
}

#[tokio::test]
async fn the_commands_for_a_dba_make_the_same_indexes() {
    let database = Database::new("by_a_dba").await;
    for (number, name) in ["app", "a\"b\\c \u{e9}\n"].into_iter().enumerate() {
        let by_store = format!("{number} by the store");
        assert_works(&builder(database.url()).collection(&by_store).build().await.unwrap()).await;
        let builder = || MongoStore::builder(database.url()).collection(name);
        let (place, command) = as_mongosh_reads(&builder().index_commands(database.name()).unwrap());
        assert_eq!((place.as_str(), command.get_str("createIndexes").unwrap()), (database.name(), name));
        // Twice is no harm.
        for _ in 0..2 {
            database.run(command.clone()).await;
        }
        let (made, wanted) = (indexes(&database, name).await, indexes(&database, &by_store).await);
        assert!(made.iter().map(with_plain_numbers).eq(wanted.iter().map(with_plain_numbers)), "{made:?} {wanted:?}");
        assert_works(&builder().build().await.unwrap()).await;
        assert_works(&builder().ensure_indexes().build().await.unwrap()).await;
    }
}

#[tokio::test]
async fn a_store_whose_indexes_are_dropped_says_so_or_works() {
    let database = Database::new("dropped_indexes").await;
    let store = open(database.url()).await;
    database.run(doc! { "dropIndexes": APP, "index": "*" }).await;
    for operation in all() {
        let fixture = Fixture::create(&store).await.unwrap();
        match operation.run(&store, &fixture).await {
            Ok(is_right) => assert!(is_right, "{operation:?}"),
            Err(error) => is_config(&error, "ensure_indexes"),
        }
    }
    open(database.url()).await.ping().await.unwrap();
    assert_works(&store).await;
}
