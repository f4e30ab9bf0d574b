//! Two nodes that answer requests all the time, while they are given new configurations one at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use serde::{Deserialize, Serialize};
use session_store_core::sessions::{Builder, Login};
use session_store_core::{
    Bytes, Error, ErrorKind, Page, Policy, SessionId, SessionKey, SessionStore, Sessions, UserId,
};
use tokio::sync::RwLock;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::namespace_fixture::{NamespaceFixture, all_text, new_user};

const USERS: usize = 8;
const EACH: usize = 5;

/// Of one of each user's sessions.
const OWN: Policy = Policy::NIST_AAL3;

/// How long the nodes serve with a configuration before the next one comes.
const BETWEEN: Duration = Duration::from_millis(100);

/// One request to a node.
type Request = fn(Arc<Shared>, usize) -> BoxFuture<'static, ()>;

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Data {
    name: String,
    count: u64,
}

struct Node {
    store: Arc<dyn SessionStore>,
    /// Held for reading by each request, so that a node finishes its requests before it is replaced.
    sessions: RwLock<Sessions<Data>>,
}

/// A session that is live throughout.
struct Lasting {
    id: SessionId,
    name: String,
    user: UserId,
    /// How often it was changed.
    changes: AtomicU64,
}

struct Shared {
    nodes: [Node; 2],
    lasting: Vec<Lasting>,
    /// One for each node, whose sessions replace each other all the time.
    passing: [UserId; 2],
    is_over: AtomicBool,
    turn: AtomicUsize,
}

pub(crate) struct Rollout {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<u64>>,
}

fn built(store: &Arc<dyn SessionStore>, configure: impl Fn(Builder<Data>) -> Builder<Data>) -> Sessions<Data> {
    // So that touches are under way as well.
    let builder = Sessions::builder(Arc::clone(store)).touch_after(Duration::from_millis(50));
    configure(builder).build().unwrap()
}

/// What no request may fail to give.
#[track_caller]
fn done<T>(answer: Result<T, Error>) -> T {
    answer.unwrap_or_else(|error| panic!("{}", all_text(&error)))
}

impl Rollout {
    pub(crate) async fn begin(fixture: &NamespaceFixture, configure: impl Fn(Builder<Data>) -> Builder<Data>) -> Self {
        let stores = [fixture.node().await, fixture.node().await];
        let nodes = stores.map(|store| Node { sessions: RwLock::new(built(&store, &configure)), store });
        let mut lasting = Vec::new();
        for _ in 0..USERS {
            let user = new_user();
            for n in 0..EACH {
                let name = format!("{n} of {}", user.as_str());
                let mut login = Login::new(user.clone(), Data { name: name.clone(), count: 0 });
                if n == 0 {
                    login = login.policy(OWN);
                }
                let id = nodes[0].sessions.read().await.login(login).await.unwrap().id().clone();
                lasting.push(Lasting { id, name, user: user.clone(), changes: AtomicU64::new(0) });
            }
        }
        let shared = Arc::new(Shared {
            nodes,
            lasting,
            passing: [new_user(), new_user()],
            is_over: AtomicBool::new(false),
            turn: AtomicUsize::new(0),
        });
        let requests: [Request; 5] = [
            |shared, node| Box::pin(async move { shared.load(node).await }),
            |shared, node| Box::pin(async move { shared.update(node).await }),
            |shared, node| Box::pin(async move { shared.save(node).await }),
            |shared, node| Box::pin(async move { shared.list(node).await }),
            |shared, node| Box::pin(async move { shared.log_in(node).await }),
        ];
        let tasks = (0..10).map(|n| {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                let mut count = 0;
                while !shared.is_over.load(Ordering::Relaxed) {
                    requests[n / 2](Arc::clone(&shared), n % 2).await;
                    count += 1;
                    sleep(Duration::from_millis(1)).await;
                }
                count
            })
        });
        Self { tasks: tasks.collect(), shared }
    }

    /// The next configuration reaches one node after the other.
    pub(crate) async fn deploy(&self, configure: impl Fn(Builder<Data>) -> Builder<Data>) {
        for node in &self.shared.nodes {
            let sessions = built(&node.store, &configure);
            *node.sessions.write().await = sessions;
            sleep(BETWEEN).await;
        }
    }

    /// Loads every session once. Those that are passing were made with a configuration that is current, or are loaded
    /// by their own requests.
    pub(crate) async fn use_all(&self) {
        for (n, one) in self.shared.lasting.iter().enumerate() {
            self.shared.loaded(n % 2, one).await;
        }
    }

    /// Saves every session once, as it is.
    pub(crate) async fn save_all(&self) {
        for (n, one) in self.shared.lasting.iter().enumerate() {
            let saved = self.shared.nodes[n % 2].sessions.read().await.update(&one.id, |_| ()).await;
            done(saved).expect("it is live");
        }
    }

    /// Encrypts anew what is not current, and gives how many that were.
    pub(crate) async fn reencrypt_all(&self) -> u64 {
        let mut count = 0;
        for (n, user) in self.users().into_iter().enumerate() {
            let node = self.shared.nodes[n % 2].sessions.read().await;
            count += done(node.reencrypt(&user).await);
        }
        count
    }

    fn users(&self) -> Vec<UserId> {
        let lasting = self.shared.lasting.iter().step_by(EACH).map(|one| one.user.clone());
        lasting.chain(self.shared.passing.clone()).collect()
    }

    /// All that the store keeps of the users' sessions.
    pub(crate) async fn kept(&self) -> Vec<(SessionKey, Bytes)> {
        let store = &self.shared.nodes[0].store;
        let mut kept = Vec::new();
        for user in self.users() {
            for entry in store.list_by_user(&user, &Page::first(100).unwrap()).await.unwrap() {
                // One that is passing may be gone.
                kept.extend(store.get(&entry.key).await.unwrap().map(|record| (entry.key, record.data)));
            }
        }
        assert!(kept.len() >= self.shared.lasting.len());
        kept
    }

    pub(crate) fn ids(&self) -> Vec<SessionId> {
        self.shared.lasting.iter().map(|one| one.id.clone()).collect()
    }

    /// The nodes' sessions, once no request is under way any more.
    pub(crate) async fn end(self) -> [Sessions<Data>; 2] {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let counts: Vec<_> = join_all(self.tasks).await.into_iter().map(Result::unwrap).collect();
        assert!(counts.iter().all(|count| *count > 20), "so many requests of each kind: {counts:?}");
        for (n, one) in self.shared.lasting.iter().enumerate() {
            let changes = one.changes.load(Ordering::Relaxed);
            assert_eq!(self.shared.loaded(n % 2, one).await.count, changes, "no change is lost");
        }
        let [first, second] = &self.shared.nodes;
        [first.sessions.read().await.clone(), second.sessions.read().await.clone()]
    }
}

