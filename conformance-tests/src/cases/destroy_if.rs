//! D4: ending a session that has not changed.

use std::sync::Arc;

use session_store_core::{ErrorKind, Result, SessionKey, SessionStore, SetMode, Version};

use crate::case::{Context, HOUR, Outcome, SHORT, fail, key, keys, kind_of, owned, timed, user, write};
use crate::check::{gone, lists, live, refused, same, unchanged};
use crate::gate::{MAX_STEPS, overlap, race};

cases! {
    "D4":
        a_session_ends_at_its_version,
        a_session_that_ends_at_its_version_leaves_the_list needs UserIndex,
        at_another_version_nothing_is_destroyed,
        a_session_created_again_is_not_destroyed,
        destroying_at_a_version_what_is_not_live_is_false,
        a_touched_session_ends_at_its_version,
        of_a_destroy_and_an_update_of_one_version_one_wins,
        of_many_destroys_and_updates_of_one_version_one_wins,
        a_replace_in_flight_does_not_revive_what_ended_at_its_version;
}

async fn a_session_ends_at_its_version(cx: Arc<Context>) -> Outcome {
    let (one, two, key, other) = (cx.store().await?, cx.store().await?, key()?, key()?);
    let version = one.set(&key, &write("data")?, SetMode::Create).await?;
    one.set(&other, &write("data")?, SetMode::Create).await?;
    same(&one.destroy_if(&key, version).await?, &true, "destroy at the session's version")?;
    for store in [&one, &two] {
        gone(&**store, &key, "after destroy").await?;
        refused(store.set(&key, &write("late")?, SetMode::Replace).await, ErrorKind::NotFound, "a set after destroy")?;
        same(&store.destroy_if(&key, version).await?, &false, "a repeated destroy")?;
        same(&store.destroy(&key).await?, &false, "a destroy after it")?;
        same(&store.count().await?, &1, "the count after destroy")?;
    }
    live(&*two, &other, "another session").await?;
    Ok(())
}

async fn a_session_that_ends_at_its_version_leaves_the_list(cx: Arc<Context>) -> Outcome {
    let (one, two, key, alice) = (cx.store().await?, cx.store().await?, key()?, user("alice")?);
    let others = cx.create_all(&alice, 2).await?;
    let version = one.set(&key, &owned("data", &alice)?, SetMode::Create).await?;
    one.destroy_if(&key, version).await?;
    let mut others = others;
    others.sort();
    lists(&*one, &alice, &others, "after destroy").await?;
    lists(&*two, &alice, &others, "after destroy, on another handle").await?;
    same(&two.destroy_by_user(&alice, None).await?, &2, "what is left to end")
}

async fn at_another_version_nothing_is_destroyed(cx: Arc<Context>) -> Outcome {
    let (one, two, key, alice) = (cx.store().await?, cx.store().await?, key()?, user("alice")?);
    let older = one.set(&key, &owned("first", &alice)?, SetMode::Create).await?;
    two.set(&key, &owned("second", &alice)?, SetMode::Update(older)).await?;
    let before = live(&*one, &key, "after the update").await?;
    for version in [older, Version::from_bytes([0; Version::LEN]), Version::generate()?] {
        refused(one.destroy_if(&key, version).await, ErrorKind::Conflict, "destroy at another version")?;
        unchanged(&*two, &key, &before, "after a refused destroy").await?;
    }
    cx.lists(&*two, &alice, &[key], "the user's list after refused destroys").await?;
    same(&one.count().await?, &1, "the count after refused destroys")
}

async fn a_session_created_again_is_not_destroyed(cx: Arc<Context>) -> Outcome {
    let (one, two, key) = (cx.store().await?, cx.store().await?, key()?);
    let old = one.set(&key, &write("same")?, SetMode::Create).await?;
    two.destroy(&key).await?;
    two.set(&key, &write("same")?, SetMode::Create).await?;
    let before = live(&*two, &key, "created again").await?;
    refused(one.destroy_if(&key, old).await, ErrorKind::Conflict, "destroy at a version from before")?;
    unchanged(&*two, &key, &before, "after a refused destroy").await
}

async fn destroying_at_a_version_what_is_not_live_is_false(cx: Arc<Context>) -> Outcome {
    let (store, keys) = (cx.store().await?, keys(3)?);
    let [absent, destroyed, expired] = keys.as_slice() else { return Err(fail("no keys")) };
    let known = store.set(destroyed, &write("data")?, SetMode::Create).await?;
    store.destroy(destroyed).await?;
    let expiring = store.set(expired, &timed(&user("alice")?, SHORT, HOUR)?, SetMode::Create).await?;
    cx.pass(2 * SHORT).await;
    for (key, version) in [(absent, Version::generate()?), (destroyed, known), (expired, expiring)] {
        same(&store.destroy_if(key, version).await?, &false, "destroy of what is not live, at its version")?;
        let other = store.destroy_if(key, Version::generate()?).await?;
        same(&other, &false, "destroy of what is not live, at another version")?;
    }
    Ok(())
}

