//! I1: what is out of bounds is refused, and changes nothing.

use std::sync::Arc;
use std::time::Duration;

use session_store_core::{ErrorKind, MAX_TIMEOUT, MIN_TIMEOUT, SetMode};

use crate::case::{Context, Outcome, key, write};
use crate::check::{live, refused, same, unchanged};

cases! {
    "I1":
        a_touch_out_of_bounds_is_refused,
        a_touch_at_the_bounds_is_accepted,
        a_prune_of_nothing_is_refused;
}

async fn a_touch_out_of_bounds_is_refused(cx: Arc<Context>) -> Outcome {
    let (store, key, absent) = (cx.store().await?, key()?, key()?);
    store.set(&key, &write("data")?, SetMode::Create).await?;
    let before = live(&*store, &key, "after create").await?;
    let millisecond = Duration::from_millis(1);
    for idle in [Duration::ZERO, Duration::from_micros(999), MAX_TIMEOUT + millisecond, Duration::MAX] {
        for key in [&key, &absent] {
            refused(store.touch(key, idle).await, ErrorKind::InvalidInput, "a touch out of bounds")?;
        }
    }
    unchanged(&*store, &key, &before, "after refused touches").await
}

async fn a_touch_at_the_bounds_is_accepted(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    store.set(&key, &write("data")?, SetMode::Create).await?;
    for idle in [MIN_TIMEOUT, MAX_TIMEOUT] {
        same(&store.touch(&key, idle).await?, &true, "a touch at the bounds")?;
    }
    Ok(())
}

async fn a_prune_of_nothing_is_refused(cx: Arc<Context>) -> Outcome {
    refused(cx.store().await?.prune(0).await, ErrorKind::InvalidInput, "a prune of 0")
}
