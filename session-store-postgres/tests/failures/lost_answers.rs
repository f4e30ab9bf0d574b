//! Connections that break between a request and its answer: nothing is repeated but reads (clause K3).

use std::time::Duration;

use session_store_core::SessionStore as _;
use session_store_postgres::PostgresStore;
use session_store_postgres::sqlx::PgPool;
use testkit::failures::operations::{Fixture, Operation, WRITES, all};
use testkit::servers::Proxy;

use crate::database::Database;
use crate::support::{
    BROKEN, SLACK, assert_works, builder, changes, classify, metas_of, open, pool_of_one, timed, until_idle,
};

/// Far below the operation timeout of five seconds.
const AT_ONCE: Duration = Duration::from_millis(500);

/// A store of one connection, which goes through a proxy, and one that does not.
struct Broken {
    proxy: Proxy,
    pool: PgPool,
    store: PostgresStore,
    direct: PostgresStore,
}

impl Broken {
    async fn new(database: &Database) -> Self {
        let proxy = Proxy::start(&database.url()).await.unwrap();
        let pool = pool_of_one(&proxy.url()).await;
        Self { proxy, store: open(pool.clone()).await, pool, direct: open(database.url()).await }
    }

    /// A fixture for an operation that goes over a connection on which nothing is under way.
    async fn fixture(&self, operation: Operation) -> Fixture {
        // It is prepared from here on.
        let fixture = Fixture::create(&self.store).await.unwrap();
        operation.run(&self.store, &fixture).await.unwrap();
        let fixture = Fixture::create(&self.direct).await.unwrap();
        until_idle(&self.pool).await;
        self.proxy.forget();
        fixture
    }
}

#[tokio::test]
async fn a_write_without_an_answer_is_of_unknown_outcome_and_not_repeated() {
    let database = Database::new("without_an_answer").await;
    let broken = Broken::new(&database).await;
    for operation in all().filter(|operation| changes(*operation)) {
        let fixture = broken.fixture(operation).await;
        let before = metas_of(&broken.direct, &fixture).await;
        broken.proxy.cut_before_answer();
        let (answer, took) = timed(operation.run(&broken.store, &fixture)).await;
        let error = answer.expect_err("the answer is lost");
        assert_eq!(classify(&error, &fixture), BROKEN, "{operation:?}: {error:?}");
        assert!(took < AT_ONCE, "{operation:?} took {took:?}");
        assert_eq!((broken.proxy.lost_answers(), broken.proxy.round_trips()), (1, 1), "{operation:?} was repeated");
        if operation != Operation::Prune {
            assert_ne!(before, metas_of(&broken.direct, &fixture).await, "{operation:?} was not executed");
        }
        // By itself, on the next call.
        broken.store.ping().await.unwrap();
    }
    assert_works(&broken.store).await;
}

#[tokio::test]
async fn a_read_without_an_answer_is_answered_all_the_same() {
    let database = Database::new("read_without_an_answer").await;
    let broken = Broken::new(&database).await;
    for operation in all().filter(|operation| !changes(*operation)) {
        let fixture = broken.fixture(operation).await;
        broken.proxy.cut_before_answer();
        let (answer, took) = timed(operation.run(&broken.store, &fixture)).await;
        assert!(answer.unwrap(), "{operation:?}");
        assert!(took < AT_ONCE, "{operation:?} took {took:?}");
        assert_eq!(broken.proxy.lost_answers(), 1, "{operation:?}");
    }
}

#[tokio::test]
async fn a_write_that_never_reaches_the_server_is_of_unknown_outcome_and_changes_nothing() {
    let database = Database::new("never_reaches").await;
    let broken = Broken::new(&database).await;
    for operation in WRITES {
        let fixture = broken.fixture(operation).await;
        let before = metas_of(&broken.direct, &fixture).await;
        broken.proxy.hold();
        let write = async { operation.run(&broken.store, &fixture).await.expect_err("nothing reaches the server") };
        let cut = async {
            while broken.pool.num_idle() > 0 {
                tokio::task::yield_now().await;
            }
            broken.proxy.cut().await;
            broken.proxy.release();
        };
        let (error, ()) = tokio::join!(write, cut);
        assert_eq!(classify(&error, &fixture), BROKEN, "{operation:?}: {error:?}");
        assert_eq!(before, metas_of(&broken.direct, &fixture).await, "{operation:?}");
        assert!(operation.run(&broken.store, &fixture).await.unwrap(), "{operation:?}");
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_fails_no_read_and_one_write_at_the_most() {
    let database = Database::new("was_closed").await;
    let broken = Broken::new(&database).await;
    for operation in all() {
        let fixture = broken.fixture(operation).await;
        broken.proxy.cut().await;
        let (answer, took) = timed(operation.run(&broken.store, &fixture)).await;
        assert!(took < AT_ONCE, "{operation:?} took {took:?}");
        match answer {
            Ok(is_right) => assert!(is_right, "{operation:?}"),
            Err(error) => {
                assert!(changes(operation), "{operation:?}: {error:?}");
                assert_eq!(classify(&error, &fixture), BROKEN, "{operation:?}: {error:?}");
                assert!(operation.run(&broken.store, &fixture).await.unwrap(), "{operation:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_idle_connection_that_was_closed_fails_nothing() {
    let database = Database::new("idle_was_closed").await;
    let mut idle = Vec::new();
    for operation in [Operation::Touch, Operation::Rotate, Operation::Get] {
        let store = builder(database.url()).connections(1).build().await.unwrap();
        let fixture = Fixture::create(&store).await.unwrap();
        idle.push((operation, store, fixture));
    }
    // As long as the store takes a connection for alive.
    tokio::time::sleep(Duration::from_secs(1) + SLACK).await;
    database.terminate_all().await;
    for (operation, store, fixture) in idle {
        assert!(operation.run(&store, &fixture).await.unwrap(), "{operation:?}");
    }
}

#[tokio::test]
async fn a_server_that_refuses_for_a_while_is_used_when_it_accepts() {
    let database = Database::new("refuses_for_a_while").await;
    let broken = Broken::new(&database).await;
    let fixture = broken.fixture(Operation::Get).await;
    broken.proxy.refuse();
    broken.proxy.cut().await;
    for operation in all() {
        let (answer, took) = timed(operation.run(&broken.store, &fixture)).await;
        let error = answer.unwrap_err();
        let (kind, transient, unknown) = classify(&error, &fixture);
        assert_eq!((kind, transient), (BROKEN.0, true), "{operation:?}: {error:?}");
        assert!(!unknown || changes(operation), "{operation:?}: {error:?}");
        assert!(took < Duration::from_secs(5) + SLACK, "{operation:?} took {took:?}");
    }
    broken.proxy.accept();
    assert_works(&broken.store).await;
}
