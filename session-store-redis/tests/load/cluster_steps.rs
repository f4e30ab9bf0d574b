//! On Cluster most operations take several steps. Here every one of them is held between any two of its steps
//! while any other begins, is held, or goes through; then what both have answered and left must be what one after
//! the other would have, in the memory store; and keys, lists and counts must agree.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, poll_fn};
use session_store_core::{Owner, Page, Result, SessionId, SessionKey, SessionStore, SetMode, UserId, Version, Write};
use session_store_memory::MemoryStore;
use session_store_redis::{RedisEndpoint, RedisStore};
use testkit::servers::RedisCluster;

const HOUR: Duration = Duration::from_hours(1);

/// More steps than any operation takes.
const MAX_STEPS: usize = 24;

/// How many pairs of operations go on side by side.
const AT_ONCE: usize = 24;

/// What every pair begins with: a live session of alice, and a key that is free.
#[derive(Clone)]
struct Fixture {
    live: SessionKey,
    free: SessionKey,
    version: Version,
    alice: UserId,
    bob: UserId,
}

impl Fixture {
    async fn create(store: &dyn SessionStore, names: &Names) -> Result<Self> {
        let write = write("begin", Owner::User(names.alice.clone()))?;
        let version = store.set(&names.live, &write, SetMode::Create).await?;
        let Names { live, free, alice, bob } = names.clone();
        Ok(Self { live, free, version, alice, bob })
    }
}

#[derive(Clone)]
struct Names {
    live: SessionKey,
    free: SessionKey,
    alice: UserId,
    bob: UserId,
}

impl Names {
    /// Names that no other pair has.
    fn new() -> Result<Self> {
        let key = || SessionId::generate().map(|id| SessionKey::from(&id));
        let user = || UserId::new(key()?.to_text());
        Ok(Self { live: key()?, free: key()?, alice: user()?, bob: user()? })
    }
}

fn write(data: &str, owner: Owner) -> Result<Write> {
    Ok(Write::new(data.to_owned(), HOUR, HOUR)?.with_owner(owner))
}

/// What an operation has answered, as text, without what differs in every run.
type Answer = String;

type Operation = for<'a> fn(&'a dyn SessionStore, &'a Fixture, &'static str) -> BoxFuture<'a, Answer>;

fn answer<T: ToString>(result: Result<T>) -> Answer {
    match result {
        Ok(value) => value.to_string(),
        Err(error) => format!("{}", error.kind()),
    }
}

fn written(result: Result<Version>) -> Answer {
    answer(result.map(|_| "written"))
}

macro_rules! operations {
    ($($name:ident($store:ident, $fixture:ident, $data:ident) $body:expr;)+) => {
        const OPERATIONS: &[(&str, Operation)] = &[$((stringify!($name), {
            fn $name<'a>($store: &'a dyn SessionStore, $fixture: &'a Fixture, $data: &'static str) -> BoxFuture<'a, Answer> {
                Box::pin(async move { $body })
            }
            $name
        })),+];
    };
}

async fn set(store: &dyn SessionStore, key: &SessionKey, data: &str, owner: Owner, mode: SetMode) -> Answer {
    written(store.set(key, &write(data, owner).unwrap(), mode).await)
}

async fn rotate(
    store: &dyn SessionStore,
    fixture: &Fixture,
    data: &str,
    owner: Owner,
    expected: Option<Version>,
) -> Answer {
    written(store.rotate(&fixture.live, &fixture.free, &write(data, owner).unwrap(), expected).await)
}

operations! {
    create(store, fixture, data) set(store, &fixture.free, data, Owner::User(fixture.alice.clone()), SetMode::Create).await;
    save(store, fixture, data) set(store, &fixture.live, data, Owner::Keep, SetMode::Replace).await;
    update(store, fixture, data) set(store, &fixture.live, data, Owner::Keep, SetMode::Update(fixture.version)).await;
    give(store, fixture, data) set(store, &fixture.live, data, Owner::User(fixture.bob.clone()), SetMode::Replace).await;
    take(store, fixture, data) set(store, &fixture.live, data, Owner::User(fixture.alice.clone()), SetMode::Replace).await;
    forget(store, fixture, data) set(store, &fixture.live, data, Owner::Anonymous, SetMode::Replace).await;
    upsert(store, fixture, data) set(store, &fixture.live, data, Owner::User(fixture.alice.clone()), SetMode::Upsert).await;
    upsert_free(store, fixture, data) set(store, &fixture.free, data, Owner::User(fixture.bob.clone()), SetMode::Upsert).await;
    touch(store, fixture, _data) answer(store.touch(&fixture.live, HOUR).await);
    destroy(store, fixture, _data) answer(store.destroy(&fixture.live).await);
    destroy_free(store, fixture, _data) answer(store.destroy(&fixture.free).await);
    rotate_keep(store, fixture, data) rotate(store, fixture, data, Owner::Keep, None).await;
    rotate_at(store, fixture, data) rotate(store, fixture, data, Owner::Keep, Some(fixture.version)).await;
    login(store, fixture, data) rotate(store, fixture, data, Owner::User(fixture.bob.clone()), None).await;
    list(store, fixture, _data) answer(listed(store, fixture, &fixture.alice).await);
    end_all(store, fixture, _data) answer(store.destroy_by_user(&fixture.alice, None).await);
    end_others(store, fixture, _data) answer(store.destroy_by_user(&fixture.alice, Some(&fixture.live)).await);
    end_of_bob(store, fixture, _data) answer(store.destroy_by_user(&fixture.bob, None).await);
}

