//! Z1 and Z2: data over the limit, and records that are not ours.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use session_store_core::{
    DEFAULT_DATA_LIMIT, ErrorKind, Result, SessionKey, SessionStore, SetMode, UserId, Version, Write,
};

use crate::case::{Context, DAY, HOUR, Outcome, SHORT, fail, key, keys, owned, timed, user, write};
use crate::check::{gone, lists, live, refused, same, unchanged};

cases! {
    "Z1":
        data_over_the_limit_is_refused_in_every_mode,
        a_rotation_over_the_limit_is_refused,
        a_corrupt_record_is_an_error_and_not_none needs PlantCorrupt,
        no_operation_panics_on_a_corrupt_record needs PlantCorrupt;
    "Z2":
        destroy_removes_a_corrupt_record needs PlantCorrupt,
        destroy_by_user_removes_corrupt_records needs PlantCorrupt UserIndex,
        a_list_skips_a_corrupt_record needs PlantCorrupt UserIndex,
        clear_removes_a_corrupt_record needs PlantCorrupt,
        prune_and_count_get_past_a_corrupt_record needs PlantCorrupt;
}

fn large() -> Result<Write> {
    Write::new(vec![b'x'; DEFAULT_DATA_LIMIT + 1], HOUR, DAY)
}

async fn data_over_the_limit_is_refused_in_every_mode(cx: Arc<Context>) -> Outcome {
    let (store, key, absent) = (cx.store().await?, key()?, key()?);
    store.set(&key, &write("data")?, SetMode::Create).await?;
    let before = live(&*store, &key, "after create").await?;
    for mode in [SetMode::Create, SetMode::Upsert] {
        refused(store.set(&absent, &large()?, mode).await, ErrorKind::TooLarge, "a creation over the limit")?;
        gone(&*store, &absent, "after a refused creation").await?;
    }
    for mode in [SetMode::Replace, SetMode::Update(before.meta.version), SetMode::Upsert] {
        refused(store.set(&key, &large()?, mode).await, ErrorKind::TooLarge, "a write over the limit")?;
        unchanged(&*store, &key, &before, "after a refused write").await?;
    }
    Ok(())
}

async fn a_rotation_over_the_limit_is_refused(cx: Arc<Context>) -> Outcome {
    let (store, from, to) = (cx.store().await?, key()?, key()?);
    store.set(&from, &write("data")?, SetMode::Create).await?;
    let before = live(&*store, &from, "after create").await?;
    refused(store.rotate(&from, &to, &large()?, None).await, ErrorKind::TooLarge, "a rotation over the limit")?;
    unchanged(&*store, &from, &before, "after a refused rotation").await?;
    gone(&*store, &to, "the new key of a refused rotation").await
}

/// A session of `alice`, and bytes that are not ours in its place.
async fn corrupt(cx: &Context, store: &dyn SessionStore, alice: &UserId) -> Outcome<SessionKey> {
    let key = key()?;
    store.set(&key, &owned("data", alice)?, SetMode::Create).await?;
    cx.harness().plant_corrupt(cx.namespace(), &key, alice).await?;
    Ok(key)
}

async fn a_corrupt_record_is_an_error_and_not_none(cx: Arc<Context>) -> Outcome {
    let (store, alice) = (cx.store().await?, user("alice")?);
    let key = corrupt(&cx, &*store, &alice).await?;
    for store in [store, cx.store().await?] {
        let read = store.get(&key).await;
        let named = read.as_ref().err().and_then(|error| error.key().map(SessionKey::to_text));
        refused(read, ErrorKind::Corrupt, "get of a corrupt record")?;
        same(&named, &Some(key.to_text()), "the key that Corrupt is about")?;
    }
    Ok(())
}

