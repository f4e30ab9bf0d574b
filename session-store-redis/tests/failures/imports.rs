//! Records of another store (clause W1).

use std::time::Duration;

use futures_util::future::join_all;
use session_store_core::{ErrorKind, Meta, Page, Record, SessionStore as _, SetMode, Timestamp, UserId, Version};
use session_store_redis::{RedisEndpoint, RedisStore};
use testkit::failures::operations::Fixture;
use testkit::servers::{Proxy, RedisCluster, RedisServer};

use crate::support::{HOUR, builder, new_key, new_user, open, write_of};

/// A record that began an hour ago and has an hour left.
fn record(now: Timestamp, user: Option<&UserId>, data: &'static str) -> Record {
    let at = |minutes: i64| Timestamp::from_millis(now.as_millis() + minutes * 60_000);
    let meta = Meta {
        user: user.cloned(),
        created_at: at(-60),
        last_seen_at: at(-5),
        expires_at: at(30),
        deadline: at(60),
        version: Version::generate().unwrap(),
    };
    Record { meta, data: data.into(), read_at: now }
}

async fn now(store: &RedisStore) -> Timestamp {
    let fixture = Fixture::create(store).await.unwrap();
    store.get(&fixture.live).await.unwrap().unwrap().read_at
}

async fn listed(store: &RedisStore, user: &UserId) -> usize {
    store.list_by_user(user, &Page::first(10).unwrap()).await.unwrap().len()
}

async fn imports(store: &RedisStore) {
    let (key, alice, bob) = (new_key(), new_user(), new_user());
    let now = now(store).await;
    for (user, data) in
        [(Some(&alice), "of alice"), (Some(&alice), "again"), (Some(&bob), "of bob"), (None, "of nobody")]
    {
        let record = record(now, user, data);
        let version = store.import(&key, &record).await.unwrap().unwrap();
        assert_ne!(version, record.meta.version);
        let read = store.get(&key).await.unwrap().unwrap();
        assert_eq!((&read.meta, read.data), (&Meta { version, ..record.meta.clone() }, record.data));
        let lists = (listed(store, &alice).await, listed(store, &bob).await);
        assert_eq!(lists, (usize::from(user == Some(&alice)), usize::from(user == Some(&bob))), "{data}");
    }
    // What ends before its deadline, and what is dead.
    let mut capped = record(now, Some(&alice), "capped");
    capped.meta.expires_at = capped.meta.deadline.saturating_add(HOUR);
    store.import(&key, &capped).await.unwrap().unwrap();
    assert_eq!(store.get(&key).await.unwrap().unwrap().meta.expires_at, capped.meta.deadline);
    let mut dead = record(now, Some(&bob), "dead");
    dead.meta.expires_at = Timestamp::from_millis(now.as_millis() - 1_000);
    assert_eq!(store.import(&key, &dead).await.unwrap(), None);
    assert_eq!(store.import(&new_key(), &dead).await.unwrap(), None);
    assert_eq!(store.get(&key).await.unwrap().unwrap().data, "capped");
    assert_eq!((listed(store, &alice).await, listed(store, &bob).await), (1, 0));

    // It ends as it says.
    let mut short = record(now, Some(&bob), "short");
    short.meta.expires_at = now.saturating_add(Duration::from_secs(2));
    if store.import(&key, &short).await.unwrap().is_some() {
        tokio::time::sleep(Duration::from_millis(2_100)).await;
        assert!(store.get(&key).await.unwrap().is_none());
    }
    for (created_at, deadline) in [(-1, now.as_millis() + 60_000), (now.as_millis(), 1 << 48)] {
        let mut record = record(now, None, "of no time");
        record.meta.created_at = Timestamp::from_millis(created_at);
        record.meta.deadline = Timestamp::from_millis(deadline);
        record.meta.expires_at = now.saturating_add(HOUR).min(record.meta.deadline);
        let error = store.import(&key, &record).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::InvalidInput, false));
    }
}

#[tokio::test]
async fn a_record_is_written_as_it_is() {
    let (server, cluster) = (RedisServer::start(&[]).await.unwrap(), RedisCluster::start().await.unwrap());
    let (one, of_cluster) = (open(server.url()).await, open(RedisEndpoint::cluster(cluster.urls())).await);
    tokio::join!(imports(&one), imports(&of_cluster));
}

#[tokio::test]
async fn imports_share_scripts_with_other_writes_and_fail_alone() {
    let server = RedisServer::start(&[]).await.unwrap();
    let proxy = Proxy::start(&server.url()).await.unwrap();
    let store = builder(proxy.url()).batches_in_flight(1).build().await.unwrap();
    let (now, user) = (now(&store).await, new_user());
    let keys: Vec<_> = (0..20).map(|_| new_key()).collect();
    let mut other = record(now, Some(&user), "of no time");
    other.meta.created_at = Timestamp::from_millis(-1);
    let write_all = async || {
        join_all(keys.iter().enumerate().map(|(number, key)| {
            let (store, user, other) = (&store, &user, &other);
            async move {
                match number {
                    9 => store.import(key, other).await,
                    _ if number % 2 == 0 => store.import(key, &record(now, Some(user), "imported")).await,
                    _ => store.set(key, &write_of(user), SetMode::Upsert).await.map(Some),
                }
            }
        }))
        .await
    };
    proxy.forget();
    for (number, answer) in write_all().await.into_iter().enumerate() {
        assert_eq!(answer.is_err(), number == 9, "{number}: {answer:?}");
    }
    assert_eq!(store.list_by_user(&user, &Page::first(100).unwrap()).await.unwrap().len(), 19);
    // The one that is alone, and the halves of the rest.
    assert!(proxy.commands().iter().filter(|name| *name == "EVALSHA").count() <= 8, "{:?}", proxy.commands());
}
