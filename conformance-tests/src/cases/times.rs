//! S6: the four times of a write.

use std::sync::Arc;
use std::time::Duration;

use session_store_core::{ErrorKind, MAX_TIMEOUT, MIN_TIMEOUT, Meta, SetMode, Version, Write};

use crate::case::{Context, DAY, HOUR, Outcome, SHORT, key, timed, user, write};
use crate::check::{ensure, gone, live, refused, same};

cases! {
    "S6":
        a_new_session_has_its_times_to_the_millisecond,
        the_idle_timeout_ends_at_the_deadline,
        later_writes_keep_the_time_of_creation,
        a_write_counts_as_seen,
        a_changed_policy_arrives_with_the_next_save,
        a_shorter_idle_timeout_arrives_with_the_next_save,
        saving_never_buys_time_past_the_deadline,
        a_write_that_is_dead_at_once_is_accepted,
        the_longest_timeouts_are_kept,
        the_shortest_timeouts_are_accepted,
        fractions_of_a_millisecond_are_cut_off;
}

/// What writes a session that is live already.
const LATER: [fn(Version) -> SetMode; 3] = [SetMode::Update, |_| SetMode::Replace, |_| SetMode::Upsert];

const TICK: Duration = Duration::from_millis(20);

/// The idle time and the absolute time that a record has.
fn timeouts(meta: &Meta) -> (Duration, Duration) {
    (meta.expires_at.saturating_since(meta.last_seen_at), meta.deadline.saturating_since(meta.created_at))
}

async fn a_new_session_has_its_times_to_the_millisecond(cx: Arc<Context>) -> Outcome {
    let store = cx.store().await?;
    let (idle, absolute) = (HOUR + Duration::from_millis(1), DAY + Duration::from_millis(2));
    for mode in [SetMode::Create, SetMode::Upsert] {
        let key = key()?;
        store.set(&key, &Write::new("data", idle, absolute)?, mode).await?;
        let record = live(&*store, &key, "after create").await?;
        same(&record.meta.created_at, &record.meta.last_seen_at, "created_at and last_seen_at")?;
        same(&timeouts(&record.meta), &(idle, absolute), "idle and absolute time")?;
        let age = record.read_at.saturating_since(record.meta.created_at);
        ensure(age < crate::case::SECOND * 60, || format!("a new session is {age:?} old"))?;
        let ahead = record.meta.created_at.saturating_since(record.read_at);
        ensure(ahead <= cx.harness().clock_step(), || format!("a new session is created in {ahead:?}"))?;
    }
    Ok(())
}

async fn the_idle_timeout_ends_at_the_deadline(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    store.set(&key, &Write::new("data", DAY, HOUR)?, SetMode::Create).await?;
    let meta = live(&*store, &key, "after create").await?.meta;
    same(&timeouts(&meta), &(HOUR, HOUR), "idle and absolute time")?;
    same(&meta.expires_at, &meta.deadline, "expires_at and deadline")
}

async fn later_writes_keep_the_time_of_creation(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    let version = store.set(&key, &write("data")?, SetMode::Create).await?;
    let created = live(&*store, &key, "after create").await?.meta;
    for mode in [SetMode::Update(version), SetMode::Replace, SetMode::Upsert] {
        cx.pass(TICK).await;
        store.set(&key, &write("later")?, mode).await?;
        let meta = live(&*store, &key, "after a later write").await?.meta;
        same(&meta.created_at, &created.created_at, "created_at after a later write")?;
        same(&meta.deadline, &created.deadline, "the deadline under the same policy")?;
    }
    Ok(())
}

async fn a_write_counts_as_seen(cx: Arc<Context>) -> Outcome {
    for mode in LATER {
        let (store, key) = (cx.store().await?, key()?);
        let version = store.set(&key, &write("data")?, SetMode::Create).await?;
        let before = live(&*store, &key, "after create").await?.meta;
        cx.pass(TICK).await;
        store.set(&key, &write("data")?, mode(version)).await?;
        let after = live(&*store, &key, "after a later write").await?.meta;
        ensure(before.last_seen_at < after.last_seen_at, || "last_seen_at did not move".to_owned())?;
        same(&timeouts(&after).0, &HOUR, "the idle time after a later write")?;
    }
    Ok(())
}

