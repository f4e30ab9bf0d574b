//! T1 to T4: keeping a session alive.

use std::sync::Arc;
use std::time::Duration;

use session_store_core::{SessionKey, SessionStore, SetMode, Version};

use crate::case::{Context, DAY, HOUR, Outcome, SECOND, SHORT, key, owned, timed, user, write};
use crate::check::{ensure, gone, lists, live, same};
use crate::gate::race;

cases! {
    "T1":
        a_touch_moves_both_times_to_the_millisecond,
        a_touch_ends_at_the_deadline,
        a_touched_session_outlives_its_first_expiry,
        a_touched_session_is_listed_after_its_first_expiry needs UserIndex,
        touching_never_buys_time_past_the_deadline;
    "T2":
        touching_an_absent_key_creates_nothing,
        touching_an_expired_session_does_not_revive_it,
        touching_a_destroyed_session_does_not_revive_it;
    "T3":
        a_touch_keeps_owner_data_and_version,
        a_touch_never_makes_an_update_fail;
    "T4":
        a_shorter_touch_moves_nothing_backwards,
        concurrent_touches_leave_the_latest_expiry;
}

async fn a_touch_moves_both_times_to_the_millisecond(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    store.set(&key, &write("data")?, SetMode::Create).await?;
    let before = live(&*store, &key, "after create").await?.meta;
    cx.pass(Duration::from_millis(20)).await;
    let idle = 2 * HOUR + Duration::from_millis(7);
    same(&store.touch(&key, idle).await?, &true, "touch of a live session")?;
    let after = live(&*store, &key, "after touch").await?.meta;
    ensure(before.last_seen_at < after.last_seen_at, || "last_seen_at did not move".to_owned())?;
    same(&after.expires_at.saturating_since(after.last_seen_at), &idle, "the idle time after a touch")?;
    same(&(after.created_at, after.deadline), &(before.created_at, before.deadline), "created_at and deadline")
}

async fn a_touch_ends_at_the_deadline(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    store.set(&key, &write("data")?, SetMode::Create).await?;
    let deadline = live(&*store, &key, "after create").await?.meta.deadline;
    store.touch(&key, 2 * DAY).await?;
    let meta = live(&*store, &key, "after touch").await?.meta;
    same(&(meta.expires_at, meta.deadline), &(deadline, deadline), "expires_at and deadline")
}

async fn a_touched_session_outlives_its_first_expiry(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    store.set(&key, &timed(&user("alice")?, 2 * SECOND, HOUR)?, SetMode::Create).await?;
    same(&store.touch(&key, HOUR).await?, &true, "touch of a live session")?;
    cx.pass(2 * SECOND + SHORT).await;
    live(&*store, &key, "after its first expiry").await?;
    same(&store.touch(&key, HOUR).await?, &true, "touch after its first expiry")
}

/// What finds sessions by their expiry has to follow a touch as well.
async fn a_touched_session_is_listed_after_its_first_expiry(cx: Arc<Context>) -> Outcome {
    let (store, key, alice) = (cx.store().await?, key()?, user("alice")?);
    store.set(&key, &timed(&alice, 2 * SECOND, HOUR)?, SetMode::Create).await?;
    same(&store.touch(&key, HOUR).await?, &true, "touch of a live session")?;
    cx.pass(2 * SECOND + SHORT).await;
    lists(&*store, &alice, &[key], "after its first expiry").await?;
    same(&store.count().await?, &1, "the count after its first expiry")?;
    store.prune(1_000).await?;
    lists(&*cx.store().await?, &alice, &[key], "after a prune").await?;
    same(&store.destroy_by_user(&alice, None).await?, &1, "the sessions that ended")
}

async fn touching_never_buys_time_past_the_deadline(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    store.set(&key, &timed(&user("alice")?, SHORT, 2 * SHORT)?, SetMode::Create).await?;
    cx.until("a session that is touched all the time dies at its deadline", async || {
        Ok(!store.touch(&key, HOUR).await?)
    })
    .await?;
    gone(&*store, &key, "after its deadline").await
}

