//! G5: reading a session only if it has changed.

use std::sync::Arc;
use std::time::Duration;

use session_store_core::{Bytes, IfChanged, Meta, Record, Result, SessionKey, SessionStore, SetMode, Version};

use crate::case::{Context, HOUR, Outcome, SHORT, fail, key, keys, owned, timed, user, write};
use crate::check::{ensure, gone, live, same, unchanged};
use crate::gate::race;

cases! {
    "G5":
        what_is_not_live_is_gone,
        a_session_at_the_known_version_is_unchanged,
        a_touched_session_is_unchanged_and_has_its_new_times,
        a_written_session_is_changed_and_read_whole,
        a_session_created_again_is_changed,
        reading_if_changed_changes_nothing,
        reading_if_changed_does_not_keep_a_session_alive,
        another_handle_notices_every_change_at_once,
        many_readers_of_one_session_each_get_their_answer;
}

async fn is_gone(store: &dyn SessionStore, key: &SessionKey, known: Version, what: &str) -> Outcome {
    let answer = store.get_if_changed(key, known).await?;
    ensure(answer == IfChanged::Gone, || format!("{what}: expected Gone, found {answer:?}"))
}

async fn is_unchanged(store: &dyn SessionStore, key: &SessionKey, known: Version, what: &str) -> Outcome<Meta> {
    match store.get_if_changed(key, known).await? {
        IfChanged::Unchanged { meta, .. } => Ok(meta),
        answer => Err(fail(format!("{what}: expected Unchanged, found {answer:?}"))),
    }
}

async fn is_changed(store: &dyn SessionStore, key: &SessionKey, known: Version, what: &str) -> Outcome<Record> {
    match store.get_if_changed(key, known).await? {
        IfChanged::Changed(record) => Ok(record),
        answer => Err(fail(format!("{what}: expected Changed, found {answer:?}"))),
    }
}

async fn what_is_not_live_is_gone(cx: Arc<Context>) -> Outcome {
    let (store, keys) = (cx.store().await?, keys(3)?);
    let [absent, destroyed, expired] = keys.as_slice() else { return Err(fail("no keys")) };
    let known = store.set(destroyed, &write("data")?, SetMode::Create).await?;
    store.destroy(destroyed).await?;
    let expiring = store.set(expired, &timed(&user("alice")?, SHORT, HOUR)?, SetMode::Create).await?;
    cx.pass(2 * SHORT).await;
    is_gone(&*store, absent, Version::generate()?, "an absent key").await?;
    is_gone(&*store, destroyed, known, "a destroyed session").await?;
    is_gone(&*store, expired, expiring, "an expired session").await?;
    is_gone(&*cx.store().await?, expired, expiring, "an expired session, on a new handle").await
}

async fn a_session_at_the_known_version_is_unchanged(cx: Arc<Context>) -> Outcome {
    let (store, key, alice) = (cx.store().await?, key()?, user("alice")?);
    let known = store.set(&key, &owned("data", &alice)?, SetMode::Create).await?;
    let before = live(&*store, &key, "after create").await?;
    let answer = store.get_if_changed(&key, known).await?;
    let after = live(&*store, &key, "after reading").await?;
    let IfChanged::Unchanged { meta, read_at } = answer else {
        return Err(fail(format!("expected Unchanged, found {answer:?}")));
    };
    same(&meta, &before.meta, "owner, version and times")?;
    let step = cx.harness().clock_step();
    let (early, late) = (before.read_at.saturating_since(read_at), read_at.saturating_since(after.read_at));
    ensure(early <= step && late <= step, || format!("read_at is off by {:?}", early.max(late)))
}

async fn a_touched_session_is_unchanged_and_has_its_new_times(cx: Arc<Context>) -> Outcome {
    let (one, two, key) = (cx.store().await?, cx.store().await?, key()?);
    let known = one.set(&key, &write("data")?, SetMode::Create).await?;
    let before = is_unchanged(&*two, &key, known, "after create").await?;
    cx.pass(Duration::from_millis(20)).await;
    one.touch(&key, 2 * HOUR).await?;
    let after = is_unchanged(&*two, &key, known, "after a touch").await?;
    ensure(before.last_seen_at < after.last_seen_at, || "last_seen_at did not move".to_owned())?;
    ensure(before.expires_at < after.expires_at, || "expires_at did not move".to_owned())?;
    same(&after, &live(&*one, &key, "after a touch").await?.meta, "owner, version and times after a touch")
}

async fn a_written_session_is_changed_and_read_whole(cx: Arc<Context>) -> Outcome {
    let (store, key, alice) = (cx.store().await?, key()?, user("alice")?);
    let mut known = store.set(&key, &write("data 0")?, SetMode::Create).await?;
    for (n, mode) in [SetMode::Update(known), SetMode::Replace, SetMode::Upsert].into_iter().enumerate() {
        let data = format!("data {}", n + 1);
        let version = store.set(&key, &owned(&data, &alice)?, mode).await?;
        let record = is_changed(&*store, &key, known, "after a write").await?;
        same(&record.data, &Bytes::from(data), "the data")?;
        same(&record.meta, &live(&*store, &key, "after a write").await?.meta, "owner, version and times")?;
        is_unchanged(&*store, &key, version, "at the new version").await?;
        known = version;
    }
    is_changed(&*store, &key, Version::from_bytes([0; Version::LEN]), "at a version never given").await?;
    Ok(())
}

