//! Keys of another type where the store's would be.

use redis::aio::MultiplexedConnection;
use session_store_core::{Error, ErrorKind, SessionKey, SessionStore as _};
use session_store_redis::RedisStore;

use crate::support::{all_text, database_index, database_key, new_key, new_user, open, write_of};

use session_store_core::SetMode::{Create, Upsert};
use testkit::failures::operations::{Fixture, Operation};
use testkit::servers::RedisServer;

async fn start() -> (RedisServer, RedisStore, MultiplexedConnection) {
    let server = RedisServer::start(&[]).await.unwrap();
    let (store, connection) = (open(server.url()).await, server.connection().await.unwrap());
    (server, store, connection)
}

/// A list, in whose place the store expects something else.
async fn put_list(connection: &mut MultiplexedConnection, key: &[u8]) {
    redis::cmd("DEL").arg(key).exec_async(connection).await.unwrap();
    redis::cmd("RPUSH").arg(key).arg("an entry").exec_async(connection).await.unwrap();
}

async fn put_string(connection: &mut MultiplexedConnection, key: &[u8]) {
    redis::cmd("DEL").arg(key).exec_async(connection).await.unwrap();
    redis::cmd("SET").arg(key).arg("a value").exec_async(connection).await.unwrap();
}

fn is_corrupt(error: &Error, key: Option<&SessionKey>) {
    let found = (error.kind(), error.is_transient(), error.outcome_unknown());
    assert_eq!(found, (ErrorKind::Corrupt, false, false), "{error:?}");
    assert_eq!(error.key(), key, "{error:?}");
    if let Some(key) = key {
        let text = all_text(error);
        assert!(!text.contains(&key.to_text()) && !text.contains(&key.to_text()[3..]), "{text}");
    }
}

#[tokio::test]
async fn a_list_under_a_session_key_is_corrupt_and_can_be_ended() {
    let (server, store, mut connection) = start().await;
    let fixture = Fixture::create(&store).await.unwrap();
    put_list(&mut connection, &database_key(&fixture.live)).await;
    for operation in
        [Operation::Get, Operation::Replace, Operation::Update, Operation::Upsert, Operation::Touch, Operation::Rotate]
    {
        is_corrupt(&operation.run(&store, &fixture).await.unwrap_err(), Some(&fixture.live));
    }
    is_corrupt(&store.set(&fixture.live, &write_of(&fixture.user), Create).await.unwrap_err(), Some(&fixture.live));
    assert!(!Operation::List.run(&store, &fixture).await.unwrap());
    // Clause Z3.
    assert!(store.destroy(&fixture.live).await.unwrap());
    assert!(!store.destroy(&fixture.live).await.unwrap());
    assert!(store.get(&fixture.live).await.unwrap().is_none());
    store.prune(100).await.unwrap();
    assert_eq!(server.ask::<u64>(&["DBSIZE"]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_list_under_the_new_key_refuses_a_rotation_whole() {
    let (_server, store, mut connection) = start().await;
    let fixture = Fixture::create(&store).await.unwrap();
    put_list(&mut connection, &database_key(&fixture.free)).await;
    is_corrupt(&Operation::Rotate.run(&store, &fixture).await.unwrap_err(), Some(&fixture.free));
    assert!(Operation::Get.run(&store, &fixture).await.unwrap());
    assert!(Operation::List.run(&store, &fixture).await.unwrap());
}

#[tokio::test]
async fn sweeps_end_a_list_under_a_session_key() {
    let (server, store, mut connection) = start().await;
    let (first, second) = (Fixture::create(&store).await.unwrap(), Fixture::create(&store).await.unwrap());
    put_list(&mut connection, &database_key(&first.live)).await;
    assert_eq!(store.destroy_by_user(&first.user, None).await.unwrap(), 0);
    assert!(store.get(&first.live).await.unwrap().is_none());
    put_list(&mut connection, &database_key(&second.live)).await;
    assert_eq!(store.clear().await.unwrap(), 0);
    store.prune(100).await.unwrap();
    assert_eq!(server.ask::<u64>(&["DBSIZE"]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_string_under_a_users_index_refuses_writes_whole() {
    let (server, store, mut connection) = start().await;
    let (key, user) = (new_key(), new_user());
    put_string(&mut connection, &database_index(&user)).await;
    for mode in [Create, Upsert] {
        is_corrupt(&store.set(&key, &write_of(&user), mode).await.unwrap_err(), None);
        assert!(store.get(&key).await.unwrap().is_none(), "a session that no list shows");
    }
    assert_eq!(server.ask::<u64>(&["DBSIZE"]).await.unwrap(), 1);

    // Of a session that is another's, or nobody's.
    let fixture = Fixture::create(&store).await.unwrap();
    is_corrupt(&store.set(&fixture.live, &write_of(&user), Upsert).await.unwrap_err(), None);
    is_corrupt(&store.rotate(&fixture.live, &fixture.free, &write_of(&user), None).await.unwrap_err(), None);
    assert!(Operation::List.run(&store, &fixture).await.unwrap());
    assert!(Operation::Update.run(&store, &fixture).await.unwrap(), "its version is another");
    assert!(store.get(&fixture.free).await.unwrap().is_none());
}

#[tokio::test]
async fn a_string_under_a_users_index_is_a_clear_error_to_who_reads_it() {
    let (_server, store, mut connection) = start().await;
    let fixture = Fixture::create(&store).await.unwrap();
    put_string(&mut connection, &database_index(&fixture.user)).await;
    for operation in [Operation::List, Operation::DestroyByUser, Operation::Prune] {
        let error = operation.run(&store, &fixture).await.unwrap_err();
        is_corrupt(&error, None);
        assert!(error.to_string().contains("prefix"), "{error}");
        assert!(!all_text(&error).contains(fixture.user.as_str()));
    }
    assert!(Operation::Count.run(&store, &fixture).await.unwrap());
}

#[tokio::test]
async fn a_session_whose_index_is_foreign_can_be_ended() {
    let (_server, store, mut connection) = start().await;
    let (first, second) = (Fixture::create(&store).await.unwrap(), Fixture::create(&store).await.unwrap());
    for fixture in [&first, &second] {
        put_string(&mut connection, &database_index(&fixture.user)).await;
    }
    assert!(store.destroy(&first.live).await.unwrap());
    assert!(store.get(&first.live).await.unwrap().is_none());
    assert_eq!(store.clear().await.unwrap(), 1);
    assert!(store.get(&second.live).await.unwrap().is_none());
}

#[tokio::test]
async fn a_session_whose_index_is_foreign_can_be_given_away() {
    let (_server, store, mut connection) = start().await;
    let (first, second, heir) = (
        Fixture::create(&store).await.unwrap(),
        Fixture::create(&store).await.unwrap(),
        Fixture::create(&store).await.unwrap(),
    );
    for fixture in [&first, &second] {
        put_string(&mut connection, &database_index(&fixture.user)).await;
    }
    store.set(&first.live, &write_of(&heir.user), Upsert).await.unwrap();
    store.rotate(&second.live, &second.free, &write_of(&heir.user), None).await.unwrap();
    assert_eq!(store.destroy_by_user(&heir.user, None).await.unwrap(), 3);
}
