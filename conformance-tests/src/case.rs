//! One case of the suite, and what it is given.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use session_store_core::{
    Error, ErrorKind, Owner, Result, SessionId, SessionKey, SessionStore, SetMode, UserId, Write,
};
use tokio::time::timeout;

use crate::gate::race;
use crate::{Capability, Harness};

/// One behaviour that a clause demands.
#[derive(Clone, Copy)]
pub struct Case {
    pub(crate) name: &'static str,
    pub(crate) needs: &'static [Capability],
    pub(crate) run: fn(Arc<Context>) -> BoxFuture<'static, Outcome>,
}

/// Why a store failed a case.
#[derive(Debug)]
pub struct Failure(String);

pub(crate) type Outcome<T = ()> = std::result::Result<T, Failure>;

/// A case that takes longer hangs. The slowest ones wait a few seconds for sessions to expire.
const CASE_TIMEOUT: Duration = Duration::from_mins(1);

impl Case {
    /// The clause and the behaviour: `"G1/a_live_session_is_read_back"`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The clause that it proves: `"G1"`.
    #[must_use]
    pub fn clause(&self) -> &'static str {
        self.name.split_once('/').map_or(self.name, |(clause, _)| clause)
    }

    /// What it needs of store and harness.
    #[must_use]
    pub fn needs(&self) -> &'static [Capability] {
        self.needs
    }

    /// Runs it in a namespace of its own, which is removed afterwards.
    ///
    /// # Errors
    ///
    /// The first thing that the store did wrong. A panic in the store and a hanging operation are
    /// failures too.
    pub async fn run(&self, harness: Arc<dyn Harness>) -> Outcome {
        let limit = Self::limit(&*harness);
        let context = Arc::new(Context::new(harness)?);
        let outcome = bounded(limit, (self.run)(Arc::clone(&context))).await;
        let removed = bounded(limit, async move { context.remove_namespaces().await }).await;
        outcome.and(removed)
    }

    /// How long it may take on this harness.
    pub(crate) fn limit(harness: &dyn Harness) -> Duration {
        CASE_TIMEOUT + 2 * harness.prune_lag()
    }
}

/// Runs a part of a case; a panic and a hanging operation are failures.
async fn bounded(limit: Duration, part: impl Future<Output = Outcome> + Send + 'static) -> Outcome {
    match tokio::spawn(timeout(limit, part)).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(fail(format!("an operation gave no answer: no end after {limit:?}"))),
        Err(error) => Err(fail(format!("the store panicked: {error}"))),
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Case({})", self.name)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl From<Error> for Failure {
    /// An operation that must succeed failed. The place is that of the `?`, which tells which one.
    #[track_caller]
    fn from(error: Error) -> Self {
        let place = std::panic::Location::caller();
        let mut text = format!("an operation that must succeed failed: {}: {error}", error.kind());
        let mut cause = std::error::Error::source(&error);
        while let Some(source) = cause {
            text = format!("{text}; caused by: {source}");
            cause = source.source();
        }
        if error.kind() == ErrorKind::Unsupported {
            text.push_str("; if that is meant, name the capability in `Harness::lacks`");
        }
        Self(format!("{text} (at {place})"))
    }
}

pub(crate) fn fail(message: impl Into<String>) -> Failure {
    Failure(message.into())
}

/// What a case has: a namespace, and the words that most cases use.
pub(crate) struct Context {
    harness: Arc<dyn Harness>,
    namespace: String,
    opened: Mutex<Vec<String>>,
}

