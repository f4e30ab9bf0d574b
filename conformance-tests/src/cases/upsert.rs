//! S8: creating or overwriting.

use std::sync::Arc;

use session_store_core::{Bytes, SetMode};

use crate::case::{Context, HOUR, Outcome, SHORT, key, owned, timed, user, write};
use crate::check::{ensure, live, same};
use crate::gate::race;

cases! {
    "S8":
        upsert_creates,
        upsert_overwrites,
        upsert_over_an_expired_leftover_makes_a_new_session,
        of_concurrent_upserts_one_is_last_and_none_fails;
}

async fn upsert_creates(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    let version = store.set(&key, &write("data")?, SetMode::Upsert).await?;
    let record = live(&*store, &key, "after upsert").await?;
    same(&(record.data, record.meta.version), &(Bytes::from_static(b"data"), version), "data and version")
}

async fn upsert_overwrites(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    store.set(&key, &write("first")?, SetMode::Create).await?;
    let version = store.set(&key, &write("second")?, SetMode::Upsert).await?;
    let record = live(&*store, &key, "after upsert").await?;
    same(&(record.data, record.meta.version), &(Bytes::from_static(b"second"), version), "data and version")
}

async fn upsert_over_an_expired_leftover_makes_a_new_session(cx: Arc<Context>) -> Outcome {
    let (store, key, alice) = (cx.store().await?, key()?, user("alice")?);
    store.set(&key, &timed(&alice, SHORT, HOUR)?, SetMode::Create).await?;
    cx.pass(2 * SHORT).await;
    store.set(&key, &write("new")?, SetMode::Upsert).await?;
    let meta = live(&*store, &key, "upserted over a leftover").await?.meta;
    same(&meta.user, &None, "the user")?;
    same(&meta.created_at, &meta.last_seen_at, "created_at of a new session")?;
    cx.lists(&*store, &alice, &[], "the leftover's user").await
}

async fn of_concurrent_upserts_one_is_last_and_none_fails(cx: Arc<Context>) -> Outcome {
    let (one, two, key, alice) = (cx.store().await?, cx.store().await?, key()?, user("alice")?);
    for _ in 0..5 {
        let upserts = (0..20).map(|n| {
            let (store, alice) = (Arc::clone(if n % 2 == 0 { &one } else { &two }), alice.clone());
            async move { Ok((n, store.set(&key, &owned(&format!("upsert {n}"), &alice)?, SetMode::Upsert).await?)) }
        });
        let written: Vec<(u32, _)> = race(upserts).await.into_iter().collect::<session_store_core::Result<_>>()?;
        let record = live(&*one, &key, "after the upserts").await?;
        let last =
            written.iter().any(|(n, version)| record.meta.version == *version && record.data == format!("upsert {n}"));
        ensure(last, || "the record is none of those that were written".to_owned())?;
        one.destroy(&key).await?;
    }
    Ok(())
}