/// Those that cannot say better may treat it as gone, or write over it; none may panic or call the
/// database broken.
async fn no_operation_panics_on_a_corrupt_record(cx: Arc<Context>) -> Outcome {
    type Operation = for<'a> fn(&'a dyn SessionStore, &'a SessionKey) -> BoxFuture<'a, Result<()>>;
    fn set<'a>(store: &'a dyn SessionStore, key: &'a SessionKey, mode: SetMode) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { store.set(key, &write("data")?, mode).await.map(drop) })
    }
    let operations: [Operation; 7] = [
        |store, key| Box::pin(async move { store.touch(key, HOUR).await.map(drop) }),
        |store, key| set(store, key, SetMode::Create),
        |store, key| set(store, key, SetMode::Replace),
        |store, key| set(store, key, SetMode::Update(Version::from_bytes([0; 16]))),
        |store, key| set(store, key, SetMode::Upsert),
        |store, from| Box::pin(async move { store.rotate(from, &key()?, &write("data")?, None).await.map(drop) }),
        |store, to| {
            Box::pin(async move {
                let from = key()?;
                store.set(&from, &write("data")?, SetMode::Create).await?;
                store.rotate(&from, to, &write("data")?, None).await.map(drop)
            })
        },
    ];
    let (store, alice) = (cx.store().await?, user("alice")?);
    for operation in operations {
        let key = corrupt(&cx, &*store, &alice).await?;
        if let Err(error) = operation(&*store, &key).await {
            use ErrorKind::{AlreadyExists, Conflict, Corrupt, NotFound};
            if !matches!(error.kind(), AlreadyExists | Conflict | Corrupt | NotFound) {
                return Err(fail(format!("a corrupt record is called {}", error.kind())));
            }
        }
        store.destroy(&key).await?;
    }
    Ok(())
}

async fn destroy_removes_a_corrupt_record(cx: Arc<Context>) -> Outcome {
    let (store, alice) = (cx.store().await?, user("alice")?);
    let key = corrupt(&cx, &*store, &alice).await?;
    // Whether it was live, nobody can tell.
    store.destroy(&key).await?;
    gone(&*store, &key, "after destroy of a corrupt record").await?;
    same(&store.destroy(&key).await?, &false, "a repeated destroy")?;
    store.set(&key, &owned("new", &alice)?, SetMode::Create).await?;
    cx.lists(&*store, &alice, &[key], "after destroy and create").await
}

async fn destroy_by_user_removes_corrupt_records(cx: Arc<Context>) -> Outcome {
    let (store, alice, keys) = (cx.store().await?, user("alice")?, keys(6)?);
    let mut corrupted = Vec::new();
    for key in &keys {
        store.set(key, &owned("data", &alice)?, SetMode::Create).await?;
        corrupted.push(corrupt(&cx, &*store, &alice).await?);
    }
    let ended = store.destroy_by_user(&alice, None).await?;
    if ended < 6 {
        return Err(fail(format!("{ended} of six sessions ended beside corrupt records")));
    }
    for key in keys.iter().chain(&corrupted) {
        gone(&*store, key, "beside corrupt records, or one of them").await?;
    }
    lists(&*store, &alice, &[], "after the user's sessions ended").await
}

async fn a_list_skips_a_corrupt_record(cx: Arc<Context>) -> Outcome {
    let (store, alice, keys) = (cx.store().await?, user("alice")?, keys(6)?);
    for key in &keys {
        store.set(key, &owned("data", &alice)?, SetMode::Create).await?;
        corrupt(&cx, &*store, &alice).await?;
    }
    lists(&*store, &alice, &keys, "beside corrupt records").await?;
    for limit in [1, 2, 6] {
        let listed = crate::check::entries(&*store, &alice, limit).await?.len();
        same(&listed, &6, &format!("pages of {limit} beside corrupt records"))?;
    }
    Ok(())
}

async fn clear_removes_a_corrupt_record(cx: Arc<Context>) -> Outcome {
    let (store, alice, other) = (cx.store().await?, user("alice")?, key()?);
    let key = corrupt(&cx, &*store, &alice).await?;
    store.set(&other, &write("data")?, SetMode::Create).await?;
    store.clear().await?;
    gone(&*store, &key, "a corrupt record after clear").await?;
    gone(&*store, &other, "a session after clear").await?;
    same(&store.count().await?, &0, "the count after clear")
}

async fn prune_and_count_get_past_a_corrupt_record(cx: Arc<Context>) -> Outcome {
    let (store, alice, steady) = (cx.store().await?, user("alice")?, key()?);
    store.set(&steady, &owned("data", &alice)?, SetMode::Create).await?;
    for _ in 0..3 {
        corrupt(&cx, &*store, &alice).await?;
        store.set(&key()?, &timed(&alice, SHORT, HOUR)?, SetMode::Create).await?;
    }
    cx.pass(2 * SHORT).await;
    super::prune::prune_all(&*store, 1).await?;
    store.count().await?;
    live(&*store, &steady, "beside corrupt records").await?;
    Ok(())
}
