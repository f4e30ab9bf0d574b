//! Rates and latencies of operations, of subjects that take turns.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Result<T = ()> = std::result::Result<T, Error>;

/// How often each subject has its turn, and how long one is: many short ones, so that a machine whose speed drifts
/// hits all of a round alike.
#[derive(Clone, Copy)]
pub(crate) struct Turns {
    pub(crate) rounds: usize,
    pub(crate) length: Duration,
}

/// What is measured: one kind of operation of one subject.
pub(crate) trait Operation: Send + Sync + 'static {
    /// Does it once, on the session of this number.
    fn operate(&self, session: usize) -> impl Future<Output = Result> + Send;
}

/// One that takes turns with others, and what was measured of it in each round.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    // A call that is not known beforehand costs something, so there is one for a turn, not for each operation.
    turn: Box<dyn Fn(Duration) -> Turn>,
    values: Vec<f64>,
}

type Turn = Pin<Box<dyn Future<Output = Result<f64>>>>;

impl Subject {
    /// So many tasks do the operation, each again and again. How many operations there are in a second is measured.
    pub(crate) fn new<O: Operation>(name: &'static str, tasks: usize, operation: O) -> Self {
        let operation = Arc::new(operation);
        let turn = move |length| Box::pin(rate(Arc::clone(&operation), tasks, length)) as Turn;
        Self { name, turn: Box::new(turn), values: Vec::new() }
    }

    /// One task does the operation again and again. The median of how many seconds one takes is measured.
    pub(crate) fn latency<O: Operation>(name: &'static str, operation: O) -> Self {
        let operation = Arc::new(operation);
        let turn = move |length| Box::pin(latency(Arc::clone(&operation), length)) as Turn;
        Self { name, turn: Box::new(turn), values: Vec::new() }
    }

    /// What was measured.
    pub(crate) fn values(&self) -> Summary {
        Summary::of(&self.values)
    }

    /// How many times as large that is as another's, round by round.
    pub(crate) fn ratio_to(&self, other: &Self) -> Summary {
        Summary::of(&self.values.iter().zip(&other.values).map(|(value, other)| value / other).collect::<Vec<_>>())
    }
}

/// Gives every subject its turn in every round. The first is for warming up, and does not count.
pub(crate) async fn take_turns(subjects: &mut [Subject], turns: Turns) -> Result {
    let Turns { rounds, length } = turns;
    for round in 0..=rounds {
        eprint!("\rround {round} of {rounds}{}", if round == rounds { "\n" } else { "" });
        // Each begins with another subject, so that none always comes after the same.
        let (last, first) = subjects.split_at_mut(round % subjects.len().max(1));
        for subject in first.iter_mut().chain(last) {
            let value = (subject.turn)(length).await?;
            if round > 0 {
                subject.values.push(value);
            }
        }
    }
    Ok(())
}

async fn rate<O: Operation>(operation: Arc<O>, tasks: usize, length: Duration) -> Result<f64> {
    let begin = Instant::now();
    let work = |task: usize| {
        let operation = Arc::clone(&operation);
        tokio::spawn(async move {
            let (mut done, mut session) = (0_u32, task * 7_919);
            while begin.elapsed() < length {
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

async fn latency<O: Operation>(operation: Arc<O>, length: Duration) -> Result<f64> {
    let work = async move {
        let (mut taken, mut session, first) = (Vec::new(), 0, Instant::now());
        while first.elapsed() < length {
            let begin = Instant::now();
            operation.operate(session).await?;
            taken.push(begin.elapsed().as_secs_f64());
            session += 31;
        }
        Ok::<_, Error>(median(&taken))
    };
    tokio::spawn(work).await?
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
