//! Live documents that nobody can read: no write changes them (clause Z3).

use session_store_core::{Error, ErrorKind, Record, SessionStore as _, SetMode};
use session_store_mongo::MongoStore;
use session_store_mongo::mongodb::bson::spec::BinarySubtype;
use session_store_mongo::mongodb::bson::{Binary, Bson, DateTime, Document, Timestamp, doc};
use testkit::failures::operations::Fixture;

use crate::database::{Database, binary, of_key};
use crate::support::{SLACK, new_key, open, timed, write_of};

/// A way in which a document may be none that a release has written, and be live.
#[derive(Debug)]
struct Damage {
    change: Document,
    /// Whether `Replace` and `Update` see it. What they do not see, they overwrite.
    is_seen_by_saves: bool,
}

fn damages() -> Vec<Damage> {
    let mut damages = Vec::new();
    let mut push = |change, is_seen_by_saves| damages.push(Damage { change, is_seen_by_saves });
    let (time, latest) = (Timestamp { time: u32::MAX, increment: 1 }, DateTime::from_millis(i64::MAX / 4));
    for field in ["layout", "created_at", "last_seen_at", "expires_at", "deadline", "version", "data", "owner"] {
        let usual: [Bson; 6] =
            ["text".into(), "0123456789abcdef".into(), 7.into(), 7_i64.into(), Bson::Null, doc! {}.into()];
        for other in usual {
            push(doc! { "$set": { field: other } }, field != "owner");
        }
        for other in [Bson::MaxKey, Bson::Timestamp(time)] {
            push(doc! { "$set": { field: other } }, !matches!(field, "owner" | "expires_at"));
        }
        if field != "owner" {
            push(doc! { "$unset": { field: 1 } }, true);
        }
    }
    for layout in [2.into(), Bson::Int64(1), Bson::Double(1.0)] {
        push(doc! { "$set": { "layout": layout } }, true);
    }
    for (field, lens) in [("version", [15, 17, 0]), ("owner", [257, 300, 0])] {
        for len in lens {
            push(doc! { "$set": { field: binary(&vec![1; len]) } }, false);
        }
    }
    for field in ["expires_at", "created_at"] {
        push(doc! { "$set": { field: latest } }, false);
    }
    damages
}

/// Runs every write on a document that nobody can read, and returns the errors.
async fn errors(
    store: &MongoStore,
    fixture: &Fixture,
    record: &Record,
    is_seen_by_saves: bool,
) -> Vec<(&'static str, Error)> {
    let (key, write, version) = (&fixture.live, write_of(&fixture.user), record.meta.version);
    let mut answers = Vec::new();
    for (name, mode) in [("create", SetMode::Create), ("upsert", SetMode::Upsert)] {
        answers.push((name, store.set(key, &write, mode).await.map(drop)));
    }
    if is_seen_by_saves {
        for (name, mode) in [("replace", SetMode::Replace), ("update", SetMode::Update(version))] {
            answers.push((name, store.set(key, &write, mode).await.map(drop)));
        }
    }
    answers.push(("import", store.import(key, record).await.map(drop)));
    answers.push(("destroy_if", store.destroy_if(key, version).await.map(drop)));
    answers.push(("rotate", store.rotate(key, &fixture.free, &write, None).await.map(drop)));
    answers.push(("rotate at a version", store.rotate(key, &fixture.free, &write, Some(version)).await.map(drop)));
    let other = new_key();
    store.set(&other, &write, SetMode::Create).await.unwrap();
    answers.push(("rotate onto it", store.rotate(&other, key, &write, None).await.map(drop)));
    assert!(store.destroy(&other).await.unwrap(), "it was rotated");
    answers.into_iter().map(|(name, answer)| (name, answer.expect_err(name))).collect()
}

#[tokio::test]
async fn no_write_changes_a_live_document_that_nobody_can_read() {
    let database = Database::new("unreadable").await;
    let store = open(database.url()).await;
    for Damage { change, is_seen_by_saves } in damages() {
        let fixture = Fixture::create(&store).await.unwrap();
        let record = store.get(&fixture.live).await.unwrap().unwrap();
        database.collection().update_one(of_key(&fixture.live), change.clone()).await.unwrap();
        let before = database.document(&fixture.live).await.unwrap();
        let (errors, took) = timed(errors(&store, &fixture, &record, is_seen_by_saves)).await;
        for (name, error) in errors {
            assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some(&fixture.live)), "{change}: {name}");
            assert!(!error.is_transient() && !error.outcome_unknown(), "{change}: {name}: {error:?}");
        }
        assert!(took < 2 * SLACK, "{change}: it took {took:?}");
        assert_eq!(database.document(&fixture.live).await.unwrap(), before, "{change}");
        assert!(database.document(&fixture.free).await.is_none(), "{change}");
        // A caller who holds its version does not get the answer that nothing has changed.
        let error = store.get_if_changed(&fixture.live, record.meta.version).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{change}: {error:?}");
        if !is_seen_by_saves {
            store.set(&fixture.live, &write_of(&fixture.user), SetMode::Replace).await.unwrap();
        }
        assert!(store.destroy(&fixture.live).await.unwrap(), "{change}");
        // Then the key is free.
        store.set(&fixture.live, &write_of(&fixture.user), SetMode::Create).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_only_unusual_is_no_obstacle() {
    let database = Database::new("unusual").await;
    let store = open(database.url()).await;
    let longest = "o".repeat(256);
    let generic = |bytes: &[u8]| Binary { subtype: BinarySubtype::UserDefined(0x80), bytes: bytes.to_vec() };
    let changes = [
        doc! { "$set": { "more": "than a session has" } },
        doc! { "$set": { "owner": binary(longest.as_bytes()) } },
        doc! { "$set": { "owner": generic(b"x"), "data": generic(b"") } },
        doc! { "$set": { "data": binary(b"") } },
        doc! { "$set": { "last_seen_at": DateTime::from_millis(i64::MAX / 4) } },
        doc! { "$set": { "created_at": DateTime::from_millis(-1) } },
        doc! { "$unset": { "owner": 1 } },
        doc! { "$unset": { "remove_at": 1 } },
        doc! { "$set": { "remove_at": "never" } },
    ];
    for change in changes {
        let fixture = Fixture::create(&store).await.unwrap();
        database.collection().update_one(of_key(&fixture.live), change.clone()).await.unwrap();
        let record = store.get(&fixture.live).await.unwrap().unwrap();
        let write = write_of(&fixture.user);
        for mode in [SetMode::Update(record.meta.version), SetMode::Upsert, SetMode::Replace] {
            if !change.to_string().contains("created_at") {
                store.set(&fixture.live, &write, mode).await.unwrap_or_else(|error| panic!("{change}: {error:?}"));
            }
        }
        let version = store.import(&fixture.live, &record).await.unwrap().unwrap_or_else(|| panic!("{change}"));
        assert!(store.destroy_if(&fixture.live, version).await.unwrap(), "{change}");
    }
}
