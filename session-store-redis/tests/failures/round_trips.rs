//! What each operation costs, counted between the store and its server.

use session_store_core::{Page, SessionStore as _, SetMode, Write};
use session_store_redis::RedisStore;
use testkit::failures::operations::{BULK, Fixture, WRITES, all};
use testkit::servers::{Proxy, RedisServer};

use crate::support::{HOUR, new_key, new_user, open, write_of};

async fn start() -> (RedisServer, Proxy, RedisStore) {
    let server = RedisServer::start(&[]).await.unwrap();
    let proxy = Proxy::start(&server.url()).await.unwrap();
    let store = open(proxy.url()).await;
    // The server knows all scripts from here on.
    for operation in all() {
        let fixture = Fixture::create(&store).await.unwrap();
        operation.run(&store, &fixture).await.unwrap();
    }
    (server, proxy, store)
}

#[tokio::test]
async fn a_get_is_one_get() {
    let (_server, proxy, store) = start().await;
    let fixture = Fixture::create(&store).await.unwrap();
    proxy.forget();
    assert!(store.get(&fixture.live).await.unwrap().is_some());
    assert_eq!((proxy.commands(), proxy.round_trips()), (vec!["GET".to_owned()], 1));
    assert!(store.get(&fixture.free).await.unwrap().is_none());
    assert_eq!((proxy.requests(), proxy.round_trips(), proxy.connections()), (2, 2, 0));
}

#[tokio::test]
async fn a_write_is_one_script() {
    let (_server, proxy, store) = start().await;
    for operation in WRITES {
        let fixture = Fixture::create(&store).await.unwrap();
        proxy.forget();
        assert!(operation.run(&store, &fixture).await.unwrap());
        assert_eq!((proxy.commands(), proxy.round_trips()), (vec!["EVALSHA".to_owned()], 1), "{operation:?}");
        // A refusal costs no more.
        proxy.forget();
        let _ = operation.run(&store, &fixture).await;
        assert_eq!((proxy.requests(), proxy.round_trips()), (1, 1), "{operation:?} once more");
    }
    proxy.forget();
    store.ping().await.unwrap();
    assert_eq!((proxy.requests(), proxy.round_trips()), (1, 1));
}

#[tokio::test]
async fn all_sessions_of_a_user_are_listed_and_ended_by_one_script() {
    let (_server, proxy, store) = start().await;
    let user = new_user();
    let mut keys: Vec<_> = (0..10).map(|_| new_key()).collect();
    for key in &keys {
        store.set(key, &write_of(&user), SetMode::Create).await.unwrap();
    }
    keys.sort();
    proxy.forget();
    let listed = store.list_by_user(&user, &Page::first(100).unwrap()).await.unwrap();
    assert_eq!(listed.iter().map(|entry| entry.key).collect::<Vec<_>>(), keys);
    assert_eq!((proxy.commands(), proxy.round_trips()), (vec!["EVALSHA".to_owned()], 1));
    proxy.forget();
    assert_eq!(store.destroy_by_user(&user, Some(&keys[3])).await.unwrap(), 9);
    assert_eq!((proxy.commands(), proxy.round_trips()), (vec!["EVALSHA".to_owned()], 1));
}

#[tokio::test]
async fn what_is_refused_before_it_is_sent_costs_nothing() {
    let (_server, proxy, store) = start().await;
    let (key, user) = (new_key(), new_user());
    let too_large = Write::new(vec![0; (1 << 20) + 1], HOUR, HOUR).unwrap();
    proxy.forget();
    store.set(&key, &too_large, SetMode::Upsert).await.unwrap_err();
    store.rotate(&key, &new_key(), &too_large, None).await.unwrap_err();
    store.rotate(&key, &key, &write_of(&user), None).await.unwrap_err();
    store.touch(&key, std::time::Duration::ZERO).await.unwrap_err();
    store.prune(0).await.unwrap_err();
    assert_eq!(proxy.requests(), 0);
}

#[tokio::test]
async fn a_mebibyte_goes_there_and_back_in_one_round_trip_each() {
    let (_server, proxy, store) = start().await;
    let (key, data) = (new_key(), (0..1_u32 << 20).map(|byte| (byte % 251) as u8).collect::<Vec<_>>());
    let write = Write::new(data.clone(), HOUR, HOUR).unwrap();
    proxy.forget();
    let version = store.set(&key, &write, SetMode::Create).await.unwrap();
    assert_eq!((proxy.requests(), proxy.round_trips()), (1, 1));
    let record = store.get(&key).await.unwrap().unwrap();
    assert!(record.data == data && record.meta.version == version);
    assert_eq!((proxy.requests(), proxy.round_trips()), (2, 2));
    let to = new_key();
    store.rotate(&key, &to, &write, Some(version)).await.unwrap();
    assert!(store.touch(&to, HOUR).await.unwrap());
    assert!(store.get(&to).await.unwrap().unwrap().data == data);
}

#[tokio::test]
async fn a_sweep_of_little_is_a_few_round_trips() {
    let (_server, proxy, store) = start().await;
    for operation in BULK {
        let fixture = Fixture::create(&store).await.unwrap();
        proxy.forget();
        operation.run(&store, &fixture).await.unwrap();
        // The widest is `clear`: a walk, a script, and a walk that meets nothing more.
        assert!(proxy.round_trips() <= 5, "{operation:?}: {:?}", proxy.commands());
    }
}

#[tokio::test]
async fn operations_at_once_share_one_connection() {
    let (_server, proxy, store) = start().await;
    proxy.forget();
    // Those that share no command.
    futures_util::future::join_all((0..100).map(|_| async { store.ping().await.unwrap() })).await;
    assert_eq!((proxy.requests(), proxy.connections()), (100, 0));
}
