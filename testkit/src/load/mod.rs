//! Tasks that write until they are stopped, and record what was acknowledged.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "these functions panic if a test fails"
)]
#![allow(clippy::print_stdout, reason = "the counts, for --nocapture")]

mod crowd;
mod hot;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use session_store_core::{Error, ErrorKind, Owner, Page, SessionId, SessionKey, SessionStore, SetMode, UserId, Write};
use tokio::task::JoinHandle;
use tokio::time::sleep;

pub use self::crowd::crowd_on;
pub use self::hot::assert_destroys_succeed;
use crate::scaled;

const TASKS: usize = 32;
const HOUR: Duration = Duration::from_hours(1);

/// How much longer than the operation timeout an operation may take.
const GRACE: Duration = Duration::from_millis(250);

/// A running load on a store.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Books>>,
}

/// What one task has recorded of its sessions, which nobody else writes.
#[derive(Debug)]
struct Books {
    user: UserId,
    /// The sessions, and what may be found under each key: data, or none.
    sessions: Vec<(SessionKey, Vec<Option<String>>)>,
    /// When each operation began, how long it took, and whether it was acknowledged.
    calls: Vec<(Instant, Duration, bool)>,
    failures: Vec<Error>,
}

/// The records of a load that was stopped.
#[derive(Debug)]
pub struct Report {
    books: Vec<Books>,
}

impl Load {
    /// Starts the tasks.
    #[must_use]
    pub fn start(store: &Arc<dyn SessionStore>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let task = |_| tokio::spawn(work(Arc::clone(store), Arc::clone(&stop)));
        Self { tasks: (0..TASKS).map(task).collect(), stop }
    }

    /// Stops the tasks, and returns their records.
    pub async fn stop(self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        let mut books = Vec::new();
        for task in self.tasks {
            books.push(task.await.unwrap());
        }
        Report { books }
    }
}

/// Puts a load on a server that is killed and restarted again and again, and returns when it was back.
pub async fn while_killed(
    store: &Arc<dyn SessionStore>,
    kill: impl Fn(),
    restart: impl AsyncFn() -> session_store_core::Result<()>,
) -> (Report, Vec<Instant>) {
    let load = Load::start(store);
    let mut returns = Vec::new();
    for _ in 0..scaled(2, 6) {
        sleep(Duration::from_millis(500)).await;
        kill();
        sleep(Duration::from_millis(300)).await;
        restart().await.unwrap();
        returns.push(Instant::now());
    }
    sleep(Duration::from_millis(scaled(1_000, 3_000))).await;
    (load.stop().await, returns)
}

impl Books {
    /// Runs one operation; `true` if it was acknowledged, `None` if what became of it is not known.
    async fn call<T>(&mut self, operation: impl Future<Output = Result<T, Error>>) -> Option<bool> {
        let begin = Instant::now();
        let outcome = operation.await;
        self.calls.push((begin, begin.elapsed(), outcome.is_ok()));
        let Err(error) = outcome else { return Some(true) };
        let is_known = !error.outcome_unknown();
        self.failures.push(error);
        // A task that fails shall not keep the cores busy.
        sleep(Duration::from_millis(5)).await;
        is_known.then_some(false)
    }
}

fn key() -> SessionKey {
    SessionKey::from(&SessionId::generate().unwrap())
}

async fn work(store: Arc<dyn SessionStore>, stop: Arc<AtomicBool>) -> Books {
    let user = UserId::new(key().to_text()).unwrap();
    let mut books = Books { user, sessions: Vec::new(), calls: Vec::new(), failures: Vec::new() };
    for round in 0_usize.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        live(&*store, &mut books, round).await;
    }
    books
}

/// The life of one session, until what became of an operation is not known.
async fn live(store: &dyn SessionStore, books: &mut Books, round: usize) {
    let (key, to) = (key(), key());
    let write = |data: &str| Write::new(data.to_owned(), HOUR, HOUR).unwrap();
    let of_user = write("created").with_owner(Owner::User(books.user.clone()));
    let created = Some("created".to_owned());
    match books.call(store.set(&key, &of_user, SetMode::Create)).await {
        Some(false) => return books.sessions.push((key, vec![None])),
        None => return books.sessions.push((key, vec![None, created])),
        Some(true) => {}
    }
    let (key, saved) = match books.call(store.set(&key, &write("saved"), SetMode::Replace)).await {
        Some(true) => (key, Some("saved".to_owned())),
        Some(false) => return books.sessions.push((key, vec![created])),
        None => return books.sessions.push((key, vec![created, Some("saved".to_owned())])),
    };
    books.call(store.touch(&key, HOUR)).await;
    let rotated = Some("rotated".to_owned());
    match books.call(store.rotate(&key, &to, &write("rotated"), None)).await {
        Some(true) => books.sessions.push((key, vec![None])),
        Some(false) => return books.sessions.push((key, vec![saved])),
        None => {
            books.sessions.push((key, vec![saved, None]));
            return books.sessions.push((to, vec![rotated, None]));
        }
    }
    if round.is_multiple_of(3) {
        return books.sessions.push((to, vec![rotated]));
    }
    match books.call(store.destroy(&to)).await {
        Some(true) => books.sessions.push((to, vec![None])),
        Some(false) => books.sessions.push((to, vec![rotated])),
        None => books.sessions.push((to, vec![rotated, None])),
    }
}

