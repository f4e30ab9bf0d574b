//! Writes that wait for replicas, and the clock of the server.

use std::time::Duration;

use futures_util::future::join_all;
use session_store_core::{ErrorKind, SessionStore as _, Timestamp};
use session_store_redis::RedisStore;
use testkit::failures::operations::{Fixture, Operation, WRITES};
use testkit::servers::RedisServer;
use tokio::time::sleep;

use crate::support::{HOUR, builder, open, recovery, timed};

const OPERATION_TIMEOUT: Duration = Duration::from_millis(1200);

/// What a write waits for its replicas.
const PATIENCE: Duration = Duration::from_millis(300);

async fn waiting(server: &RedisServer, replicas: u32) -> RedisStore {
    builder(server.url()).operation_timeout(OPERATION_TIMEOUT).wait_replicas(replicas).build().await.unwrap()
}

#[tokio::test]
async fn a_write_that_no_replica_confirms_is_of_unknown_outcome() {
    let server = RedisServer::start(&[]).await.unwrap();
    let plain = open(server.url()).await;
    // Each with connections of its own, on which no other write waits.
    let operations = WRITES.map(async |operation| {
        let store = waiting(&server, 1).await;
        let fixture = Fixture::create(&plain).await.unwrap();
        let (answer, took) = timed(operation.run(&store, &fixture)).await;
        let error = answer.unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Unavailable, true), "{operation:?}: {error}");
        assert!(error.outcome_unknown() && error.to_string().contains("replicas"), "{operation:?}: {error}");
        assert!(PATIENCE <= took && took < OPERATION_TIMEOUT, "{operation:?} took {took:?}");
    });
    join_all(operations).await;
}

#[tokio::test]
async fn a_refusal_that_no_replica_confirms_is_a_refusal() {
    let server = RedisServer::start(&[]).await.unwrap();
    let store = waiting(&server, 1).await;
    let fixture = Fixture::without_session();
    // What is refused has changed nothing that a replica could confirm.
    for operation in [Operation::Replace, Operation::Update, Operation::Rotate] {
        let error = operation.run(&store, &fixture).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::NotFound, false), "{operation:?}: {error}");
    }
    assert!(!store.touch(&fixture.live, HOUR).await.unwrap());
}

#[tokio::test]
async fn reads_go_on_while_a_write_waits() {
    let server = RedisServer::start(&[]).await.unwrap();
    let (store, plain) = (waiting(&server, 1).await, open(server.url()).await);
    let fixture = Fixture::create(&plain).await.unwrap();
    let reads = async {
        let mut reads = 0;
        loop {
            let (answer, took) = timed(store.get(&fixture.live)).await;
            assert!(answer.unwrap().is_some());
            assert!(took < PATIENCE / 2, "a read took {took:?}");
            reads += 1;
            sleep(Duration::from_millis(1)).await;
            if reads == 50 {
                return;
            }
        }
    };
    let (write, ()) = tokio::join!(timed(Operation::Create.run(&store, &fixture)), reads);
    assert!(write.0.is_err() && write.1 >= PATIENCE);
}

#[tokio::test]
async fn a_server_that_is_demoted_under_a_waiting_write_leaves_its_outcome_open() {
    let server = RedisServer::start(&[]).await.unwrap();
    let (store, plain) = (waiting(&server, 1).await, open(server.url()).await);
    let fixture = Fixture::create(&plain).await.unwrap();
    let demote = async {
        sleep(PATIENCE / 4).await;
        server.ask::<String>(&["REPLICAOF", "127.0.0.1", "1"]).await.unwrap();
    };
    let ((write, took), ()) = tokio::join!(timed(Operation::Create.run(&store, &fixture)), demote);
    let error = write.unwrap_err();
    let found = (error.kind(), error.is_transient(), error.outcome_unknown());
    assert_eq!(found, (ErrorKind::Unavailable, true, true), "{error:?}");
    assert!(took < PATIENCE, "it was told after {took:?}");
}

#[tokio::test]
async fn a_write_that_a_replica_confirms_is_acknowledged() {
    let server = RedisServer::start(&["--repl-diskless-sync-delay", "0"]).await.unwrap();
    let of_server = format!("127.0.0.1 {}", server.port());
    let replica = RedisServer::start(&["--replicaof", &of_server]).await.unwrap();
    let store = waiting(&server, 1).await;
    recovery(|| Fixture::create(&store)).await;
    for operation in WRITES {
        let fixture = Fixture::create(&store).await.unwrap();
        assert!(operation.run(&store, &fixture).await.unwrap(), "{operation:?}");
        // It is there when the write is acknowledged.
        let sizes = (server.ask::<u64>(&["DBSIZE"]).await.unwrap(), replica.ask::<u64>(&["DBSIZE"]).await.unwrap());
        assert_eq!(sizes.0, sizes.1, "{operation:?}");
    }
    let two = waiting(&server, 2).await;
    let error = Fixture::create(&two).await.unwrap_err();
    assert!(error.to_string().contains("1 of 2") && error.outcome_unknown(), "{error}");
    replica.stop().unwrap();
    assert!(Fixture::create(&store).await.unwrap_err().outcome_unknown());
    replica.resume().unwrap();
    recovery(|| Fixture::create(&store)).await;
}

/// The server's clock, now.
async fn time_of(server: &RedisServer) -> i64 {
    let (seconds, micros): (i64, i64) = server.ask(&["TIME"]).await.unwrap();
    seconds * 1_000 + micros / 1_000
}

#[tokio::test]
async fn a_record_says_when_it_was_read_by_the_servers_clock() {
    let server = RedisServer::start(&[]).await.unwrap();
    let store = open(server.url()).await;
    let fixture = Fixture::create(&store).await.unwrap();
    for pause in [0, 1500] {
        sleep(Duration::from_millis(pause)).await;
        let before = time_of(&server).await;
        let read_at = store.get(&fixture.live).await.unwrap().unwrap().read_at;
        let after = time_of(&server).await;
        let bounds = Timestamp::from_millis(before - 100)..=Timestamp::from_millis(after + 100);
        assert!(bounds.contains(&read_at), "{read_at:?} is not within {before} and {after}");
    }
}
