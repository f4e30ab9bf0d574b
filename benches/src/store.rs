//! Stores of numbered sessions, and what is done to them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::measure::{Operation, Subject};
use crate::result::{Error, Result};

/// How long a session lasts.
pub(crate) const HOUR: Duration = Duration::from_hours(1);

/// How many tasks fill a store.
const FILLERS: usize = 64;

/// Sessions in a store, by number. There are more numbers than sessions.
pub(crate) trait Store: Send + Sync + 'static {
    /// What a session that was created is known by.
    type Id: Send;

    fn load(&self, session: usize) -> impl Future<Output = Result> + Send;

    fn save(&self, session: usize) -> impl Future<Output = Result> + Send;

    /// Makes it last longer. Where a library has nothing for that, it is a save, as in its middleware.
    fn touch(&self, session: usize) -> impl Future<Output = Result> + Send {
        self.save(session)
    }

    /// One more with the data of this session.
    fn create(&self, session: usize) -> impl Future<Output = Result<Self::Id>> + Send;

    fn destroy(&self, id: Self::Id) -> impl Future<Output = Result> + Send;
}

/// What tasks do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Workload {
    Load,
    Save,
    Touch,
    Create,
    /// 80 % loads, 12 % touches, 6 % saves, 1 % creations, 1 % ends.
    Mix,
}

impl Workload {
    /// Those that all subjects are compared at.
    pub(crate) const COMPARED: [Self; 4] = [Self::Load, Self::Save, Self::Create, Self::Mix];
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Load => "load",
            Self::Save => "save",
            Self::Touch => "touch",
            Self::Create => "create",
            Self::Mix => "web mix",
        })
    }
}

/// A store that takes part under a name.
pub(crate) struct Contender<S: Store> {
    name: &'static str,
    played: Arc<Played<S>>,
}

impl<S: Store> Contender<S> {
    pub(crate) fn boxed(name: &'static str, store: &Arc<S>) -> Box<dyn Entrant>
    where
        S::Id: 'static,
    {
        Box::new(Self { name, played: Arc::new(Played { store: Arc::clone(store), created: Mutex::default() }) })
    }
}

/// Any store.
pub(crate) trait Entrant {
    fn subject(&self, workload: Workload, tasks: usize) -> Subject;
}

impl<S: Store<Id: 'static>> Entrant for Contender<S> {
    fn subject(&self, workload: Workload, tasks: usize) -> Subject {
        Subject::new(self.name, tasks, Play { played: Arc::clone(&self.played), workload })
    }
}

/// A store, and the sessions that were created while it was measured.
struct Played<S: Store> {
    store: Arc<S>,
    created: Mutex<VecDeque<S::Id>>,
}

impl<S: Store> Played<S> {
    fn created(&self) -> MutexGuard<'_, VecDeque<S::Id>> {
        self.created.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn create(&self, session: usize) -> Result {
        let id = self.store.create(session).await?;
        self.created().push_back(id);
        Ok(())
    }

    async fn mix(&self, session: usize) -> Result {
        match percentile(session) {
            0..80 => self.store.load(session).await,
            80..92 => self.store.touch(session).await,
            92..98 => self.store.save(session).await,
            98 => self.create(session).await,
            _ => {
                let oldest = self.created().pop_front();
                match oldest {
                    Some(id) => self.store.destroy(id).await,
                    None => self.create(session).await,
                }
            }
        }
    }
}

/// A number below 100 for a session, without order, by Fibonacci hashing (Knuth, "The Art of Computer Programming",
/// volume 3, 6.4).
fn percentile(session: usize) -> u64 {
    let hash = (session as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((hash >> 32) * 100) >> 32
}

struct Play<S: Store> {
    played: Arc<Played<S>>,
    workload: Workload,
}

impl<S: Store<Id: 'static>> Operation for Play<S> {
    async fn operate(&self, session: usize) -> Result {
        match self.workload {
            Workload::Load => self.played.store.load(session).await,
            Workload::Save => self.played.store.save(session).await,
            Workload::Touch => self.played.store.touch(session).await,
            Workload::Create => self.played.create(session).await,
            Workload::Mix => self.played.mix(session).await,
        }
    }

    /// Each turn meets a store of the same size.
    async fn tidy(&self) -> Result {
        let created = std::mem::take(&mut *self.played.created());
        let (count, created) = (created.len(), Arc::new(Mutex::new(created)));
        let played = Arc::clone(&self.played);
        each(count, move |_| {
            let (played, created) = (Arc::clone(&played), Arc::clone(&created));
            async move {
                let id = created.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                if let Some(id) = id { played.store.destroy(id).await } else { Ok(()) }
            }
        })
        .await
    }
}

/// Does something once for each of so many sessions.
pub(crate) async fn each<F>(sessions: usize, act: impl Fn(usize) -> F + Send + Sync + 'static) -> Result
where
    F: Future<Output = Result> + Send,
{
    let act = Arc::new(act);
    let work = |task: usize| {
        let act = Arc::clone(&act);
        tokio::spawn(async move {
            for session in (task..sessions).step_by(FILLERS) {
                act(session).await?;
            }
            Ok::<_, Error>(())
        })
    };
    let running: Vec<_> = (0..FILLERS).map(work).collect();
    for task in running {
        task.await??;
    }
    Ok(())
}

/// Saves so many sessions.
pub(crate) async fn save_all<S: Store>(store: &Arc<S>, sessions: usize) -> Result {
    let store = Arc::clone(store);
    each(sessions, move |session| {
        let store = Arc::clone(&store);
        async move { store.save(session).await }
    })
    .await
}

pub(crate) fn nth<T>(items: &[T], number: usize) -> Result<&T> {
    items.get(number % items.len().max(1)).ok_or_else(|| "there are no sessions".into())
}

pub(crate) fn found(is_there: bool) -> Result {
    if is_there { Ok(()) } else { Err("a session is not there that should be".into()) }
}

/// How long sessions live that are to expire: until all are there.
pub(crate) const LIVES: Duration = Duration::from_secs(10);

/// Creates sessions that live for `LIVES`, and waits until all have expired.
pub(crate) async fn expire<F>(sessions: usize, create: impl Fn(usize) -> F + Send + Sync + 'static) -> Result
where
    F: Future<Output = Result> + Send,
{
    each(sessions, create).await?;
    tokio::time::sleep(LIVES + Duration::from_secs(1)).await;
    Ok(())
}
