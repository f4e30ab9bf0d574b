//! G1 to G4: what a read gives.

use std::sync::Arc;
use std::time::Duration;

use session_store_core::{Bytes, Result, SessionKey, SessionStore, SetMode, Write};

use crate::case::{Context, DAY, HOUR, Outcome, SECOND, SHORT, fail, key, owned, timed, user, write};
use crate::check::{ensure, entries, gone, live, same, unchanged};

cases! {
    "G1":
        a_live_session_is_read_back,
        empty_data_is_kept,
        every_byte_value_is_kept,
        data_of_the_largest_size_is_kept,
        a_session_lives_to_its_idle_timeout_and_not_longer,
        a_session_lives_to_its_deadline_and_not_longer;
    "G2":
        absent_is_none,
        expired_is_none,
        destroyed_is_none;
    "G3":
        reads_change_nothing,
        reading_does_not_keep_a_session_alive,
        listing_does_not_keep_a_session_alive needs UserIndex;
    "G4":
        another_handle_reads_a_create,
        another_handle_reads_an_update,
        another_handle_reads_a_touch,
        another_handle_reads_a_destroy;
}

async fn a_live_session_is_read_back(cx: Arc<Context>) -> Outcome {
    let (store, key, alice) = (cx.store().await?, key()?, user("alice")?);
    let version = store.set(&key, &owned("first", &alice)?, SetMode::Create).await?;
    let record = live(&*store, &key, "after create").await?;
    same(&record.data, &Bytes::from_static(b"first"), "the data")?;
    same(&record.meta.user, &Some(alice), "the user")?;
    same(&record.meta.version, &version, "the version")
}

async fn keeps(cx: &Context, data: Bytes) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    for mode in [SetMode::Create, SetMode::Replace] {
        store.set(&key, &Write::new(data.clone(), HOUR, DAY)?, mode).await?;
        let read = live(&*store, &key, "after a set").await?.data;
        ensure(read == data, || format!("{} bytes were written, and other {} bytes read", data.len(), read.len()))?;
    }
    Ok(())
}

async fn empty_data_is_kept(cx: Arc<Context>) -> Outcome {
    keeps(&cx, Bytes::new()).await
}

/// NUL, quotes, line ends and what is not UTF-8 among them.
async fn every_byte_value_is_kept(cx: Arc<Context>) -> Outcome {
    keeps(&cx, (0..=u8::MAX).collect()).await
}

async fn data_of_the_largest_size_is_kept(cx: Arc<Context>) -> Outcome {
    let bytes = (0..=u8::MAX).cycle().take(session_store_core::DEFAULT_DATA_LIMIT);
    keeps(&cx, bytes.collect()).await
}

/// Reads a session up to its end, between reads of another that tell the store's time.
async fn lives_to_its_end(cx: &Context, write: impl Fn(Duration) -> Result<Write>) -> Outcome {
    let (store, clock) = (cx.store().await?, key()?);
    store.set(&clock, &crate::case::write("clock")?, SetMode::Create).await?;
    let mut life = SHORT;
    // On a machine that stands still for all of a life nothing is seen, and a longer one is tried.
    while !seen_to_its_end(cx, &*store, &clock, &write(life)?).await? {
        life *= 2;
        ensure(life < 60 * SECOND, || "it was never read alive".to_owned())?;
    }
    Ok(())
}

/// `false` where the session was never read alive.
async fn seen_to_its_end(cx: &Context, store: &dyn SessionStore, clock: &SessionKey, write: &Write) -> Outcome<bool> {
    let (step, dying) = (cx.harness().clock_step(), key()?);
    store.set(&dying, write, SetMode::Create).await?;
    let mut end = None;
    for _ in 0..60_000 {
        let before = live(store, clock, "the clock").await?.read_at;
        let read = store.get(&dying).await?;
        let after = live(store, clock, "the clock").await?.read_at;
        match (read, end) {
            (Some(record), _) => {
                let expires_at = record.meta.expires_at;
                end = Some(expires_at);
                let late = before.saturating_since(expires_at);
                ensure(late <= step, || format!("it was read {late:?} after its end"))?;
            }
            (None, None) => return Ok(false),
            (None, Some(end)) => {
                let early = end.saturating_since(after);
                return ensure(early <= step, || format!("it was gone {early:?} before its end")).map(|()| true);
            }
        }
        cx.pass(Duration::from_millis(1)).await;
    }
    Err(fail("it lives on for a minute"))
}

