//! W1: writing a session as a record of another store describes it.

use std::sync::Arc;
use std::time::Duration;

use session_store_core::{
    Bytes, DEFAULT_DATA_LIMIT, ErrorKind, Meta, Record, Result, SessionKey, SessionStore, SetMode, Timestamp, UserId,
    Version,
};

use crate::case::{
    Context, DAY, HOUR, Outcome, SECOND, SHORT, fail, key, kind_of, owned, random_name, timed, user, write,
};
use crate::check::{ensure, gone, lists, live, now, refused, same, unchanged};

cases! {
    "W1":
        an_import_creates_a_session_with_all_its_times,
        an_import_replaces_a_session,
        an_import_over_an_expired_leftover_makes_a_new_session,
        an_import_moves_the_session_to_its_owner needs UserIndex,
        an_imported_expiry_ends_at_the_deadline,
        an_imported_version_is_new,
        a_dead_record_is_not_imported,
        an_imported_session_dies_at_its_time,
        an_imported_session_is_touched_up_to_its_deadline,
        an_import_over_the_limit_is_refused,
        a_session_of_another_namespace_is_imported_whole;
    "I1":
        an_import_whose_times_contradict_each_other_is_refused;
}

const MINUTE: Duration = Duration::from_mins(1);

fn before(time: Timestamp, duration: Duration) -> Timestamp {
    let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(time.as_millis().saturating_sub(millis))
}

/// A record that was created two hours ago, last seen a minute ago, and lives on for hours. No time of it is one
/// that a write at `now` would give.
fn record(data: &str, user: Option<&UserId>, now: Timestamp) -> Result<Record> {
    let odd = Duration::from_millis(7);
    let meta = Meta {
        user: user.cloned(),
        created_at: before(now, 2 * HOUR + odd),
        last_seen_at: before(now, MINUTE + odd),
        expires_at: now.saturating_add(3 * HOUR + odd),
        deadline: now.saturating_add(5 * HOUR + odd),
        version: Version::generate()?,
    };
    Ok(Record { meta, data: Bytes::copy_from_slice(data.as_bytes()), read_at: Timestamp::from_millis(0) })
}

async fn import(store: &dyn SessionStore, key: &SessionKey, record: &Record) -> Outcome<Version> {
    store.import(key, record).await?.ok_or_else(|| fail("the import of a live record wrote nothing"))
}

/// The session is as `record` describes it, at another version.
async fn is_imported(
    store: &dyn SessionStore,
    key: &SessionKey,
    record: &Record,
    version: Version,
    what: &str,
) -> Outcome {
    let found = live(store, key, what).await?;
    same(&found.meta, &Meta { version, ..record.meta.clone() }, &format!("{what}: owner, times and version"))?;
    same(&found.data, &record.data, &format!("{what}: the data"))
}

async fn an_import_creates_a_session_with_all_its_times(cx: Arc<Context>) -> Outcome {
    let (one, two, alice) = (cx.store().await?, cx.store().await?, user("alice")?);
    let now = now(&*one).await?;
    for user in [Some(&alice), None] {
        let (key, record) = (key()?, record("imported", user, now)?);
        gone(&*two, &key, "before the import").await?;
        let version = import(&*one, &key, &record).await?;
        is_imported(&*one, &key, &record, version, "after the import").await?;
        is_imported(&*two, &key, &record, version, "after the import, on another handle").await?;
        let listed: &[_] = if user.is_some() { &[key] } else { &[] };
        cx.lists(&*two, &alice, listed, "the user's list").await?;
        one.destroy(&key).await?;
    }
    // A session is as old as its first store says.
    let (key, mut record) = (key()?, record("ancient", None, now)?);
    (record.meta.created_at, record.meta.last_seen_at) = (Timestamp::from_millis(1), Timestamp::from_millis(2));
    let version = import(&*one, &key, &record).await?;
    is_imported(&*two, &key, &record, version, "an old session").await?;
    same(&one.count().await?, &1, "the count after the import")
}

async fn an_import_replaces_a_session(cx: Arc<Context>) -> Outcome {
    let (one, two, key, bob) = (cx.store().await?, cx.store().await?, key()?, user("bob")?);
    let known = one.set(&key, &owned("before", &user("alice")?)?, SetMode::Create).await?;
    let record = record("imported", Some(&bob), now(&*one).await?)?;
    let version = import(&*one, &key, &record).await?;
    is_imported(&*two, &key, &record, version, "after the import").await?;
    let update = two.set(&key, &write("late")?, SetMode::Update(known)).await;
    refused(update, ErrorKind::Conflict, "an update of the version from before the import")?;
    same(&one.count().await?, &1, "the count after the import")?;
    two.set(&key, &write("later")?, SetMode::Update(version)).await?;
    same(&live(&*one, &key, "after a write").await?.meta.created_at, &record.meta.created_at, "created_at")
}

