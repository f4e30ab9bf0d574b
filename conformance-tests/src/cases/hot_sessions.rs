//! O1: requests for one session do not hold up requests for others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use session_store_core::{ErrorKind, Result, SessionKey, SessionStore, SetMode};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::case::{Context, HOUR, Outcome, SECOND, fail, key, keys, write};
use crate::check::{ensure, gone, same};

cases! {
    "O1":
        writes_of_one_session_hold_up_no_other,
        touches_of_one_session_hold_up_no_other,
        reads_of_one_session_hold_up_no_other,
        a_session_in_constant_use_is_destroyed_at_once;
}

const CALLERS: usize = 32;

/// By this factor, an operation may be slower while all others use one session.
const FACTOR: u32 = 5;

/// An operation may always take this long, because the machine runs other cases at the same time.
const FLOOR: Duration = Duration::from_millis(50);

/// The best of several measurements counts, because the machine runs other cases at the same time.
const MEASUREMENTS: usize = 3;

type Operation = for<'a> fn(&'a dyn SessionStore, &'a SessionKey) -> BoxFuture<'a, Result<()>>;

fn replace<'a>(store: &'a dyn SessionStore, key: &'a SessionKey) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move { store.set(key, &write("written all the time")?, SetMode::Replace).await.map(drop) })
}

fn touch<'a>(store: &'a dyn SessionStore, key: &'a SessionKey) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move { store.touch(key, HOUR).await.map(drop) })
}

fn get<'a>(store: &'a dyn SessionStore, key: &'a SessionKey) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move { store.get(key).await.map(drop) })
}

/// Tasks that repeat an operation without a pause until they are stopped, each on its session.
struct Callers {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Result<()>>>,
}

impl Callers {
    fn start(store: &Arc<dyn SessionStore>, sessions: Vec<SessionKey>, operations: &[Operation]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = sessions.into_iter().zip(operations.iter().cycle()).enumerate().map(|(n, (key, &operation))| {
            let (store, stop) = (Arc::clone(store), Arc::clone(&stop));
            tokio::spawn(async move {
                // Otherwise all tasks would take the same step at the same time.
                for _ in 0..n % 5 {
                    tokio::task::yield_now().await;
                }
                while !stop.load(Ordering::Relaxed) {
                    match operation(&*store, &key).await {
                        // So many callers of one session may run out of time (E3): the clause is about the others.
                        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Timeout) => {
                            return Err(error);
                        }
                        _ => tokio::task::yield_now().await,
                    }
                }
                Ok(())
            })
        });
        let tasks = tasks.collect();
        Self { stop, tasks }
    }

    async fn stop(self) -> Outcome {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.map_err(|error| fail(error.to_string()))??;
        }
        Ok(())
    }
}

/// Returns how long an operation on a session takes on average, while others work on theirs.
async fn time_beside(
    store: &Arc<dyn SessionStore>,
    sessions: Vec<SessionKey>,
    operation: Operation,
) -> Outcome<Duration> {
    let own = key()?;
    store.set(&own, &write("data")?, SetMode::Create).await?;
    let callers = Callers::start(store, sessions, &[operation]);
    // By then, all callers have begun.
    sleep(Duration::from_millis(10)).await;
    let (begun, mut done) = (Instant::now(), 0);
    while done < 9 && begun.elapsed() < 10 * SECOND {
        for own_operation in [replace, touch, get] {
            own_operation(&**store, &own).await?;
            done += 1;
        }
    }
    let taken = begun.elapsed() / done;
    callers.stop().await?;
    Ok(taken)
}

async fn holds_up_no_other(cx: &Context, operation: Operation) -> Outcome {
    let (store, keys, hot) = (cx.store().await?, keys(CALLERS)?, key()?);
    for key in keys.iter().chain([&hot]) {
        store.set(key, &write("data")?, SetMode::Create).await?;
    }
    let mut times = Vec::new();
    for _ in 0..MEASUREMENTS {
        let beside_many = time_beside(&store, keys.clone(), operation).await?;
        let beside_one = time_beside(&store, vec![hot; CALLERS], operation).await?;
        if beside_one <= (beside_many * FACTOR).max(FLOOR) {
            return Ok(());
        }
        times.push((beside_one, beside_many));
    }
    Err(fail(format!("beside {CALLERS} callers on one session, and on as many sessions, an operation takes {times:?}")))
}

async fn writes_of_one_session_hold_up_no_other(cx: Arc<Context>) -> Outcome {
    holds_up_no_other(&cx, replace).await
}

async fn touches_of_one_session_hold_up_no_other(cx: Arc<Context>) -> Outcome {
    holds_up_no_other(&cx, touch).await
}

async fn reads_of_one_session_hold_up_no_other(cx: Arc<Context>) -> Outcome {
    holds_up_no_other(&cx, get).await
}

async fn a_session_in_constant_use_is_destroyed_at_once(cx: Arc<Context>) -> Outcome {
    let (one, two, mut late) = (cx.store().await?, cx.store().await?, 0);
    for _ in 0..10 {
        let hot = key()?;
        one.set(&hot, &write("data")?, SetMode::Create).await?;
        let callers = Callers::start(&one, vec![hot; CALLERS], &[replace, touch, get]);
        sleep(Duration::from_millis(10)).await;
        let Ok(destroyed) = timeout(SECOND, one.destroy(&hot)).await else {
            callers.stop().await?;
            late += 1;
            ensure(late < MEASUREMENTS, || format!("{late} times a destroy took more than a second"))?;
            continue;
        };
        same(&destroyed?, &true, "destroy of a session in constant use")?;
        gone(&*two, &hot, "after destroy, in constant use").await?;
        callers.stop().await?;
        gone(&*one, &hot, "after its callers have stopped").await?;
    }
    Ok(())
}
