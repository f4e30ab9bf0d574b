//! No key stays for ever, and no index grows for ever.

use std::time::Duration;

use futures_util::future::join_all;
use session_store_core::{Error, ErrorKind, Owner, SessionKey, SessionStore as _, SetMode, UserId, Write};
use session_store_redis::{RedisEndpoint, RedisStore};
use testkit::servers::{RedisCluster, RedisServer};
use tokio::time::sleep;

use crate::support::{HOUR, database_index, new_key, new_user, open, recovery, write_of};

/// How long the sessions live that are meant to end.
const LIFE: Duration = Duration::from_millis(500);

fn short(user: &UserId, idle: Duration, absolute: Duration) -> Write {
    Write::new("data", idle, absolute).unwrap().with_owner(Owner::User(user.clone()))
}

/// Creates a session of one of ten users or of nobody, and does to it one of all things.
async fn live_a_life(store: &RedisStore, users: &[UserId], number: usize, absolute: Duration) {
    let (key, to) = (new_key(), new_key());
    let (user, other) = (&users[number % users.len()], &users[(number + 1) % users.len()]);
    let write = short(user, absolute / 2, absolute);
    let version = match number % 7 {
        0 => store.set(&key, &write.clone().with_owner(Owner::Anonymous), SetMode::Create).await.unwrap(),
        1 => store.set(&key, &write, SetMode::Upsert).await.unwrap(),
        _ => store.set(&key, &write, SetMode::Create).await.unwrap(),
    };
    match number % 8 {
        0 => assert!(store.touch(&key, absolute).await.unwrap()),
        1 => drop(store.set(&key, &short(other, absolute, absolute), SetMode::Update(version)).await.unwrap()),
        2 => drop(store.rotate(&key, &to, &short(other, absolute, absolute), Some(version)).await.unwrap()),
        3 => assert!(store.destroy(&key).await.unwrap()),
        4 => drop(store.set(&key, &write.with_owner(Owner::Anonymous), SetMode::Replace).await.unwrap()),
        5 => drop(store.rotate(&key, &to, &write.with_owner(Owner::Keep), None).await.unwrap()),
        // Shorter than before.
        6 => drop(store.set(&key, &short(user, absolute / 4, absolute / 2), SetMode::Upsert).await.unwrap()),
        _ => {}
    }
}

async fn live_lives(store: &RedisStore, absolute: Duration) -> Vec<UserId> {
    let users: Vec<_> = (0..10).map(|_| new_user()).collect();
    for some in (0..200).collect::<Vec<_>>().chunks(50) {
        join_all(some.iter().map(|number| live_a_life(store, &users, *number, absolute))).await;
    }
    store.destroy_by_user(&users[0], None).await.unwrap();
    users
}

/// How many keys a server has. Every one must have a time to live.
async fn keys_with_a_ttl(server: &RedisServer) -> usize {
    let mut connection = server.connection().await.unwrap();
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    for key in &keys {
        let left: i64 = redis::cmd("PTTL").arg(key).query_async(&mut connection).await.unwrap();
        // -1 is none; -2 says that the key has gone meanwhile.
        assert_ne!(left, -1, "{}", key.escape_ascii());
        let limit = i64::try_from((HOUR + Duration::from_mins(3)).as_millis()).unwrap();
        assert!(left <= limit, "{} stays {left} ms", key.escape_ascii());
    }
    keys.len()
}

#[tokio::test]
async fn every_key_of_one_server_has_a_ttl() {
    let server = RedisServer::start(&[]).await.unwrap();
    let store = open(server.url()).await;
    live_lives(&store, HOUR).await;
    let count = usize::try_from(store.count().await.unwrap()).unwrap();
    let keys = keys_with_a_ttl(&server).await;
    assert!(count > 100 && count < keys, "{count} sessions, {keys} keys");
}

#[tokio::test]
async fn every_key_of_a_cluster_has_a_ttl() {
    let cluster = RedisCluster::start().await.unwrap();
    let store = open(RedisEndpoint::cluster(cluster.urls())).await;
    live_lives(&store, HOUR).await;
    let count = usize::try_from(store.count().await.unwrap()).unwrap();
    let mut keys = 0;
    for master in cluster.masters() {
        keys += keys_with_a_ttl(master).await;
    }
    assert!(count > 100 && count < keys, "{count} sessions, {keys} keys");
}

#[tokio::test]
async fn nothing_is_left_when_all_sessions_are_over() {
    let server = RedisServer::start(&[]).await.unwrap();
    let store = open(server.url()).await;
    live_lives(&store, LIFE).await;
    assert!(store.count().await.unwrap() > 0);
    keys_with_a_ttl(&server).await;
    sleep(LIFE).await;
    while store.prune(50).await.unwrap().more {}
    assert_eq!(server.ask::<Vec<Vec<u8>>>(&["KEYS", "*"]).await.unwrap().len(), 0);
    // Redis counts what has expired until it has come by.
    let is_empty = async || match server.ask::<u64>(&["DBSIZE"]).await? {
        0 => Ok(()),
        left => Err(Error::new(ErrorKind::Internal, format!("{left} keys are left"))),
    };
    recovery(is_empty).await;
}

/// The entries of a user's index.
async fn entries(server: &RedisServer, user: &UserId) -> u64 {
    let mut connection = server.connection().await.unwrap();
    redis::cmd("ZCARD").arg(database_index(user)).query_async(&mut connection).await.unwrap()
}

#[tokio::test]
async fn an_index_does_not_grow_by_sessions_that_expired() {
    let server = RedisServer::start(&[]).await.unwrap();
    let store = open(server.url()).await;
    let user = new_user();
    // This one keeps the index for an hour.
    let lasting = new_key();
    store.set(&lasting, &write_of(&user), SetMode::Create).await.unwrap();
    let write = short(&user, Duration::from_millis(5), Duration::from_millis(5));
    let mut most = 0;
    for number in 0..600 {
        store.set(&new_key(), &write, SetMode::Create).await.unwrap();
        if number % 50 == 49 {
            most = most.max(entries(&server, &user).await);
        }
    }
    // About 50 may be live at once where a login takes 0.1 ms. Each that comes looks at two others, so there are about as
    // many dead ones; without that, all 600 would be there.
    assert!(most < 300, "{most} entries");
    let listed = store.list_by_user(&user, &session_store_core::Page::first(1_000).unwrap()).await.unwrap();
    assert!(listed.iter().any(|entry| entry.key == lasting));
}

#[tokio::test]
async fn an_index_does_not_grow_by_rotations() {
    let server = RedisServer::start(&[]).await.unwrap();
    let store = open(server.url()).await;
    let (user, mut key) = (new_user(), new_key());
    store.set(&key, &write_of(&user), SetMode::Create).await.unwrap();
    for _ in 0..50 {
        let to: SessionKey = new_key();
        store.rotate(&key, &to, &write_of(&user), None).await.unwrap();
        key = to;
    }
    assert_eq!(entries(&server, &user).await, 1);
}

#[tokio::test]
async fn an_index_stays_as_long_as_a_session_that_is_made_to_live_longer() {
    let server = RedisServer::start(&[]).await.unwrap();
    let store = open(server.url()).await;
    let (user, key) = (new_user(), new_key());
    store.set(&key, &short(&user, LIFE, LIFE), SetMode::Create).await.unwrap();
    store.set(&key, &Write::new("data", HOUR, HOUR).unwrap(), SetMode::Replace).await.unwrap();
    sleep(LIFE).await;
    assert_eq!(entries(&server, &user).await, 1);
    assert_eq!(store.destroy_by_user(&user, None).await.unwrap(), 1);
}
