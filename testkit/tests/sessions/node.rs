//! What a node does and sees, whatever its clock says.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use session_store_core::sessions::{Login, MaxPerUser};
use session_store_core::{Page, Policy, Record, Session, SessionStore, Sessions, UserId};
use tokio::time::sleep;

use crate::clock::now;
use crate::namespace_fixture::{NamespaceFixture, new_user};

const IDLE: Duration = Duration::from_secs(4);
const ABSOLUTE: Duration = Duration::from_secs(8);
const TOUCH_AFTER: Duration = Duration::from_millis(1_200);

/// What a child must know.
#[derive(Deserialize, Serialize)]
pub(crate) struct NodeOrders {
    /// Who has two sessions already.
    pub(crate) user: String,
    /// The right time, and by how much this process's clock is to be wrong, in milliseconds.
    pub(crate) now: i64,
    pub(crate) skew: i64,
}

/// What must be the same on every node.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Report {
    pub(crate) answers: Vec<(String, String)>,
    /// In milliseconds, by the times that a caller has; the same to within how busy the machine is.
    pub(crate) ages: Vec<(String, i64)>,
}

impl Report {
    fn answer(&mut self, what: &str, answer: &impl ToString) {
        self.answers.push((what.to_owned(), answer.to_string()));
    }

    fn age(&mut self, what: &str, age: Duration) {
        self.ages.push((what.to_owned(), age.as_millis().try_into().unwrap()));
    }

    /// What a load gives, and whether it touches.
    async fn load(&mut self, what: &str, node: &Node, session: &Session<String>) {
        let before = node.record(session).await;
        let loaded = node.sessions.load(session.id()).await.unwrap();
        let after = node.record(session).await;
        self.answer(&format!("{what}: live"), &loaded.is_some());
        if let (Some(before), Some(after), Some(loaded)) = (before, after, loaded) {
            self.answer(&format!("{what}: touched"), &(after.meta.last_seen_at > before.meta.last_seen_at));
            self.age(&format!("{what}: seen"), before.read_at.saturating_since(before.meta.last_seen_at));
            self.age(&format!("{what}: left"), loaded.time_left());
        }
    }

    /// Nothing can be done with a session that is gone, by whoever holds it.
    async fn gone(&mut self, what: &str, node: &Node, mut session: Session<String>) {
        let sessions = &node.sessions;
        self.answer(&format!("{what}: load"), &sessions.load(session.id()).await.unwrap().is_some());
        self.answer(&format!("{what}: save"), &sessions.save(&mut session).await.unwrap());
        self.answer(&format!("{what}: update"), &sessions.update(session.id(), |_| ()).await.unwrap().is_some());
        self.answer(&format!("{what}: rotate"), &sessions.rotate(&mut session).await.unwrap());
        self.answer(&format!("{what}: touch"), &node.store.touch(session.key(), IDLE).await.unwrap());
        self.answer(&format!("{what}: destroy"), &sessions.destroy(session.id()).await.unwrap());
    }

    fn append(&mut self, mut other: Self) {
        self.answers.append(&mut other.answers);
        self.ages.append(&mut other.ages);
    }
}

struct Node {
    store: Arc<dyn SessionStore>,
    sessions: Sessions<String>,
}

impl Node {
    async fn record(&self, session: &Session<String>) -> Option<Record> {
        self.store.get(session.key()).await.unwrap()
    }

    async fn log_in(&self, idle: Duration, absolute: Duration) -> Session<String> {
        let login = Login::new(new_user(), "data".to_owned()).policy(Policy::new(idle, absolute).unwrap());
        self.sessions.login(login).await.unwrap()
    }

    async fn touches(&self) -> Report {
        let mut report = Report::default();
        let session = self.sessions.create("data".to_owned()).await.unwrap();
        report.load("at once", self, &session).await;
        sleep(Duration::from_millis(500)).await;
        report.load("too young for a touch", self, &session).await;
        sleep(Duration::from_millis(1_500)).await;
        report.load("old enough for a touch", self, &session).await;
        report.load("touched just now", self, &session).await;
        report
    }

