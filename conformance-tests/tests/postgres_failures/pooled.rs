//! Through `PgBouncer`.

use std::sync::Arc;

use conformance_tests::servers::PgBouncer;
use session_store_core::SessionStore as _;
use session_store_postgres::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use session_store_postgres::sqlx::{self, Connection as _, PgConnection};
use session_store_postgres::{PostgresStore, Server};

use crate::database::Database;
use crate::operations::{Operation, Stage, all};
use crate::support::{SHORT, UNAVAILABLE, builder, changes, open, recovery, told, works};

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
                    let stage = Stage::set(&*store).await.unwrap();
                    assert!(operation.run(&*store, &stage).await.unwrap(), "{task}: {operation:?}");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    works(&*store).await;
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

pub(crate) async fn two_sessions_serve_many_tasks() {
    let database = Database::new("bouncer_tasks").await;
    let bouncer = PgBouncer::start(&database.url(), &[("default_pool_size", "2")]).await.unwrap();
    works_for_all(open(bouncer.url()).await).await;
    nothing_is_prepared(&bouncer).await;
}

pub(crate) async fn a_given_pool_is_found_out() {
    let database = Database::new("bouncer_pool").await;
    let bouncer = PgBouncer::start(&database.url(), &[("default_pool_size", "2")]).await.unwrap();
    let options: PgConnectOptions = bouncer.url().parse().unwrap();
    let options = options.extra_float_digits(None);
    let pool = PgPoolOptions::new().max_connections(32).connect_with(options.clone()).await.unwrap();
    for way in [Server::from(pool), Server::from(options)] {
        works_for_all(open(way).await).await;
        nothing_is_prepared(&bouncer).await;
    }
}

pub(crate) async fn one_that_is_killed() {
    let database = Database::new("bouncer_killed").await;
    let bouncer = PgBouncer::start(&database.url(), &[]).await.unwrap();
    let store = builder(bouncer.url()).connections(4).connect_timeout(SHORT).build().await.unwrap();
    works(&store).await;
    bouncer.kill();
    for operation in all() {
        let stage = Stage::without_session();
        let error = operation.run(&store, &stage).await.unwrap_err();
        let (kind, is_transient, is_unknown) = told(&error, &stage);
        assert_eq!((kind, is_transient), (UNAVAILABLE.0, true), "{operation:?}: {error:?}");
        assert!(!is_unknown || changes(operation), "{operation:?}: {error:?}");
    }
    bouncer.restart().await.unwrap();
    recovery(|| store.ping()).await;
    recovery(|| Stage::set(&store)).await;
    works(&store).await;
}

pub(crate) async fn a_server_that_ends_its_sessions() {
    let database = Database::new("bouncer_ended").await;
    let bouncer = PgBouncer::start(&database.url(), &[]).await.unwrap();
    let store = builder(bouncer.url()).connections(4).build().await.unwrap();
    works(&store).await;
    for operation in all() {
        let stage = Stage::set(&store).await.unwrap();
        database.terminate_all().await;
        match operation.run(&store, &stage).await {
            Ok(is_right) => assert!(is_right, "{operation:?}"),
            Err(error) => {
                assert!(changes(operation), "{operation:?}: {error:?}");
                assert_eq!(told(&error, &stage).0, UNAVAILABLE.0, "{operation:?}: {error:?}");
                recovery(|| store.touch(&stage.free, std::time::Duration::from_secs(1))).await;
            }
        }
    }
    works(&store).await;
}
