//! How many sessions a user may have, where logins race.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use session_store_core::sessions::{Login, MaxPerUser};
use session_store_core::{Error, ErrorKind, Page, Session, SessionKey, Sessions, Timestamp, UserId};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::namespace_fixture::{NamespaceFixture, all_text, new_user};
use crate::remembering::{Remembering, Seen};

const MAX: usize = 5;
const LOGINS: usize = 20;

/// How many sessions the user has already, in each round.
const BEFORE: [usize; 10] = [0, 3, 0, 5, 7, 0, 1, 5, 0, 4];

struct Nodes {
    sessions: [Sessions<String>; 2],
    /// Without a limit.
    free: Sessions<String>,
    seen: Seen,
}

impl Nodes {
    async fn new(fixture: &NamespaceFixture, max: MaxPerUser) -> Self {
        let seen = Seen::default();
        let node = async || Remembering { store: fixture.node().await, seen: Arc::clone(&seen) };
        let nodes = [node().await, node().await];
        let free = Sessions::new(fixture.node().await);
        let sessions = nodes.map(|node| Sessions::builder(Arc::new(node)).max_per_user(max).build().unwrap());
        Self { sessions, free, seen }
    }

    /// One after another, and no two in the same millisecond, so that their order is known.
    async fn log_in_before(&self, user: &UserId, count: usize) -> Vec<Session<String>> {
        self.seen.lock().unwrap().clear();
        let mut sessions = Vec::new();
        for n in 0..count {
            sessions.push(self.free.login(Login::new(user.clone(), format!("old {n}"))).await.unwrap());
            sleep(Duration::from_millis(5)).await;
        }
        sessions
    }

    async fn log_in(&self, user: &UserId, count: usize) -> Vec<Result<Session<String>, Error>> {
        let logins = (0..count).map(|n| {
            let (sessions, login) = (self.sessions[n % 2].clone(), Login::new(user.clone(), format!("new {n}")));
            tokio::spawn(async move { sessions.login(login).await })
        });
        join_all(logins).await.into_iter().map(Result::unwrap).collect()
    }

    /// What both nodes list; the same, and each can be loaded by whoever has its ID.
    async fn live(&self, user: &UserId) -> (BTreeSet<SessionKey>, BTreeSet<String>) {
        let page = Page::first(100).unwrap();
        let mut lists = Vec::new();
        for sessions in &self.sessions {
            let listed = sessions.list(user, &page).await.unwrap().sessions;
            lists.push(listed.into_iter().map(|listed| (listed.key, listed.data.unwrap())).unzip());
        }
        assert_eq!(lists[0], lists[1]);
        lists.swap_remove(0)
    }

    /// These sessions, the oldest first. There were others: a login that meets one of the same millisecond begins anew.
    fn order(&self, of: &BTreeSet<SessionKey>) -> Vec<SessionKey> {
        let seen = self.seen.lock().unwrap();
        let mut all: Vec<(Timestamp, SessionKey)> = seen.iter().map(|(key, at)| (*at, *key)).collect();
        all.retain(|(_, key)| of.contains(key));
        all.sort_unstable();
        all.into_iter().map(|(_, key)| key).collect()
    }
}

pub(crate) async fn the_newest_are_left(fixture: Arc<NamespaceFixture>) {
    let nodes = Nodes::new(&fixture, MaxPerUser::EndOldest(5)).await;
    for before in BEFORE {
        let user = new_user();
        let mut given: BTreeSet<_> = nodes.log_in_before(&user, before).await.iter().map(|old| *old.key()).collect();
        for login in nodes.log_in(&user, LOGINS).await {
            given.insert(*login.unwrap_or_else(|error| panic!("{}", all_text(&error))).key());
        }
        let order = nodes.order(&given);
        assert_eq!(order.len(), before + LOGINS);
        let newest: BTreeSet<_> = order[order.len() - MAX..].iter().copied().collect();
        assert_eq!(nodes.live(&user).await.0, newest, "with {before} before");
    }
}