    async fn idle_timeout(&self) -> Report {
        let mut report = Report::default();
        let session = self.log_in(Duration::from_millis(1_200), ABSOLUTE).await;
        sleep(Duration::from_millis(200)).await;
        report.load("used in time", self, &session).await;
        sleep(Duration::from_secs(2)).await;
        report.gone("not used in time", self, session).await;
        report
    }

    async fn absolute_timeout(&self) -> Report {
        let mut report = Report::default();
        let session = self.log_in(IDLE, Duration::from_millis(1_700)).await;
        sleep(Duration::from_millis(700)).await;
        report.load("before its deadline", self, &session).await;
        sleep(Duration::from_millis(1_500)).await;
        report.gone("after its deadline", self, session).await;
        report
    }

    async fn lists(&self) -> Report {
        let mut report = Report::default();
        let user = new_user();
        for name in ["older", "younger"] {
            self.sessions.login(Login::new(user.clone(), name.to_owned())).await.unwrap();
            sleep(Duration::from_millis(600)).await;
        }
        let mut listed = self.sessions.list(&user, &Page::first(10).unwrap()).await.unwrap().sessions;
        listed.sort_by_key(|one| one.meta.created_at);
        for one in listed {
            let name = one.data.unwrap();
            report.answer("listed", &name);
            let [created, seen] =
                [one.meta.created_at, one.meta.last_seen_at].map(|at| one.read_at.saturating_since(at));
            report.age(&format!("{name}: created"), created);
            report.age(&format!("{name}: seen"), seen);
            report.age(&format!("{name}: expires"), one.meta.expires_at.saturating_since(one.read_at));
        }
        let session = self.sessions.create("data".to_owned()).await.unwrap();
        self.sessions.destroy(session.id()).await.unwrap();
        report.gone("destroyed", self, session).await;
        report
    }

    async fn names(&self, user: &UserId) -> String {
        let listed = self.sessions.list(user, &Page::first(10).unwrap()).await.unwrap().sessions;
        let mut names: Vec<_> = listed.into_iter().map(|one| one.data.unwrap()).collect();
        names.sort_unstable();
        names.join(" ")
    }

    /// The user has two sessions already, of a node whose clock is right.
    async fn limits(&self, user: &UserId) -> Report {
        let mut report = Report::default();
        let with = |max| Sessions::<String>::builder(Arc::clone(&self.store)).max_per_user(max).build().unwrap();
        let (ending, refusing) = (with(MaxPerUser::EndOldest(2)), with(MaxPerUser::Refuse(2)));
        let login = |name: &str| Login::new(user.clone(), name.to_owned());
        ending.login(login("third")).await.unwrap();
        report.answer("the oldest is ended", &self.names(user).await);
        sleep(Duration::from_millis(5)).await;
        report.answer("over the limit", &refusing.login(login("fourth")).await.unwrap_err().kind());
        report.answer("nothing is ended", &self.names(user).await);
        ending.login(login("fifth")).await.unwrap();
        report.answer("the oldest is ended again", &self.names(user).await);
        report
    }
}

/// All at once, since most of it is waiting.
pub(crate) async fn report(fixture: &NamespaceFixture, orders: &NodeOrders) -> String {
    let skew = now() - orders.now;
    assert!((skew - orders.skew).abs() < 60_000, "this process's clock is wrong by {skew}");
    let store = fixture.node().await;
    let sessions = Sessions::builder(Arc::clone(&store)).idle_timeout(IDLE).absolute_timeout(ABSOLUTE);
    let node = Node { sessions: sessions.touch_after(TOUCH_AFTER).build().unwrap(), store };
    let user = UserId::new(&orders.user).unwrap();
    let (touches, idle, absolute, lists, limits) =
        tokio::join!(node.touches(), node.idle_timeout(), node.absolute_timeout(), node.lists(), node.limits(&user));
    let mut report = Report::default();
    for part in [touches, idle, absolute, lists, limits] {
        report.append(part);
    }
    serde_json::to_string(&report).unwrap()
}
