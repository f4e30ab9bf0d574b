//! Z3: writes, rotations and ends that fall on a live record that cannot be read.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use session_store_core::{Bytes, Record, Result, SessionKey, SessionStore, SetMode, UserId, Version};

use crate::case::{Context, Outcome, key, key_beside, keys, owned, user};
use crate::check::{corrupt, gone, lists, live, same, scans, unchanged};

cases! {
    "Z2":
        a_scan_skips_a_corrupt_record needs PlantCorrupt;
    "Z3":
        a_set_onto_a_corrupt_record_is_refused_in_every_mode needs PlantCorrupt,
        an_import_onto_a_corrupt_record_is_refused needs PlantCorrupt,
        a_rotation_from_a_corrupt_record_is_refused needs PlantCorrupt,
        a_rotation_onto_a_corrupt_record_is_refused needs PlantCorrupt,
        destroying_a_corrupt_record_is_true needs PlantCorrupt,
        destroying_a_corrupt_record_at_a_version_is_refused needs PlantCorrupt,
        corrupt_records_of_a_user_end_and_are_not_counted needs PlantCorrupt UserIndex;
}

/// Creates a session of `user` and overwrites its record with bytes that cannot be read.
pub(super) async fn corrupt_session(cx: &Context, store: &dyn SessionStore, user: &UserId) -> Outcome<SessionKey> {
    let key = key()?;
    store.set(&key, &owned("data", user)?, SetMode::Create).await?;
    cx.harness().plant_corrupt(cx.namespace(), &key, user).await?;
    Ok(key)
}

type Operation = for<'a> fn(&'a dyn SessionStore, &'a SessionKey) -> BoxFuture<'a, Result<()>>;

/// Each operation fails as `Corrupt`, and the record, the lists and the count are what they were.
async fn is_refused(cx: &Context, operations: &[(&str, Operation)]) -> Outcome {
    let (one, two, alice, bob) = (cx.store().await?, cx.store().await?, user("alice")?, user(BOB)?);
    let steady = cx.create_all(&alice, 1).await?;
    for (what, operation) in operations {
        let key = corrupt_session(cx, &*one, &alice).await?;
        corrupt(operation(&*one, &key).await, &key, what)?;
        corrupt(two.get(&key).await, &key, &format!("get after {what}"))?;
        cx.lists(&*two, &alice, &steady, "the list of the record's user").await?;
        cx.lists(&*two, &bob, &[], "the list of the user that was refused").await?;
        scans(&*two, &steady, &format!("a walk after {what}")).await?;
        same(&two.destroy(&key).await?, &true, &format!("destroy of the corrupt record after {what}"))?;
        gone(&*one, &key, "after destroy").await?;
    }
    Ok(())
}

const BOB: &str = "bob";

fn set<'a>(store: &'a dyn SessionStore, key: &'a SessionKey, mode: SetMode) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move { store.set(key, &owned("new", &user(BOB)?)?, mode).await.map(drop) })
}

async fn a_set_onto_a_corrupt_record_is_refused_in_every_mode(cx: Arc<Context>) -> Outcome {
    let modes: [(&str, Operation); 4] = [
        ("create", |store, key| set(store, key, SetMode::Create)),
        ("replace", |store, key| set(store, key, SetMode::Replace)),
        ("update", |store, key| set(store, key, SetMode::Update(Version::from_bytes([0; Version::LEN])))),
        ("upsert", |store, key| set(store, key, SetMode::Upsert)),
    ];
    is_refused(&cx, &modes).await
}

async fn an_import_onto_a_corrupt_record_is_refused(cx: Arc<Context>) -> Outcome {
    let (store, alice) = (cx.store().await?, user("alice")?);
    let (key, elsewhere) = (corrupt_session(&cx, &*store, &alice).await?, key()?);
    store.set(&elsewhere, &owned("new", &user(BOB)?)?, SetMode::Create).await?;
    let read = live(&*store, &elsewhere, "after create").await?;
    let record = Record { data: Bytes::from_static(b"imported"), ..read };
    corrupt(store.import(&key, &record).await, &key, "import")?;
    corrupt(cx.store().await?.get(&key).await, &key, "get after import")?;
    cx.lists(&*store, &user(BOB)?, &[elsewhere], "the list of the user that was refused").await?;
    same(&store.destroy(&key).await?, &true, "destroy of the corrupt record")
}

