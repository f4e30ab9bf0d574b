//! Through `PgBouncer`, which gives each transaction another session of the server. If there is no `PgBouncer`,
//! scripts/test skips this module and counts it as not run.

use std::sync::Arc;

use session_store_core::SessionStore as _;
use session_store_postgres::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use session_store_postgres::sqlx::{self, Connection as _, PgConnection};
use session_store_postgres::{PostgresEndpoint, PostgresStore};
use testkit::failures::operations::{Fixture, Operation, all};
use testkit::servers::PgBouncer;

use crate::database::Database;
use crate::support::{SHORT, UNAVAILABLE, assert_works, builder, changes, classify, open, recovery};

const TASKS: usize = 64;

/// Every method, in every task.
async fn works_for_all(store: PostgresStore) {
    assert!(format!("{store:?}").contains("is_pooled: true"), "{store:?}");
    let store = Arc::new(store);
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                // One of them clears; what the others find then is another's doing.
                for operation in all().filter(|operation| *operation != Operation::Clear) {
                    let fixture = Fixture::create(&*store).await.unwrap();
                    assert!(operation.run(&*store, &fixture).await.unwrap(), "{task}: {operation:?}");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_works(&*store).await;
}

/// Both sessions of the server have kept no statement.
async fn nothing_is_prepared(bouncer: &PgBouncer) {
    let options: PgConnectOptions = bouncer.url().parse().unwrap();
    let options = options.extra_float_digits(None).statement_cache_capacity(0);
    let mut backends = Vec::new();
    let mut connections = Vec::new();
    for _ in 0..2 {
        let mut connection = PgConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql("BEGIN").execute(&mut connection).await.unwrap();
        let statement = "SELECT pg_backend_pid(), (SELECT count(*) FROM pg_prepared_statements WHERE name <> '')";
        let row =
            sqlx::query_as::<_, (i32, i64)>(statement).persistent(false).fetch_one(&mut connection).await.unwrap();
        assert_eq!(row.1, 0);
        backends.push(row.0);
        connections.push(connection);
    }
    assert_ne!(backends[0], backends[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sessions_of_the_server_serve_sixty_four_tasks() {
    let database = Database::new("bouncer_tasks").await;
    let bouncer = PgBouncer::start(&database.url(), &[("default_pool_size", "2")]).await.unwrap();
    works_for_all(open(bouncer.url()).await).await;
    nothing_is_prepared(&bouncer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_was_given_is_found_to_lead_through_it() {
    let database = Database::new("bouncer_pool").await;
    let bouncer = PgBouncer::start(&database.url(), &[("default_pool_size", "2")]).await.unwrap();
    let options: PgConnectOptions = bouncer.url().parse().unwrap();
    let options = options.extra_float_digits(None);
    let pool = PgPoolOptions::new().max_connections(32).connect_with(options.clone()).await.unwrap();
    for way in [PostgresEndpoint::from(pool), PostgresEndpoint::from(options)] {
        works_for_all(open(way).await).await;
        nothing_is_prepared(&bouncer).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_killed_is_unavailable_until_it_is_back() {
    let database = Database::new("bouncer_killed").await;
    let bouncer = PgBouncer::start(&database.url(), &[]).await.unwrap();
    let store = builder(bouncer.url()).connections(4).connect_timeout(SHORT).build().await.unwrap();
    assert_works(&store).await;
    bouncer.kill();
    for operation in all() {
        let fixture = Fixture::without_session();
        let error = operation.run(&store, &fixture).await.unwrap_err();
        let (kind, is_transient, is_unknown) = classify(&error, &fixture);
        assert_eq!((kind, is_transient), (UNAVAILABLE.0, true), "{operation:?}: {error:?}");
        assert!(!is_unknown || changes(operation), "{operation:?}: {error:?}");
    }
    bouncer.restart().await.unwrap();
    recovery(|| store.ping()).await;
    recovery(|| Fixture::create(&store)).await;
    assert_works(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_behind_it_that_ends_its_sessions_fails_no_read() {
    let database = Database::new("bouncer_ended").await;
    let bouncer = PgBouncer::start(&database.url(), &[]).await.unwrap();
    let store = builder(bouncer.url()).connections(4).build().await.unwrap();
    assert_works(&store).await;
    for operation in all() {
        let fixture = Fixture::create(&store).await.unwrap();
        database.terminate_all().await;
        match operation.run(&store, &fixture).await {
            Ok(is_right) => assert!(is_right, "{operation:?}"),
            Err(error) => {
                assert!(changes(operation), "{operation:?}: {error:?}");
                assert_eq!(classify(&error, &fixture).0, UNAVAILABLE.0, "{operation:?}: {error:?}");
                recovery(|| store.touch(&fixture.free, std::time::Duration::from_secs(1))).await;
            }
        }
    }
    assert_works(&store).await;
}
