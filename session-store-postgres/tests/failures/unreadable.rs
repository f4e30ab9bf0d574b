//! Rows that no release has written (clause Z3): writes and rotations on them change nothing.

use std::time::Duration;

use session_store_core::{ErrorKind, IfChanged, SessionKey, SessionStore as _, SetMode, Version, Write};
use session_store_postgres::PostgresStore;
use testkit::failures::operations::Fixture;

use crate::database::{Database, bytea};
use crate::support::{HOUR, builder, hex, open, write_of};

/// What makes a row unreadable, and what does not although it looks odd.
const UNREADABLE: [&str; 20] = [
    "version = 'no version'",
    "version = ''",
    "version = decode(repeat('00', 17), 'hex')",
    "created_at = deadline",
    "created_at = deadline + 1",
    "expires_at = deadline + 1",
    "owner = ''",
    "owner = decode(repeat('61', 257), 'hex')",
    "owner = decode(repeat('c3a9', 129), 'hex')",
    "owner = '\\x610062'",
    "owner = '\\x00'",
    "owner = '\\xff'",
    "owner = '\\x61c3'",
    "owner = '\\xc0af'",
    "owner = '\\xe08080'",
    "owner = '\\xeda080'",
    "owner = '\\xf0808080'",
    "owner = '\\xf4908080'",
    "owner = '\\xf888808080'",
    "owner = '\\x80'",
];
const READABLE: [&str; 8] = [
    "version = decode(repeat('ff', 16), 'hex')",
    "created_at = deadline - 1",
    "expires_at = deadline",
    "owner = NULL",
    "owner = decode(repeat('61', 256), 'hex')",
    "owner = decode(repeat('c3a9', 128), 'hex')",
    "owner = '\\x5c27c280dfbfe0a080e18080ed9fbfee8080efbfbff0908080f48fbfbf7f01'",
    "owner = '\\x5c5c'",
];

fn assert_corrupt<T: std::fmt::Debug>(answer: session_store_core::Result<T>, key: &SessionKey, what: &str) {
    let error = answer.expect_err(what);
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error:?}");
    assert_eq!(error.key(), Some(key), "{what}");
    assert!(!error.is_transient() && !error.outcome_unknown(), "{what}");
}

async fn change(database: &Database, key: &SessionKey, change: &str) {
    database.execute(&format!("UPDATE app SET {change} WHERE key = {}", bytea(key))).await;
}

async fn row(database: &Database, key: &SessionKey) -> String {
    database.ask(&format!("SELECT app::text FROM app WHERE key = {}", bytea(key))).await
}

async fn stores(database: &Database) -> [PostgresStore; 2] {
    [open(database.url()).await, builder(database.url()).transaction_pooler(true).build().await.unwrap()]
}

#[tokio::test]
async fn every_write_on_an_unreadable_row_is_corrupt_and_changes_nothing() {
    let database = Database::new("unreadable").await;
    for store in stores(&database).await {
        for what in UNREADABLE {
            let (fixture, source) = (Fixture::create(&store).await.unwrap(), Fixture::create(&store).await.unwrap());
            let (key, write) = (&fixture.live, write_of(&fixture.user));
            let record = store.get(&source.live).await.unwrap().unwrap();
            let version = record.meta.version;
            change(&database, key, what).await;
            let before = row(&database, key).await;
            for mode in [SetMode::Create, SetMode::Replace, SetMode::Update(version), SetMode::Upsert] {
                assert_corrupt(store.set(key, &write, mode).await, key, what);
            }
            assert_corrupt(store.import(key, &record).await, key, what);
            assert_corrupt(store.rotate(key, &fixture.free, &write, None).await, key, what);
            assert_corrupt(store.rotate(key, &fixture.free, &write, Some(version)).await, key, what);
            assert_corrupt(store.rotate(&source.live, key, &write, Some(version)).await, key, what);
            assert_corrupt(store.destroy_if(key, version).await, key, what);
            assert_corrupt(store.get(key).await, key, what);
            assert_corrupt(store.get_if_changed(key, version).await, key, what);
            assert_eq!(row(&database, key).await, before, "{what}");
            assert!(
                store.get(&source.live).await.unwrap().is_some() && store.get(&fixture.free).await.unwrap().is_none()
            );
            assert!(store.destroy(key).await.unwrap(), "{what}");
            assert!(!store.destroy(key).await.unwrap(), "{what}");
        }
    }
}

#[tokio::test]
async fn a_row_that_is_only_odd_is_written() {
    let database = Database::new("odd").await;
    for store in stores(&database).await {
        for what in READABLE {
            let fixture = Fixture::create(&store).await.unwrap();
            change(&database, &fixture.live, what).await;
            let record = store.get(&fixture.live).await.unwrap().unwrap();
            let write = Write::new("new", HOUR / 2, HOUR).unwrap();
            let version = store.set(&fixture.live, &write, SetMode::Update(record.meta.version)).await.unwrap();
            let written = store.get(&fixture.live).await.unwrap().unwrap();
            assert_eq!((written.meta.version, &written.meta.user), (version, &record.meta.user), "{what}");
            assert!(store.destroy_if(&fixture.live, version).await.unwrap(), "{what}");
        }
    }
}

