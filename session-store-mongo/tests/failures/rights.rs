//! The rights that the store needs, and no others.

use session_store_core::{Error, SessionStore as _};
use session_store_mongo::mongodb::bson::doc;
use session_store_mongo::{MongoStore, MongoStoreBuilder};
use testkit::failures::operations::Operation::{
    self, Clear, Count, Create, Destroy, DestroyByUser, Get, List, Ping, Prune, Replace, Rotate, Touch, Update, Upsert,
};
use testkit::failures::operations::{Fixture, all};
use testkit::failures::refused_builds::PASSWORD;
use testkit::servers::MongoServer;

use crate::database::{ALL_RIGHTS, Database};
use crate::support::{APP, CONFIG, assert_works, builder, classify, leave_a_dead_session};

/// What the page lists, and which operations fail without it.
const RIGHTS: [(&str, &[Operation]); 5] = [
    ("find", &[Get, Ping, List, DestroyByUser, Prune, Count, Clear]),
    // Each may be an upsert.
    ("insert", &[Create, Replace, Update, Upsert, Touch]),
    ("update", &[Create, Replace, Update, Upsert, Touch, Rotate]),
    ("remove", &[Destroy, DestroyByUser, Prune, Clear]),
    ("listIndexes", &[]),
];

fn lacks_rights(error: &Error, fixture: &Fixture, what: &str) {
    assert_eq!(classify(error, fixture), CONFIG, "{what}: {error:?}");
    assert!(error.to_string().contains("lacks rights"), "{what}: {error}");
}

/// A server on which nobody may do anything, and whoever is made.
struct Guarded {
    database: Database,
}

impl Guarded {
    async fn start() -> Self {
        Self { database: Database::on(MongoServer::start_with_authorization(&[]).await.unwrap()) }
    }

    async fn user(&self, name: &str, actions: &[&str]) -> String {
        self.database.user(name, PASSWORD, actions).await
    }

    /// A store of root's.
    async fn owner(&self) -> MongoStore {
        builder(self.database.client_side()).build().await.unwrap()
    }
}

fn all_but(without: Option<&str>) -> Vec<&'static str> {
    RIGHTS.iter().map(|(right, _)| *right).filter(|right| Some(*right) != without).collect()
}

fn store(url: &str) -> MongoStoreBuilder {
    MongoStore::builder(url).collection(APP)
}

#[tokio::test]
async fn the_rights_that_the_page_lists_are_enough_and_each_is_needed() {
    let guarded = Guarded::start().await;
    let owner = guarded.owner().await;
    let modest = store(&guarded.user("modest", &all_but(None)).await).build().await.unwrap();
    assert_works(&modest).await;
    for (right, fail) in RIGHTS {
        let url = guarded.user(&format!("without_{right}"), &all_but(Some(right))).await;
        let built = store(&url).build().await;
        let Ok(store) = built else {
            lacks_rights(&built.unwrap_err(), &Fixture::without_session(), right);
            assert_eq!(right, "listIndexes");
            continue;
        };
        for operation in all() {
            leave_a_dead_session(&owner).await;
            let fixture = Fixture::create(&owner).await.unwrap();
            match operation.run(&store, &fixture).await {
                Ok(is_right) => assert!(is_right && !fail.contains(&operation), "{operation:?} without {right}"),
                Err(error) => {
                    lacks_rights(&error, &fixture, &format!("{operation:?} without {right}"));
                    assert!(fail.contains(&operation), "{operation:?} without {right}");
                }
            }
        }
    }
    assert_works(&modest).await;
}

#[tokio::test]
async fn who_may_not_make_indexes_is_told_so_and_needs_them_only_to_be_there() {
    let guarded = Guarded::start().await;
    let url = guarded.user("modest", &all_but(None)).await;
    lacks_rights(&store(&url).ensure_indexes().build().await.unwrap_err(), &Fixture::without_session(), "createIndex");
    assert!(guarded.database.client_side().list_collection_names().await.unwrap().is_empty());
    drop(guarded.owner().await);
    assert_works(&store(&url).build().await.unwrap()).await;
    // They are there, but the server does not look before it looks at rights.
    lacks_rights(&store(&url).ensure_indexes().build().await.unwrap_err(), &Fixture::without_session(), "createIndex");
}

#[tokio::test]
async fn who_makes_indexes_needs_two_rights_more() {
    let guarded = Guarded::start().await;
    assert_eq!(ALL_RIGHTS[..5], all_but(None));
    let maker = guarded.user("maker", &ALL_RIGHTS).await;
    assert_works(&store(&maker).ensure_indexes().build().await.unwrap()).await;
    // On another database, none of them is of use.
    let error = store(&maker).database("other").ensure_indexes().build().await.unwrap_err();
    lacks_rights(&error, &Fixture::without_session(), "another database");
}

#[tokio::test]
async fn rights_that_are_taken_away_and_given_back_are_noticed_by_a_store_that_runs() {
    let guarded = Guarded::start().await;
    drop(guarded.owner().await);
    let modest = store(&guarded.user("modest", &all_but(None)).await).build().await.unwrap();
    assert_works(&modest).await;
    let roles = |command: &str| doc! { command: "modest", "roles": ["modest"] };
    guarded.database.server.run("admin", roles("revokeRolesFromUser")).await.unwrap();
    for operation in all() {
        let fixture = Fixture::without_session();
        lacks_rights(&operation.run(&modest, &fixture).await.unwrap_err(), &fixture, &format!("{operation:?}"));
    }
    guarded.database.server.run("admin", roles("grantRolesToUser")).await.unwrap();
    assert_works(&modest).await;
    modest.ping().await.unwrap();
}
