//! R1 to R4: the same session under a new key.

use std::sync::Arc;
use std::time::Duration;

use session_store_core::{Bytes, ErrorKind, MIN_TIMEOUT, Owner, SessionKey, SessionStore, SetMode, Version, Write};

use crate::case::{Context, DAY, HOUR, Outcome, SHORT, fail, key, keys_together, kind_of, owned, timed, user, write};
use crate::check::{ensure, gone, lists, live, refused, same, unchanged};
use crate::gate::{MAX_STEPS, overlap, race};

cases! {
    "R1":
        a_rotation_moves_the_session,
        a_rotation_keeps_the_absolute_clock_running,
        a_chain_of_rotations_keeps_the_time_of_creation,
        a_rotation_moves_the_entry_of_the_list needs UserIndex,
        a_rotation_changes_the_owner needs UserIndex,
        a_rotation_over_an_expired_leftover_succeeds,
        a_rotation_that_is_dead_at_once_is_accepted,
        the_old_key_is_dead_to_every_operation;
    "R2":
        rotating_to_the_same_key_is_refused,
        rotating_what_is_not_live_is_refused,
        rotating_an_older_version_is_refused,
        rotating_onto_a_live_key_is_refused,
        refusals_are_judged_in_order;
    "R3":
        of_20_concurrent_rotations_one_wins,
        of_a_rotation_and_a_creation_of_one_key_one_wins,
        of_two_rotations_to_one_key_one_wins,
        two_rotations_onto_each_other_are_refused;
    "R4":
        between_its_steps_one_key_is_readable,
        at_no_moment_are_both_keys_unreadable;
}

async fn a_rotation_moves_the_session(cx: Arc<Context>) -> Outcome {
    let (one, two, alice) = (cx.store().await?, cx.store().await?, user("alice")?);
    let [from, to] = keys_together(&*one)?;
    let old = one.set(&from, &owned("old", &alice)?, SetMode::Create).await?;
    let new = one.rotate(&from, &to, &write("new")?, Some(old)).await?;
    ensure(old != new, || "the version stayed".to_owned())?;
    for store in [one, two] {
        gone(&*store, &from, "the old key").await?;
        let record = live(&*store, &to, "the new key").await?;
        same(&record.data, &Bytes::from_static(b"new"), "the data")?;
        same(&record.meta.version, &new, "the version")?;
        same(&record.meta.user.as_ref(), &Some(&alice), "the user, who was kept")?;
        same(&store.count().await?, &1, "the count")?;
    }
    Ok(())
}

async fn a_rotation_keeps_the_absolute_clock_running(cx: Arc<Context>) -> Outcome {
    let store = cx.store().await?;
    let [from, to] = keys_together(&*store)?;
    store.set(&from, &write("old")?, SetMode::Create).await?;
    let before = live(&*store, &from, "after create").await?.meta;
    cx.pass(Duration::from_millis(20)).await;
    store.rotate(&from, &to, &Write::new("new", 2 * HOUR, 2 * DAY)?, None).await?;
    let after = live(&*store, &to, "the new key").await?.meta;
    same(&after.created_at, &before.created_at, "created_at")?;
    ensure(before.last_seen_at < after.last_seen_at, || "last_seen_at did not move".to_owned())?;
    same(&after.deadline.saturating_since(after.created_at), &(2 * DAY), "the absolute time")?;
    same(&after.expires_at.saturating_since(after.last_seen_at), &(2 * HOUR), "the idle time")
}

async fn a_chain_of_rotations_keeps_the_time_of_creation(cx: Arc<Context>) -> Outcome {
    let store = cx.store().await?;
    let chain = keys_together::<20>(&*store)?;
    let [first, ..] = &chain;
    let mut version = store.set(first, &write("data")?, SetMode::Create).await?;
    let before = live(&*store, first, "after create").await?.meta;
    for (from, to) in chain.iter().zip(chain.iter().skip(1)) {
        cx.pass(Duration::from_millis(1)).await;
        version = store.rotate(from, to, &write("data")?, Some(version)).await?;
        gone(&*store, from, "an old key of the chain").await?;
        let after = live(&*store, to, "the new key").await?.meta;
        same(&(after.created_at, after.deadline), &(before.created_at, before.deadline), "created_at and deadline")?;
    }
    same(&store.count().await?, &1, "the count after a chain of rotations")
}

async fn a_rotation_moves_the_entry_of_the_list(cx: Arc<Context>) -> Outcome {
    let (one, two, alice) = (cx.store().await?, cx.store().await?, user("alice")?);
    let [from, to] = keys_together(&*one)?;
    one.set(&from, &owned("old", &alice)?, SetMode::Create).await?;
    one.rotate(&from, &to, &write("new")?, None).await?;
    lists(&*two, &alice, &[to], "after a rotation").await
}