async fn a_touched_session_ends_at_its_version(cx: Arc<Context>) -> Outcome {
    let (one, two, key) = (cx.store().await?, cx.store().await?, key()?);
    let version = one.set(&key, &write("data")?, SetMode::Create).await?;
    two.touch(&key, 2 * HOUR).await?;
    same(&one.destroy_if(&key, version).await?, &true, "destroy after a touch, which keeps the version")?;
    gone(&*two, &key, "after destroy").await
}

/// Either the destroy came first, and the update found nothing; or the update came first, and the destroy found
/// another version.
async fn one_won(
    store: &dyn SessionStore,
    key: &SessionKey,
    destroyed: Result<bool>,
    updated: Result<Version>,
) -> Outcome {
    match (destroyed, updated) {
        (Ok(true), Err(error)) if error.kind() == ErrorKind::NotFound => gone(store, key, "a destroyed session").await,
        (Err(error), Ok(version)) if error.kind() == ErrorKind::Conflict => {
            same(&live(store, key, "an updated session").await?.meta.version, &version, "the version of the winner")
        }
        (destroyed, updated) => {
            let kinds = (kind_of(&destroyed), kind_of(&updated));
            Err(fail(format!("expected one winner, found {destroyed:?} and {kinds:?} as kinds of failure")))
        }
    }
}

async fn of_a_destroy_and_an_update_of_one_version_one_wins(cx: Arc<Context>) -> Outcome {
    let (one, two) = (cx.store().await?, cx.store().await?);
    let update = write("update")?;
    for is_destroy_held in [true, false] {
        for steps in 1..MAX_STEPS {
            let key = key()?;
            let version = one.set(&key, &write("data")?, SetMode::Create).await?;
            let destroy = one.destroy_if(&key, version);
            let updating = two.set(&key, &update, SetMode::Update(version));
            let (destroyed, updated, was_held) = if is_destroy_held {
                let overlap = overlap(destroy, steps, updating).await;
                (overlap.held, overlap.other, overlap.was_held)
            } else {
                let overlap = overlap(updating, steps, destroy).await;
                (overlap.other, overlap.held, overlap.was_held)
            };
            one_won(&*two, &key, destroyed, updated).await?;
            if !was_held {
                break;
            }
        }
    }
    for _ in 0..20 {
        let key = key()?;
        let version = one.set(&key, &write("data")?, SetMode::Create).await?;
        let ending = Arc::clone(&two);
        let destroy = tokio::spawn(async move { ending.destroy_if(&key, version).await });
        let updated = one.set(&key, &update, SetMode::Update(version)).await;
        let destroyed = destroy.await.map_err(|error| fail(error.to_string()))?;
        one_won(&*two, &key, destroyed, updated).await?;
    }
    Ok(())
}

async fn of_many_destroys_and_updates_of_one_version_one_wins(cx: Arc<Context>) -> Outcome {
    let (one, two, alice) = (cx.store().await?, cx.store().await?, user("alice")?);
    let mut survivors = Vec::new();
    for _ in 0..5 {
        let key = key()?;
        let version = one.set(&key, &owned("data", &alice)?, SetMode::Create).await?;
        let operations = (0..20).map(|n| {
            let store = Arc::clone(if n % 4 < 2 { &one } else { &two });
            async move {
                if n % 2 == 0 {
                    return store.destroy_if(&key, version).await;
                }
                let updated = store.set(&key, &write("update")?, SetMode::Update(version)).await;
                // If a destroy won, an update finds nothing, like a second destroy.
                if kind_of(&updated) == Some(ErrorKind::NotFound) { Ok(false) } else { updated.map(|_| true) }
            }
        });
        let answers = race(operations).await;
        let won = answers.iter().filter(|answer| matches!(answer, Ok(true))).count();
        let late = answers.iter().filter(|answer| matches!(answer, Ok(false))).count();
        let conflicts = answers.iter().filter(|answer| kind_of(answer) == Some(ErrorKind::Conflict)).count();
        let is_live = two.get(&key).await?.is_some();
        let expected = if is_live { (1, 0, 19) } else { (1, 19, 0) };
        same(&(won, late, conflicts), &expected, "winners, those who found nothing, and conflicts")?;
        survivors.extend(is_live.then_some(key));
    }
    cx.lists(&*two, &alice, &survivors, "the sessions that an update saved").await
}

async fn a_replace_in_flight_does_not_revive_what_ended_at_its_version(cx: Arc<Context>) -> Outcome {
    let (one, two) = (cx.store().await?, cx.store().await?);
    for steps in 1..MAX_STEPS {
        let key = key()?;
        let version = one.set(&key, &write("data")?, SetMode::Create).await?;
        let late = write("late")?;
        let overlap = overlap(one.set(&key, &late, SetMode::Replace), steps, two.destroy_if(&key, version)).await;
        one_won(&*two, &key, overlap.other, overlap.held).await?;
        if !overlap.was_held {
            break;
        }
    }
    Ok(())
}
