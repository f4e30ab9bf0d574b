//! L1, L3 and L4: a user's sessions.

use std::collections::HashMap;
use std::sync::Arc;

use session_store_core::{Page, SessionKey, SessionStore, SetMode, UserId};

use crate::case::{Context, HOUR, Outcome, SECOND, SHORT, fail, key, keys, owned, timed, user, write};
use crate::check::{ensure, entries, lists, live, same};
use crate::gate::{FEW_STEPS, MAX_STEPS, overlap, race};

cases! {
    "L1":
        a_list_has_exactly_the_live_sessions needs UserIndex,
        a_list_tells_what_get_tells needs UserIndex,
        a_list_of_nobody_is_empty needs UserIndex,
        a_session_of_a_short_life_hides_no_other needs UserIndex,
        a_session_saved_for_longer_stays_listed needs UserIndex,
        concurrent_creates_are_all_listed needs UserIndex,
        a_list_between_whose_steps_a_session_ends_has_the_others needs UserIndex,
        a_list_beside_creates_and_destroys_has_the_steady_sessions needs UserIndex,
        a_list_beside_changes_of_owner_has_the_steady_sessions needs UserIndex;
    "L3":
        pages_of_every_size_hold_each_session_once needs UserIndex,
        a_full_last_page_is_followed_by_an_empty_one needs UserIndex,
        a_page_begins_after_a_key_that_is_not_there needs UserIndex,
        a_page_is_full_although_sessions_expired needs UserIndex,
        steady_sessions_appear_once_while_others_come_and_go needs UserIndex;
    "L4":
        pruning_removes_no_live_session_from_its_list needs UserIndex,
        a_prune_that_meets_a_dead_session_unlists_no_newer_one needs UserIndex,
        a_list_that_meets_a_dead_session_removes_no_newer_one needs UserIndex;
}

/// Sessions of a user, by ascending key.
async fn sessions(store: &dyn SessionStore, user: &UserId, count: usize) -> Outcome<Vec<SessionKey>> {
    let mut keys = keys(count)?;
    keys.sort();
    for key in &keys {
        store.set(key, &owned("data", user)?, SetMode::Create).await?;
    }
    Ok(keys)
}

async fn a_list_has_exactly_the_live_sessions(cx: Arc<Context>) -> Outcome {
    let (store, alice, bob) = (cx.store().await?, user("alice")?, user("bob")?);
    let mut steady = sessions(&*store, &alice, 5).await?;
    let of_bob = sessions(&*store, &bob, 2).await?;
    let (expired, destroyed, anonymous) = (key()?, key()?, key()?);
    store.set(&expired, &timed(&alice, SHORT, HOUR)?, SetMode::Create).await?;
    store.set(&destroyed, &owned("data", &alice)?, SetMode::Create).await?;
    store.set(&anonymous, &write("data")?, SetMode::Create).await?;
    store.destroy(&destroyed).await?;
    cx.pass(2 * SHORT).await;
    lists(&*cx.store().await?, &alice, &steady, "the live sessions").await?;
    lists(&*store, &bob, &of_bob, "another user's").await?;
    store.set(&expired, &owned("again", &alice)?, SetMode::Create).await?;
    steady.push(expired);
    lists(&*store, &alice, &steady, "with a session created again").await
}

async fn a_list_tells_what_get_tells(cx: Arc<Context>) -> Outcome {
    let (store, alice) = (cx.store().await?, user("alice")?);
    let keys = sessions(&*store, &alice, 3).await?;
    let Some(touched) = keys.first() else { return Err(fail("no keys")) };
    store.touch(touched, 2 * HOUR).await?;
    for entry in entries(&*store, &alice, 10).await? {
        let record = live(&*store, &entry.key, "a listed session").await?;
        same(&entry.meta, &record.meta, "what the list tells")?;
    }
    Ok(())
}

async fn a_list_of_nobody_is_empty(cx: Arc<Context>) -> Outcome {
    let store = cx.store().await?;
    store.set(&key()?, &write("data")?, SetMode::Create).await?;
    for name in ["alice", " ", "null", "None"] {
        lists(&*store, &user(name)?, &[], "a user without sessions").await?;
    }
    Ok(())
}