async fn a_rotation_changes_the_owner(cx: Arc<Context>) -> Outcome {
    let (store, alice, bob) = (cx.store().await?, user("alice")?, user("bob")?);
    let [a, b, c, d] = keys_together(&*store)?;
    store.set(&a, &write("anonymous")?, SetMode::Create).await?;
    store.rotate(&a, &b, &owned("alice's", &alice)?, None).await?;
    lists(&*store, &alice, &[b], "the new owner").await?;
    store.rotate(&b, &c, &owned("bob's", &bob)?, None).await?;
    lists(&*store, &alice, &[], "the former owner").await?;
    lists(&*store, &bob, &[c], "the new owner").await?;
    store.rotate(&c, &d, &write("nobody's")?.with_owner(Owner::Anonymous), None).await?;
    lists(&*store, &bob, &[], "the former owner").await?;
    same(&live(&*store, &d, "made anonymous").await?.meta.user, &None, "the user")
}

async fn a_rotation_over_an_expired_leftover_succeeds(cx: Arc<Context>) -> Outcome {
    let (store, alice, bob) = (cx.store().await?, user("alice")?, user("bob")?);
    let [from, to] = keys_together(&*store)?;
    store.set(&to, &timed(&bob, SHORT, HOUR)?, SetMode::Create).await?;
    store.set(&from, &owned("data", &alice)?, SetMode::Create).await?;
    let before = live(&*store, &from, "after create").await?.meta;
    cx.pass(2 * SHORT).await;
    store.rotate(&from, &to, &write("data")?, None).await?;
    let after = live(&*store, &to, "rotated over a leftover").await?.meta;
    same(&after.created_at, &before.created_at, "created_at, which is not the leftover's")?;
    cx.lists(&*store, &bob, &[], "the leftover's user").await?;
    cx.lists(&*store, &alice, &[to], "the session's user").await
}

async fn a_rotation_that_is_dead_at_once_is_accepted(cx: Arc<Context>) -> Outcome {
    let store = cx.store().await?;
    let [from, to] = keys_together(&*store)?;
    store.set(&from, &write("data")?, SetMode::Create).await?;
    cx.pass(Duration::from_millis(20)).await;
    // The session is older than the new policy allows.
    store.rotate(&from, &to, &Write::new("data", HOUR, MIN_TIMEOUT)?, None).await?;
    for key in [from, to] {
        gone(&*store, &key, "after a rotation that is dead at once").await?;
    }
    Ok(())
}

async fn the_old_key_is_dead_to_every_operation(cx: Arc<Context>) -> Outcome {
    let (one, two) = (cx.store().await?, cx.store().await?);
    let [from, to, other] = keys_together(&*one)?;
    let version = one.set(&from, &write("old")?, SetMode::Create).await?;
    one.rotate(&from, &to, &write("new")?, None).await?;
    for store in [&one, &two] {
        for mode in [SetMode::Replace, SetMode::Update(version)] {
            refused(store.set(&from, &write("late")?, mode).await, ErrorKind::NotFound, "a set on the old key")?;
        }
        same(&store.touch(&from, HOUR).await?, &false, "touch of the old key")?;
        same(&store.destroy(&from).await?, &false, "destroy of the old key")?;
        let again = store.rotate(&from, &other, &write("late")?, None).await;
        refused(again, ErrorKind::NotFound, "rotate from the old key")?;
    }
    // It is free again for a session that has nothing to do with the old one.
    one.set(&from, &write("another")?, SetMode::Create).await?;
    live(&*two, &to, "the new key, beside another session under the old one").await?;
    Ok(())
}

async fn rotating_to_the_same_key_is_refused(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    refused(store.rotate(&key, &key, &write("data")?, None).await, ErrorKind::InvalidInput, "an absent key to itself")?;
    store.set(&key, &write("data")?, SetMode::Create).await?;
    let before = live(&*store, &key, "after create").await?;
    for expected in [None, Some(Version::generate()?)] {
        let rotated = store.rotate(&key, &key, &write("other")?, expected).await;
        refused(rotated, ErrorKind::InvalidInput, "a live key to itself")?;
    }
    unchanged(&*store, &key, &before, "after a refused rotation").await
}