async fn touch_does_nothing(store: &dyn SessionStore, key: &SessionKey) -> Outcome {
    same(&store.touch(key, HOUR).await?, &false, "touch of what is not live")?;
    gone(store, key, "after a touch of what is not live").await?;
    same(&store.count().await?, &0, "the count after a touch of what is not live")
}

async fn touching_an_absent_key_creates_nothing(cx: Arc<Context>) -> Outcome {
    touch_does_nothing(&*cx.store().await?, &key()?).await
}

async fn touching_an_expired_session_does_not_revive_it(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    store.set(&key, &timed(&user("alice")?, SHORT, HOUR)?, SetMode::Create).await?;
    cx.pass(2 * SHORT).await;
    touch_does_nothing(&*store, &key).await
}

async fn touching_a_destroyed_session_does_not_revive_it(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    store.set(&key, &write("data")?, SetMode::Create).await?;
    store.destroy(&key).await?;
    touch_does_nothing(&*store, &key).await
}

async fn a_touch_keeps_owner_data_and_version(cx: Arc<Context>) -> Outcome {
    let (store, key, alice) = (cx.store().await?, key()?, user("alice")?);
    let version = store.set(&key, &owned("data", &alice)?, SetMode::Create).await?;
    store.touch(&key, 2 * HOUR).await?;
    let record = live(&*store, &key, "after touch").await?;
    same(&record.data, &"data".into(), "the data after a touch")?;
    same(&record.meta.user.as_ref(), &Some(&alice), "the user after a touch")?;
    same(&record.meta.version, &version, "the version after a touch")?;
    cx.lists(&*store, &alice, &[key], "the owner's list after a touch").await
}

async fn a_touch_never_makes_an_update_fail(cx: Arc<Context>) -> Outcome {
    let (one, two, key) = (cx.store().await?, cx.store().await?, key()?);
    let mut version: Version = one.set(&key, &write("data")?, SetMode::Create).await?;
    for _ in 0..10 {
        two.touch(&key, 2 * HOUR).await?;
        let update = write("update")?;
        let (touched, updated) = tokio::join!(two.touch(&key, HOUR), one.set(&key, &update, SetMode::Update(version)));
        same(&touched?, &true, "touch beside an update")?;
        version = updated?;
    }
    Ok(())
}

async fn a_shorter_touch_moves_nothing_backwards(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    store.set(&key, &write("data")?, SetMode::Create).await?;
    store.touch(&key, 3 * HOUR).await?;
    let before = live(&*store, &key, "after a long touch").await?.meta;
    same(&store.touch(&key, SECOND).await?, &true, "a short touch")?;
    let after = live(&*store, &key, "after a short touch").await?.meta;
    same(&after.expires_at, &before.expires_at, "expires_at after a short touch")?;
    ensure(after.last_seen_at >= before.last_seen_at, || "last_seen_at moved backwards".to_owned())
}

async fn concurrent_touches_leave_the_latest_expiry(cx: Arc<Context>) -> Outcome {
    let (one, two, key) = (cx.store().await?, cx.store().await?, key()?);
    one.set(&key, &timed(&user("alice")?, 60 * SECOND, DAY)?, SetMode::Create).await?;
    let first = live(&*one, &key, "after create").await?.meta;
    for round in 1..=5 {
        let longest = round * HOUR;
        let touches = (0..16).map(|n| {
            let store = Arc::clone(if n % 2 == 0 { &one } else { &two });
            // The longest of them somewhere in the middle.
            async move { store.touch(&key, if n == 7 { longest } else { SECOND }).await }
        });
        for touched in race(touches).await {
            same(&touched?, &true, "a touch among others")?;
        }
        let meta = live(&*two, &key, "after the touches").await?.meta;
        let least = first.last_seen_at.saturating_add(longest);
        ensure(meta.expires_at >= least, || format!("expires_at {:?} is before {least:?}", meta.expires_at))?;
        ensure(meta.last_seen_at >= first.last_seen_at, || "last_seen_at moved backwards".to_owned())?;
    }
    Ok(())
}