impl Context {
    fn new(harness: Arc<dyn Harness>) -> Result<Self> {
        Ok(Self { harness, namespace: random_name("ct_")?, opened: Mutex::default() })
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(crate) fn harness(&self) -> &dyn Harness {
        &*self.harness
    }

    /// A new handle on the case's namespace.
    pub(crate) async fn store(&self) -> Result<Arc<dyn SessionStore>> {
        self.open(&self.namespace).await
    }

    /// A new handle on another namespace, whose name must hold a random part.
    pub(crate) async fn open(&self, namespace: &str) -> Result<Arc<dyn SessionStore>> {
        let store = self.harness.open(namespace).await?;
        self.remove_later(namespace);
        Ok(store)
    }

    /// Opens a store of the case's namespace, and returns two handles on it, which are closed together.
    pub(crate) async fn store_with_two_handles(&self) -> Result<[Arc<dyn SessionStore>; 2]> {
        let handles = self.harness.open_with_two_handles(&self.namespace).await?;
        self.remove_later(&self.namespace);
        Ok(handles)
    }

    fn remove_later(&self, namespace: &str) {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if !opened.iter().any(|known| known == namespace) {
            opened.push(namespace.to_owned());
        }
    }

    async fn remove_namespaces(&self) -> Outcome {
        let opened = std::mem::take(&mut *self.opened.lock().unwrap_or_else(PoisonError::into_inner));
        for namespace in opened {
            self.harness.remove(&namespace).await?;
        }
        Ok(())
    }

    /// Creates so many sessions of a user.
    pub(crate) async fn create_all(&self, user: &UserId, count: usize) -> Outcome<Vec<SessionKey>> {
        create_all(&self.store().await?, user, count).await
    }

    /// Lets time pass on the store's clock.
    pub(crate) async fn pass(&self, duration: Duration) {
        self.harness.pass(&self.namespace, duration).await;
        // Where time is moved by hand, whatever waits for it still needs a turn.
        tokio::task::yield_now().await;
    }

    /// Lets time pass until `condition` holds, for ten seconds at the most.
    pub(crate) async fn until<F>(&self, what: &str, mut condition: impl FnMut() -> F) -> Outcome
    where
        F: Future<Output = Outcome<bool>>,
    {
        const STEP: Duration = Duration::from_millis(20);
        for _ in 0..500 {
            if condition().await? {
                return Ok(());
            }
            self.pass(STEP).await;
        }
        Err(fail(format!("not within ten seconds: {what}")))
    }
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const HOUR: Duration = Duration::from_hours(1);
pub(crate) const DAY: Duration = Duration::from_hours(24);

/// A timeout that a case waits for.
pub(crate) const SHORT: Duration = Duration::from_millis(300);

/// A key that no session has.
pub(crate) fn key() -> Result<SessionKey> {
    Ok(SessionKey::from(&SessionId::generate()?))
}

pub(crate) fn keys(count: usize) -> Result<Vec<SessionKey>> {
    (0..count).map(|_| key()).collect()
}

/// Returns keys that no session has, and that rotate to each other (clause W2).
pub(crate) fn keys_together<const N: usize>(store: &dyn SessionStore) -> Result<[SessionKey; N]> {
    let mut last = key()?;
    let mut keys = [last; N];
    for key in keys.iter_mut().skip(1) {
        last = key_beside(store, &last)?;
        *key = last;
    }
    Ok(keys)
}

/// Returns a key that no session has, and that a session of `key` can rotate to (clause W2).
pub(crate) fn key_beside(store: &dyn SessionStore, key: &SessionKey) -> Result<SessionKey> {
    let placement = store.placement(key);
    let mut candidate = self::key()?;
    for _ in 0..MOST_CANDIDATES {
        if store.placement(&candidate) == placement {
            return Ok(candidate);
        }
        candidate = next_candidate(&candidate);
    }
    Err(Error::new(ErrorKind::Internal, "no other key has the placement of a random key: no session could rotate"))
}

/// Far more than the 65,536 placements that there can be.
const MOST_CANDIDATES: usize = 4_000_000;

/// Returns another key that no session has. To hash a random session ID for each candidate would take seconds if there
/// are thousands of placements.
fn next_candidate(key: &SessionKey) -> SessionKey {
    let mut bytes = *key.as_bytes();
    for word in bytes.as_chunks_mut().0 {
        // A step of Knuth's linear congruential generator, which has the full period.
        let next = u64::from_le_bytes(*word).wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *word = next.to_le_bytes();
    }
    SessionKey::from_bytes(bytes)
}

/// Creates so many sessions of a user.
pub(crate) async fn create_all(store: &Arc<dyn SessionStore>, user: &UserId, count: usize) -> Outcome<Vec<SessionKey>> {
    let keys = keys(count)?;
    // Not all at once: a thousand would wait for a pool longer than an operation may take.
    for some in keys.chunks(50) {
        let creates = some.iter().copied().map(|key| {
            let (store, user) = (Arc::clone(store), user.clone());
            async move { store.set(&key, &owned("data", &user)?, SetMode::Create).await }
        });
        for created in race(creates).await {
            created?;
        }
    }
    Ok(keys)
}

/// A name in a namespace of names that no other run uses: 20 bytes and the prefix.
pub(crate) fn random_name(prefix: &str) -> Result<String> {
    let key = key()?.to_text();
    // Of "k1_" and 64 digits, 20 digits: 80 random bits.
    Ok(prefix.chars().chain(key.chars().skip(3).take(20)).collect())
}

pub(crate) fn user(name: &str) -> Result<UserId> {
    UserId::new(name)
}

/// A write of `data` that outlives every case.
pub(crate) fn write(data: &str) -> Result<Write> {
    Write::new(data.to_owned(), HOUR, DAY)
}

/// The same, for a user.
pub(crate) fn owned(data: &str, user: &UserId) -> Result<Write> {
    Ok(write(data)?.with_owner(Owner::User(user.clone())))
}

/// The same, with timeouts of its own.
pub(crate) fn timed(user: &UserId, idle: Duration, absolute: Duration) -> Result<Write> {
    Ok(Write::new("timed", idle, absolute)?.with_owner(Owner::User(user.clone())))
}

pub(crate) fn kind_of<T>(result: &Result<T>) -> Option<ErrorKind> {
    result.as_ref().err().map(Error::kind)
}
