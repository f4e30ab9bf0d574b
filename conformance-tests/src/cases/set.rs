//! S1 to S5: preconditions, versions, and that a write is whole.

use std::collections::HashSet;
use std::sync::Arc;

use session_store_core::{Bytes, ErrorKind, Owner, SessionKey, SessionStore, SetMode, Version, Write};

use crate::case::{Context, DAY, HOUR, Outcome, SHORT, key, keys_together, kind_of, owned, timed, user, write};
use crate::check::{ensure, gone, live, refused, same, unchanged};
use crate::gate::race;

cases! {
    "S1":
        create_on_a_live_key_is_refused,
        create_over_an_expired_leftover_makes_a_new_session,
        create_after_destroy_makes_a_new_session,
        of_50_concurrent_creates_one_wins,
        of_concurrent_creates_over_a_leftover_one_wins;
    "S2":
        replace_never_creates,
        update_never_creates,
        a_late_save_after_logout_is_refused,
        a_save_after_the_expiry_is_refused;
    "S3":
        an_update_of_an_older_version_is_refused,
        an_update_of_a_version_never_given_is_refused,
        an_update_from_before_destroy_and_create_is_refused,
        of_20_concurrent_updates_of_one_version_one_wins;
    "S4":
        versions_are_never_used_again,
        writing_the_same_again_changes_the_version;
    "S5":
        a_reader_sees_all_of_the_old_or_all_of_the_new;
}

async fn create_on_a_live_key_is_refused(cx: Arc<Context>) -> Outcome {
    let (store, key, alice, bob) = (cx.store().await?, key()?, user("alice")?, user("bob")?);
    store.set(&key, &owned("first", &alice)?, SetMode::Create).await?;
    let before = live(&*store, &key, "after create").await?;
    let second = cx.store().await?.set(&key, &owned("second", &bob)?, SetMode::Create).await;
    refused(second, ErrorKind::AlreadyExists, "create on a live key")?;
    unchanged(&*store, &key, &before, "after a refused create").await
}

async fn create_over_an_expired_leftover_makes_a_new_session(cx: Arc<Context>) -> Outcome {
    let (store, key, alice) = (cx.store().await?, key()?, user("alice")?);
    store.set(&key, &timed(&alice, SHORT, HOUR)?, SetMode::Create).await?;
    let old = store.get(&key).await?;
    cx.pass(2 * SHORT).await;
    store.set(&key, &write("new")?, SetMode::Create).await?;
    let new = live(&*store, &key, "created over a leftover").await?;
    same(&new.meta.user, &None, "the user, where the new session keeps nobody's")?;
    same(&new.meta.created_at, &new.meta.last_seen_at, "created_at of a new session")?;
    ensure(old.is_none_or(|old| old.meta.created_at < new.meta.created_at), || "created_at is the leftover's".into())?;
    cx.lists(&*store, &alice, &[], "the leftover's user").await
}

async fn create_after_destroy_makes_a_new_session(cx: Arc<Context>) -> Outcome {
    let (store, key, alice) = (cx.store().await?, key()?, user("alice")?);
    let old = store.set(&key, &owned("old", &alice)?, SetMode::Create).await?;
    store.destroy(&key).await?;
    let new = store.set(&key, &write("new")?, SetMode::Create).await?;
    let record = live(&*store, &key, "created after destroy").await?;
    same(&record.meta.user, &None, "the user, where the new session keeps nobody's")?;
    same(&record.meta.version, &new, "the version")?;
    ensure(old != new, || "the version of the destroyed session came back".to_owned())
}

/// Creates of one key on two handles, all at once; gives the version of the only one that won.
async fn one_of_many_creates(one: &Arc<dyn SessionStore>, two: &Arc<dyn SessionStore>, key: SessionKey) -> Outcome {
    let creates =
        (0..50).map(|n| {
            let store = Arc::clone(if n % 2 == 0 { one } else { two });
            async move {
                store.set(&key, &write(&format!("create {n}"))?, SetMode::Create).await.map(|version| (n, version))
            }
        });
    let answers = race(creates).await;
    let won: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().ok()).copied().collect();
    let refused = answers.iter().filter(|answer| kind_of(answer) == Some(ErrorKind::AlreadyExists)).count();
    same(&(won.len(), refused), &(1, 49), "winners and refusals of 50 concurrent creates")?;
    for (n, version) in won {
        let record = live(&**one, &key, "after the creates").await?;
        same(&record.data, &Bytes::from(format!("create {n}")), "the data of the winner")?;
        same(&record.meta.version, &version, "the version of the winner")?;
    }
    Ok(())
}