async fn a_session_created_again_is_changed(cx: Arc<Context>) -> Outcome {
    let (one, two, key) = (cx.store().await?, cx.store().await?, key()?);
    let known = one.set(&key, &write("same")?, SetMode::Create).await?;
    is_unchanged(&*two, &key, known, "before destroy").await?;
    one.destroy(&key).await?;
    let version = one.set(&key, &write("same")?, SetMode::Create).await?;
    let record = is_changed(&*two, &key, known, "created again").await?;
    same(&record.meta.version, &version, "the version")
}

async fn reading_if_changed_changes_nothing(cx: Arc<Context>) -> Outcome {
    let (store, key, alice) = (cx.store().await?, key()?, user("alice")?);
    let version = store.set(&key, &owned("data", &alice)?, SetMode::Create).await?;
    let before = live(&*store, &key, "after create").await?;
    for known in [version, Version::generate()?, version] {
        cx.pass(Duration::from_millis(5)).await;
        store.get_if_changed(&key, known).await?;
        unchanged(&*store, &key, &before, "after reading").await?;
    }
    unchanged(&*cx.store().await?, &key, &before, "after reading, on another handle").await
}

async fn reading_if_changed_does_not_keep_a_session_alive(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    let known = store.set(&key, &timed(&user("alice")?, SHORT, HOUR)?, SetMode::Create).await?;
    cx.until("a session that is read all the time expires", async || {
        Ok(store.get_if_changed(&key, known).await? == IfChanged::Gone)
    })
    .await?;
    gone(&*store, &key, "after it was gone").await
}

async fn another_handle_notices_every_change_at_once(cx: Arc<Context>) -> Outcome {
    let (one, two, key) = (cx.store().await?, cx.store().await?, key()?);
    is_gone(&*two, &key, Version::generate()?, "before create").await?;
    let mut known = one.set(&key, &write("data 0")?, SetMode::Create).await?;
    for n in 1..=5 {
        is_unchanged(&*two, &key, known, "before the update").await?;
        let data = format!("data {n}");
        let version = one.set(&key, &write(&data)?, SetMode::Update(known)).await?;
        let record = is_changed(&*two, &key, known, "after the update").await?;
        same(&(record.data, record.meta.version), &(Bytes::from(data), version), "data and version")?;
        known = version;
    }
    one.destroy(&key).await?;
    is_gone(&*two, &key, known, "after destroy").await
}

/// A store may answer many readers at once. They know different versions, and some know none.
async fn many_readers_of_one_session_each_get_their_answer(cx: Arc<Context>) -> Outcome {
    let (one, two, key) = (cx.store().await?, cx.store().await?, key()?);
    let first = one.set(&key, &write("data")?, SetMode::Create).await?;
    let mut older = [Version::generate()?, first];
    for round in 0..5 {
        let data = format!("data of round {round}");
        let current = one.set(&key, &write(&data)?, SetMode::Replace).await?;
        for (known, version, answer) in read_by_many(&one, &two, key, current, older).await? {
            match (known, answer) {
                (true, IfChanged::Unchanged { meta, .. }) => same(&meta.version, &current, "the version")?,
                (false, IfChanged::Changed(record)) => {
                    same(&record.data, &Bytes::from(data.clone()), "the data")?;
                    same(&record.meta.version, &current, "the version")?;
                }
                (_, answer) => {
                    let reader = if version.is_some() { "of a version" } else { "of no version" };
                    return Err(fail(format!("a reader who knows the current one: {known}, {reader}: {answer:?}")));
                }
            }
        }
        older = [older[1], current];
    }
    one.destroy(&key).await?;
    for (_, _, answer) in read_by_many(&one, &two, key, older[1], older).await? {
        same(&answer, &IfChanged::Gone, "what a reader finds after destroy")?;
    }
    Ok(())
}

/// Whether a reader knows the current version, which version it knows, and what it finds.
type Reading = (bool, Option<Version>, IfChanged);

async fn read_by_many(
    one: &Arc<dyn SessionStore>,
    two: &Arc<dyn SessionStore>,
    key: SessionKey,
    current: Version,
    [oldest, older]: [Version; 2],
) -> Result<Vec<Reading>> {
    let readers = (0..60).map(|n| {
        let store = Arc::clone(if n % 8 < 4 { one } else { two });
        let known = [Some(current), Some(older), None, Some(oldest)].get(n % 4).copied().flatten();
        async move {
            let answer = match known {
                Some(version) => store.get_if_changed(&key, version).await?,
                None => store.get(&key).await?.map_or(IfChanged::Gone, IfChanged::Changed),
            };
            Ok((known == Some(current), known, answer))
        }
    });
    race(readers).await.into_iter().collect()
}
