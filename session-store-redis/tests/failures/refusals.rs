//! Real servers that refuse: replicas, full ones, crowded ones.

use session_store_core::{ErrorKind, Page, SessionStore as _, SetMode, Write};
use session_store_redis::RedisEndpoint;
use testkit::failures::operations::{Fixture, Operation, WRITES};
use testkit::servers::{RedisCluster, RedisServer};

use crate::support::{HOUR, new_key, new_user, open, recovery, write_of};

#[tokio::test]
async fn a_server_that_is_demoted_under_the_store_takes_no_writes_until_it_is_promoted() {
    let (server, other) = tokio::join!(RedisServer::start(&[]), RedisServer::start(&[]));
    let (server, other) = (server.unwrap(), other.unwrap());
    let store = open(server.url()).await;
    let mut fixtures = Vec::new();
    for _ in WRITES {
        fixtures.push(Fixture::create(&store).await.unwrap());
    }
    // Of a server that is not there, so that it keeps its data.
    other.kill();
    server.ask::<()>(&["REPLICAOF", "127.0.0.1", &other.port().to_string()]).await.unwrap();
    for (operation, fixture) in WRITES.iter().zip(&fixtures) {
        let error = operation.run(&store, fixture).await.unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Unavailable, true), "{operation:?}: {error}");
        assert!(!error.outcome_unknown() && error.to_string().contains("replica"), "{operation:?}: {error}");
    }
    server.ask::<()>(&["REPLICAOF", "NO", "ONE"]).await.unwrap();
    for (operation, fixture) in WRITES.iter().zip(&fixtures) {
        assert!(operation.run(&store, fixture).await.unwrap(), "{operation:?}");
    }
}

/// Options of a server that soon has no memory left; after the start, so that the start needs none.
async fn fill(server: &RedisServer) {
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await.unwrap();
}

#[tokio::test]
async fn a_full_server_refuses_a_write_whole_and_still_reads_and_ends_sessions() {
    let server = RedisServer::start(&[]).await.unwrap();
    let store = open(server.url()).await;
    let (first, second) = (Fixture::create(&store).await.unwrap(), Fixture::create(&store).await.unwrap());
    fill(&server).await;
    for operation in [Operation::Create, Operation::Rotate] {
        let error = operation.run(&store, &first).await.unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Unavailable, true), "{operation:?}: {error}");
        assert!(!error.outcome_unknown() && error.to_string().contains("maxmemory"), "{operation:?}: {error}");
        assert!(store.get(&first.free).await.unwrap().is_none());
    }
    let listed = store.list_by_user(&first.user, &Page::first(10).unwrap()).await.unwrap();
    assert_eq!(listed.iter().map(|entry| entry.key).collect::<Vec<_>>(), [first.live]);
    assert!(store.get(&first.live).await.unwrap().is_some());
    assert!(store.destroy(&first.live).await.unwrap());
    assert_eq!(store.destroy_by_user(&second.user, None).await.unwrap(), 1);
    assert_eq!(server.ask::<u64>(&["DBSIZE"]).await.unwrap(), 0);
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await.unwrap();
    assert!(Fixture::create(&store).await.is_ok());
}

#[tokio::test]
async fn a_write_that_fills_the_memory_is_refused_whole() {
    let server = RedisServer::start(&["--maxmemory", "4mb"]).await.unwrap();
    let store = open(server.url()).await;
    let user = new_user();
    let mut written = Vec::new();
    let error = loop {
        let key = new_key();
        let write = Write::new(vec![0; 200_000], HOUR, HOUR).unwrap().with_owner(write_of(&user).owner().clone());
        match store.set(&key, &write, SetMode::Create).await {
            Ok(_) => written.push(key),
            Err(error) => break error,
        }
        assert!(written.len() < 100, "the server takes more than its maxmemory");
    };
    assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Unavailable, false), "{error}");
    written.sort();
    let listed = store.list_by_user(&user, &Page::first(100).unwrap()).await.unwrap();
    assert_eq!(listed.iter().map(|entry| entry.key).collect::<Vec<_>>(), written);
    assert_eq!(server.ask::<usize>(&["DBSIZE"]).await.unwrap(), written.len() + 1);
    assert_eq!(store.destroy_by_user(&user, None).await.unwrap(), written.len() as u64);
}

#[tokio::test]
async fn a_full_cluster_refuses_a_write_and_shows_nothing_of_it() {
    let cluster = RedisCluster::start().await.unwrap();
    let store = open(RedisEndpoint::cluster(cluster.urls())).await;
    let fixture = Fixture::create(&store).await.unwrap();
    for master in cluster.masters() {
        fill(master).await;
    }
    for operation in [Operation::Create, Operation::Rotate] {
        let error = operation.run(&store, &fixture).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Unavailable, false), "{operation:?}: {error}");
        assert!(store.get(&fixture.free).await.unwrap().is_none(), "{operation:?}");
    }
    assert!(Operation::List.run(&store, &fixture).await.unwrap());
    assert!(store.destroy(&fixture.live).await.unwrap());
}

#[tokio::test]
async fn a_server_with_too_many_clients_is_unavailable_until_some_leave() {
    for options in [["--maxclients", "3"].as_slice(), &["--maxclients", "3", "--requirepass", "secret"]] {
        let server = RedisServer::start(options).await.unwrap();
        let store = open(server.url()).await;
        let other = redis::Client::open(server.url()).unwrap();
        // The store's own connection goes, and others take all places.
        server.ask::<u64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await.unwrap();
        let mut others = Vec::new();
        while let Ok(connection) = other.get_multiplexed_async_connection().await {
            others.push(connection);
            assert!(others.len() < 10, "the server takes more clients than it should");
            let ping = redis::cmd("PING").query_async::<String>(others.last_mut().unwrap()).await;
            if ping.is_err() {
                break;
            }
        }
        for error in [store.ping().await.unwrap_err(), store.touch(&new_key(), HOUR).await.unwrap_err()] {
            assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Unavailable, true), "{options:?}: {error:?}");
        }
        drop(others);
        recovery(|| store.ping()).await;
    }
}
