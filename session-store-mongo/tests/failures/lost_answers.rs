//! Connections that break between a command and its answer: nothing is repeated but reads (clause K3).

use std::time::Duration;

use futures_util::future::join_all;
use session_store_core::{ErrorKind, SessionStore as _};
use session_store_mongo::MongoStore;
use session_store_mongo::mongodb::bson::doc;
use testkit::failures::operations::{Fixture, Operation, WRITES, all};
use testkit::servers::Proxy;

use crate::database::{CAN_FAIL, Database};
use crate::support::{
    BROKEN, Classification, UNAVAILABLE, assert_works, builder, changing, classify, leave_a_dead_session, metas_of,
    open, timed,
};
use crate::watched::Watched;

/// Far below the operation timeout of five seconds. The driver looks at a server at most twice a second.
const SOON: Duration = Duration::from_millis(1_600);

/// What goes through is the store's: the driver looks at the server once.
const QUIET: &str = "maxPoolSize=1&serverMonitoringMode=poll&heartbeatFrequencyMS=60000";

/// The driver looks at the server once.
const MONITORED_ONCE: &str = "serverMonitoringMode=poll&heartbeatFrequencyMS=60000";

/// A store of one connection, which goes through a proxy, and one that does not.
struct Broken {
    proxy: Proxy,
    watched: Watched,
    store: MongoStore,
    direct: MongoStore,
}

impl Broken {
    async fn new(database: &Database) -> Self {
        Self::with(database, QUIET).await
    }

    async fn with(database: &Database, query: &str) -> Self {
        let proxy = Proxy::start(&database.server.url()).await.unwrap();
        let watched = Watched::new(&format!("{}&{query}", database.name_in(&proxy.url()))).await;
        let store = open(watched.client.clone()).await;
        Self { proxy, watched, store, direct: open(database.url()).await }
    }

    /// A fixture for an operation that has a connection on which nothing is under way.
    async fn fixture(&self) -> Fixture {
        let fixture = Fixture::create(&self.direct).await.unwrap();
        self.store.ping().await.unwrap();
        self.watched.sent();
        fixture
    }
}

#[tokio::test]
async fn a_write_without_an_answer_is_of_unknown_outcome_and_not_repeated() {
    let database = Database::new("without_an_answer").await;
    for operation in WRITES {
        let broken = Broken::new(&database).await;
        let fixture = broken.fixture().await;
        let before = metas_of(&broken.direct, &fixture).await;
        broken.proxy.forget();
        broken.proxy.cut_before_answer();
        let (answer, took) = timed(operation.run(&broken.store, &fixture)).await;
        let error = answer.expect_err("the answer is lost");
        assert_eq!(classify(&error, &fixture), BROKEN, "{operation:?}: {error:?}");
        assert!(took < SOON, "{operation:?} took {took:?}");
        assert_eq!((broken.proxy.lost_answers(), broken.watched.names().len()), (1, 1), "{operation:?} was repeated");
        assert_ne!(before, metas_of(&broken.direct, &fixture).await, "{operation:?} was not executed");
        if operation == Operation::Rotate {
            // By itself, on the next call.
            assert_works(&broken.store).await;
        }
    }
}

#[tokio::test]
async fn a_read_without_an_answer_is_answered_all_the_same() {
    let database = Database::new("read_without_an_answer").await;
    let broken = Broken::new(&database).await;
    for operation in all().filter(|operation| !operation.is_write()) {
        let fixture = broken.fixture().await;
        broken.proxy.forget();
        broken.proxy.cut_before_answer();
        let (answer, took) = timed(operation.run(&broken.store, &fixture)).await;
        assert!(answer.unwrap(), "{operation:?}");
        assert!(took < SOON, "{operation:?} took {took:?}");
        let names = broken.watched.names();
        assert_eq!(broken.proxy.lost_answers(), 1, "{operation:?}");
        assert_eq!(names[0], names[1], "{operation:?}");
    }
}

#[tokio::test]
async fn a_write_that_is_cut_off_before_it_begins_is_of_unknown_outcome_and_changes_nothing() {
    let database = Database::alone(&CAN_FAIL).await;
    let direct = open(database.url()).await;
    let commands = ["update", "delete"];
    // Some of them change something in their second command only.
    for operation in changing() {
        let watched = Watched::new(&database.url()).await;
        let store = open(watched.client.clone()).await;
        leave_a_dead_session(&direct).await;
        let fixture = Fixture::create(&direct).await.unwrap();
        let before = metas_of(&direct, &fixture).await;
        store.ping().await.unwrap();
        watched.sent();
        database.fail(&commands, Some(1), doc! { "closeConnection": true }).await;
        let (answer, took) = timed(operation.run(&store, &fixture)).await;
        let error = answer.expect_err("the connection is cut");
        assert_eq!(classify(&error, &fixture), BROKEN, "{operation:?}: {error:?}");
        assert!(took < SOON, "{operation:?} took {took:?}");
        let names = watched.names();
        assert_eq!(
            names.iter().filter(|name| commands.contains(&name.as_str())).count(),
            1,
            "{operation:?}: {names:?}"
        );
        assert_eq!(before, metas_of(&direct, &fixture).await, "{operation:?}");
        assert!(operation.run(&direct, &fixture).await.unwrap(), "{operation:?}");
    }
    assert_eq!(database.count(doc! {}).await, 0, "the last one clears");
}