async fn rotating_what_is_not_live_is_refused(cx: Arc<Context>) -> Outcome {
    let store = cx.store().await?;
    let [absent, destroyed, expired, to] = &keys_together(&*store)?;
    store.set(destroyed, &write("data")?, SetMode::Create).await?;
    store.destroy(destroyed).await?;
    store.set(expired, &timed(&user("alice")?, SHORT, HOUR)?, SetMode::Create).await?;
    cx.pass(2 * SHORT).await;
    for from in [absent, destroyed, expired] {
        let rotated = store.rotate(from, to, &write("data")?, None).await;
        refused(rotated, ErrorKind::NotFound, "rotate of what is not live")?;
        gone(&*store, to, "the new key of what is not live").await?;
        gone(&*store, from, "what is not live").await?;
    }
    Ok(())
}

async fn rotating_an_older_version_is_refused(cx: Arc<Context>) -> Outcome {
    let store = cx.store().await?;
    let [from, to] = keys_together(&*store)?;
    let older = store.set(&from, &write("first")?, SetMode::Create).await?;
    store.set(&from, &write("second")?, SetMode::Replace).await?;
    let before = live(&*store, &from, "after replace").await?;
    let rotated = store.rotate(&from, &to, &write("stale")?, Some(older)).await;
    refused(rotated, ErrorKind::Conflict, "rotate of an older version")?;
    unchanged(&*store, &from, &before, "after a refused rotation").await?;
    gone(&*store, &to, "the new key of a refused rotation").await
}

async fn rotating_onto_a_live_key_is_refused(cx: Arc<Context>) -> Outcome {
    let store = cx.store().await?;
    let [from, to] = keys_together(&*store)?;
    store.set(&from, &write("from")?, SetMode::Create).await?;
    store.set(&to, &owned("to", &user("bob")?)?, SetMode::Create).await?;
    let (before, there) = (live(&*store, &from, "from").await?, live(&*store, &to, "to").await?);
    let rotated = store.rotate(&from, &to, &write("data")?, Some(before.meta.version)).await;
    refused(rotated, ErrorKind::AlreadyExists, "rotate onto a live key")?;
    unchanged(&*store, &from, &before, "the old key after a refused rotation").await?;
    unchanged(&*store, &to, &there, "the live key after a refused rotation").await
}

async fn refusals_are_judged_in_order(cx: Arc<Context>) -> Outcome {
    let store = cx.store().await?;
    let [from, to] = keys_together(&*store)?;
    store.set(&to, &write("to")?, SetMode::Create).await?;
    let there = live(&*store, &to, "to").await?;
    let foreign = Some(Version::generate()?);
    let rotated = store.rotate(&from, &to, &write("data")?, foreign).await;
    refused(rotated, ErrorKind::NotFound, "from an absent key onto a live one")?;
    store.set(&from, &write("from")?, SetMode::Create).await?;
    let rotated = store.rotate(&from, &to, &write("data")?, foreign).await;
    refused(rotated, ErrorKind::Conflict, "from another version onto a live key")?;
    unchanged(&*store, &to, &there, "the live key after refused rotations").await
}

async fn of_20_concurrent_rotations_one_wins(cx: Arc<Context>) -> Outcome {
    let (one, two, alice) = (cx.store().await?, cx.store().await?, user("alice")?);
    let [from, targets @ ..] = keys_together::<21>(&*one)?;
    let version = one.set(&from, &owned("data", &alice)?, SetMode::Create).await?;
    let rotations = targets.iter().copied().enumerate().map(|(n, to)| {
        let store = Arc::clone(if n % 2 == 0 { &one } else { &two });
        let expected = (n % 4 == 0).then_some(version);
        async move { store.rotate(&from, &to, &write("rotated")?, expected).await.map(|_| to) }
    });
    let answers = race(rotations).await;
    let won: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().ok()).copied().collect();
    let refused = answers.iter().filter(|answer| kind_of(answer) == Some(ErrorKind::NotFound)).count();
    same(&(won.len(), refused), &(1, 19), "winners and refusals of 20 concurrent rotations")?;
    gone(&*one, &from, "the old key").await?;
    for to in &targets {
        let is_live = two.get(to).await?.is_some();
        same(&is_live, &won.contains(to), "whether a target is live")?;
    }
    cx.lists(&*two, &alice, &won, "the user's list after concurrent rotations").await
}