#[tokio::test]
async fn a_dead_row_is_overwritten_whatever_is_in_it() {
    let database = Database::new("unreadable_dead").await;
    let store = open(database.url()).await;
    for what in UNREADABLE {
        let (leftover, from) = (Fixture::create(&store).await.unwrap(), Fixture::create(&store).await.unwrap());
        change(&database, &leftover.live, &format!("{}, expires_at = 1", what.replace("expires_at", "deadline"))).await;
        let write = write_of(&leftover.user);
        store.rotate(&from.live, &leftover.live, &write, None).await.unwrap();
        change(&database, &leftover.live, "version = '', expires_at = 1").await;
        let created = store.set(&leftover.live, &write, SetMode::Create).await.unwrap();
        assert_eq!(store.get(&leftover.live).await.unwrap().unwrap().meta.version, created, "{what}");
    }
}

#[tokio::test]
async fn an_unreadable_row_of_a_user_is_removed_and_not_counted_and_skipped_by_walks() {
    let database = Database::new("unreadable_user").await;
    for store in stores(&database).await {
        let (fixture, good) = (Fixture::create(&store).await.unwrap(), Fixture::create(&store).await.unwrap());
        store.set(&fixture.free, &write_of(&fixture.user), SetMode::Create).await.unwrap();
        change(&database, &fixture.live, "version = ''").await;
        let mut expected = [fixture.free, good.live];
        expected.sort();
        assert_eq!(scan_by_one(&store).await, expected);
        assert_eq!(store.destroy_by_user(&fixture.user, None).await.unwrap(), 1);
        assert_eq!(database.ask::<i64>("SELECT count(*) FROM app").await, 1);
        // Keys of any length, of which a scan's cursor is none.
        for key in ["\\xff", &format!("\\x{}00", hex(&good.live)), &format!("\\x{}", "ff".repeat(33))] {
            let odd = format!("jsonb_build_object('key', '{key}'::bytea)");
            let row = format!("(jsonb_populate_record(app, {odd})).*");
            database.execute(&format!("INSERT INTO app SELECT {row} FROM app WHERE key = {}", bytea(&good.live))).await;
        }
        assert_eq!(scan_by_one(&store).await, [good.live]);
        assert_eq!(store.clear().await.unwrap(), 4);
    }
}

async fn scan_by_one(store: &PostgresStore) -> Vec<SessionKey> {
    let (mut keys, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.scan(cursor.as_ref(), 1).await.unwrap();
        keys.extend(page.entries.into_iter().map(|entry| entry.key));
        cursor = page.next;
        if cursor.is_none() {
            return keys;
        }
    }
}

#[tokio::test]
async fn a_read_at_a_known_version_carries_no_data_and_the_current_times() {
    let database = Database::new("known_version").await;
    for store in stores(&database).await {
        let fixture = Fixture::create(&store).await.unwrap();
        let record = store.get(&fixture.live).await.unwrap().unwrap();
        let version = record.meta.version;
        assert!(store.touch(&fixture.live, Duration::from_secs(3_500)).await.unwrap());
        let current = store.get(&fixture.live).await.unwrap().unwrap().meta;
        assert_ne!(current.expires_at, record.meta.expires_at);
        match store.get_if_changed(&fixture.live, version).await.unwrap() {
            IfChanged::Unchanged { meta, read_at } => assert!(meta == current && read_at >= record.read_at),
            other => panic!("{other:?}"),
        }
        let other = Version::generate().unwrap();
        assert!(matches!(store.get_if_changed(&fixture.live, other).await.unwrap(), IfChanged::Changed(_)));
        assert_eq!(store.get_if_changed(&fixture.free, version).await.unwrap(), IfChanged::Gone);
        // Many at once, in one statement: each caller has its own answer.
        let reads = (0..64).map(async |n| match n % 4 {
            0 => store.get(&fixture.live).await.unwrap().is_some_and(|record| record.data == "data"),
            1 => matches!(store.get_if_changed(&fixture.live, version).await.unwrap(), IfChanged::Unchanged { .. }),
            2 => matches!(store.get_if_changed(&fixture.live, other).await.unwrap(), IfChanged::Changed(_)),
            _ => matches!(store.get_if_changed(&fixture.free, version).await.unwrap(), IfChanged::Gone),
        });
        assert!(futures_util::future::join_all(reads).await.into_iter().all(|is_right| is_right));

        let stale = store.destroy_if(&fixture.live, other).await.unwrap_err();
        assert_eq!(stale.kind(), ErrorKind::Conflict);
        assert!(store.destroy_if(&fixture.live, version).await.unwrap());
        assert!(!store.destroy_if(&fixture.live, version).await.unwrap());
    }
}