async fn an_import_over_an_expired_leftover_makes_a_new_session(cx: Arc<Context>) -> Outcome {
    let (store, key, alice, bob) = (cx.store().await?, key()?, user("alice")?, user("bob")?);
    store.set(&key, &timed(&alice, SHORT, HOUR)?, SetMode::Create).await?;
    cx.pass(2 * SHORT).await;
    let record = record("imported", Some(&bob), now(&*store).await?)?;
    let version = import(&*store, &key, &record).await?;
    is_imported(&*store, &key, &record, version, "over a leftover").await?;
    cx.lists(&*store, &alice, &[], "the leftover's user").await?;
    cx.lists(&*store, &bob, &[key], "the user's list").await
}

async fn an_import_moves_the_session_to_its_owner(cx: Arc<Context>) -> Outcome {
    let (one, two, key) = (cx.store().await?, cx.store().await?, key()?);
    let (alice, bob, now) = (user("alice")?, user("bob")?, now(&*one).await?);
    one.set(&key, &owned("before", &alice)?, SetMode::Create).await?;
    import(&*one, &key, &record("bob's", Some(&bob), now)?).await?;
    lists(&*two, &alice, &[], "the former owner").await?;
    lists(&*two, &bob, &[key], "the new owner").await?;
    import(&*two, &key, &record("nobody's", None, now)?).await?;
    lists(&*one, &bob, &[], "the owner of a session made anonymous").await?;
    import(&*one, &key, &record("alice's", Some(&alice), now)?).await?;
    lists(&*two, &alice, &[key], "the owner that it came back to").await?;
    same(&two.destroy_by_user(&alice, None).await?, &1, "the sessions that end")?;
    gone(&*one, &key, "after its user's sessions ended").await
}

async fn an_imported_expiry_ends_at_the_deadline(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    let mut record = record("imported", None, now(&*store).await?)?;
    record.meta.expires_at = record.meta.deadline.saturating_add(DAY);
    import(&*store, &key, &record).await?;
    let meta = live(&*store, &key, "after the import").await?.meta;
    same(&(meta.expires_at, meta.deadline), &(record.meta.deadline, record.meta.deadline), "expires_at and deadline")
}

async fn an_imported_version_is_new(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    let record = record("imported", None, now(&*store).await?)?;
    let mut seen = vec![record.meta.version];
    for _ in 0..3 {
        let version = import(&*store, &key, &record).await?;
        ensure(!seen.contains(&version), || "a version was used before".to_owned())?;
        same(&live(&*store, &key, "after the import").await?.meta.version, &version, "the version that is read")?;
        seen.push(version);
    }
    Ok(())
}

async fn a_dead_record_is_not_imported(cx: Arc<Context>) -> Outcome {
    let (store, live_key, absent, alice) = (cx.store().await?, key()?, key()?, user("alice")?);
    store.set(&live_key, &owned("live", &alice)?, SetMode::Create).await?;
    let there = live(&*store, &live_key, "after create").await?;
    let now = now(&*store).await?;
    let (mut expired, mut over) = (record("dead", None, now)?, record("dead", Some(&alice), now)?);
    expired.meta.expires_at = before(now, SECOND);
    // The deadline caps an expiry that is still to come.
    over.meta.deadline = before(now, SECOND);
    for dead in [expired, over] {
        same(&store.import(&absent, &dead).await?, &None, "the import of a dead record")?;
        gone(&*store, &absent, "after the import of a dead record").await?;
        same(&store.import(&live_key, &dead).await?, &None, "the import of a dead record onto a live session")?;
        unchanged(&*store, &live_key, &there, "a live session after the import of a dead record").await?;
    }
    cx.lists(&*store, &alice, &[live_key], "the user's list").await?;
    same(&store.count().await?, &1, "the count after imports of dead records")
}

