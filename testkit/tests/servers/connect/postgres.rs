//! PostgreSQL.

use std::time::Duration;

use session_store::{ErrorKind, connect};
use sqlx::{Connection as _, raw_sql};
use testkit::servers::{PostgresServer, Proxy};

use super::{is_config, keeps_data_limit_namespaces_and_sessions, keeps_sessions, keeps_timeouts, open, refused, set};

/// `p` for a table, and `u` for one that is `UNLOGGED`; nothing where there is none.
async fn kind_of(server: &PostgresServer, table: &str) -> String {
    let kind =
        format!("SELECT COALESCE((SELECT relpersistence::text FROM pg_class WHERE oid = to_regclass('{table}')), '')");
    server.ask(&kind).await.unwrap()
}

#[tokio::test]
async fn a_server_keeps_sessions_by_its_url() {
    let server = PostgresServer::start(&[]).await.unwrap();
    keeps_data_limit_namespaces_and_sessions(&server.url()).await;
    keeps_sessions(&server.url().replace("postgres://", "PostgreSQL://"), "session_setup=false").await;
    assert_eq!(
        (kind_of(&server, "public.sessions").await, kind_of(&server, "public.shop").await),
        ("p".into(), "p".into())
    );
    set(&*open(&server.url(), "session_schema=of%20its%20own&session_unlogged=true").await, "data").await.unwrap();
    assert_eq!(kind_of(&server, "\"of its own\".sessions").await, "u");
}

#[tokio::test]
async fn without_setup_nothing_is_made() {
    let server = PostgresServer::start(&[]).await.unwrap();
    is_config(&refused(&server.url(), "session_setup=false").await, "Builder::migrate");
    assert_eq!(kind_of(&server, "public.sessions").await, "");
    connect(&server.url()).await.unwrap();
    keeps_sessions(&server.url(), "session_setup=false").await;

    // Whoever may not create may use what is there.
    server.execute("CREATE ROLE app LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON sessions TO app").await.unwrap();
    for setup in ["session_setup=false", "session_setup=true"] {
        keeps_sessions(&server.url_of("app"), setup).await;
    }
    is_config(&refused(&server.url_of("app"), "session_schema=new").await, "rights");
}

#[tokio::test]
async fn timeouts_are_those_of_the_url() {
    let server = PostgresServer::start(&[]).await.unwrap();
    keeps_timeouts(&server.url()).await;
}

#[tokio::test]
async fn what_is_not_ours_reaches_the_driver() {
    let server = PostgresServer::start(&[]).await.unwrap();
    let store = open(&server.url(), "session_setup=true&application_name=the%20shop&session_data_limit=4").await;
    store.ping().await.unwrap();
    let named = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'the shop'";
    assert_eq!(server.ask::<i64>(named).await.unwrap(), 1);
    assert_eq!(refused(&server.url(), "sslmode=require&session_setup=true").await.kind(), ErrorKind::Config);
}

/// How many statements wait at once, where twelve tasks ask for a session each.
async fn waiting(server: &PostgresServer, parameters: &str) -> i64 {
    const COUNT: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    let store = open(&server.url(), parameters).await;
    let mut keys = vec![];
    for _ in 0..12 {
        keys.push(set(&*store, "data").await.unwrap());
    }
    let mut connection = server.connection().await.unwrap();
    let mut lock = connection.begin().await.unwrap();
    raw_sql("LOCK TABLE sessions").execute(&mut *lock).await.unwrap();
    let tasks = keys.into_iter().map(|key| {
        let store = store.clone();
        tokio::spawn(async move { store.get(&key).await.unwrap().unwrap() })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut count = 0;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        count = server.ask(COUNT).await.unwrap();
    }
    lock.rollback().await.unwrap();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(store.clear().await.unwrap(), 12);
    count
}

#[tokio::test]
async fn connections_and_batches_are_those_of_the_url() {
    let server = PostgresServer::start(&[]).await.unwrap();
    // The first one alone, and as many others in one statement as may be.
    assert_eq!(waiting(&server, "session_setup=true").await, 2);
    assert_eq!(waiting(&server, "session_batches_in_flight=4").await, 2);
    assert_eq!(waiting(&server, "session_batch_size=4&session_batches_in_flight=4").await, 4);
    assert_eq!(waiting(&server, "session_batch_size=2&session_batches_in_flight=5").await, 5);
    // Without batches, only the connections limit the statements.
    assert_eq!(waiting(&server, "session_batch_size=1&session_batches_in_flight=7").await, 12);
    assert_eq!(waiting(&server, "session_batch_size=1&session_batches_in_flight=7&session_connections=3").await, 3);
    is_config(&refused(&server.url(), "session_connections=10001").await, "connections must be between 1 and 10,000");
    is_config(&refused(&server.url(), "session_batch_size=10001").await, "batch_size must be between 1 and 10,000");
    keeps_sessions(&server.url(), "session_batch_size=1&session_connections=1&session_batches_in_flight=1").await;
}

#[tokio::test]
async fn a_pooler_is_looked_for_unless_the_url_says_whether_it_is_there() {
    let server = PostgresServer::start(&[]).await.unwrap();
    let proxy = Proxy::start(&server.url()).await.unwrap();
    let found_out =
        [("session_setup=true", 2), ("session_transaction_pooler=true", 1), ("session_transaction_pooler=false", 1)];
    for (parameters, connections) in found_out {
        proxy.forget();
        let store = open(&proxy.url(), parameters).await;
        assert_eq!(proxy.connections(), connections, "{parameters}");
        set(&*store, "data").await.unwrap();
    }
}
