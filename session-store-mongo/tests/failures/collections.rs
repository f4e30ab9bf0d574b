//! Collections that are there already, and that are not fit for sessions.

use session_store_core::{Error, ErrorKind, Owner, Page, SessionStore as _, SetMode, Write};
use session_store_mongo::MongoStore;
use session_store_mongo::mongodb::bson::{Document, doc};
use testkit::failures::operations::{Fixture, WRITES};

use crate::database::{Database, of_key};
use crate::support::{
    APP, CONFIG, HOUR, SHORT, SLACK, assert_works, builder, classify, impatient, new_key, new_user, open, timed,
    write_of,
};

/// The error of a build on a collection that was created so.
async fn refused(database: &Database, options: Document) -> Error {
    let mut create = doc! { "create": APP };
    create.extend(options);
    database.run(create).await;
    let error = match builder(database.url()).build().await {
        Ok(store) => {
            let fixture = Fixture::without_session();
            store.set(&fixture.live, &write_of(&fixture.user), SetMode::Create).await.unwrap_err()
        }
        Err(error) => error,
    };
    assert_eq!(classify(&error, &Fixture::without_session()), CONFIG, "{error:?}");
    error
}

#[tokio::test]
async fn a_view_a_series_and_a_collection_with_a_validator_are_refused() {
    let database = Database::new("unfit").await;
    let unfit = [
        (doc! { "viewOn": "others", "pipeline": [] }, "another one"),
        (doc! { "timeseries": { "timeField": "created_at" } }, "another one"),
        (doc! { "validator": { "name": { "$exists": true } } }, "validator"),
    ];
    for (options, advice) in unfit {
        let error = refused(&database, options.clone()).await;
        assert!(error.to_string().contains(advice), "{options}: {error}");
        database.client_side().drop().await.unwrap();
    }
    assert_works(&open(database.url()).await).await;
}

#[tokio::test]
async fn a_unique_index_of_somebody_elses_is_an_error_of_the_configuration_and_in_time() {
    let database = Database::new("unique_index").await;
    let mine = doc! { "name": "mine", "key": { "layout": 1 }, "unique": true };
    database.run(doc! { "createIndexes": APP, "indexes": [mine] }).await;
    let store = impatient(database.url()).build().await.unwrap();
    let write = write_of(&new_user());
    store.set(&new_key(), &write, SetMode::Create).await.unwrap();
    for mode in [SetMode::Create, SetMode::Upsert] {
        let (answer, took) = timed(store.set(&new_key(), &write, mode)).await;
        let error = answer.unwrap_err();
        assert_eq!(classify(&error, &Fixture::without_session()), CONFIG, "{error:?}");
        assert!(error.to_string().contains("unique index"), "{error}");
        assert!(took < SHORT + SLACK, "it took {took:?}");
    }
}

#[tokio::test]
async fn a_collection_that_is_full_of_others_documents_is_no_obstacle() {
    let database = Database::new("foreign").await;
    let store = open(database.url()).await;
    let foreign = [
        doc! { "_id": "mine" },
        doc! { "_id": 7, "key": "mine", "owner": "mine", "expires_at": "mine", "remove_at": "mine" },
    ];
    database.collection().insert_many(foreign).await.unwrap();
    assert_eq!((store.count().await.unwrap(), store.clear().await.unwrap()), (0, 0));
    for operation in WRITES {
        let fixture = Fixture::create(&store).await.unwrap();
        assert!(operation.run(&store, &fixture).await.unwrap(), "{operation:?}");
        assert_eq!(store.destroy_by_user(&new_user(), None).await.unwrap(), 0);
    }
    assert_eq!(database.count(doc! { "_id": { "$in": ["mine", 7] } }).await, 2);
}

#[tokio::test]
async fn documents_that_are_no_sessions_are_corrupt_and_can_be_ended() {
    let database = Database::new("no_sessions").await;
    let store = open(database.url()).await;
    let changes = [
        doc! { "$set": { "layout": 2 } },
        doc! { "$set": { "layout": "1" } },
        doc! { "$unset": { "layout": 1 } },
        doc! { "$set": { "version": "none" } },
        doc! { "$unset": { "version": 1 } },
        doc! { "$set": { "data": "a string" } },
        doc! { "$unset": { "data": 1 } },
        doc! { "$set": { "created_at": 7 } },
        doc! { "$unset": { "deadline": 1 } },
        doc! { "$set": { "last_seen_at": doc! {} } },
        doc! { "$unset": { "expires_at": 1 } },
        doc! { "$set": { "expires_at": 7 } },
    ];
    for change in changes {
        for ends in Ends::ALL {
            let fixture = Fixture::create(&store).await.unwrap();
            database.collection().update_one(of_key(&fixture.live), change.clone()).await.unwrap();
            let error = store.get(&fixture.live).await.unwrap_err();
            assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some(&fixture.live)), "{change}: {error:?}");
            assert_eq!(store.count().await.unwrap(), 1, "{change}");
            // Those of a user are ended and not counted.
            let ended = u64::from(!matches!(ends, Ends::DestroyByUser));
            assert_eq!(ends.run(&store, &fixture).await, ended, "{change}: {ends:?}");
            assert_eq!(database.count(doc! {}).await, 0, "{change}: {ends:?}");
        }
    }
    // What has no expiry, or none that is a time, is not prolonged.
    for change in [doc! { "$unset": { "expires_at": 1 } }, doc! { "$set": { "expires_at": 7 } }] {
        let fixture = Fixture::create(&store).await.unwrap();
        database.collection().update_one(of_key(&fixture.live), change.clone()).await.unwrap();
        assert!(!store.touch(&fixture.live, HOUR).await.unwrap(), "{change}");
        assert!(store.destroy(&fixture.live).await.unwrap(), "{change}");
    }
}

/// How a session may be ended that nobody can read.
#[derive(Clone, Copy, Debug)]
enum Ends {
    Destroy,
    DestroyByUser,
    Clear,
}

impl Ends {
    const ALL: [Self; 3] = [Self::Destroy, Self::DestroyByUser, Self::Clear];

    async fn run(self, store: &MongoStore, fixture: &Fixture) -> u64 {
        match self {
            Self::Destroy => u64::from(store.destroy(&fixture.live).await.unwrap()),
            Self::DestroyByUser => store.destroy_by_user(&fixture.user, None).await.unwrap(),
            Self::Clear => store.clear().await.unwrap(),
        }
    }
}

#[tokio::test]
async fn sessions_are_listed_that_have_more_data_than_the_server_may_sort() {
    const NO_ROOM: [&str; 4] = [
        "--setParameter",
        "internalQueryMaxBlockingSortMemoryUsageBytes=1048576",
        "--setParameter",
        "allowDiskUseByDefault=false",
    ];
    let database = Database::alone(&NO_ROOM).await;
    let store = open(database.url()).await;
    let user = new_user();
    let large = Write::new(vec![7; 100_000], HOUR, HOUR).unwrap().with_owner(Owner::User(user.clone()));
    for _ in 0..40 {
        store.set(&new_key(), &large, SetMode::Create).await.unwrap();
    }
    let listed = store.list_by_user(&user, &Page::first(100).unwrap()).await.unwrap();
    assert_eq!(listed.len(), 40);
    assert!(listed.is_sorted_by_key(|entry| entry.key));
}