/// No login ends another's session: all that succeeded are left.
pub(crate) async fn logins_beyond_are_refused(fixture: Arc<NamespaceFixture>) {
    let nodes = Nodes::new(&fixture, MaxPerUser::Refuse(5)).await;
    for before in BEFORE {
        let user = new_user();
        let mut let_in: BTreeSet<_> = nodes.log_in_before(&user, before).await.iter().map(|old| *old.key()).collect();
        let mut refused = 0;
        for login in nodes.log_in(&user, LOGINS).await {
            match login {
                Ok(session) => drop(let_in.insert(*session.key())),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::LimitReached, "{}", all_text(&error));
                    refused += 1;
                }
            }
        }
        assert_eq!(let_in.len() + refused, before + LOGINS);
        let (live, _) = nodes.live(&user).await;
        assert_eq!(live.len(), MAX.max(before), "with {before} before");
        assert_eq!(live, let_in, "with {before} before");
        // Where nobody else logs in, there is no doubt, but within a millisecond.
        sleep(Duration::from_millis(5)).await;
        let alone = nodes.log_in(&user, 1).await.swap_remove(0).unwrap_err();
        assert_eq!(alone.kind(), ErrorKind::LimitReached);
        assert_eq!(nodes.live(&user).await.0, live);
        for key in live.iter().skip(MAX - 1) {
            assert!(nodes.free.end(&user, key).await.unwrap());
        }
        nodes.log_in(&user, 1).await.swap_remove(0).unwrap();
    }
}

/// Sessions that get new IDs all the time, until they are gone or it is over.
struct Rotating {
    is_over: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<u32>>,
}

impl Rotating {
    fn begin(nodes: &Nodes, held: Vec<Session<String>>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let tasks = held.into_iter().enumerate().map(|(n, mut session)| {
            let (sessions, is_over) = (nodes.sessions[n % 2].clone(), Arc::clone(&is_over));
            tokio::spawn(async move {
                let mut count = 0;
                while !is_over.load(Ordering::Relaxed) && sessions.rotate(&mut session).await.unwrap() {
                    count += 1;
                    sleep(Duration::from_millis(2)).await;
                }
                count
            })
        });
        Self { tasks: tasks.collect(), is_over }
    }

    async fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
        let counts: Vec<_> = join_all(self.tasks).await.into_iter().map(Result::unwrap).collect();
        assert!(counts.iter().sum::<u32>() > 0, "they did rotate");
    }
}

fn texts<const N: usize>(texts: [&str; N]) -> BTreeSet<String> {
    texts.map(str::to_owned).into()
}

pub(crate) async fn rotating_count(fixture: Arc<NamespaceFixture>) {
    let nodes = Nodes::new(&fixture, MaxPerUser::EndOldest(5)).await;
    for _ in 0..10 {
        let user = new_user();
        let rotating = Rotating::begin(&nodes, nodes.log_in_before(&user, MAX).await);
        for login in nodes.log_in(&user, 3).await {
            login.unwrap_or_else(|error| panic!("{}", all_text(&error)));
        }
        rotating.end().await;
        assert_eq!(nodes.live(&user).await.1, texts(["new 0", "new 1", "new 2", "old 3", "old 4"]));
    }
}

pub(crate) async fn rotating_outlast(fixture: Arc<NamespaceFixture>) {
    let nodes = Nodes::new(&fixture, MaxPerUser::Refuse(5)).await;
    for _ in 0..10 {
        let user = new_user();
        let rotating = Rotating::begin(&nodes, nodes.log_in_before(&user, MAX).await);
        for login in nodes.log_in(&user, 6).await {
            let error = login.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LimitReached, "{}", all_text(&error));
        }
        rotating.end().await;
        assert_eq!(nodes.live(&user).await.1, texts(["old 0", "old 1", "old 2", "old 3", "old 4"]));
    }
}
