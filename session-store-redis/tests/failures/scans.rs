//! Walks through all sessions of a namespace (clauses A1 to A3), and the end of a store (W3).

use std::collections::BTreeSet;
use std::time::Duration;

use session_store_core::{Error, ErrorKind, Page, ScanCursor, SessionKey, SessionStore as _, SetMode, Write};
use session_store_redis::{RedisEndpoint, RedisStore};
use testkit::failures::operations::{Fixture, all};
use testkit::servers::{Proxy, RedisCluster, RedisServer};

use crate::support::{HOUR, builder, database_index, database_key, new_key, new_user, open, recovery, write_of};

/// The keys of all sessions, a piece at a time and each piece by another handle.
async fn scan(stores: &[&RedisStore], limit: u32) -> (BTreeSet<SessionKey>, usize) {
    let (mut keys, mut cursor, mut pages) = (BTreeSet::new(), None::<ScanCursor>, 0);
    loop {
        let page = stores[pages % stores.len()].scan(cursor.as_ref(), limit).await.unwrap();
        keys.extend(page.entries.iter().map(|entry| entry.key));
        pages += 1;
        let Some(next) = page.next else { return (keys, pages) };
        cursor = Some(next.to_string().parse().unwrap());
    }
}

async fn fill(store: &RedisStore, count: usize) -> BTreeSet<SessionKey> {
    let user = new_user();
    let mut keys = BTreeSet::new();
    for _ in 0..count {
        let key = new_key();
        store.set(&key, &write_of(&user), SetMode::Create).await.unwrap();
        keys.insert(key);
    }
    keys
}

#[tokio::test]
async fn a_scan_finds_every_session_on_any_handle() {
    let (server, cluster) = (RedisServer::start(&[]).await.unwrap(), RedisCluster::start().await.unwrap());
    let of_server = || RedisEndpoint::from(server.url());
    let of_cluster = || RedisEndpoint::cluster(cluster.urls());
    for (one, two) in [(of_server(), of_server()), (of_cluster(), of_cluster())] {
        let (one, two) = (open(one).await, open(two).await);
        let keys = fill(&one, 300).await;
        for limit in [1, 17, 1_000] {
            let (found, pages) = scan(&[&one, &two], limit).await;
            assert_eq!(found, keys, "limit {limit}");
            assert!(pages >= keys.len() / 20 / limit as usize, "limit {limit}: {pages} pages");
        }
        let entries = one.scan(None, 1_000).await.unwrap().entries;
        for entry in entries {
            assert_eq!(one.get(&entry.key).await.unwrap().unwrap().meta, entry.meta);
        }
        // What a rotation leaves on a Cluster is no session.
        let from = *keys.first().unwrap();
        let to = new_key();
        one.rotate(&from, &to, &Write::new("", HOUR, HOUR).unwrap(), None).await.unwrap();
        let (found, _) = scan(&[&one], 100).await;
        assert!(found.contains(&to) && !found.contains(&from) && found.len() == keys.len());
    }
}