async fn of_50_concurrent_creates_one_wins(cx: Arc<Context>) -> Outcome {
    one_of_many_creates(&cx.store().await?, &cx.store().await?, key()?).await
}

async fn of_concurrent_creates_over_a_leftover_one_wins(cx: Arc<Context>) -> Outcome {
    let (one, two, key) = (cx.store().await?, cx.store().await?, key()?);
    one.set(&key, &timed(&user("alice")?, SHORT, HOUR)?, SetMode::Create).await?;
    cx.pass(2 * SHORT).await;
    one_of_many_creates(&one, &two, key).await
}

async fn replace_never_creates(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    refused(store.set(&key, &write("data")?, SetMode::Replace).await, ErrorKind::NotFound, "replace of an absent key")?;
    gone(&*store, &key, "after a refused replace").await
}

async fn update_never_creates(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    let update = SetMode::Update(Version::generate()?);
    refused(store.set(&key, &write("data")?, update).await, ErrorKind::NotFound, "update of an absent key")?;
    gone(&*store, &key, "after a refused update").await
}

/// What both saving modes do on a key that held `version` and is not live any more.
async fn saves_are_refused(store: &dyn SessionStore, key: &SessionKey, version: Version) -> Outcome {
    for mode in [SetMode::Replace, SetMode::Update(version)] {
        let late = store.set(key, &write("late")?, mode).await;
        refused(late, ErrorKind::NotFound, "a late save")?;
        gone(store, key, "after a late save").await?;
    }
    Ok(())
}

async fn a_late_save_after_logout_is_refused(cx: Arc<Context>) -> Outcome {
    let (one, two, key) = (cx.store().await?, cx.store().await?, key()?);
    let version = one.set(&key, &write("data")?, SetMode::Create).await?;
    live(&*two, &key, "before logout").await?;
    one.destroy(&key).await?;
    saves_are_refused(&*two, &key, version).await
}

async fn a_save_after_the_expiry_is_refused(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    let version = store.set(&key, &timed(&user("alice")?, SHORT, HOUR)?, SetMode::Create).await?;
    cx.pass(2 * SHORT).await;
    saves_are_refused(&*store, &key, version).await
}

async fn an_update_of_an_older_version_is_refused(cx: Arc<Context>) -> Outcome {
    let (one, two, key, bob) = (cx.store().await?, cx.store().await?, key()?, user("bob")?);
    let first = one.set(&key, &write("first")?, SetMode::Create).await?;
    let second = two.set(&key, &write("second")?, SetMode::Update(first)).await?;
    let before = live(&*one, &key, "after the update").await?;
    same(&before.meta.version, &second, "the version after the update")?;
    let stale = one.set(&key, &owned("stale", &bob)?, SetMode::Update(first)).await;
    refused(stale, ErrorKind::Conflict, "an update of an older version")?;
    unchanged(&*two, &key, &before, "after a refused update").await?;
    // A replace is a change like any other.
    two.set(&key, &write("third")?, SetMode::Replace).await?;
    refused(one.set(&key, &write("stale")?, SetMode::Update(second)).await, ErrorKind::Conflict, "after a replace")
}

async fn an_update_of_a_version_never_given_is_refused(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    store.set(&key, &write("data")?, SetMode::Create).await?;
    let before = live(&*store, &key, "after create").await?;
    for foreign in [Version::from_bytes([0; 16]), Version::from_bytes([0xff; 16]), Version::generate()?] {
        let update = store.set(&key, &write("stale")?, SetMode::Update(foreign)).await;
        refused(update, ErrorKind::Conflict, "an update of a version never given")?;
    }
    unchanged(&*store, &key, &before, "after refused updates").await
}

