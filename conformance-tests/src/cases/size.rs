//! Z1 and Z2: data over the limit, and records that are not ours.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use session_store_core::{DEFAULT_DATA_LIMIT, ErrorKind, Result, SessionKey, SessionStore, SetMode, Version, Write};

use super::corrupt::corrupt_session;
use crate::case::{
    Context, DAY, HOUR, Outcome, SHORT, fail, key, key_beside, keys, keys_together, owned, timed, user, write,
};
use crate::check::{corrupt, ensure, gone, lists, live, refused, same, unchanged};

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
    let store = cx.store().await?;
    let [from, to] = keys_together(&*store)?;
    store.set(&from, &write("data")?, SetMode::Create).await?;
    let before = live(&*store, &from, "after create").await?;
    refused(store.rotate(&from, &to, &large()?, None).await, ErrorKind::TooLarge, "a rotation over the limit")?;
    unchanged(&*store, &from, &before, "after a refused rotation").await?;
    gone(&*store, &to, "the new key of a refused rotation").await
}

async fn a_corrupt_record_is_an_error_and_not_none(cx: Arc<Context>) -> Outcome {
    let (store, alice) = (cx.store().await?, user("alice")?);
    let key = corrupt_session(&cx, &*store, &alice).await?;
    for store in [store, cx.store().await?] {
        corrupt(store.get(&key).await, &key, "get of a corrupt record")?;
        let answer = store.get_if_changed(&key, Version::generate()?).await;
        corrupt(answer, &key, "get_if_changed of a corrupt record")?;
    }
    Ok(())
}

/// Z3 says which are refused. None may panic, or call the database broken.
async fn no_operation_panics_on_a_corrupt_record(cx: Arc<Context>) -> Outcome {
    type Operation = for<'a> fn(&'a dyn SessionStore, &'a SessionKey) -> BoxFuture<'a, Result<()>>;
    let operations: [Operation; 6] = [
        |store, key| Box::pin(async move { store.touch(key, HOUR).await.map(drop) }),
        |store, key| Box::pin(async move { store.set(key, &write("data")?, SetMode::Replace).await.map(drop) }),
        |store, key| {
            Box::pin(async move { store.rotate(key, &key_beside(store, key)?, &write("")?, None).await.map(drop) })
        },
        |store, key| {
            Box::pin(async move { store.rotate(&key_beside(store, key)?, key, &write("")?, None).await.map(drop) })
        },
        |store, key| Box::pin(async move { store.destroy_if(key, Version::from_bytes([0; 16])).await.map(drop) }),
        |store, _| Box::pin(async move { store.scan(None, 100).await.map(drop) }),
    ];
    let (store, alice) = (cx.store().await?, user("alice")?);
    for operation in operations {
        let key = corrupt_session(&cx, &*store, &alice).await?;
        if let Err(error) = operation(&*store, &key).await {
            let is_refusal = matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound);
            ensure(is_refusal, || format!("a corrupt record is called {}", error.kind()))?;
        }
        store.destroy(&key).await?;
    }
    Ok(())
}

async fn destroy_removes_a_corrupt_record(cx: Arc<Context>) -> Outcome {
    let (store, alice) = (cx.store().await?, user("alice")?);
    let key = corrupt_session(&cx, &*store, &alice).await?;
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
        corrupted.push(corrupt_session(&cx, &*store, &alice).await?);
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
        corrupt_session(&cx, &*store, &alice).await?;
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
    let key = corrupt_session(&cx, &*store, &alice).await?;
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
        corrupt_session(&cx, &*store, &alice).await?;
        store.set(&key()?, &timed(&alice, SHORT, HOUR)?, SetMode::Create).await?;
    }
    cx.pass(2 * SHORT).await;
    super::prune::prune_all(&*store, 1).await?;
    store.count().await?;
    live(&*store, &steady, "beside corrupt records").await?;
    Ok(())
}