#[tokio::test]
async fn a_scan_skips_what_is_not_the_stores_or_corrupt_and_does_bounded_work() {
    let server = RedisServer::start(&[]).await.unwrap();
    let proxy = Proxy::start(&server.url()).await.unwrap();
    let store = open(proxy.url()).await;
    let mut keys = fill(&store, 20).await;
    let mut connection = server.connection().await.unwrap();
    let mut foreign = redis::Pipeline::new();
    for number in 0..5_000 {
        foreign.cmd("SET").arg(format!("other:{number}")).arg("value").ignore();
    }
    foreign.exec_async(&mut connection).await.unwrap();
    let (bytes, list) = (keys.pop_first().unwrap(), keys.pop_last().unwrap());
    redis::cmd("SET").arg(database_key(&bytes)).arg("bytes").exec_async(&mut connection).await.unwrap();
    redis::cmd("DEL").arg(database_key(&list)).exec_async(&mut connection).await.unwrap();
    redis::cmd("RPUSH").arg(database_key(&list)).arg("entry").exec_async(&mut connection).await.unwrap();
    let mut cursor = None;
    let mut found = BTreeSet::new();
    loop {
        proxy.forget();
        let page = store.scan(cursor.as_ref(), 50).await.unwrap();
        assert!(proxy.round_trips() <= 2 && proxy.requests() <= 30, "{:?}", proxy.commands());
        found.extend(page.entries.iter().map(|entry| entry.key));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(found, keys);
}

#[tokio::test]
async fn a_cursor_that_is_none_is_refused_before_anything_is_sent() {
    let (server, cluster) = (RedisServer::start(&[]).await.unwrap(), RedisCluster::start().await.unwrap());
    let proxy = Proxy::start(&server.url()).await.unwrap();
    let (store, of_cluster) = (open(proxy.url()).await, open(RedisEndpoint::cluster(cluster.urls())).await);
    proxy.forget();
    for position in ["", "0", "-1", "01", "x", "18446744073709551616", "1@000000000000000a@0"] {
        let error = store.scan(Some(&ScanCursor::encode("redis", position.as_bytes())), 10).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{position}");
    }
    assert_eq!(proxy.requests(), 0);
    for position in ["", "1", "1@a@0", "1@000000000000000a@-1"] {
        let error = of_cluster.scan(Some(&ScanCursor::encode("redis", position.as_bytes())), 10).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{position}");
    }
}

#[tokio::test]
async fn a_scan_of_a_cluster_whose_slots_move_begins_again() {
    let cluster = RedisCluster::start().await.unwrap();
    let store = open(RedisEndpoint::cluster(cluster.urls())).await;
    let keys = fill(&store, 60).await;
    let cursor = store.scan(None, 1).await.unwrap().next.unwrap();
    cluster.move_slots(0, 1, 0..=10).await.unwrap();
    let error = store.scan(Some(&cursor), 1).await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Unavailable, false), "{error}");
    assert!(error.to_string().contains("begin the scan again"), "{error}");
    assert_eq!(scan(&[&store], 100).await.0, keys);

    let (from, to) = (&cluster.nodes()[1], &cluster.nodes()[2]);
    let (from_id, to_id): (String, String) =
        (from.ask(&["CLUSTER", "MYID"]).await.unwrap(), to.ask(&["CLUSTER", "MYID"]).await.unwrap());
    to.ask::<()>(&["CLUSTER", "SETSLOT", "5", "IMPORTING", &from_id]).await.unwrap();
    from.ask::<()>(&["CLUSTER", "SETSLOT", "5", "MIGRATING", &to_id]).await.unwrap();
    let error = store.scan(None, 1).await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Unavailable, true), "{error}");
    for node in [from, to] {
        node.ask::<()>(&["CLUSTER", "SETSLOT", "5", "STABLE"]).await.unwrap();
    }
    assert_eq!(scan(&[&store], 100).await.0, keys);
}

/// The connections to a server besides that of the question.
async fn connections(server: &RedisServer) -> String {
    let list: String = server.ask(&["CLIENT", "LIST", "TYPE", "normal"]).await.unwrap();
    list.lines().filter(|line| !line.contains("cmd=client|list")).collect()
}

#[tokio::test]
async fn a_closed_store_has_no_connection_and_leaves_those_that_it_was_given() {
    let server = RedisServer::start(&[]).await.unwrap();
    let pool = deadpool_redis::Config::from_url(server.url()).create_pool(Some(deadpool_redis::Runtime::Tokio1));
    let pool = pool.unwrap();
    let replicated = builder(server.url()).wait_replicas(1).operation_timeout(Duration::from_millis(200));
    for builder in [builder(server.url()), replicated] {
        let store = builder.build().await.unwrap();
        let _ = store.touch(&new_key(), HOUR).await;
        let other = store.clone();
        store.close().await;
        for operation in all() {
            let error = operation.run(&other, &Fixture::without_session()).await.unwrap_err();
            assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Unavailable, false), "{operation:?}");
        }
        let is_alone = async || match connections(&server).await.as_str() {
            "" => Ok(()),
            left => Err(Error::new(ErrorKind::Internal, left.to_owned())),
        };
        recovery(is_alone).await;
    }
    let store = open(pool.clone()).await;
    store.close().await;
    assert_eq!(store.ping().await.unwrap_err().kind(), ErrorKind::Unavailable);
    pool.get().await.unwrap();

    let cluster = RedisCluster::start().await.unwrap();
    let store = open(RedisEndpoint::cluster(cluster.urls())).await;
    Fixture::create(&store).await.unwrap();
    store.close().await;
    assert_eq!(store.ping().await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_session_that_keeps_rotating_does_not_escape_behind_stale_entries() {
    let server = RedisServer::start(&[]).await.unwrap();
    let store = open(server.url()).await;
    let mut connection = server.connection().await.unwrap();
    for _ in 0..20 {
        let (user, mut key) = (new_user(), new_key());
        store.set(&key, &write_of(&user), SetMode::Create).await.unwrap();
        let mut stale = redis::cmd("ZADD");
        stale.arg(database_index(&user));
        for _ in 0..1_200 {
            stale.arg(0).arg(new_key().as_bytes().as_slice());
        }
        stale.exec_async(&mut connection).await.unwrap();
        let rotate = async {
            loop {
                let to = new_key();
                if store.rotate(&key, &to, &write_of(&user), None).await.is_err() {
                    return;
                }
                key = to;
            }
        };
        let (ended, ()) = tokio::join!(store.destroy_by_user(&user, None), rotate);
        assert_eq!(ended.unwrap(), 1);
        assert!(store.list_by_user(&user, &Page::first(10).unwrap()).await.unwrap().is_empty());
    }
    assert_eq!(store.count().await.unwrap(), 0);
}
