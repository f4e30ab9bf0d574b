//! Nodes whose tasks all use the same few sessions and users: no task fails, and keys and lists agree in the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use session_store_core::{
    Error, ErrorKind, Owner, Page, Result, SessionId, SessionKey, SessionStore, SetMode, UserId, Write,
};
use tokio::time::sleep;

use crate::scaled;

/// Of each node.
const TASKS: usize = 64;
const KEYS: usize = 40;
const USERS: usize = 4;
const HOUR: Duration = Duration::from_hours(1);

/// What all tasks use.
struct Crowd {
    keys: Vec<SessionKey>,
    users: Vec<UserId>,
    stop: AtomicBool,
    done: AtomicUsize,
    refused: AtomicUsize,
}

impl Crowd {
    fn new() -> Self {
        let key = |_| SessionKey::from(&SessionId::generate().unwrap());
        Self {
            keys: (0..KEYS).map(key).collect(),
            users: (0..USERS).map(|number| UserId::new(format!("user {number}")).unwrap()).collect(),
            stop: AtomicBool::new(false),
            done: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        }
    }

    /// Acts on one session or user after another, in an order of the task's own.
    async fn work(&self, store: &dyn SessionStore, mut random: usize) {
        while !self.stop.load(Ordering::Relaxed) {
            // Knuth's, with the high bits, which repeat the latest.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let started = Instant::now();
            match self.act(store, random >> 33).await {
                Ok(()) => self.done.fetch_add(1, Ordering::Relaxed),
                Err(error) => {
                    assert!(is_refusal(&error), "after {:?}: {error:?}", started.elapsed());
                    self.refused.fetch_add(1, Ordering::Relaxed)
                }
            };
        }
    }

    async fn act(&self, store: &dyn SessionStore, random: usize) -> Result<()> {
        let (key, to) = (&self.keys[random % KEYS], &self.keys[random / KEYS % KEYS]);
        let user = &self.users[random % USERS];
        let write = Write::new("data", HOUR, HOUR)?.with_owner(Owner::User(user.clone()));
        match random / KEYS / KEYS % 16 {
            0..=2 => store.set(key, &write, SetMode::Upsert).await.map(drop),
            3..=4 => store.set(key, &write, SetMode::Create).await.map(drop),
            5 => store.set(key, &write, SetMode::Replace).await.map(drop),
            6..=8 => store.touch(key, HOUR).await.map(drop),
            9..=10 => store.destroy(key).await.map(drop),
            11..=13 if key != to => store.rotate(key, to, &write, None).await.map(drop),
            14 => store.destroy_by_user(user, Some(key)).await.map(drop),
            15 => store.prune(100).await.map(drop),
            _ => store.get(key).await.map(drop),
        }
    }
}

fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotFound | ErrorKind::Conflict)
}

/// Runs many tasks on each node that all use the same few sessions, and checks that keys and lists agree afterwards.
///
/// Panics if a task gets another error than a refusal.
pub async fn crowd_on(nodes: &[Arc<dyn SessionStore>]) {
    let crowd = Arc::new(Crowd::new());
    let tasks: Vec<_> = (0..TASKS * nodes.len())
        .map(|task| {
            let (crowd, store) = (Arc::clone(&crowd), Arc::clone(&nodes[task % nodes.len()]));
            tokio::spawn(async move { crowd.work(&*store, task).await })
        })
        .collect();
    sleep(scaled(Duration::from_secs(2), Duration::from_secs(10))).await;
    crowd.stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    let (done, refused) = (crowd.done.load(Ordering::Relaxed), crowd.refused.load(Ordering::Relaxed));
    println!("{done} done, {refused} refused");
    check_books(&*nodes[0], &crowd).await;
}

/// Keys and lists agree.
async fn check_books(store: &dyn SessionStore, crowd: &Crowd) {
    let (mut live, mut listed) = (Vec::new(), Vec::new());
    for key in &crowd.keys {
        live.extend(store.get(key).await.unwrap().map(|_| *key));
    }
    for user in &crowd.users {
        let page = Page::first(1_000).unwrap();
        listed.extend(store.list_by_user(user, &page).await.unwrap().into_iter().map(|entry| entry.key));
    }
    live.sort_unstable();
    listed.sort_unstable();
    assert!(live == listed, "{} live, {} listed", live.len(), listed.len());
    assert_eq!(store.count().await.unwrap(), live.len() as u64);
}