#[tokio::test]
async fn a_read_that_is_cut_off_before_it_begins_is_answered_all_the_same() {
    let database = Database::alone(&CAN_FAIL).await;
    let store = open(database.url()).await;
    for operation in all().filter(|operation| !operation.is_write()) {
        let fixture = Fixture::create(&store).await.unwrap();
        // One of them, three times in a row.
        let times = if operation == Operation::Get { 3 } else { 1 };
        database.fail(&["find", "aggregate"], Some(times), doc! { "closeConnection": true }).await;
        let (answer, took) = timed(operation.run(&store, &fixture)).await;
        assert!(answer.unwrap(), "{operation:?}");
        assert!(took < 2 * SOON, "{operation:?} took {took:?}");
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_fails_no_read_and_one_write_at_the_most() {
    let database = Database::new("was_closed").await;
    let broken = Broken::with(&database, "maxPoolSize=1").await;
    for operation in all() {
        let fixture = broken.fixture().await;
        broken.proxy.cut().await;
        let (answer, took) = timed(operation.run(&broken.store, &fixture)).await;
        assert!(took < SOON, "{operation:?} took {took:?}");
        match answer {
            Ok(is_right) => assert!(is_right, "{operation:?}"),
            Err(error) => {
                assert!(operation.is_write(), "{operation:?}: {error:?}");
                assert_eq!(classify(&error, &fixture), BROKEN, "{operation:?}: {error:?}");
                assert!(operation.run(&broken.store, &fixture).await.unwrap(), "{operation:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_before_the_build_fails_no_build() {
    let database = Database::new("closed_before_build").await;
    let broken = Broken::with(&database, "maxPoolSize=1").await;
    for _ in 0..3 {
        broken.store.ping().await.unwrap();
        broken.proxy.cut().await;
        assert_works(&open(broken.watched.client.clone()).await).await;
    }
}

#[tokio::test]
async fn a_rotation_in_a_replica_set_is_recognized_when_it_comes_twice() {
    // Of one member, which elects itself.
    let database = Database::alone(&["--replSet", "one"]).await;
    let members = [doc! { "_id": 0, "host": database.server.address() }];
    let set = doc! { "_id": "one", "members": members.to_vec() };
    database.server.run("admin", doc! { "replSetInitiate": set }).await.unwrap();
    let broken = Broken::new(&database).await;
    for _ in 0..3 {
        let fixture = broken.fixture().await;
        broken.proxy.forget();
        broken.proxy.cut_before_answer();
        assert!(Operation::Rotate.run(&broken.store, &fixture).await.unwrap());
        assert_eq!((broken.proxy.lost_answers(), broken.watched.names().len()), (1, 2));
        assert!(broken.store.get(&fixture.live).await.unwrap().is_none());
        assert!(broken.store.get(&fixture.free).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_connection_that_cannot_be_made_leaves_no_write_open() {
    let database = Database::alone(&CAN_FAIL).await;
    let proxy = Proxy::start(&database.server.url()).await.unwrap();
    let url = format!("{}&{MONITORED_ONCE}", database.name_in(&proxy.url()));
    let store = builder(url).operation_timeout(Duration::from_secs(4)).build().await.unwrap();
    let mut writes = Vec::new();
    for operation in WRITES {
        writes.push((operation, Fixture::create(&store).await.unwrap()));
    }
    // A read of another session holds the only connection that there is for longer than the writes take.
    let blocked = doc! { "blockConnection": true, "blockTimeMS": 30_000 };
    database.fail(&["find"], Some(1), blocked).await;
    let (reader, free) = (store.clone(), writes[0].1.free);
    let read = tokio::spawn(async move { reader.get(&free).await });
    database.until_under_way(1).await;
    proxy.refuse();
    join_all(writes.iter().map(async |(operation, fixture)| {
        let error = operation.run(&store, fixture).await.expect_err("no connection can be made");
        let meaning = classify(&error, fixture);
        // While the driver tries again by itself, the store cannot know what it does.
        assert!(meaning == UNAVAILABLE || meaning == TIMEOUT_OF_UNKNOWN_OUTCOME, "{operation:?}: {error:?}");
    }))
    .await;
    read.await.unwrap().unwrap_err();
}

const TIMEOUT_OF_UNKNOWN_OUTCOME: Classification = (ErrorKind::Timeout, true, true);