/// Which of the two keys a user's list has.
async fn listed(store: &dyn SessionStore, fixture: &Fixture, user: &UserId) -> Result<String> {
    let entries = store.list_by_user(user, &Page::first(10)?).await?;
    let name = |key| if key == fixture.live { "live" } else { "free" };
    let mut names: Vec<_> = entries.iter().map(|entry| name(entry.key)).collect();
    names.sort_unstable();
    Ok(names.join(" "))
}

/// What both keys hold in the end. Lists that do not agree with it are a fault of their own.
async fn state(store: &dyn SessionStore, fixture: &Fixture) -> Result<String> {
    let (mut found, mut lists) = (Vec::new(), BTreeMap::from([("alice", Vec::new()), ("bob", Vec::new())]));
    for (name, key) in [("live", &fixture.live), ("free", &fixture.free)] {
        let Some(record) = store.get(key).await? else { continue };
        let owner = match &record.meta.user {
            Some(user) if *user == fixture.alice => "alice",
            Some(_) => "bob",
            None => "nobody",
        };
        if let Some(list) = lists.get_mut(owner) {
            list.push(name);
        }
        found.push(format!("{name}: {owner} {}", String::from_utf8_lossy(&record.data)));
    }
    for (owner, user) in [("alice", &fixture.alice), ("bob", &fixture.bob)] {
        let mut expected = lists.remove(owner).unwrap_or_default();
        expected.sort_unstable();
        let listed = listed(store, fixture, user).await?;
        if listed != expected.join(" ") {
            found.push(format!("but the list of {owner} has: {listed}"));
        }
    }
    Ok(found.join("; "))
}

/// What each of the two operations writes.
const DATA: [&str; 2] = ["first", "second"];

/// What two operations have answered and left.
type Outcome = (Answer, Answer, String);

/// One after the other in the memory store, in both orders. What ends a user's sessions may also end one that came
/// while it was at work: then it is as if it had run before and after.
async fn model(names: [&str; 2], operations: [Operation; 2]) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for order in [&[0, 1][..], &[1, 0], &[0, 1, 0], &[1, 0, 1]] {
        if order.len() == 3 && !names[order[0]].starts_with("end_") {
            continue;
        }
        let store = MemoryStore::new();
        let fixture = Fixture::create(&store, &Names::new()?).await?;
        let mut answers = [Vec::new(), Vec::new()];
        for &at in order {
            answers[at].push(operations[at](&store, &fixture, DATA[at]).await);
        }
        let [one, two] = [&answers[0], &answers[1]].map(|answers| in_all(answers));
        outcomes.push((one, two, state(&store, &fixture).await?));
    }
    Ok(outcomes)
}

/// The answer of an operation that has run in two parts: the sessions that both have ended.
fn in_all(answers: &[Answer]) -> Answer {
    match answers {
        [one] => one.clone(),
        parts => parts.iter().filter_map(|part| part.parse::<u64>().ok()).sum::<u64>().to_string(),
    }
}

enum Held<'a> {
    Between(BoxFuture<'a, Answer>),
    Done(Answer),
}

/// Lets an operation take so many steps.
async fn hold(mut operation: BoxFuture<'_, Answer>, steps: usize) -> Held<'_> {
    let mut taken = 0;
    let done = poll_fn(|context| match Pin::new(&mut operation).poll(context) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending if taken >= steps => Poll::Ready(None),
        Poll::Pending => {
            taken += 1;
            Poll::Pending
        }
    })
    .await;
    match done {
        Some(answer) => Held::Done(answer),
        None => Held::Between(operation),
    }
}