async fn an_imported_session_dies_at_its_time(cx: Arc<Context>) -> Outcome {
    let (store, by_expiry, by_deadline, alice) = (cx.store().await?, key()?, key()?, user("alice")?);
    let now = now(&*store).await?;
    let mut record = record("imported", Some(&alice), now)?;
    record.meta.expires_at = now.saturating_add(2 * SECOND);
    import(&*store, &by_expiry, &record).await?;
    record.meta.deadline = now.saturating_add(2 * SECOND);
    record.meta.expires_at = now.saturating_add(HOUR);
    import(&*store, &by_deadline, &record).await?;
    cx.pass(2 * SECOND + SHORT).await;
    for key in [by_expiry, by_deadline] {
        gone(&*store, &key, "after its time").await?;
        same(&store.touch(&key, HOUR).await?, &false, "touch after its time")?;
    }
    cx.lists(&*store, &alice, &[], "the user's list after the time").await?;
    same(&store.count().await?, &0, "the count after the time")
}

async fn an_imported_session_is_touched_up_to_its_deadline(cx: Arc<Context>) -> Outcome {
    let (store, key, alice) = (cx.store().await?, key()?, user("alice")?);
    let record = record("imported", Some(&alice), now(&*store).await?)?;
    let version = import(&*store, &key, &record).await?;
    same(&store.touch(&key, 4 * HOUR).await?, &true, "touch of an imported session")?;
    let touched = live(&*store, &key, "after a touch").await?.meta;
    same(&touched.expires_at.saturating_since(touched.last_seen_at), &(4 * HOUR), "the idle time after a touch")?;
    store.touch(&key, DAY).await?;
    let meta = live(&*store, &key, "after a long touch").await?.meta;
    let times = (meta.created_at, meta.expires_at, meta.deadline);
    let imported = (record.meta.created_at, record.meta.deadline, record.meta.deadline);
    same(&times, &imported, "created_at, expires_at and deadline")?;
    same(&meta.version, &version, "the version after touches")?;
    cx.lists(&*store, &alice, &[key], "the user's list after touches").await
}

async fn an_import_over_the_limit_is_refused(cx: Arc<Context>) -> Outcome {
    let (store, key, absent) = (cx.store().await?, key()?, key()?);
    store.set(&key, &write("data")?, SetMode::Create).await?;
    let there = live(&*store, &key, "after create").await?;
    let mut record = record("", None, now(&*store).await?)?;
    record.data = vec![b'x'; DEFAULT_DATA_LIMIT + 1].into();
    refused(store.import(&absent, &record).await, ErrorKind::TooLarge, "an import over the limit")?;
    gone(&*store, &absent, "after a refused import").await?;
    refused(store.import(&key, &record).await, ErrorKind::TooLarge, "an import over the limit onto a session")?;
    unchanged(&*store, &key, &there, "after a refused import").await
}

async fn a_session_of_another_namespace_is_imported_whole(cx: Arc<Context>) -> Outcome {
    let (here, there, key, alice) = (cx.store().await?, cx.open(&random_name("n")?).await?, key()?, user("alice")?);
    here.set(&key, &owned("data", &alice)?, SetMode::Create).await?;
    cx.pass(Duration::from_millis(20)).await;
    here.touch(&key, 2 * HOUR).await?;
    let record = live(&*here, &key, "in its namespace").await?;
    let version = import(&*there, &key, &record).await?;
    is_imported(&*there, &key, &record, version, "in the other namespace").await?;
    cx.lists(&*there, &alice, &[key], "the list in the other namespace").await?;
    unchanged(&*here, &key, &record, "where it came from").await
}

async fn an_import_whose_times_contradict_each_other_is_refused(cx: Arc<Context>) -> Outcome {
    let (store, key, absent) = (cx.store().await?, key()?, key()?);
    store.set(&key, &write("data")?, SetMode::Create).await?;
    let there = live(&*store, &key, "after create").await?;
    let record = record("imported", None, now(&*store).await?)?;
    let deadline = record.meta.deadline;
    for created_at in [deadline, deadline.saturating_add(HOUR)] {
        let record = Record { meta: Meta { created_at, ..record.meta.clone() }, ..record.clone() };
        let kind = kind_of(&store.import(&absent, &record).await);
        same(&kind, &Some(ErrorKind::InvalidInput), "the refusal of a session created at its deadline or later")?;
        gone(&*store, &absent, "after a refused import").await?;
        refused(store.import(&key, &record).await, ErrorKind::InvalidInput, "the same onto a session")?;
        unchanged(&*store, &key, &there, "after a refused import").await?;
    }
    Ok(())
}