async fn a_session_lives_to_its_idle_timeout_and_not_longer(cx: Arc<Context>) -> Outcome {
    let alice = user("alice")?;
    lives_to_its_end(&cx, |life| timed(&alice, life, HOUR)).await
}

async fn a_session_lives_to_its_deadline_and_not_longer(cx: Arc<Context>) -> Outcome {
    let alice = user("alice")?;
    lives_to_its_end(&cx, |life| timed(&alice, HOUR, life)).await
}

async fn absent_is_none(cx: Arc<Context>) -> Outcome {
    gone(&*cx.store().await?, &key()?, "a key that was never set").await
}

async fn expired_is_none(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    store.set(&key, &timed(&user("alice")?, SHORT, HOUR)?, SetMode::Create).await?;
    cx.pass(2 * SHORT).await;
    gone(&*store, &key, "after its expiry").await?;
    gone(&*cx.store().await?, &key, "after its expiry, on a new handle").await
}

async fn destroyed_is_none(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    store.set(&key, &write("data")?, SetMode::Create).await?;
    store.destroy(&key).await?;
    gone(&*store, &key, "after destroy").await
}

async fn reads_change_nothing(cx: Arc<Context>) -> Outcome {
    let (store, key, alice) = (cx.store().await?, key()?, user("alice")?);
    store.set(&key, &owned("data", &alice)?, SetMode::Create).await?;
    let before = live(&*store, &key, "after create").await?;
    for _ in 0..3 {
        cx.pass(Duration::from_millis(5)).await;
        unchanged(&*store, &key, &before, "after reading").await?;
        store.count().await?;
        store.ping().await?;
    }
    unchanged(&*cx.store().await?, &key, &before, "after reading, on another handle").await
}

async fn reading_does_not_keep_a_session_alive(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    store.set(&key, &timed(&user("alice")?, SHORT, HOUR)?, SetMode::Create).await?;
    cx.until("a session that is read all the time expires", async || Ok(store.get(&key).await?.is_none())).await
}

async fn listing_does_not_keep_a_session_alive(cx: Arc<Context>) -> Outcome {
    let (store, key, alice) = (cx.store().await?, key()?, user("alice")?);
    store.set(&key, &timed(&alice, SHORT, HOUR)?, SetMode::Create).await?;
    cx.until("a session that is listed all the time expires", async || {
        Ok(entries(&*store, &alice, 10).await?.is_empty())
    })
    .await?;
    gone(&*store, &key, "after it left the list").await
}

async fn another_handle_reads_a_create(cx: Arc<Context>) -> Outcome {
    let (one, two, key) = (cx.store().await?, cx.store().await?, key()?);
    // The other handle knows that the key is absent, if it keeps such knowledge.
    gone(&*two, &key, "before create").await?;
    one.set(&key, &write("data")?, SetMode::Create).await?;
    live(&*two, &key, "on another handle, after create").await?;
    Ok(())
}

async fn another_handle_reads_an_update(cx: Arc<Context>) -> Outcome {
    let (one, two, key) = (cx.store().await?, cx.store().await?, key()?);
    let mut version = one.set(&key, &write("data 0")?, SetMode::Create).await?;
    for n in 1..=5 {
        live(&*two, &key, "on another handle, before the update").await?;
        let data = format!("data {n}");
        version = one.set(&key, &write(&data)?, SetMode::Update(version)).await?;
        let read = live(&*two, &key, "on another handle, after the update").await?;
        same(&read.data, &Bytes::from(data), "the data on another handle")?;
        same(&read.meta.version, &version, "the version on another handle")?;
    }
    Ok(())
}

async fn another_handle_reads_a_touch(cx: Arc<Context>) -> Outcome {
    let (one, two, key) = (cx.store().await?, cx.store().await?, key()?);
    one.set(&key, &write("data")?, SetMode::Create).await?;
    live(&*two, &key, "on another handle, before the touch").await?;
    one.touch(&key, 2 * HOUR).await?;
    let (here, there) = (live(&*one, &key, "here").await?, live(&*two, &key, "there").await?);
    same(&there.meta, &here.meta, "the times on another handle")
}

async fn another_handle_reads_a_destroy(cx: Arc<Context>) -> Outcome {
    let (one, two, key, alice) = (cx.store().await?, cx.store().await?, key()?, user("alice")?);
    one.set(&key, &owned("data", &alice)?, SetMode::Create).await?;
    live(&*two, &key, "on another handle, before destroy").await?;
    one.destroy(&key).await?;
    gone(&*two, &key, "on another handle, after destroy").await
}
