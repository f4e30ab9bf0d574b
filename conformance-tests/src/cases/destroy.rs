//! D1 and D2: ending a session.

use std::sync::Arc;

use session_store_core::{ErrorKind, SetMode};

use crate::case::{Context, HOUR, Outcome, SHORT, key, keys_together, owned, timed, user, write};
use crate::check::{gone, lists, refused, same};

cases! {
    "D1":
        a_destroyed_session_is_dead_to_every_operation,
        a_destroyed_session_is_in_no_list needs UserIndex,
        a_destroyed_session_is_not_counted,
        only_the_session_that_was_named_ends needs UserIndex;
    "D2":
        repeating_a_destroy_is_false,
        destroying_what_is_not_live_is_false;
}

async fn a_destroyed_session_is_dead_to_every_operation(cx: Arc<Context>) -> Outcome {
    let (one, two) = (cx.store().await?, cx.store().await?);
    let [key, other] = keys_together(&*one)?;
    let version = one.set(&key, &write("data")?, SetMode::Create).await?;
    same(&one.destroy(&key).await?, &true, "destroy of a live session")?;
    for store in [one, two] {
        gone(&*store, &key, "after destroy").await?;
        for mode in [SetMode::Replace, SetMode::Update(version)] {
            refused(store.set(&key, &write("late")?, mode).await, ErrorKind::NotFound, "a set after destroy")?;
        }
        same(&store.touch(&key, HOUR).await?, &false, "touch after destroy")?;
        let rotated = store.rotate(&key, &other, &write("late")?, Some(version)).await;
        refused(rotated, ErrorKind::NotFound, "rotate after destroy")?;
        gone(&*store, &key, "after all that").await?;
        gone(&*store, &other, "what it was to rotate to").await?;
    }
    Ok(())
}

async fn a_destroyed_session_is_in_no_list(cx: Arc<Context>) -> Outcome {
    let (one, two, key, alice) = (cx.store().await?, cx.store().await?, key()?, user("alice")?);
    one.set(&key, &owned("data", &alice)?, SetMode::Create).await?;
    one.destroy(&key).await?;
    lists(&*one, &alice, &[], "after destroy").await?;
    lists(&*two, &alice, &[], "after destroy, on another handle").await?;
    same(&two.destroy_by_user(&alice, None).await?, &0, "what is left to end")
}

async fn a_destroyed_session_is_not_counted(cx: Arc<Context>) -> Outcome {
    let (store, key, other) = (cx.store().await?, key()?, key()?);
    store.set(&key, &write("data")?, SetMode::Create).await?;
    store.set(&other, &write("data")?, SetMode::Create).await?;
    store.destroy(&key).await?;
    same(&store.count().await?, &1, "the count after destroy")
}

async fn only_the_session_that_was_named_ends(cx: Arc<Context>) -> Outcome {
    let (store, one, other, alice) = (cx.store().await?, key()?, key()?, user("alice")?);
    for key in [one, other] {
        store.set(&key, &owned("data", &alice)?, SetMode::Create).await?;
    }
    store.destroy(&one).await?;
    lists(&*store, &alice, &[other], "after the destroy of one of two").await
}

async fn repeating_a_destroy_is_false(cx: Arc<Context>) -> Outcome {
    let (one, two, key) = (cx.store().await?, cx.store().await?, key()?);
    one.set(&key, &write("data")?, SetMode::Create).await?;
    same(&one.destroy(&key).await?, &true, "the first destroy")?;
    for store in [two, one] {
        same(&store.destroy(&key).await?, &false, "a repeated destroy")?;
    }
    Ok(())
}

async fn destroying_what_is_not_live_is_false(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    same(&store.destroy(&key).await?, &false, "destroy of an absent key")?;
    store.set(&key, &timed(&user("alice")?, SHORT, HOUR)?, SetMode::Create).await?;
    cx.pass(2 * SHORT).await;
    same(&store.destroy(&key).await?, &false, "destroy of an expired session")
}