async fn a_changed_policy_arrives_with_the_next_save(cx: Arc<Context>) -> Outcome {
    for mode in LATER {
        let (store, key) = (cx.store().await?, key()?);
        let mut version = store.set(&key, &Write::new("data", HOUR, DAY)?, SetMode::Create).await?;
        for absolute in [2 * DAY, DAY / 2] {
            version = store.set(&key, &Write::new("data", HOUR, absolute)?, mode(version)).await?;
            let meta = live(&*store, &key, "after a save").await?.meta;
            same(&timeouts(&meta), &(HOUR, absolute), "idle and absolute time")?;
        }
    }
    Ok(())
}

/// A touch moves no time backwards; a save does.
async fn a_shorter_idle_timeout_arrives_with_the_next_save(cx: Arc<Context>) -> Outcome {
    for mode in LATER {
        let (store, key) = (cx.store().await?, key()?);
        let version = store.set(&key, &Write::new("data", HOUR, DAY)?, SetMode::Create).await?;
        store.set(&key, &Write::new("data", HOUR / 2, DAY)?, mode(version)).await?;
        let meta = live(&*store, &key, "after a save").await?.meta;
        same(&timeouts(&meta), &(HOUR / 2, DAY), "idle and absolute time")?;
    }
    Ok(())
}

async fn saving_never_buys_time_past_the_deadline(cx: Arc<Context>) -> Outcome {
    let (store, alice) = (cx.store().await?, user("alice")?);
    for mode in LATER {
        let key = key()?;
        let mut version = store.set(&key, &timed(&alice, HOUR, DAY)?, SetMode::Create).await?;
        for _ in 0..3 {
            cx.pass(TICK).await;
            version = store.set(&key, &timed(&alice, 2 * DAY, DAY)?, mode(version)).await?;
            let meta = live(&*store, &key, "after a save").await?.meta;
            same(&meta.deadline.saturating_since(meta.created_at), &DAY, "the absolute time")?;
            same(&meta.expires_at, &meta.deadline, "expires_at and deadline")?;
        }
    }
    // Saves until one is refused, which the deadline must bring about.
    let (key, write) = (key()?, timed(&alice, HOUR, 2 * SHORT)?);
    store.set(&key, &write, SetMode::Create).await?;
    cx.until("a session that is saved all the time dies at its deadline", async || {
        let saved = store.set(&key, &write, SetMode::Replace).await;
        if saved.is_ok() { Ok(false) } else { refused(saved, ErrorKind::NotFound, "a save").map(|()| true) }
    })
    .await?;
    gone(&*store, &key, "after its deadline").await
}

async fn a_write_that_is_dead_at_once_is_accepted(cx: Arc<Context>) -> Outcome {
    let (store, key, alice) = (cx.store().await?, key()?, user("alice")?);
    store.set(&key, &timed(&alice, HOUR, DAY)?, SetMode::Create).await?;
    cx.pass(TICK).await;
    // The session is older than the new policy allows.
    store.set(&key, &timed(&alice, HOUR, MIN_TIMEOUT)?, SetMode::Replace).await?;
    gone(&*store, &key, "after a write that is dead at once").await?;
    cx.lists(&*store, &alice, &[], "after a write that is dead at once").await?;
    same(&store.count().await?, &0, "the count after a write that is dead at once")
}

async fn the_longest_timeouts_are_kept(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    store.set(&key, &Write::new("data", MAX_TIMEOUT, MAX_TIMEOUT)?, SetMode::Create).await?;
    store.touch(&key, MAX_TIMEOUT).await?;
    let meta = live(&*store, &key, "with the longest timeouts").await?.meta;
    same(&timeouts(&meta).1, &MAX_TIMEOUT, "the absolute time")?;
    same(&meta.expires_at, &meta.deadline, "expires_at and deadline")
}

async fn the_shortest_timeouts_are_accepted(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    for mode in [SetMode::Create, SetMode::Upsert] {
        store.set(&key, &Write::new("data", MIN_TIMEOUT, MIN_TIMEOUT)?, mode).await?;
        cx.until("a session of one millisecond dies", async || Ok(store.get(&key).await?.is_none())).await?;
    }
    Ok(())
}

async fn fractions_of_a_millisecond_are_cut_off(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    let more = Duration::from_micros(900);
    store.set(&key, &Write::new("data", HOUR + more, DAY + more)?, SetMode::Create).await?;
    let meta = live(&*store, &key, "after create").await?.meta;
    same(&timeouts(&meta), &(HOUR, DAY), "idle and absolute time")
}