impl Shared {
    /// Another one each time.
    fn any(&self) -> &Lasting {
        &self.lasting[self.turn.fetch_add(7, Ordering::Relaxed) % self.lasting.len()]
    }

    async fn loaded(&self, node: usize, one: &Lasting) -> Data {
        let session = self.nodes[node].sessions.read().await.load(&one.id).await;
        let session = done(session).expect("it is live");
        assert_eq!(session.data.name, one.name);
        assert_eq!(session.policy() == OWN, one.name.starts_with('0'), "its login's policy is kept with it");
        session.data
    }

    async fn load(&self, node: usize) {
        self.loaded(node, self.any()).await;
    }

    async fn update(&self, node: usize) {
        let one = self.any();
        let sessions = self.nodes[node].sessions.read().await;
        let updated = sessions.update(&one.id, |data| data.count += 1).await;
        done(updated).expect("it is live");
        one.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// As an application does without `update`.
    async fn save(&self, node: usize) {
        let one = self.any();
        let sessions = self.nodes[node].sessions.read().await;
        loop {
            let mut session = done(sessions.load(&one.id).await).expect("it is live");
            session.data.count += 1;
            match sessions.save(&mut session).await {
                Ok(saved) => {
                    assert!(saved, "it is live");
                    one.changes.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => panic!("{}", all_text(&error)),
            }
        }
    }

    async fn list(&self, node: usize) {
        let one = self.any();
        let listing = self.nodes[node].sessions.read().await.list(&one.user, &Page::first(100).unwrap()).await;
        let listed = done(listing).sessions;
        let names = listed.into_iter().map(|listed| done(listed.data).name);
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        assert_eq!(names, (0..EACH).map(|n| format!("{n} of {}", one.user.as_str())).collect::<Vec<_>>());
    }

    /// A visitor logs in, and is known on the other node.
    async fn log_in(&self, node: usize) {
        let sessions = self.nodes[node].sessions.read().await;
        let visitor = done(sessions.create(Data::default()).await);
        let login = Login::new(self.passing[node].clone(), Data::default()).replacing(visitor.id());
        let session = done(sessions.login(login).await);
        drop(sessions);
        let others = self.nodes[1 - node].sessions.read().await;
        let known = done(others.load(session.id()).await);
        assert_eq!(known.expect("it is live").user(), session.user());
        assert!(done(others.destroy(session.id()).await));
    }
}
