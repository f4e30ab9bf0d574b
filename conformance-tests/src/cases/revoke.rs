//! B1: ending all sessions of a user.

use std::sync::Arc;

use session_store_core::SetMode;

use crate::case::{
    Context, HOUR, Outcome, SHORT, fail, key, key_beside, keys, keys_together, owned, timed, user, write,
};
use crate::check::{ensure, entries, gone, lists, live, same};
use crate::gate::{MAX_STEPS, overlap, race};

cases! {
    "B1":
        all_sessions_of_the_user_end_and_no_others needs UserIndex,
        the_excepted_session_lives needs UserIndex,
        an_excepted_key_of_nobody_or_of_another_changes_nothing needs UserIndex,
        what_is_not_live_is_not_counted needs UserIndex,
        more_sessions_than_a_page_end needs UserIndex,
        a_rotation_in_flight_does_not_escape needs UserIndex,
        a_rotation_between_its_steps_does_not_escape needs UserIndex,
        rotations_beside_it_do_not_escape needs UserIndex,
        creates_beside_it_are_whole needs UserIndex,
        several_at_once_count_each_session_once needs UserIndex;
}

async fn all_sessions_of_the_user_end_and_no_others(cx: Arc<Context>) -> Outcome {
    let (store, alice, bob, anonymous) = (cx.store().await?, user("alice")?, user("bob")?, key()?);
    let (of_alice, of_bob) = (cx.create_all(&alice, 5).await?, cx.create_all(&bob, 3).await?);
    store.set(&anonymous, &write("data")?, SetMode::Create).await?;
    same(&store.destroy_by_user(&alice, None).await?, &5, "the sessions that ended")?;
    for key in &of_alice {
        gone(&*cx.store().await?, key, "after the user's sessions ended").await?;
    }
    lists(&*store, &alice, &[], "the user's list").await?;
    lists(&*store, &bob, &of_bob, "another user's list").await?;
    live(&*store, &anonymous, "an anonymous session").await?;
    same(&store.destroy_by_user(&alice, None).await?, &0, "the sessions that ended, again")
}

async fn the_excepted_session_lives(cx: Arc<Context>) -> Outcome {
    let (store, alice) = (cx.store().await?, user("alice")?);
    let keys = cx.create_all(&alice, 5).await?;
    let Some(current) = keys.get(2) else { return Err(fail("no keys")) };
    let before = live(&*store, current, "before").await?;
    same(&store.destroy_by_user(&alice, Some(current)).await?, &4, "the sessions that ended")?;
    crate::check::unchanged(&*store, current, &before, "the excepted session").await?;
    lists(&*store, &alice, &[*current], "the user's list").await?;
    same(&store.destroy_by_user(&alice, Some(current)).await?, &0, "the sessions that ended, again")
}

async fn an_excepted_key_of_nobody_or_of_another_changes_nothing(cx: Arc<Context>) -> Outcome {
    let (store, alice, bob) = (cx.store().await?, user("alice")?, user("bob")?);
    let of_bob = cx.create_all(&bob, 1).await?;
    for except in [key()?, of_bob.first().copied().unwrap_or(key()?)] {
        cx.create_all(&alice, 3).await?;
        same(&store.destroy_by_user(&alice, Some(&except)).await?, &3, "the sessions that ended")?;
        lists(&*store, &alice, &[], "the user's list").await?;
    }
    lists(&*store, &bob, &of_bob, "another user's list").await
}

async fn what_is_not_live_is_not_counted(cx: Arc<Context>) -> Outcome {
    let (store, alice, destroyed) = (cx.store().await?, user("alice")?, key()?);
    store.set(&key()?, &timed(&alice, SHORT, HOUR)?, SetMode::Create).await?;
    store.set(&destroyed, &owned("data", &alice)?, SetMode::Create).await?;
    store.destroy(&destroyed).await?;
    cx.pass(2 * SHORT).await;
    cx.create_all(&alice, 2).await?;
    same(&store.destroy_by_user(&alice, None).await?, &2, "the live sessions that ended")
}

async fn more_sessions_than_a_page_end(cx: Arc<Context>) -> Outcome {
    let (store, alice) = (cx.store().await?, user("alice")?);
    cx.create_all(&alice, 1_003).await?;
    same(&entries(&*store, &alice, 1_000).await?.len(), &1_003, "the sessions that are listed")?;
    same(&store.destroy_by_user(&alice, None).await?, &1_003, "the sessions that ended")?;
    same(&store.count().await?, &0, "the count afterwards")
}

/// Verifies how many sessions ended while some of them got a new key. If a rotation takes more than one step (R4), a session
/// may be counted under both keys.
fn ended(cx: &Context, ended: u64, expected: u64) -> Outcome {
    let twice = u64::from(!cx.harness().rotates_in_one_step()) * expected;
    ensure((expected..=expected + twice).contains(&ended), || {
        format!("{ended} sessions ended, and {expected} were live")
    })
}

