//! Reads and destroys that name a version (clauses G5 and D4).

use futures_util::future::join_all;
use session_store_core::{Error, ErrorKind, IfChanged, SessionStore as _, SetMode, Version, Write};
use session_store_redis::{RedisEndpoint, RedisStore};
use testkit::failures::operations::Fixture;
use testkit::servers::{Proxy, RedisCluster, RedisServer};

use crate::support::{HOUR, builder, database_key, new_key, open, write_of};

async fn version_of(store: &RedisStore, fixture: &Fixture) -> Version {
    store.get(&fixture.live).await.unwrap().unwrap().meta.version
}

fn kind<T>(answer: Result<T, Error>) -> Option<ErrorKind> {
    answer.err().map(|error| error.kind())
}

async fn reads_that_name_a_version(store: &RedisStore) {
    let fixture = Fixture::create(store).await.unwrap();
    let version = version_of(store, &fixture).await;
    let IfChanged::Unchanged { meta, read_at } = store.get_if_changed(&fixture.live, version).await.unwrap() else {
        panic!("it has not changed")
    };
    let record = store.get(&fixture.live).await.unwrap().unwrap();
    assert_eq!(meta, record.meta);
    assert!(read_at <= record.read_at && read_at >= meta.created_at);

    // A touch keeps the version, and the times are current.
    let later = 2 * HOUR;
    store.set(&fixture.live, &Write::new("more", HOUR / 2, later).unwrap(), SetMode::Replace).await.unwrap();
    let version = version_of(store, &fixture).await;
    assert!(store.touch(&fixture.live, HOUR).await.unwrap());
    let IfChanged::Unchanged { meta, .. } = store.get_if_changed(&fixture.live, version).await.unwrap() else {
        panic!("a touch changes no version")
    };
    assert_eq!(meta, store.get(&fixture.live).await.unwrap().unwrap().meta);

    let other = Version::generate().unwrap();
    let IfChanged::Changed(changed) = store.get_if_changed(&fixture.live, other).await.unwrap() else {
        panic!("it is at another version")
    };
    assert_eq!((changed.data, changed.meta.version), ("more".into(), version));
    assert_eq!(store.get_if_changed(&fixture.free, version).await.unwrap(), IfChanged::Gone);
    store.destroy(&fixture.live).await.unwrap();
    assert_eq!(store.get_if_changed(&fixture.live, version).await.unwrap(), IfChanged::Gone);
}

