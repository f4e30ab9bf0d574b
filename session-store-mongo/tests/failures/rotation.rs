//! Rotations: one command each, of the same document, which no sweep of a user's sessions misses.

use std::time::Duration;

use futures_util::future::join_all;
use session_store_core::{ErrorKind, Page, SessionKey, SessionStore, SetMode, UserId, Write};
use session_store_mongo::MongoStore;
use session_store_mongo::mongodb::bson::doc;
use testkit::failures::operations::{Fixture, Operation};

use crate::database::{Database, binary, of_key};
use crate::support::{HOUR, new_key, new_user, open, write_of};
use crate::watched::Watched;

#[tokio::test]
async fn a_rotation_keeps_the_document_and_changes_its_key() {
    let database = Database::new("same_document").await;
    let store = open(database.url()).await;
    let fixture = Fixture::create(&store).await.unwrap();
    let before = database.document(&fixture.live).await.unwrap();
    assert!(Operation::Rotate.run(&store, &fixture).await.unwrap());
    let after = database.document(&fixture.free).await.unwrap();
    for kept in ["_id", "created_at", "owner", "layout"] {
        assert_eq!(before.get(kept), after.get(kept), "{kept}");
    }
    for changed in ["key", "version"] {
        assert_ne!(before.get(changed), after.get(changed), "{changed}");
    }
    assert!(database.document(&fixture.live).await.is_none());
    assert_eq!(database.count(doc! {}).await, 1);
}

#[tokio::test]
async fn a_key_with_an_expired_leftover_is_free() {
    const AT_ONCE: Duration = Duration::from_millis(1);
    let database = Database::new("leftover").await;
    let watched = Watched::new(&database.url()).await;
    let store = open(watched.client.clone()).await;
    for _ in 0..10 {
        let fixture = Fixture::create(&store).await.unwrap();
        let short = Write::new("leftover", AT_ONCE, HOUR).unwrap();
        store.set(&fixture.free, &short, SetMode::Create).await.unwrap();
        assert!(database.document(&fixture.free).await.is_some());
        watched.sent();
        assert!(Operation::Rotate.run(&store, &fixture).await.unwrap());
        // It fails, asks why, removes what is left, and does it again.
        assert_eq!(watched.names(), ["update", "aggregate", "delete", "update"]);
        assert_eq!(store.get(&fixture.free).await.unwrap().unwrap().data, "data");
        assert_eq!(database.count(of_key(&fixture.free)).await, 1);
    }
    // A live one stays.
    let fixture = Fixture::create(&store).await.unwrap();
    store.set(&fixture.free, &write_of(&fixture.user), SetMode::Create).await.unwrap();
    watched.sent();
    let error = Operation::Rotate.run(&store, &fixture).await.unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::AlreadyExists, Some(&fixture.free)));
    assert_eq!(watched.names(), ["update", "aggregate"]);
}

/// Gives the session one new key after another, until it is gone.
async fn rotate_on(store: MongoStore, mut key: SessionKey, user: UserId) -> usize {
    for rotations in 0.. {
        let to = new_key();
        match store.rotate(&key, &to, &write_of(&user), None).await {
            Ok(_) => key = to,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
                return rotations;
            }
        }
    }
    unreachable!()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_session_survives_the_end_of_its_users_sessions_by_rotating() {
    const RACES: usize = 150;
    const SESSIONS: usize = 5;
    const OTHERS: usize = 300;
    // A scan gives way to others after each step, so that sessions move under it.
    let database = Database::alone(&["--setParameter", "internalQueryExecYieldIterations=1"]).await;
    let (node, other) = (open(database.url()).await, open(database.url()).await);
    for fixture in join_all((0..OTHERS).map(|_| Fixture::create(&node))).await {
        fixture.unwrap();
    }
    let (mut survivors, mut rotations) = (0, 0);
    for race in 0..RACES {
        let user = new_user();
        let mut keys = Vec::new();
        for _ in 0..SESSIONS {
            keys.push(new_key());
            node.set(&keys[keys.len() - 1], &write_of(&user), SetMode::Create).await.unwrap();
        }
        let rotating: Vec<_> =
            keys.iter().map(|key| tokio::spawn(rotate_on(node.clone(), *key, user.clone()))).collect();
        // At another moment each time.
        tokio::time::sleep(Duration::from_micros(40 * race as u64)).await;
        let ended = other.destroy_by_user(&user, None).await.unwrap();
        let owned = doc! { "owner": binary(user.as_str().as_bytes()) };
        survivors += database.count(owned).await;
        survivors += node.list_by_user(&user, &Page::first(10).unwrap()).await.unwrap().len() as u64;
        assert_eq!(ended, SESSIONS as u64, "race {race}");
        // Those that survive would rotate for ever.
        if survivors > 0 {
            break;
        }
        rotations += join_all(rotating).await.into_iter().map(Result::unwrap).sum::<usize>();
    }
    assert_eq!(survivors, 0);
    assert!(rotations > RACES, "{rotations} rotations were no race");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_rotations_of_one_session_at_once_exactly_one_succeeds() {
    let database = Database::new("rotated_once").await;
    let (node, other) = (open(database.url()).await, open(database.url()).await);
    for _ in 0..20 {
        let fixture = Fixture::create(&node).await.unwrap();
        let rotate = |number: usize| {
            let (store, from, user) = ([&node, &other][number % 2].clone(), fixture.live, fixture.user.clone());
            tokio::spawn(async move { store.rotate(&from, &new_key(), &write_of(&user), None).await })
        };
        let answers = join_all((0..10).map(rotate).collect::<Vec<_>>()).await;
        let answers: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().map_err(|error| error.kind())).collect();
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
        assert!(answers.iter().all(|answer| matches!(answer, Ok(_) | Err(ErrorKind::NotFound))), "{answers:?}");
        assert_eq!(node.list_by_user(&fixture.user, &Page::first(10).unwrap()).await.unwrap().len(), 1);
    }
}
