//! W2 and R5: which keys rotate to each other.

use std::collections::HashSet;
use std::sync::Arc;

use session_store_core::{ErrorKind, SessionKey, SessionStore, SetMode};

use crate::case::{Context, Outcome, key, key_beside, keys, owned, user, write};
use crate::check::{gone, live, refused, same, unchanged};

cases! {
    "W2":
        the_placement_of_a_key_is_the_same_everywhere,
        keys_of_equal_placement_rotate;
    "R5":
        between_placements_a_rotation_is_refused;
}

async fn the_placement_of_a_key_is_the_same_everywhere(cx: Arc<Context>) -> Outcome {
    let (one, two, keys) = (cx.store().await?, cx.store().await?, keys(200)?);
    let placements: Vec<_> = keys.iter().map(|key| one.placement(key)).collect();
    for key in keys.iter().take(3) {
        one.set(key, &write("data")?, SetMode::Create).await?;
        two.destroy(key).await?;
    }
    for store in [one, two, cx.store().await?] {
        let again: Vec<_> = keys.iter().map(|key| store.placement(key)).collect();
        same(&again, &placements, "the placements of the same keys")?;
    }
    Ok(())
}

/// Of each of some placements, a session rotates there and back.
async fn keys_of_equal_placement_rotate(cx: Arc<Context>) -> Outcome {
    let (one, two) = (cx.store().await?, cx.store().await?);
    let mut placements = HashSet::new();
    for _ in 0..5 {
        let from = key()?;
        let to = key_beside(&*one, &from)?;
        placements.insert(one.placement(&from));
        let version = one.set(&from, &write("data")?, SetMode::Create).await?;
        let version = two.rotate(&from, &to, &write("there")?, Some(version)).await?;
        gone(&*one, &from, "the old key").await?;
        same(&live(&*one, &to, "the new key").await?.data, &"there".into(), "the data")?;
        one.rotate(&to, &from, &write("back")?, Some(version)).await?;
        same(&live(&*two, &from, "the first key").await?.data, &"back".into(), "the data")?;
    }
    same(&one.count().await?, &5, &format!("the sessions of {} placements", placements.len()))
}

/// A key of another placement, in a store that has more than one.
fn key_elsewhere(store: &dyn SessionStore, key: &SessionKey) -> Outcome<Option<SessionKey>> {
    Ok(keys(100)?.into_iter().find(|other| store.placement(other) != store.placement(key)))
}

async fn between_placements_a_rotation_is_refused(cx: Arc<Context>) -> Outcome {
    let (one, two, from, alice) = (cx.store().await?, cx.store().await?, key()?, user("alice")?);
    // A store of one placement has no two keys to try.
    let Some(to) = key_elsewhere(&*one, &from)? else { return Ok(()) };
    one.set(&from, &owned("data", &alice)?, SetMode::Create).await?;
    let before = live(&*one, &from, "after create").await?;
    let late = owned("rotated", &user("bob")?)?;
    for expected in [None, Some(before.meta.version)] {
        let rotated = two.rotate(&from, &to, &late, expected).await;
        refused(rotated, ErrorKind::Unsupported, "a rotation between placements")?;
        unchanged(&*one, &from, &before, "the old key after a refused rotation").await?;
        gone(&*one, &to, "the new key of a refused rotation").await?;
    }
    cx.lists(&*one, &alice, &[from], "the user's list").await?;
    // A live session there is not changed either.
    two.set(&to, &owned("there", &alice)?, SetMode::Create).await?;
    let there = live(&*one, &to, "after create").await?;
    refused(two.rotate(&from, &to, &late, None).await, ErrorKind::Unsupported, "a rotation onto a live key elsewhere")?;
    unchanged(&*one, &from, &before, "the old key").await?;
    unchanged(&*one, &to, &there, "the live key").await?;
    same(&one.count().await?, &2, "the count after refused rotations")
}