async fn destroys_that_name_a_version(store: &RedisStore) {
    let fixture = Fixture::create(store).await.unwrap();
    let (version, other) = (version_of(store, &fixture).await, Version::generate().unwrap());
    let error = store.destroy_if(&fixture.live, other).await.unwrap_err();
    assert_eq!((error.kind(), error.key(), error.outcome_unknown()), (ErrorKind::Conflict, Some(&fixture.live), false));
    assert_eq!(version_of(store, &fixture).await, version);
    assert!(store.destroy_if(&fixture.live, version).await.unwrap());
    assert!(!store.destroy_if(&fixture.live, version).await.unwrap());
    assert!(store.get(&fixture.live).await.unwrap().is_none());
    let page = session_store_core::Page::first(10).unwrap();
    assert!(store.list_by_user(&fixture.user, &page).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_read_that_names_a_version_gets_what_has_changed() {
    let (server, cluster) = (RedisServer::start(&[]).await.unwrap(), RedisCluster::start().await.unwrap());
    let proxy = Proxy::start(&server.url()).await.unwrap();
    let store = open(proxy.url()).await;
    reads_that_name_a_version(&store).await;
    reads_that_name_a_version(&builder(server.url()).batch_size(1).build().await.unwrap()).await;
    reads_that_name_a_version(&open(RedisEndpoint::cluster(cluster.urls())).await).await;
    let fixture = Fixture::create(&store).await.unwrap();
    let version = version_of(&store, &fixture).await;
    proxy.forget();
    store.get_if_changed(&fixture.live, version).await.unwrap();
    assert_eq!((proxy.commands(), proxy.round_trips()), (vec!["EVALSHA".to_owned()], 1));
}

#[tokio::test]
async fn a_destroy_that_names_a_version_spares_another() {
    let (server, cluster) = (RedisServer::start(&[]).await.unwrap(), RedisCluster::start().await.unwrap());
    destroys_that_name_a_version(&open(server.url()).await).await;
    destroys_that_name_a_version(&open(RedisEndpoint::cluster(cluster.urls())).await).await;
}

#[tokio::test]
async fn reads_with_and_without_versions_share_commands() {
    let server = RedisServer::start(&[]).await.unwrap();
    let proxy = Proxy::start(&server.url()).await.unwrap();
    let store = builder(proxy.url()).batches_in_flight(1).build().await.unwrap();
    let mut fixtures = Vec::new();
    for _ in 0..20 {
        let fixture = Fixture::create(&store).await.unwrap();
        let version = version_of(&store, &fixture).await;
        fixtures.push((fixture, version));
    }
    store.get_if_changed(&fixtures[0].0.live, fixtures[0].1).await.unwrap();
    let mut connection = server.connection().await.unwrap();
    for (number, command) in [(5, "DEL"), (6, "DEL"), (7, "SET"), (8, "SET")] {
        let mut spoil = redis::cmd(command);
        spoil.arg(database_key(&fixtures[number].0.live));
        if command == "SET" {
            spoil.arg("no record");
        }
        spoil.exec_async(&mut connection).await.unwrap();
    }
    proxy.forget();
    let answers = join_all(fixtures.iter().enumerate().map(|(number, (fixture, version))| {
        let store = &store;
        async move {
            match number % 2 {
                0 => store.get(&fixture.live).await.map(|record| record.map_or(IfChanged::Gone, IfChanged::Changed)),
                _ => store.get_if_changed(&fixture.live, *version).await,
            }
        }
    }))
    .await;
    // The first is alone. One of those that MGET gave nothing for is read again.
    let mut commands = proxy.commands();
    commands.sort_unstable();
    assert_eq!(commands, ["EVALSHA", "GET", "GET", "MGET"]);
    for (number, (answer, (_, version))) in answers.into_iter().zip(&fixtures).enumerate() {
        match (number, answer) {
            (5 | 6, answer) => assert_eq!(answer.unwrap(), IfChanged::Gone),
            (7 | 8, answer) => assert_eq!(answer.unwrap_err().kind(), ErrorKind::Corrupt),
            (_, Ok(IfChanged::Unchanged { meta, .. })) => assert!(number % 2 == 1 && meta.version == *version),
            (_, Ok(IfChanged::Changed(record))) => assert!(number % 2 == 0 && record.data == "data"),
            (_, answer) => panic!("{number}: {answer:?}"),
        }
    }
}

/// Bytes that are no record, and a key of another type.
async fn spoil(cluster: &RedisCluster, key: &session_store_core::SessionKey, is_list: bool) {
    let name = database_key(key);
    for master in cluster.masters() {
        let mut connection = master.connection().await.unwrap();
        let mut put = redis::cmd(if is_list { "RPUSH" } else { "SET" });
        let _ = redis::cmd("DEL").arg(&name).exec_async(&mut connection).await;
        let _ = put.arg(&name).arg("no record").exec_async(&mut connection).await;
    }
}

#[tokio::test]
async fn a_corrupt_record_of_a_cluster_is_removed_by_destroy_alone() {
    let cluster = RedisCluster::start().await.unwrap();
    let store = open(RedisEndpoint::cluster(cluster.urls())).await;
    for is_list in [false, true] {
        let fixture = Fixture::create(&store).await.unwrap();
        let (key, version) = (fixture.live, version_of(&store, &fixture).await);
        let record = store.get(&key).await.unwrap().unwrap();
        spoil(&cluster, &key, is_list).await;
        let write = write_of(&fixture.user);
        let modes = [SetMode::Create, SetMode::Replace, SetMode::Update(version), SetMode::Upsert];
        for mode in modes {
            assert_eq!(kind(store.set(&key, &write, mode).await), Some(ErrorKind::Corrupt), "{mode:?}");
        }
        assert_eq!(kind(store.import(&key, &record).await), Some(ErrorKind::Corrupt));
        assert_eq!(kind(store.get(&key).await), Some(ErrorKind::Corrupt));
        assert_eq!(kind(store.get_if_changed(&key, version).await), Some(ErrorKind::Corrupt));
        assert_eq!(kind(store.destroy_if(&key, version).await), Some(ErrorKind::Corrupt));
        assert_eq!(kind(store.rotate(&key, &new_key(), &write, None).await), Some(ErrorKind::Corrupt));
        let other = Fixture::create(&store).await.unwrap();
        let error = store.rotate(&other.live, &key, &write, None).await.unwrap_err();
        assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some(&key)));
        assert!(store.get(&other.live).await.unwrap().is_some());
        assert!(store.destroy(&key).await.unwrap());
        assert!(!store.destroy(&key).await.unwrap());
        assert_eq!(store.destroy_by_user(&fixture.user, None).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_corrupt_record_of_one_server_is_removed_by_destroy_alone() {
    let server = RedisServer::start(&[]).await.unwrap();
    let store = open(server.url()).await;
    let mut connection = server.connection().await.unwrap();
    let fixture = Fixture::create(&store).await.unwrap();
    let (key, version) = (fixture.live, version_of(&store, &fixture).await);
    let record = store.get(&key).await.unwrap().unwrap();
    redis::cmd("SET").arg(database_key(&key)).arg("no record").exec_async(&mut connection).await.unwrap();
    let write = write_of(&fixture.user);
    for mode in [SetMode::Create, SetMode::Replace, SetMode::Update(version), SetMode::Upsert] {
        assert_eq!(kind(store.set(&key, &write, mode).await), Some(ErrorKind::Corrupt), "{mode:?}");
    }
    assert_eq!(kind(store.import(&key, &record).await), Some(ErrorKind::Corrupt));
    assert_eq!(kind(store.get_if_changed(&key, version).await), Some(ErrorKind::Corrupt));
    assert_eq!(kind(store.destroy_if(&key, version).await), Some(ErrorKind::Corrupt));
    assert_eq!(kind(store.rotate(&key, &new_key(), &write, None).await), Some(ErrorKind::Corrupt));
    let other = Fixture::create(&store).await.unwrap();
    let error = store.rotate(&other.live, &key, &write, None).await.unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some(&key)));
    assert_eq!(server.ask::<u64>(&["DBSIZE"]).await.unwrap(), 4);
    assert!(store.destroy(&key).await.unwrap());
    assert!(!store.destroy(&key).await.unwrap());
}
