//! When a write is acknowledged.

use session_store_core::{ErrorKind, SessionStore};
use session_store_mongo::MongoStore;
use session_store_mongo::mongodb::bson::{Document, doc};
use session_store_mongo::mongodb::options::{Acknowledgment, DatabaseOptions, WriteConcern};
use testkit::failures::operations::{BULK, Fixture, Operation, WRITES};
use testkit::failures::refused_builds::assert_refused;

use crate::database::Database;
use crate::support::{CONFIG, HOUR, assert_works, builder, classify, new_key, open};
use crate::watched::Watched;

/// The default: five seconds are the operation timeout.
fn majority() -> Document {
    doc! { "w": "majority", "j": true, "wtimeout": 5000 }
}

fn of_nodes(nodes: u32) -> WriteConcern {
    WriteConcern::builder().w(Acknowledgment::Nodes(nodes)).build()
}

/// The write concerns of all that the store sends to save, rotate or end sessions.
async fn sent(watched: &Watched, store: &MongoStore) -> Vec<Document> {
    let mut concerns = Vec::new();
    for operation in WRITES.into_iter().chain(BULK).filter(|operation| *operation != Operation::Touch) {
        let fixture = Fixture::create(store).await.unwrap();
        watched.sent();
        operation.run(store, &fixture).await.unwrap();
        concerns.extend(watched.sent().iter().filter_map(concern));
    }
    assert!(concerns.len() >= 9, "{concerns:?}");
    concerns
}

/// That of a command that writes, in one form.
fn concern(command: &Document) -> Option<Document> {
    if !matches!(command.keys().next()?.as_str(), "update" | "delete") {
        return None;
    }
    let mut concern = command.get_document("writeConcern").cloned().unwrap_or_default();
    for number in ["w", "wtimeout"] {
        if let Ok(long) = concern.get_i64(number) {
            concern.insert(number, i32::try_from(long).unwrap());
        }
    }
    Some(concern)
}

#[tokio::test]
async fn a_majority_and_its_journal_are_waited_for_unless_something_else_is_said() {
    let database = Database::new("default_concern").await;
    let watched = Watched::new(&database.url()).await;
    let store = open(watched.client.clone()).await;
    for concern in sent(&watched, &store).await {
        assert_eq!(concern, majority());
    }
    // A touch is the primary's alone.
    let fixture = Fixture::create(&store).await.unwrap();
    watched.sent();
    store.touch(&fixture.live, HOUR).await.unwrap();
    assert_eq!(watched.sent().iter().filter_map(concern).collect::<Vec<_>>(), [doc! { "w": 1 }]);
}

#[tokio::test]
async fn the_builder_goes_before_the_client_or_the_database_and_these_before_the_default() {
    let database = Database::new("concerns").await;
    let watched = Watched::new(&format!("{}&w=1&journal=false&wTimeoutMS=700", database.url())).await;
    let of_client = doc! { "w": 1, "j": false, "wtimeout": 700 };
    let options = DatabaseOptions::builder().write_concern(of_nodes(1)).build();
    let with_options = watched.client.database_with_options(database.name(), options);
    let stores = [
        (builder(watched.client.clone()), of_client.clone()),
        (builder(watched.client.database(database.name())), of_client),
        (builder(with_options.clone()), doc! { "w": 1, "wtimeout": 5000 }),
        (builder(watched.client.clone()).write_concern(WriteConcern::majority()), majority()),
        (builder(with_options).write_concern(WriteConcern::majority()), majority()),
    ];
    for (number, (builder, wanted)) in stores.into_iter().enumerate() {
        let store = builder.build().await.unwrap();
        for concern in sent(&watched, &store).await {
            assert_eq!(concern, wanted, "{number}");
        }
    }
}

#[tokio::test]
async fn the_builder_goes_before_the_url() {
    let database = Database::new("concern_of_url").await;
    let (one, two) = (format!("{}&w=1", database.url()), format!("{}&w=2", database.url()));
    assert_works(&open(one.as_str()).await).await;
    assert_works(&builder(two.as_str()).write_concern(of_nodes(1)).build().await.unwrap()).await;
    // The server is alone, and says so.
    for builder in [builder(two), builder(one).write_concern(of_nodes(2))] {
        let fixture = Fixture::without_session();
        let error = match builder.build().await {
            Ok(store) => store.destroy(&new_key()).await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(classify(&error, &fixture), CONFIG, "{error:?}");
        assert!(error.to_string().contains("write concern"), "{error}");
    }
}

#[tokio::test]
async fn writes_that_nobody_acknowledges_are_refused() {
    let database = Database::new("unacknowledged").await;
    for builder in [builder(database.url()).write_concern(of_nodes(0)), builder(format!("{}&w=0", database.url()))] {
        assert_refused(&builder.build().await.unwrap_err(), ErrorKind::Config, "set `w` to 1 or more");
    }
}