/// What a store keeps for the user lives as long as the longest of the sessions.
async fn a_session_of_a_short_life_hides_no_other(cx: Arc<Context>) -> Outcome {
    let (store, alice, long, short) = (cx.store().await?, user("alice")?, key()?, key()?);
    store.set(&long, &owned("data", &alice)?, SetMode::Create).await?;
    store.set(&short, &timed(&alice, SHORT, SHORT)?, SetMode::Create).await?;
    cx.pass(2 * SHORT).await;
    lists(&*store, &alice, &[long], "after a shorter session died").await?;
    store.prune(1_000).await?;
    lists(&*cx.store().await?, &alice, &[long], "after a prune").await?;
    same(&store.destroy_by_user(&alice, None).await?, &1, "the sessions that ended")
}

async fn a_session_saved_for_longer_stays_listed(cx: Arc<Context>) -> Outcome {
    let (store, alice, keys) = (cx.store().await?, user("alice")?, keys(3)?);
    let modes = |version| [SetMode::Update(version), SetMode::Replace, SetMode::Upsert];
    for (n, key) in keys.iter().enumerate() {
        let version = store.set(key, &timed(&alice, SECOND, SECOND)?, SetMode::Create).await?;
        let Some(mode) = modes(version).get(n).copied() else { continue };
        // The owner is kept, so nothing but the deadline tells that the list is concerned.
        store.set(key, &write("data")?, mode).await?;
    }
    cx.pass(SECOND + SHORT).await;
    lists(&*store, &alice, &keys, "after their first deadline").await
}

async fn concurrent_creates_are_all_listed(cx: Arc<Context>) -> Outcome {
    let (one, two, alice, keys) = (cx.store().await?, cx.store().await?, user("alice")?, keys(40)?);
    let creates = keys.iter().copied().enumerate().map(|(n, key)| {
        let (store, alice) = (Arc::clone(if n % 2 == 0 { &one } else { &two }), alice.clone());
        async move { store.set(&key, &owned("data", &alice)?, SetMode::Create).await }
    });
    for created in race(creates).await {
        created?;
    }
    lists(&*one, &alice, &keys, "sessions created at the same time").await
}

async fn a_list_between_whose_steps_a_session_ends_has_the_others(cx: Arc<Context>) -> Outcome {
    let (one, two, alice, page) = (cx.store().await?, cx.store().await?, user("alice")?, Page::first(100)?);
    for steps in 1..MAX_STEPS {
        let keys = sessions(&*one, &alice, 3).await?;
        let &[first, second, third] = keys.as_slice() else { return Err(fail("no keys")) };
        let overlap = overlap(one.list_by_user(&alice, &page), steps, two.destroy(&first)).await;
        same(&overlap.other?, &true, "destroy of a live session")?;
        let listed: Vec<_> = overlap.held?.iter().map(|entry| entry.key).filter(|key| *key != first).collect();
        same(&(listed == [second, third]), &true, "whether the list has the sessions that go on")?;
        two.destroy_by_user(&alice, None).await?;
        if !overlap.was_held {
            break;
        }
    }
    Ok(())
}

/// Reads pages of a user's list while `churn` goes on; each steady session must be in each of them.
async fn steady_beside<F>(cx: &Context, limit: u32, churn: impl Fn(Arc<dyn SessionStore>, usize) -> F) -> Outcome
where
    F: Future<Output = Outcome> + Send + 'static,
{
    let (one, two, alice) = (cx.store().await?, cx.store().await?, user("alice")?);
    let steady = sessions(&*one, &alice, 12).await?;
    let churn: Vec<_> = (0..3).map(|n| tokio::spawn(churn(Arc::clone(&two), n))).collect();
    let mut rounds = 0;
    while rounds < 3 || churn.iter().any(|task| !task.is_finished()) {
        let mut seen: HashMap<SessionKey, u32> = HashMap::new();
        for entry in entries(&*one, &alice, limit).await? {
            *seen.entry(entry.key).or_default() += 1;
        }
        for key in &steady {
            same(&seen.get(key).copied(), &Some(1), "how often a steady session is listed")?;
        }
        rounds += 1;
        tokio::task::yield_now().await;
    }
    for task in churn {
        task.await.map_err(|error| fail(error.to_string()))??;
    }
    lists(&*two, &alice, &steady, "after the others have gone").await
}