async fn finish(held: Held<'_>) -> Answer {
    match held {
        Held::Between(operation) => operation.await,
        Held::Done(answer) => answer,
    }
}

/// Holds `first` after its steps and `second` after its own, then lets first `first` go on, then `second`; tells
/// whether both were held.
async fn interleaved(
    stores: [&dyn SessionStore; 2],
    operations: [Operation; 2],
    steps: [usize; 2],
) -> Result<(Outcome, [bool; 2])> {
    let fixture = Fixture::create(stores[0], &Names::new()?).await?;
    let first = hold(operations[0](stores[0], &fixture, DATA[0]), steps[0]).await;
    let second = hold(operations[1](stores[1], &fixture, DATA[1]), steps[1]).await;
    let held = [&first, &second].map(|held| matches!(held, Held::Between(_)));
    let one = finish(first).await;
    let two = finish(second).await;
    Ok(((one, two, state(stores[1], &fixture).await?), held))
}

fn is_rotation(name: &str) -> bool {
    ["rotate_keep", "rotate_at", "login"].contains(&name)
}

/// Clause R4: a rotation's new key may be met before the rotation is decided, and counted, listed or ended.
fn meets_the_new_key(name: &str) -> bool {
    ["create", "upsert_free", "destroy_free", "list", "end_all", "end_others", "end_of_bob"].contains(&name)
        || is_rotation(name)
}

/// Whether the outcome is one that the contract allows.
fn is_allowed(names: [&str; 2], outcome: &Outcome, model: &[Outcome]) -> bool {
    if model.contains(outcome) {
        return true;
    }
    let [one, two] = names;
    let limited = is_rotation(one) && meets_the_new_key(two) || is_rotation(two) && meets_the_new_key(one);
    // Whatever was met of it, a rotation that has not succeeded leaves nothing of its own.
    let failed = |name, answer: &str, data| {
        is_rotation(name) && answer != "written" && outcome.2.contains(&format!("free: {data}"))
    };
    let lost = outcome.2.contains("but the list")
        || is_rotation(one) && is_rotation(two) && outcome.0 == "written" && outcome.1 == "written";
    limited && !lost && !failed(one, &outcome.0, "first") && !failed(two, &outcome.1, "second")
}

/// All interleavings of a pair: how many held both operations between steps, and what was wrong.
async fn pair(stores: [&dyn SessionStore; 2], pair: [&(&'static str, Operation); 2]) -> (usize, Vec<String>) {
    let (names, operations) = (pair.map(|(name, _)| *name), pair.map(|(_, operation)| *operation));
    let model = model(names, operations).await.unwrap();
    let (mut both_held, mut faults) = (0, Vec::new());
    for first_steps in 0..MAX_STEPS {
        let mut first_was_held = false;
        for second_steps in 0..MAX_STEPS {
            let (outcome, held) = interleaved(stores, operations, [first_steps, second_steps]).await.unwrap();
            if !is_allowed(names, &outcome, &model) {
                let place = format!("{names:?} held after {first_steps} and {second_steps} steps");
                faults.push(format!("{place}: {outcome:?}, and one by one: {model:?}"));
            }
            first_was_held |= held[0];
            both_held += usize::from(held[0] && held[1]);
            if !held[1] {
                break;
            }
        }
        if !first_was_held {
            break;
        }
    }
    (both_held, faults)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_is_held_between_its_steps_against_every_other() {
    let cluster = RedisCluster::start().await.unwrap();
    let store =
        async || RedisStore::builder(RedisEndpoint::cluster(cluster.urls())).prefix("steps").build().await.unwrap();
    let (one, two) = (store().await, store().await);
    let stores: [Arc<dyn SessionStore>; 2] = [Arc::new(one), Arc::new(two)];
    let pairs = OPERATIONS.iter().flat_map(|first| OPERATIONS.iter().map(move |second| [first, second]));
    let (held, faults) = futures_util::stream::iter(pairs)
        .map(|both| {
            let stores = stores.clone();
            async move { tokio::spawn(async move { pair([&*stores[0], &*stores[1]], both).await }).await.unwrap() }
        })
        .buffer_unordered(AT_ONCE)
        .fold((0, Vec::new()), async |(sum, mut all), (held, faults)| {
            all.extend(faults);
            (sum + held, all)
        })
        .await;
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    let pairs = OPERATIONS.len() * OPERATIONS.len();
    assert!(held > 3 * pairs, "only {held} interleavings of {pairs} pairs held both operations");
    stores[0].clear().await.unwrap();
    assert_eq!(stores[1].count().await.unwrap(), 0);
}