/// The winner's key is live with its data; the other operation was refused, and its session goes on.
async fn of_a_rotation_and_a_creation_of_one_key_one_wins(cx: Arc<Context>) -> Outcome {
    let (one, two) = (cx.store().await?, cx.store().await?);
    for steps in 1..MAX_STEPS {
        let [from, to] = keys_together(&*one)?;
        one.set(&from, &write("from")?, SetMode::Create).await?;
        let (rotated, created) = (write("rotated")?, write("created")?);
        let race =
            overlap(one.rotate(&from, &to, &rotated, None), steps, two.set(&to, &created, SetMode::Create)).await;
        let winner = match (kind_of(&race.held), kind_of(&race.other)) {
            (None, Some(ErrorKind::AlreadyExists)) => "rotated",
            (Some(ErrorKind::AlreadyExists), None) => "created",
            kinds => return Err(fail(format!("expected one winner and one AlreadyExists, found {kinds:?}"))),
        };
        same(&live(&*two, &to, "the winner").await?.data, &winner.into(), "the data of the winner")?;
        let goes_on = one.get(&from).await?.is_some();
        same(&goes_on, &(winner == "created"), "whether the session goes on under its old key")?;
        if !race.was_held {
            break;
        }
    }
    Ok(())
}

async fn of_two_rotations_to_one_key_one_wins(cx: Arc<Context>) -> Outcome {
    let (one, two) = (cx.store().await?, cx.store().await?);
    for steps in 1..MAX_STEPS {
        let [a, b, to] = keys_together(&*one)?;
        for key in [a, b] {
            one.set(&key, &write("data")?, SetMode::Create).await?;
        }
        let (by_a, by_b) = (write("a")?, write("b")?);
        let race = overlap(one.rotate(&a, &to, &by_a, None), steps, two.rotate(&b, &to, &by_b, None)).await;
        let (winner, loser) = match (kind_of(&race.held), kind_of(&race.other)) {
            (None, Some(ErrorKind::AlreadyExists)) => ("a", b),
            (Some(ErrorKind::AlreadyExists), None) => ("b", a),
            kinds => return Err(fail(format!("expected one winner and one AlreadyExists, found {kinds:?}"))),
        };
        same(&live(&*two, &to, "the winner").await?.data, &winner.into(), "the data of the winner")?;
        live(&*one, &loser, "the session whose rotation was refused").await?;
        same(&one.count().await?, &2, "the count")?;
        two.clear().await?;
        if !race.was_held {
            break;
        }
    }
    Ok(())
}

/// Each finds the other's key live; none may wait for the other for ever.
async fn two_rotations_onto_each_other_are_refused(cx: Arc<Context>) -> Outcome {
    let (one, two) = (cx.store().await?, cx.store().await?);
    let [a, b] = keys_together(&*one)?;
    for key in [a, b] {
        one.set(&key, &write("data")?, SetMode::Create).await?;
    }
    for _ in 0..20 {
        let there = Arc::clone(&one);
        let there = tokio::spawn(async move { there.rotate(&a, &b, &write("a")?, None).await });
        let back = two.rotate(&b, &a, &write("b")?, None).await;
        refused(back, ErrorKind::AlreadyExists, "a rotation onto a live key")?;
        let there = there.await.map_err(|error| fail(error.to_string()))?;
        refused(there, ErrorKind::AlreadyExists, "a rotation onto a live key")?;
    }
    for key in [a, b] {
        same(&live(&*one, &key, "after refused rotations").await?.data, &"data".into(), "the data")?;
    }
    Ok(())
}

/// Where the old key is dead, the new one must be live from that moment on.
async fn one_is_readable(store: &dyn SessionStore, from: &SessionKey, to: &SessionKey) -> Outcome {
    if store.get(from).await?.is_none() {
        live(store, to, "the new key, once the old one is dead").await?;
    }
    Ok(())
}

async fn between_its_steps_one_key_is_readable(cx: Arc<Context>) -> Outcome {
    let (one, two) = (cx.store().await?, cx.store().await?);
    for steps in 1..MAX_STEPS {
        let [from, to] = keys_together(&*one)?;
        one.set(&from, &write("data")?, SetMode::Create).await?;
        let write = write("rotated")?;
        let overlap = overlap(one.rotate(&from, &to, &write, None), steps, one_is_readable(&*two, &from, &to)).await;
        overlap.held?;
        overlap.other?;
        if !overlap.was_held {
            break;
        }
    }
    Ok(())
}

async fn at_no_moment_are_both_keys_unreadable(cx: Arc<Context>) -> Outcome {
    let (one, two) = (cx.store().await?, cx.store().await?);
    let chain = keys_together::<50>(&*one)?;
    let [first, ..] = chain;
    one.set(&first, &write("data")?, SetMode::Create).await?;
    for (from, to) in chain.iter().copied().zip(chain.iter().copied().skip(1)) {
        let rotating = Arc::clone(&one);
        let rotation = tokio::spawn(async move { rotating.rotate(&from, &to, &write("data")?, None).await });
        while !rotation.is_finished() {
            one_is_readable(&*two, &from, &to).await?;
            tokio::task::yield_now().await;
        }
        rotation.await.map_err(|error| fail(error.to_string()))??;
    }
    Ok(())
}
