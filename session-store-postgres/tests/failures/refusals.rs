//! Servers that refuse statements or connections for a while.

use session_store_core::{ErrorKind, SessionStore as _};
use session_store_postgres::PostgresStore;
use session_store_postgres::sqlx::{Connection as _, PgConnection};
use testkit::failures::operations::{Fixture, Operation, all};
use testkit::servers::PostgresServer;

use crate::database::{Database, LOCK_TABLE};
use crate::support::{
    APP, SHORT, SLACK, TIMEOUT, UNAVAILABLE, assert_works, changes, classify, errors_of, impatient, open, recovery,
    timed,
};

/// A store of a role that has this setting.
async fn store_with(database: &Database, role: &str, setting: &str) -> PostgresStore {
    drop(open(database.url()).await);
    let url = database.role(role, &[setting]).await;
    database.execute(&format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {APP} TO {role}")).await;
    open(url).await
}

#[tokio::test]
async fn a_statement_timeout_of_the_role_is_a_timeout_of_known_outcome() {
    let database = Database::new("statement_timeout").await;
    let store = store_with(&database, "hasty", "statement_timeout = '300ms'").await;
    assert_works(&store).await;
    let foreign = database.begin(LOCK_TABLE).await;
    let (failures, took) = timed(errors_of(&store, all())).await;
    for (operation, classification, error) in failures {
        assert_eq!(classification, TIMEOUT, "{operation:?}: {error:?}");
        assert!(error.to_string().contains("statement_timeout"), "{error}");
    }
    assert!(took < SHORT + 2 * SLACK, "it took {took:?}");
    foreign.roll_back().await;
    assert_works(&store).await;
}

#[tokio::test]
async fn a_server_that_takes_only_reads_is_unavailable_for_writes() {
    let database = Database::new("only_reads").await;
    let store = store_with(&database, "reader", "default_transaction_read_only = on").await;
    for (operation, classification, error) in errors_of(&store, all().filter(|operation| changes(*operation))).await {
        assert_eq!(classification, UNAVAILABLE, "{operation:?}: {error:?}");
        assert!(error.to_string().contains("standby"), "{error}");
    }
    let fixture = Fixture::without_session();
    for operation in all().filter(|operation| !changes(*operation)) {
        operation.run(&store, &fixture).await.unwrap();
    }
    // Whoever was refused tries another connection the next time, which has the new setting.
    database.execute("ALTER ROLE reader RESET default_transaction_read_only").await;
    recovery(|| async {
        let fixture = Fixture::create(&store).await?;
        Operation::Rotate.run(&store, &fixture).await
    })
    .await;
    database.terminate_all().await;
    recovery(|| Fixture::create(&store)).await;
}

#[tokio::test]
async fn a_server_with_too_many_connections_is_unavailable_until_some_leave() {
    let server = PostgresServer::start(&[("max_connections", "8")]).await.unwrap();
    server.execute("CREATE ROLE app LOGIN; CREATE SCHEMA app AUTHORIZATION app").await.unwrap();
    let url = server.url_of("app");
    let store = impatient(url.as_str()).operation_timeout(4 * SHORT).schema(APP).build().await.unwrap();
    assert_works(&store).await;
    // The store's connections go, and others take all places.
    let terminate = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE usename = 'app'";
    server.ask::<i64>(terminate).await.unwrap();
    let mut others = Vec::new();
    while let Ok(connection) = PgConnection::connect(&url).await {
        others.push(connection);
        assert!(others.len() < 8, "the server takes more connections than it should");
    }
    while store.destroy(&Fixture::without_session().live).await.is_err_and(|error| error.outcome_unknown()) {}
    for (operation, classification, error) in errors_of(&store, all()).await {
        assert_eq!(classification, UNAVAILABLE, "{operation:?}: {error:?}");
    }
    let (answer, took) = timed(impatient(url.as_str()).schema(APP).build()).await;
    let error = answer.unwrap_err();
    assert_eq!(classify(&error, &Fixture::without_session()), UNAVAILABLE, "{error:?}");
    assert!(error.to_string().contains("give the store fewer"), "{error}");
    assert!(took < SHORT + SLACK, "it took {took:?}");
    for connection in others {
        connection.close().await.unwrap();
    }
    recovery(|| store.ping()).await;
    assert_works(&store).await;
}

#[tokio::test]
async fn a_database_that_takes_no_connections_of_the_role_says_so() {
    let database = Database::new("no_connections").await;
    let store = store_with(&database, "unwanted", "application_name = unwanted").await;
    database.execute("ALTER ROLE unwanted NOLOGIN").await;
    database.terminate_all().await;
    recovery(|| async {
        match store.ping().await {
            Err(error) if error.kind() == ErrorKind::Config => Ok(()),
            other => other,
        }
    })
    .await;
    let error = store.ping().await.unwrap_err();
    assert_eq!(classify(&error, &Fixture::without_session()), (ErrorKind::Config, false, false), "{error:?}");
    database.execute("ALTER ROLE unwanted LOGIN").await;
    assert_works(&store).await;
}
