//! Connections that the server ends.

use std::time::Duration;

use futures_util::future::join_all;
use session_store_core::SessionStore as _;
use session_store_postgres::PostgresStore;
use testkit::failures::operations::{Fixture, Operation, all};
use testkit::servers::PostgresServer;

use crate::database::{Database, LOCK_TABLE};
use crate::support::{
    BROKEN, HOUR, SLACK, UNAVAILABLE, assert_works, builder, changes, classify, open, recovery, timed,
};

const CONNECTIONS: u32 = 8;

/// Makes the store use all its connections.
async fn spread(store: &PostgresStore) {
    let rotations = (0..CONNECTIONS).map(async |_| {
        let fixture = Fixture::create(store).await.unwrap();
        assert!(Operation::Rotate.run(store, &fixture).await.unwrap());
    });
    join_all(rotations).await;
}

#[tokio::test]
async fn ended_connections_fail_no_read_and_a_write_for_each_at_the_most() {
    let database = Database::new("ended_connections").await;
    let store = builder(database.url()).connections(CONNECTIONS).build().await.unwrap();
    for operation in all() {
        spread(&store).await;
        let fixture = Fixture::create(&store).await.unwrap();
        database.terminate_all().await;
        let mut failures = 0;
        let (answer, took) = timed(async {
            loop {
                match operation.run(&store, &fixture).await {
                    Ok(is_right) => break is_right,
                    Err(error) => {
                        assert!(changes(operation), "{operation:?}: {error:?}");
                        assert_eq!(classify(&error, &fixture), BROKEN, "{operation:?}: {error:?}");
                        failures += 1;
                    }
                }
            }
        })
        .await;
        assert!(answer && failures <= CONNECTIONS, "{operation:?}: {failures}");
        assert!(took < Duration::from_secs(1), "{operation:?} took {took:?}");
    }
}

#[tokio::test]
async fn a_connection_that_is_ended_under_a_write_is_of_unknown_outcome() {
    let database = Database::new("ended_under_a_write").await;
    let store = open(database.url()).await;
    let fixture = Fixture::create(&store).await.unwrap();
    let foreign = database.begin(LOCK_TABLE).await;
    for operation in [Operation::Touch, Operation::Rotate, Operation::DestroyByUser] {
        let end = async {
            database.until_waiting(1).await;
            let waiting = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
            database.execute(&format!("{waiting} AND datname = current_database()")).await;
        };
        let (answer, ()) = tokio::join!(operation.run(&store, &fixture), end);
        let error = answer.unwrap_err();
        assert_eq!(classify(&error, &fixture), BROKEN, "{operation:?}: {error:?}");
    }
    foreign.roll_back().await;
    assert!(store.touch(&fixture.live, HOUR).await.unwrap());
    assert_works(&store).await;
}

#[tokio::test]
async fn a_process_of_the_server_that_crashes_takes_nothing_with_it() {
    let server = PostgresServer::start(&[]).await.unwrap();
    let store = open(server.url()).await;
    let fixture = Fixture::create(&store).await.unwrap();
    spread(&store).await;
    let backend: i32 = server
        .ask("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND client_port > 0 LIMIT 1")
        .await
        .unwrap();
    let starts = || server.log().matches("ready to accept connections").count();
    let before = starts();
    let killed = std::process::Command::new("kill").args(["-KILL", &backend.to_string()]).status().unwrap();
    assert!(killed.success());
    // The server ends all others, and recovers. Until it has found out, others answer.
    let recovered = async {
        while starts() == before {
            if let Err(error) = store.ping().await {
                assert_eq!(classify(&error, &fixture), UNAVAILABLE, "{error:?}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        recovery(|| store.ping()).await;
    };
    let (answer, took) = timed(tokio::time::timeout(Duration::from_secs(10), recovered)).await;
    answer.unwrap();
    assert!(took < Duration::from_secs(5) + SLACK, "it took {took:?}");
    assert!(store.get(&fixture.live).await.unwrap().is_some());
    recovery(|| store.touch(&fixture.live, HOUR)).await;
    recovery(|| store.prune(1)).await;
    server.wait_for_an_answer().await.unwrap();
    while store.destroy(&fixture.free).await.is_err() {}
    assert_works(&store).await;
}