async fn creates_and_destroys(store: Arc<dyn SessionStore>, alice: UserId) -> Outcome {
    for _ in 0..40 {
        let key = key()?;
        store.set(&key, &owned("data", &alice)?, SetMode::Create).await?;
        same(&store.destroy(&key).await?, &true, "destroy of a live session")?;
    }
    Ok(())
}

async fn a_list_beside_creates_and_destroys_has_the_steady_sessions(cx: Arc<Context>) -> Outcome {
    let alice = user("alice")?;
    steady_beside(&cx, 100, move |store, _| creates_and_destroys(store, alice.clone())).await
}

async fn steady_sessions_appear_once_while_others_come_and_go(cx: Arc<Context>) -> Outcome {
    let alice = user("alice")?;
    steady_beside(&cx, 3, move |store, _| creates_and_destroys(store, alice.clone())).await
}

async fn a_list_beside_changes_of_owner_has_the_steady_sessions(cx: Arc<Context>) -> Outcome {
    let (alice, bob) = (user("alice")?, user("bob")?);
    steady_beside(&cx, 100, move |store, _| {
        let (alice, bob) = (alice.clone(), bob.clone());
        async move {
            let key = key()?;
            store.set(&key, &owned("data", &bob)?, SetMode::Create).await?;
            for _ in 0..20 {
                store.set(&key, &owned("data", &alice)?, SetMode::Replace).await?;
                store.set(&key, &owned("data", &bob)?, SetMode::Replace).await?;
            }
            same(&store.destroy(&key).await?, &true, "destroy of a live session")
        }
    })
    .await
}

async fn pages_of_every_size_hold_each_session_once(cx: Arc<Context>) -> Outcome {
    let (store, alice) = (cx.store().await?, user("alice")?);
    let expected = sessions(&*store, &alice, 23).await?;
    for limit in [1, 2, 7, 22, 23, 24, Page::MAX_LIMIT] {
        let listed: Vec<_> = entries(&*store, &alice, limit).await?.iter().map(|entry| entry.key.to_text()).collect();
        let expected: Vec<_> = expected.iter().map(SessionKey::to_text).collect();
        same(&listed, &expected, &format!("pages of {limit}"))?;
    }
    Ok(())
}

async fn a_full_last_page_is_followed_by_an_empty_one(cx: Arc<Context>) -> Outcome {
    let (store, alice) = (cx.store().await?, user("alice")?);
    let keys = sessions(&*store, &alice, 6).await?;
    let &[.., third, _, _, last] = keys.as_slice() else { return Err(fail("no keys")) };
    let page = Page::first(3)?;
    same(&store.list_by_user(&alice, &page).await?.len(), &3, "the first page")?;
    same(&store.list_by_user(&alice, &page.following(third)).await?.len(), &3, "the last page")?;
    same(&store.list_by_user(&alice, &page.following(last)).await?.len(), &0, "the page after the last")
}

async fn a_page_begins_after_a_key_that_is_not_there(cx: Arc<Context>) -> Outcome {
    let (store, alice) = (cx.store().await?, user("alice")?);
    let keys = sessions(&*store, &alice, 9).await?;
    let &[_, _, third, fourth, ..] = keys.as_slice() else { return Err(fail("no keys")) };
    store.destroy(&third).await?;
    let page = Page::first(100)?;
    let next = store.list_by_user(&alice, &page.following(third)).await?;
    same(&next.first().map(|entry| entry.key.to_text()), &Some(fourth.to_text()), "the entry after one that ended")?;
    same(&next.len(), &6, "the entries after one that ended")?;
    let (lowest, highest) = (SessionKey::from_bytes([0; 32]), SessionKey::from_bytes([0xff; 32]));
    same(&store.list_by_user(&alice, &page.following(lowest)).await?.len(), &8, "after the lowest key of all")?;
    same(&store.list_by_user(&alice, &page.following(highest)).await?.len(), &0, "after the highest key of all")
}