async fn an_update_from_before_destroy_and_create_is_refused(cx: Arc<Context>) -> Outcome {
    let (one, two, key) = (cx.store().await?, cx.store().await?, key()?);
    let old = one.set(&key, &write("same")?, SetMode::Create).await?;
    two.destroy(&key).await?;
    two.set(&key, &write("same")?, SetMode::Create).await?;
    let before = live(&*two, &key, "created again").await?;
    refused(one.set(&key, &write("stale")?, SetMode::Update(old)).await, ErrorKind::Conflict, "an update from before")?;
    unchanged(&*one, &key, &before, "after a refused update").await
}

async fn of_20_concurrent_updates_of_one_version_one_wins(cx: Arc<Context>) -> Outcome {
    let (one, two, key) = (cx.store().await?, cx.store().await?, key()?);
    let version = one.set(&key, &write("first")?, SetMode::Create).await?;
    let updates = (0..20).map(|n| {
        let store = Arc::clone(if n % 2 == 0 { &one } else { &two });
        async move { store.set(&key, &write(&format!("update {n}"))?, SetMode::Update(version)).await }
    });
    let answers = race(updates).await;
    let won: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
    let refused = answers.iter().filter(|answer| kind_of(answer) == Some(ErrorKind::Conflict)).count();
    same(&(won.len(), refused), &(1, 19), "winners and refusals of 20 concurrent updates")?;
    let record = live(&*two, &key, "after the updates").await?;
    same(&Some(&&record.meta.version), &won.first(), "the version of the winner")
}

async fn versions_are_never_used_again(cx: Arc<Context>) -> Outcome {
    let store = cx.store().await?;
    let [mut here, mut there] = keys_together(&*store)?;
    let (mut seen, mut given) = (HashSet::new(), 0);
    for _ in 0..3 {
        let mut versions = vec![store.set(&here, &write("data")?, SetMode::Create).await?];
        versions.push(store.set(&here, &write("data")?, SetMode::Replace).await?);
        versions.push(store.set(&here, &write("data")?, SetMode::Upsert).await?);
        versions.push(store.rotate(&here, &there, &write("data")?, None).await?);
        std::mem::swap(&mut here, &mut there);
        store.destroy(&here).await?;
        versions.push(store.set(&here, &write("data")?, SetMode::Upsert).await?);
        store.destroy(&here).await?;
        given += versions.len();
        seen.extend(versions);
    }
    same(&seen.len(), &given, "different versions")
}

async fn writing_the_same_again_changes_the_version(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    let first = store.set(&key, &write("same")?, SetMode::Create).await?;
    let second = store.set(&key, &write("same")?, SetMode::Update(first)).await?;
    ensure(first != second, || "the version stayed".to_owned())?;
    same(&live(&*store, &key, "after the update").await?.meta.version, &second, "the version that is read")
}

async fn a_reader_sees_all_of_the_old_or_all_of_the_new(cx: Arc<Context>) -> Outcome {
    let (one, two, key) = (cx.store().await?, cx.store().await?, key()?);
    let day = Write::new("by day", HOUR, DAY)?.with_owner(Owner::User(user("sun")?));
    let night = Write::new("by night", 2 * HOUR, 2 * DAY)?.with_owner(Owner::User(user("moon")?));
    one.set(&key, &day, SetMode::Create).await?;
    let known = [day.clone(), night.clone()];
    let writer = tokio::spawn(async move {
        for n in 0..200 {
            one.set(&key, if n % 2 == 0 { &night } else { &day }, SetMode::Replace).await?;
        }
        Outcome::Ok(())
    });
    let mut torn = None;
    while !writer.is_finished() && torn.is_none() {
        let record = live(&*two, &key, "while it is written").await?;
        let meta = &record.meta;
        let whole = known.iter().any(|write| {
            record.data == *write.data()
                && *write.owner() == meta.user.clone().map_or(Owner::Anonymous, Owner::User)
                && meta.deadline.saturating_since(meta.created_at) == write.absolute()
                && meta.expires_at.saturating_since(meta.last_seen_at) == write.idle()
        });
        torn = (!whole).then(|| record.clone());
        // The writer may run on the same thread.
        tokio::task::yield_now().await;
    }
    writer.await.map_err(|error| crate::case::fail(error.to_string()))??;
    same(&torn, &None, "a record that is neither the old nor the new")
}
