//! Rates of operations, of subjects that take turns.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Result<T = ()> = std::result::Result<T, Error>;

/// How often each subject has its turn, and how long one is: many short ones, so that a machine whose speed drifts
/// hits all of a round alike.
pub(crate) const ROUNDS: usize = 21;
pub(crate) const TURN: Duration = Duration::from_millis(333);

/// What is measured: one kind of operation of one subject.
pub(crate) trait Operation: Send + Sync + 'static {
    /// Does it once, on the session of this number.
    fn operate(&self, session: usize) -> impl Future<Output = Result> + Send;
}

/// One that takes turns with others, and its operations a second in each round.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    turn: Box<dyn Fn() -> Turn>,
    rates: Vec<f64>,
}

type Turn = Pin<Box<dyn Future<Output = Result<f64>>>>;

impl Subject {
    /// So many tasks do the operation, each again and again.
    pub(crate) fn new<O: Operation>(name: &'static str, tasks: usize, operation: O) -> Self {
        let operation = Arc::new(operation);
        // A call that is not known beforehand costs something, so there is one for a turn, not for each operation.
        Self { name, turn: Box::new(move || Box::pin(rate(Arc::clone(&operation), tasks))), rates: Vec::new() }
    }

    /// Operations a second.
    pub(crate) fn rate(&self) -> Summary {
        Summary::of(&self.rates)
    }

    /// How many times as fast it is as another, round by round.
    pub(crate) fn ratio_to(&self, other: &Self) -> Summary {
        Summary::of(&self.rates.iter().zip(&other.rates).map(|(rate, other)| rate / other).collect::<Vec<_>>())
    }
}

/// Gives every subject its turn in every round. The first is for warming up, and does not count.
pub(crate) async fn take_turns(subjects: &mut [Subject]) -> Result {
    for round in 0..=ROUNDS {
        eprint!("\rround {round} of {ROUNDS}{}", if round == ROUNDS { "\n" } else { "" });
        // Each begins with another subject, so that none always comes after the same.
        let (last, first) = subjects.split_at_mut(round % subjects.len().max(1));
        for subject in first.iter_mut().chain(last) {
            let rate = (subject.turn)().await?;
            if round > 0 {
                subject.rates.push(rate);
            }
        }
    }
    Ok(())
}

async fn rate<O: Operation>(operation: Arc<O>, tasks: usize) -> Result<f64> {
    let begin = Instant::now();
    let work = |task: usize| {
        let operation = Arc::clone(&operation);
        tokio::spawn(async move {
            let (mut done, mut session) = (0_u32, task * 7_919);
            while begin.elapsed() < TURN {
                operation.operate(session).await?;
                (done, session) = (done + 1, session + 31);
            }
            Ok::<_, Error>(done)
        })
    };
    let running: Vec<_> = (0..tasks).map(work).collect();
    let mut done = 0;
    for task in running {
        done += task.await??;
    }
    Ok(f64::from(done) / begin.elapsed().as_secs_f64())
}

/// The median of some values, and between which two the middle half of them lies.
#[derive(Clone, Copy)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Summary {
    fn of(values: &[f64]) -> Self {
        Self { median: median(values), low: quantile(values, 1), high: quantile(values, 3) }
    }
}

pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 2)
}

/// The value that so many quarters of the others are below.
fn quantile(values: &[f64], quarters: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() * quarters / 4).copied().unwrap_or(f64::NAN)
}
