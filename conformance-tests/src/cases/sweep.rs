//! C1 and H1: counting, clearing, and a sign of life.

use std::sync::Arc;

use futures_util::future::join;
use session_store_core::SetMode;

use crate::case::{Context, HOUR, Outcome, SHORT, key, keys, keys_together, owned, timed, user, write};
use crate::check::{gone, live, same};
use crate::gate::{MAX_STEPS, overlap};

cases! {
    "C1":
        count_follows_every_change,
        count_leaves_the_expired_out,
        clear_ends_all_sessions_and_says_how_many,
        clear_leaves_the_expired_uncounted,
        a_cleared_store_is_as_new,
        over_a_thousand_sessions_are_counted_and_cleared,
        a_save_in_flight_does_not_escape_a_clear;
    "H1":
        ping_answers_and_changes_nothing;
}

async fn count_follows_every_change(cx: Arc<Context>) -> Outcome {
    let (store, alice, other) = (cx.store().await?, user("alice")?, key()?);
    let [one, third] = keys_together(&*store)?;
    same(&store.count().await?, &0, "the count of an empty namespace")?;
    store.set(&one, &write("data")?, SetMode::Create).await?;
    store.set(&other, &owned("data", &alice)?, SetMode::Upsert).await?;
    same(&store.count().await?, &2, "the count after two creations")?;
    store.set(&one, &owned("data", &alice)?, SetMode::Replace).await?;
    store.touch(&one, HOUR).await?;
    same(&cx.store().await?.count().await?, &2, "the count after a replace, on another handle")?;
    store.rotate(&one, &third, &write("data")?, None).await?;
    same(&store.count().await?, &2, "the count after a rotation")?;
    store.destroy(&third).await?;
    same(&store.count().await?, &1, "the count after a destroy")
}

async fn count_leaves_the_expired_out(cx: Arc<Context>) -> Outcome {
    let store = cx.store().await?;
    store.set(&key()?, &write("data")?, SetMode::Create).await?;
    for n in 0..5 {
        // Some without a user, for the two may be kept in different places.
        let timed = timed(&user("alice")?, SHORT, HOUR)?;
        let write = if n % 2 == 0 { timed } else { timed.with_owner(session_store_core::Owner::Anonymous) };
        store.set(&key()?, &write, SetMode::Create).await?;
    }
    cx.pass(2 * SHORT).await;
    same(&store.count().await?, &1, "the count where five of six expired")
}

async fn clear_ends_all_sessions_and_says_how_many(cx: Arc<Context>) -> Outcome {
    let (store, alice, keys) = (cx.store().await?, user("alice")?, keys(25)?);
    for (n, key) in keys.iter().enumerate() {
        let write = if n % 2 == 0 { owned("data", &alice)? } else { write("data")? };
        store.set(key, &write, SetMode::Create).await?;
    }
    same(&store.clear().await?, &25, "the sessions that ended")?;
    for key in &keys {
        gone(&*cx.store().await?, key, "after clear").await?;
    }
    cx.lists(&*store, &alice, &[], "after clear").await?;
    same(&store.count().await?, &0, "the count after clear")?;
    same(&store.clear().await?, &0, "the sessions that ended, again")
}

async fn clear_leaves_the_expired_uncounted(cx: Arc<Context>) -> Outcome {
    let store = cx.store().await?;
    store.set(&key()?, &timed(&user("alice")?, SHORT, HOUR)?, SetMode::Create).await?;
    cx.pass(2 * SHORT).await;
    store.set(&key()?, &write("data")?, SetMode::Create).await?;
    same(&store.clear().await?, &1, "the live sessions that ended")
}

async fn a_cleared_store_is_as_new(cx: Arc<Context>) -> Outcome {
    let (store, alice, key) = (cx.store().await?, user("alice")?, key()?);
    store.set(&key, &owned("old", &alice)?, SetMode::Create).await?;
    store.clear().await?;
    store.set(&key, &owned("new", &alice)?, SetMode::Create).await?;
    same(&live(&*store, &key, "created after clear").await?.data, &"new".into(), "the data")?;
    cx.lists(&*store, &alice, &[key], "the user's list after clear and create").await?;
    same(&store.count().await?, &1, "the count after clear and create")
}

async fn over_a_thousand_sessions_are_counted_and_cleared(cx: Arc<Context>) -> Outcome {
    const MANY: usize = 1_103;
    let (store, alice) = (cx.store().await?, user("alice")?);
    cx.create_all(&alice, MANY).await?;
    same(&store.count().await?, &(MANY as u64), "the count")?;
    same(&store.clear().await?, &(MANY as u64), "the sessions that ended")?;
    same(&store.count().await?, &0, "the count after clear")
}

async fn a_save_in_flight_does_not_escape_a_clear(cx: Arc<Context>) -> Outcome {
    let (one, two) = (cx.store().await?, cx.store().await?);
    for steps in 1..MAX_STEPS {
        let (saved, touched) = (key()?, key()?);
        for key in [saved, touched] {
            one.set(&key, &write("data")?, SetMode::Create).await?;
        }
        let late = write("late")?;
        let in_flight = join(one.set(&saved, &late, SetMode::Replace), one.touch(&touched, 2 * HOUR));
        let overlap = overlap(in_flight, steps, two.clear()).await;
        same(&overlap.other?, &2, "the sessions that ended")?;
        for key in [saved, touched] {
            gone(&*two, &key, "after a clear that met a save or a touch").await?;
        }
        if !overlap.was_held {
            break;
        }
    }
    Ok(())
}

async fn ping_answers_and_changes_nothing(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    store.ping().await?;
    same(&store.count().await?, &0, "the count after ping")?;
    store.set(&key, &write("data")?, SetMode::Create).await?;
    let before = live(&*store, &key, "before ping").await?;
    store.ping().await?;
    crate::check::unchanged(&*store, &key, &before, "after ping").await
}