async fn a_rotation_from_a_corrupt_record_is_refused(cx: Arc<Context>) -> Outcome {
    fn rotate<'a>(
        store: &'a dyn SessionStore,
        from: &'a SessionKey,
        expected: Option<Version>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let to = key_beside(store, from)?;
            let rotated = store.rotate(from, &to, &owned("rotated", &user(BOB)?)?, expected).await;
            // The new key stays free: a creation under it succeeds.
            store.set(&to, &owned("free", &user("carol")?)?, SetMode::Create).await?;
            store.destroy(&to).await?;
            rotated.map(drop)
        })
    }
    let rotations: [(&str, Operation); 2] = [
        ("rotate", |store, from| rotate(store, from, None)),
        ("rotate at a version", |store, from| rotate(store, from, Some(Version::from_bytes([0; Version::LEN])))),
    ];
    is_refused(&cx, &rotations).await
}

async fn a_rotation_onto_a_corrupt_record_is_refused(cx: Arc<Context>) -> Outcome {
    let (store, alice) = (cx.store().await?, user("alice")?);
    let to = corrupt_session(&cx, &*store, &alice).await?;
    let from = key_beside(&*store, &to)?;
    let version = store.set(&from, &owned("from", &alice)?, SetMode::Create).await?;
    let before = live(&*store, &from, "after create").await?;
    for expected in [None, Some(version)] {
        let rotated = store.rotate(&from, &to, &owned("rotated", &user(BOB)?)?, expected).await;
        corrupt(rotated, &to, "a rotation onto a corrupt record")?;
        unchanged(&*store, &from, &before, "the old key after a refused rotation").await?;
        corrupt(cx.store().await?.get(&to).await, &to, "get of the new key")?;
    }
    cx.lists(&*store, &alice, &[from], "the user's list").await?;
    cx.lists(&*store, &user(BOB)?, &[], "the list of the user that was refused").await?;
    same(&store.destroy(&to).await?, &true, "destroy of the corrupt record")
}

async fn destroying_a_corrupt_record_is_true(cx: Arc<Context>) -> Outcome {
    let (one, two, alice) = (cx.store().await?, cx.store().await?, user("alice")?);
    let key = corrupt_session(&cx, &*one, &alice).await?;
    same(&one.destroy(&key).await?, &true, "destroy of a corrupt record")?;
    gone(&*two, &key, "after destroy").await?;
    same(&two.destroy(&key).await?, &false, "a repeated destroy")
}

async fn destroying_a_corrupt_record_at_a_version_is_refused(cx: Arc<Context>) -> Outcome {
    let destroys: [(&str, Operation); 1] = [("destroy_if", |store, key| {
        Box::pin(async move { store.destroy_if(key, Version::from_bytes([0; Version::LEN])).await.map(drop) })
    })];
    is_refused(&cx, &destroys).await
}

async fn corrupt_records_of_a_user_end_and_are_not_counted(cx: Arc<Context>) -> Outcome {
    let (store, alice, except) = (cx.store().await?, user("alice")?, key()?);
    let steady = cx.create_all(&alice, 3).await?;
    store.set(&except, &owned("data", &alice)?, SetMode::Create).await?;
    let mut corrupted = Vec::new();
    for _ in 0..4 {
        corrupted.push(corrupt_session(&cx, &*store, &alice).await?);
    }
    same(&store.destroy_by_user(&alice, Some(&except)).await?, &3, "the sessions that ended beside corrupt records")?;
    for key in steady.iter().chain(&corrupted) {
        gone(&*store, key, "after the user's sessions ended").await?;
    }
    corrupted.push(corrupt_session(&cx, &*store, &alice).await?);
    same(&store.destroy_by_user(&alice, Some(&except)).await?, &0, "the sessions that ended, where one was corrupt")?;
    lists(&*store, &alice, &[except], "the user's list").await
}

async fn a_scan_skips_a_corrupt_record(cx: Arc<Context>) -> Outcome {
    let (store, alice, keys) = (cx.store().await?, user("alice")?, keys(6)?);
    for key in &keys {
        store.set(key, &owned("data", &alice)?, SetMode::Create).await?;
        corrupt_session(&cx, &*store, &alice).await?;
    }
    scans(&*store, &keys, "beside corrupt records").await
}
