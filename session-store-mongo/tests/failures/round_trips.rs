//! What each operation costs, counted in commands.

use std::time::Duration;

use futures_util::future::join_all;
use session_store_core::{ErrorKind, Page, SessionStore as _, SetMode, Write};
use session_store_mongo::MongoStore;
use session_store_mongo::mongodb::bson::{Document, doc};
use testkit::failures::operations::{Fixture, ON_KEYS, Operation, all};

use crate::database::Database;
use crate::support::{HOUR, builder, new_key, new_user, open, write_of};
use crate::watched::Watched;

async fn start(name: &'static str) -> (Watched, MongoStore) {
    let watched = Watched::new(&Database::new(name).await.url()).await;
    let store = open(watched.client.clone()).await;
    (watched, store)
}

/// The one command that it is.
fn command_of(operation: Operation) -> &'static str {
    match operation {
        Operation::Get | Operation::Ping => "find",
        Operation::Destroy => "delete",
        _ => "update",
    }
}

#[tokio::test]
async fn an_operation_on_a_session_is_one_command_and_a_refusal_two_at_the_most() {
    let (watched, store) = start("one_command").await;
    for operation in ON_KEYS {
        let fixture = Fixture::create(&store).await.unwrap();
        watched.sent();
        assert!(operation.run(&store, &fixture).await.unwrap());
        assert_eq!(watched.names(), [command_of(operation)], "{operation:?}");
        let again = operation.run(&store, &fixture).await;
        let names = watched.names();
        assert_eq!(names[0], command_of(operation), "{operation:?}");
        // Which refusal it is may take a look.
        let looks = matches!(operation, Operation::Create | Operation::Update | Operation::Rotate);
        assert_eq!(names.len(), 1 + usize::from(looks), "{operation:?}: {again:?}");
    }
}

#[tokio::test]
async fn all_sessions_of_a_user_are_listed_by_one_command_and_ended_by_three() {
    let (watched, store) = start("of_a_user").await;
    let user = new_user();
    let mut keys: Vec<_> = (0..10).map(|_| new_key()).collect();
    for key in &keys {
        store.set(key, &write_of(&user), SetMode::Create).await.unwrap();
    }
    keys.sort();
    watched.sent();
    let listed = store.list_by_user(&user, &Page::first(100).unwrap()).await.unwrap();
    assert_eq!(listed.iter().map(|entry| entry.key).collect::<Vec<_>>(), keys);
    assert_eq!(watched.names().len(), 1);
    assert_eq!(store.destroy_by_user(&user, Some(&keys[3])).await.unwrap(), 9);
    assert_eq!(watched.names(), ["find", "delete", "find"]);
}

#[tokio::test]
async fn what_is_refused_before_it_is_sent_costs_nothing() {
    let (watched, store) = start("not_sent").await;
    let (key, user) = (new_key(), new_user());
    let too_large = Write::new(vec![0; (1 << 20) + 1], HOUR, HOUR).unwrap();
    watched.sent();
    store.set(&key, &too_large, SetMode::Upsert).await.unwrap_err();
    store.rotate(&key, &new_key(), &too_large, None).await.unwrap_err();
    store.rotate(&key, &key, &write_of(&user), None).await.unwrap_err();
    store.touch(&key, Duration::ZERO).await.unwrap_err();
    store.prune(0).await.unwrap_err();
    assert!(watched.sent().is_empty());
}

#[tokio::test]
async fn the_largest_sessions_go_there_and_back() {
    let database = Database::new("largest").await;
    let store = builder(database.url()).data_limit(15 << 20).build().await.unwrap();
    let write = |size: usize| Write::new(vec![7; size], HOUR, HOUR).unwrap();
    let largest = write(15 << 20);
    let keys: Vec<_> = (0..3).map(|_| new_key()).collect();
    // At once, and so in one command, if a command held as much.
    for answer in join_all(keys.iter().map(|key| store.set(key, &largest, SetMode::Create))).await {
        answer.unwrap();
    }
    for record in join_all(keys.iter().map(|key| store.get(key))).await {
        assert_eq!(record.unwrap().unwrap().data.len(), 15 << 20);
    }
    let to = new_key();
    store.rotate(&keys[0], &to, &largest, None).await.unwrap();
    assert!(store.touch(&to, HOUR).await.unwrap());
    let error = store.set(&to, &write((15 << 20) + 1), SetMode::Replace).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(store.clear().await.unwrap(), 3);
}

#[tokio::test]
async fn a_touch_sends_no_data_and_moves_no_index() {
    let (watched, store) = start("touches").await;
    let fixture = Fixture::create(&store).await.unwrap();
    watched.sent();
    assert!(store.touch(&fixture.live, HOUR).await.unwrap());
    let sent = watched.sent().remove(0);
    let update = sent.get_array("updates").unwrap()[0].as_document().unwrap();
    let set = update.get_array("u").unwrap()[0].as_document().unwrap().get_document("$set").unwrap();
    assert_eq!(set.keys().collect::<Vec<_>>(), ["last_seen_at", "expires_at", "remove_at"]);
}

#[tokio::test]
async fn every_command_that_finds_sessions_does_so_by_an_index() {
    let database = Database::new("by_an_index").await;
    let watched = Watched::new(&database.url()).await;
    let store = open(watched.client.clone()).await;
    for operation in all() {
        for _ in 0..20 {
            Fixture::create(&store).await.unwrap();
        }
        let fixture = Fixture::create(&store).await.unwrap();
        watched.sent();
        operation.run(&store, &fixture).await.unwrap();
        for mut command in watched.sent().into_iter().filter(|command| !is_a_ping(command)) {
            // What a session and a transaction add, and what is no part of a plan.
            for field in ["lsid", "$db", "$clusterTime", "txnNumber", "writeConcern", "maxTimeMS", "$readPreference"] {
                command.remove(field);
            }
            let plan = database.run(doc! { "explain": command.clone(), "verbosity": "queryPlanner" }).await.to_string();
            assert!(
                plan.contains("IXSCAN") || plan.contains("IDHACK") || plan.contains("CLUSTERED"),
                "{operation:?}: {command} {plan}"
            );
            assert!(!plan.contains("COLLSCAN"), "{operation:?}: {command} {plan}");
        }
    }
}

/// It asks for the session of no key.
fn is_a_ping(command: &Document) -> bool {
    command.get_document("filter").is_ok_and(|filter| filter.to_string().contains("$in\": []"))
}