impl Report {
    /// Panics if something acknowledged was lost, if lists and keys disagree, if a call took too long, or if the store did
    /// not work again within the limit after each of these moments.
    ///
    /// Returns how many operations have an unknown outcome.
    pub async fn check(
        &self,
        store: &dyn SessionStore,
        operation_timeout: Duration,
        moments: &[Instant],
        limit: Duration,
    ) -> usize {
        let recovery = moments.iter().map(|since| self.recovery(*since)).max().unwrap_or_default();
        let unknown = self.failures().filter(|error| error.outcome_unknown()).count();
        let sessions = self.check_sessions(store).await;
        let acknowledged = self.calls().filter(|(_, _, acknowledged)| *acknowledged).count();
        println!(
            "{acknowledged} acknowledged, {} failed ({unknown} unknown), {sessions} sessions looked at, again after \
             {recovery:?}",
            self.failures().count()
        );
        self.check_times(operation_timeout);
        self.check_kinds();
        assert!(recovery <= limit, "it took {recovery:?} until all worked again");
        unknown
    }

    /// Nothing that was acknowledged is lost, and lists agree with keys. Gives how many sessions were looked at.
    async fn check_sessions(&self, store: &dyn SessionStore) -> usize {
        let mut count = 0;
        for books in &self.books {
            let mut live = Vec::new();
            for (key, allowed) in &books.sessions {
                let data = store.get(key).await.unwrap().map(|record| String::from_utf8(record.data.to_vec()).unwrap());
                assert!(allowed.contains(&data), "found {data:?} where {allowed:?} was acknowledged");
                live.extend(data.map(|_| *key));
            }
            live.sort_unstable();
            let listed = listed(store, &books.user).await;
            let unlisted = live.iter().filter(|key| !listed.contains(key)).count();
            let dead = listed.iter().filter(|key| !live.contains(key)).count();
            assert!(
                listed == live,
                "of {} live sessions a list lacks {unlisted}, and it has {dead} others",
                live.len()
            );
            count += books.sessions.len();
        }
        count
    }

    /// No call took longer than this and a quarter of a second.
    fn check_times(&self, operation_timeout: Duration) {
        let longest = self.calls().map(|(_, took, _)| *took).max().unwrap();
        assert!(longest <= operation_timeout + GRACE, "a call took {longest:?}");
    }

    /// Every failure is one of a database that cannot serve now.
    fn check_kinds(&self) {
        for error in self.failures() {
            let is_failure = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout);
            assert!(is_failure && error.is_transient(), "{error:?}");
        }
    }

    fn calls(&self) -> impl Iterator<Item = &(Instant, Duration, bool)> {
        self.books.iter().flat_map(|books| &books.calls)
    }

    /// Returns the errors of all tasks.
    pub fn failures(&self) -> impl Iterator<Item = &Error> {
        self.books.iter().flat_map(|books| &books.failures)
    }

    /// How long after this moment every task had an acknowledgement again.
    fn recovery(&self, since: Instant) -> Duration {
        let first = |books: &Books| {
            let after =
                books.calls.iter().filter(|(begin, took, acknowledged)| *acknowledged && *begin + *took > since);
            after.map(|(begin, took, _)| *begin + *took - since).min().expect("no acknowledgement since")
        };
        self.books.iter().map(first).max().unwrap()
    }
}

async fn listed(store: &dyn SessionStore, user: &UserId) -> Vec<SessionKey> {
    let (mut keys, mut next) = (Vec::new(), Some(Page::first(1_000).unwrap()));
    while let Some(page) = next {
        let entries = store.list_by_user(user, &page).await.unwrap();
        next = page.next(&entries);
        keys.extend(entries.iter().map(|entry| entry.key));
    }
    keys
}