/// Whether the rotation comes before or after: the session that was acknowledged before is dead, under
/// both keys.
async fn a_rotation_in_flight_does_not_escape(cx: Arc<Context>) -> Outcome {
    let (one, two, alice) = (cx.store().await?, cx.store().await?, user("alice")?);
    for steps in 1..MAX_STEPS {
        let [from, to] = keys_together(&*one)?;
        one.set(&from, &owned("data", &alice)?, SetMode::Create).await?;
        let write = write("rotated")?;
        let overlap = overlap(one.rotate(&from, &to, &write, None), steps, two.destroy_by_user(&alice, None)).await;
        ended(&cx, overlap.other?, 1)?;
        for key in [from, to] {
            gone(&*two, &key, "a key of a session that was rotated while all were ended").await?;
        }
        lists(&*one, &alice, &[], "the user's list").await?;
        if !overlap.was_held {
            break;
        }
    }
    Ok(())
}

/// The same the other way round: the whole rotation happens while the sessions are being ended.
async fn a_rotation_between_its_steps_does_not_escape(cx: Arc<Context>) -> Outcome {
    let (one, two, alice) = (cx.store().await?, cx.store().await?, user("alice")?);
    for steps in 1..MAX_STEPS {
        let [from, to] = keys_together(&*one)?;
        one.set(&from, &owned("data", &alice)?, SetMode::Create).await?;
        let write = write("rotated")?;
        let overlap = overlap(one.destroy_by_user(&alice, None), steps, two.rotate(&from, &to, &write, None)).await;
        ended(&cx, overlap.held?, 1)?;
        for key in [from, to] {
            gone(&*two, &key, "a key of a session that was rotated while all were ended").await?;
        }
        if !overlap.was_held {
            break;
        }
    }
    Ok(())
}

async fn rotations_beside_it_do_not_escape(cx: Arc<Context>) -> Outcome {
    let (one, two, alice) = (cx.store().await?, cx.store().await?, user("alice")?);
    for _ in 0..5 {
        let keys = cx.create_all(&alice, 10).await?;
        let rotations = keys.into_iter().map(|mut from| {
            let rotating = Arc::clone(&one);
            tokio::spawn(async move {
                for _ in 0..20 {
                    let to = key_beside(&*rotating, &from)?;
                    if rotating.rotate(&from, &to, &write("rotated")?, None).await.is_err() {
                        break;
                    }
                    from = to;
                }
                Outcome::Ok(())
            })
        });
        let rotations: Vec<_> = rotations.collect();
        tokio::task::yield_now().await;
        ended(&cx, two.destroy_by_user(&alice, None).await?, 10)?;
        for rotation in rotations {
            rotation.await.map_err(|error| fail(error.to_string()))??;
        }
        lists(&*one, &alice, &[], "the user's list").await?;
        same(&one.count().await?, &0, "the count")?;
    }
    Ok(())
}

async fn creates_beside_it_are_whole(cx: Arc<Context>) -> Outcome {
    let (one, two, alice) = (cx.store().await?, cx.store().await?, user("alice")?);
    for _ in 0..5 {
        let before = cx.create_all(&alice, 5).await?;
        let during = keys(10)?;
        let creates = during.iter().copied().map(|key| {
            let (store, alice) = (Arc::clone(&one), alice.clone());
            tokio::spawn(async move { store.set(&key, &owned("data", &alice)?, SetMode::Create).await })
        });
        let creates: Vec<_> = creates.collect();
        two.destroy_by_user(&alice, None).await?;
        for create in creates {
            create.await.map_err(|error| fail(error.to_string()))??;
        }
        for key in &before {
            gone(&*one, key, "a session acknowledged before").await?;
        }
        let mut survivors = Vec::new();
        for key in during {
            if one.get(&key).await?.is_some() {
                survivors.push(key);
            }
        }
        lists(&*two, &alice, &survivors, "sessions created meanwhile").await?;
        same(&two.destroy_by_user(&alice, None).await?, &(survivors.len() as u64), "the rest of them")?;
    }
    Ok(())
}

async fn several_at_once_count_each_session_once(cx: Arc<Context>) -> Outcome {
    let (one, two, alice) = (cx.store().await?, cx.store().await?, user("alice")?);
    cx.create_all(&alice, 30).await?;
    let revocations = (0..4).map(|n| {
        let (store, alice) = (Arc::clone(if n % 2 == 0 { &one } else { &two }), alice.clone());
        async move { store.destroy_by_user(&alice, None).await }
    });
    let mut ended = 0;
    for answer in race(revocations).await {
        ended += answer?;
    }
    same(&ended, &30, "the sessions that four calls ended together")?;
    same(&one.count().await?, &0, "the count")
}
