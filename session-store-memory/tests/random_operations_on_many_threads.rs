//! Every operation at random from many tasks on few keys, for two seconds: nothing locks up, and in the
//! end records, lists and the count tell the same.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use session_store_core::{
    Entry, ErrorKind, Owner, Page, Result, SessionKey, SessionStore, SetMode, Timestamp, UserId, Write,
};
use session_store_memory::{ManualClock, MemoryStore};
use tokio::time::timeout;

const TASKS: u64 = 8;
const KEYS: u8 = 24;
const USERS: [&str; 3] = ["alice", "bob", "bob:2"];
const RUN: Duration = Duration::from_secs(2);
const MS: Duration = Duration::from_millis(1);

/// Numbers without a pattern, the same in every run (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u8) -> u8 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let number = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        u8::try_from((number >> 33) % u64::from(bound)).unwrap()
    }

    fn key(&mut self) -> SessionKey {
        key(self.below(KEYS))
    }

    fn user(&mut self) -> UserId {
        UserId::new(USERS[usize::from(self.below(3))]).unwrap()
    }

    fn write(&mut self) -> Write {
        let owner = match self.below(4) {
            0 => Owner::Anonymous,
            1 => Owner::Keep,
            _ => Owner::User(self.user()),
        };
        Write::new("data", (1 + u32::from(self.below(50))) * MS, 200 * MS).unwrap().with_owner(owner)
    }
}

/// Half of the keys in shards of their own, half in one.
fn key(n: u8) -> SessionKey {
    let mut bytes = [n; 32];
    bytes[0] = if n.is_multiple_of(2) { n } else { 64 };
    SessionKey::from_bytes(bytes)
}

async fn at_random(store: MemoryStore, clock: Arc<ManualClock>, seed: u64) -> u64 {
    let mut dice = Dice(seed);
    let mut done = 0;
    let until = Instant::now() + RUN;
    while Instant::now() < until {
        for _ in 0..100 {
            one_operation(&store, &mut dice).await;
            done += 1;
        }
        clock.advance(MS);
    }
    done
}

async fn one_operation(store: &MemoryStore, dice: &mut Dice) {
    use ErrorKind::{AlreadyExists, Conflict, InvalidInput, NotFound};
    let (key, other, write) = (dice.key(), dice.key(), dice.write());
    match dice.below(100) {
        0..20 => allow(store.set(&key, &write, SetMode::Create).await, &[AlreadyExists]),
        20..25 => allow(store.set(&key, &write, SetMode::Upsert).await, &[]),
        25..35 => allow(store.set(&key, &write, SetMode::Replace).await, &[NotFound]),
        35..50 => {
            if let Some(record) = store.get(&key).await.unwrap() {
                assert!(record.meta.is_live(record.read_at));
                let mode = SetMode::Update(record.meta.version);
                allow(store.set(&key, &write, mode).await, &[NotFound, Conflict]);
            }
        }
        50..70 => {
            let refusals = [NotFound, AlreadyExists, InvalidInput];
            allow(store.rotate(&key, &other, &write, None).await, &refusals);
        }
        70..78 => allow(store.touch(&key, write.idle()).await, &[]),
        78..84 => allow(store.destroy(&key).await, &[]),
        84..92 => assert!(list(store, &dice.user(), 2).await.is_sorted_by(|one, next| one.key < next.key)),
        92..95 => allow(store.destroy_by_user(&dice.user(), Some(&other)).await, &[]),
        95..97 => assert!(store.count().await.unwrap() <= 2 * u64::from(KEYS)),
        97..99 => assert!(store.prune(5).await.unwrap().removed <= 5),
        _ => allow(store.clear().await, &[]),
    }
}

fn allow<T>(result: Result<T>, refusals: &[ErrorKind]) {
    if let Err(error) = result {
        assert!(refusals.contains(&error.kind()), "{error:?}");
    }
}

async fn list(store: &MemoryStore, user: &UserId, limit: u32) -> Vec<Entry> {
    let mut page = Page::first(limit).unwrap();
    let mut all = Vec::new();
    loop {
        let entries = store.list_by_user(user, &page).await.unwrap();
        assert!(entries.iter().all(|entry| entry.meta.user.as_ref() == Some(user)));
        let last = entries.last().map(|entry| entry.key);
        let full = entries.len() == limit as usize;
        all.extend(entries);
        match last {
            Some(last) if full => page = page.following(last),
            _ => return all,
        }
    }
}

#[test]
fn records_lists_and_count_tell_the_same() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(async { timeout(Duration::from_secs(30), scenario()).await.unwrap() });
}

async fn scenario() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
    let store = MemoryStore::builder().clock(clock.clone()).build().unwrap();
    let tasks: Vec<_> = (0..TASKS).map(|seed| tokio::spawn(at_random(store.clone(), clock.clone(), seed))).collect();
    let mut done = 0;
    for task in tasks {
        done += task.await.unwrap();
    }
    assert!(done > 10_000, "{done} operations");

    // So that there is something to compare, whatever the last operations were.
    for n in 0..KEYS {
        let owner = Owner::User(UserId::new(USERS[usize::from(n % 3)]).unwrap());
        let write = Write::new("data", 100 * MS, 200 * MS).unwrap().with_owner(owner);
        allow(store.set(&key(n), &write, SetMode::Create).await, &[ErrorKind::AlreadyExists]);
    }
    all_tell_the_same(&store).await;
    clock.advance(20 * MS);
    all_tell_the_same(&store).await;

    clock.advance(300 * MS);
    assert_eq!(store.count().await.unwrap(), 0);
    while store.prune(7).await.unwrap().more {}
    assert_eq!(store.stored(), 0);
}

async fn all_tell_the_same(store: &MemoryStore) {
    let mut by_get: BTreeMap<UserId, Vec<Entry>> = BTreeMap::new();
    let mut live = 0;
    for n in (0..KEYS).step_by(2).chain((1..KEYS).step_by(2)) {
        let Some(record) = store.get(&key(n)).await.unwrap() else { continue };
        live += 1;
        if let Some(user) = record.meta.user.clone() {
            by_get.entry(user).or_default().push(Entry { key: key(n), meta: record.meta });
        }
    }
    assert!(live > 0);
    assert_eq!(store.count().await.unwrap(), live);
    for name in USERS {
        let user = UserId::new(name).unwrap();
        let expected = by_get.remove(&user).unwrap_or_default();
        for limit in [1, 2, 5, 1_000] {
            assert_eq!(list(store, &user, limit).await, expected, "pages of {limit}");
        }
    }
}
