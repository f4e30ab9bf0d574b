//! Pools that are small, and whose connections are taken.

use futures_util::future::join_all;
use session_store_core::{ErrorKind, Page, SessionStore as _};
use session_store_mongo::mongodb::Client;
use session_store_mongo::mongodb::bson::doc;
use session_store_mongo::mongodb::options::ClientOptions;
use testkit::failures::operations::{Fixture, all};
use testkit::failures::silent_servers::RECOVERY;

use crate::database::{CAN_FAIL, Database};
use crate::support::{
    SHORT, SLACK, assert_works, builder, errors_of, impatient, open, recovery, serves_a_hundred_tasks, timed,
};

#[tokio::test]
async fn waiting_for_the_only_connection_of_a_given_client_ends_in_time_and_it_is_used_when_it_is_free() {
    let database = Database::alone(&CAN_FAIL).await;
    let mut options = ClientOptions::parse(database.url()).await.unwrap();
    options.max_pool_size = Some(1);
    let client = Client::with_options(options).unwrap();
    let store = impatient(client.clone()).connections(1).operation_timeout(2 * SHORT).build().await.unwrap();
    assert_works(&store).await;
    // Somebody else's command holds it for a while.
    let blocked = doc! { "blockConnection": true, "blockTimeMS": 1_000 };
    database.fail(&["count"], Some(1), blocked).await;
    let taken =
        tokio::spawn(async move { client.default_database().unwrap().run_command(doc! { "count": "app" }).await });
    database.until_under_way(1).await;
    let (failures, took) = timed(errors_of(&store, all())).await;
    for (operation, classification, error) in failures {
        let (kind, is_transient, is_unknown) = classification;
        assert_eq!((kind, is_transient), (ErrorKind::Timeout, true), "{operation:?}: {error:?}");
        // It is not always known whether it was sent.
        assert!(!is_unknown || operation.is_write(), "{operation:?}: {error:?}");
    }
    assert!(took < 2 * SHORT + SLACK, "it took {took:?}");
    taken.await.unwrap().unwrap();
    // The driver serves those who have gone away first, and takes up to half a second for each.
    let took = recovery(|| store.ping()).await;
    assert!(took < 2 * RECOVERY, "it took {took:?}");
    assert_works(&store).await;
}

#[tokio::test]
async fn commands_that_hang_take_no_connection_for_longer_than_the_operation_timeout() {
    let database = Database::alone(&CAN_FAIL).await;
    let store = impatient(database.url()).connections(2).build().await.unwrap();
    assert_works(&store).await;
    let blocked = doc! { "blockConnection": true, "blockTimeMS": 1_000 };
    database.fail(&["find", "update", "delete", "aggregate"], None, blocked).await;
    let (_, took) = timed(errors_of(&store, all())).await;
    assert!(took < SHORT + SLACK, "it took {took:?}");
    database.mend().await;
    assert_works(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_serves_a_hundred_tasks() {
    let database = Database::new("one_connection").await;
    let store = builder(database.url()).connections(1).build().await.unwrap();
    serves_a_hundred_tasks(&store).await;
    join_all((0..100).map(async |_| store.ping().await.unwrap())).await;
}

#[tokio::test]
async fn the_url_goes_before_the_settings_of_connections() {
    let database = Database::new("pool_of_url").await;
    let url = |app: &str| format!("{}&appName={app}", database.url());
    let stores = [
        (builder(url("three")).connections(3), "three", 3),
        (builder(format!("{}&maxPoolSize=2", url("two"))).connections(9), "two", 2),
    ];
    for (builder, app, most) in stores {
        let store = builder.build().await.unwrap();
        let fixture = Fixture::create(&store).await.unwrap();
        let lists = (0..40).map(async |_| store.list_by_user(&fixture.user, &Page::first(9).unwrap()).await);
        for listed in join_all(lists).await {
            assert_eq!(listed.unwrap().len(), 1);
        }
        // Besides those of the driver's monitors.
        let of_app = database.connections_of(app).await;
        assert!((most..=most + 2).contains(&of_app), "{app}: {of_app}");
    }
    assert_works(&open(database.url()).await).await;
}