/// A page shorter than its limit would be taken for the last.
async fn a_page_is_full_although_sessions_expired(cx: Arc<Context>) -> Outcome {
    let (store, alice) = (cx.store().await?, user("alice")?);
    let mut keys = keys(20)?;
    keys.sort();
    let mut steady = Vec::new();
    for (n, key) in keys.into_iter().enumerate() {
        let lasts = n % 5 == 4;
        store.set(&key, &timed(&alice, if lasts { HOUR } else { SHORT }, HOUR)?, SetMode::Create).await?;
        if lasts {
            steady.push(key);
        }
    }
    cx.pass(2 * SHORT).await;
    let found: Vec<_> = entries(&*store, &alice, 2).await?.iter().map(|entry| entry.key.to_text()).collect();
    same(&found, &steady.iter().map(SessionKey::to_text).collect(), "pages of two, where four of five expired")
}

async fn pruning_removes_no_live_session_from_its_list(cx: Arc<Context>) -> Outcome {
    let (one, two, alice, key) = (cx.store().await?, cx.store().await?, user("alice")?, key()?);
    for _ in 0..10 {
        one.set(&key, &owned("data", &alice)?, SetMode::Create).await?;
        one.destroy(&key).await?;
        let again = owned("again", &alice)?;
        let (pruned, created) = tokio::join!(two.prune(100), one.set(&key, &again, SetMode::Create));
        pruned?;
        created?;
        lists(&*one, &alice, &[key], "a session created again beside a prune").await?;
        two.prune(100).await?;
        lists(&*two, &alice, &[key], "a session created again before a prune").await?;
        one.destroy(&key).await?;
    }
    Ok(())
}

async fn a_prune_that_meets_a_dead_session_unlists_no_newer_one(cx: Arc<Context>) -> Outcome {
    let (one, two, alice) = (cx.store().await?, cx.store().await?, user("alice")?);
    let mut steady = Vec::new();
    for steps in 1..FEW_STEPS {
        let key = key()?;
        one.set(&key, &timed(&alice, SHORT, HOUR)?, SetMode::Create).await?;
        cx.pass(2 * SHORT).await;
        let again = owned("again", &alice)?;
        let overlap = overlap(two.prune(100), steps, one.set(&key, &again, SetMode::Create)).await;
        overlap.held?;
        overlap.other?;
        steady.push(key);
        lists(&*two, &alice, &steady, "a session created again beside a prune").await?;
        if !overlap.was_held {
            break;
        }
    }
    Ok(())
}

async fn a_list_that_meets_a_dead_session_removes_no_newer_one(cx: Arc<Context>) -> Outcome {
    let (one, two, alice, keys) = (cx.store().await?, cx.store().await?, user("alice")?, keys(8)?);
    for key in &keys {
        one.set(key, &timed(&alice, SHORT, HOUR)?, SetMode::Create).await?;
    }
    cx.pass(2 * SHORT).await;
    // Lists meet the leftovers while the sessions are created again.
    let again = keys.iter().copied().map(|key| {
        let (creating, listing, alice) = (Arc::clone(&one), Arc::clone(&two), alice.clone());
        async move {
            let (write, page) = (owned("again", &alice)?, Page::first(100)?);
            let (created, listed) =
                tokio::join!(creating.set(&key, &write, SetMode::Create), listing.list_by_user(&alice, &page));
            created?;
            listed?;
            Outcome::Ok(())
        }
    });
    for answer in race(again).await {
        answer?;
    }
    ensure(one.count().await? == 8, || "a session is missing".to_owned())?;
    lists(&*two, &alice, &keys, "sessions created again beside lists").await
}
