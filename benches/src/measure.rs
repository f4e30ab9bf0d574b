//! Rates of operations, of subjects that take turns.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::meter::Meter;
use crate::result::{Error, Result};

/// How often each subject has its turn, and how long one is: many short ones, so that a machine whose speed drifts
/// hits all of a round alike.
#[derive(Clone, Copy)]
pub(crate) struct Turns {
    pub(crate) rounds: usize,
    pub(crate) length: Duration,
}

/// What is measured.
pub(crate) trait Operation: Send + Sync + 'static {
    /// How many sessions one operation is about.
    const SESSIONS: u32 = 1;

    /// Does it once, on the session of this number.
    fn operate(&self, session: usize) -> impl Future<Output = Result> + Send;

    /// What follows a turn, and is not measured.
    fn tidy(&self) -> impl Future<Output = Result> + Send {
        async { Ok(()) }
    }
}

/// What one turn has shown.
#[derive(Clone, Copy)]
pub(crate) struct Round {
    /// Sessions a second.
    pub(crate) rate: f64,
    /// The median of the seconds that a task waited for one operation.
    pub(crate) wait: f64,
    /// Seconds of CPU that the server took for one session.
    pub(crate) server: f64,
}

type Turn = Pin<Box<dyn Future<Output = Result<Round>>>>;

/// One that takes turns with others, and what was measured of it in each round.
pub(crate) struct Subject {
    pub(crate) name: String,
    // A call that is not known beforehand costs something, so there is one for a turn, not for each operation.
    turn: Box<dyn Fn(Duration, Meter) -> Turn>,
    pub(crate) rounds: Vec<Round>,
}

impl Subject {
    /// So many tasks do the operation, each again and again.
    pub(crate) fn new<O: Operation>(name: impl Into<String>, tasks: usize, operation: O) -> Self {
        let operation = Arc::new(operation);
        let turn = move |length, meter| Box::pin(turn(Arc::clone(&operation), tasks, length, meter)) as Turn;
        Self { name: name.into(), turn: Box::new(turn), rounds: Vec::new() }
    }
}

/// Gives every subject its turn in every round. The first is for warming up, and does not count.
pub(crate) async fn take_turns(what: &str, subjects: &mut [Subject], turns: Turns, meter: &Meter) -> Result {
    let Turns { rounds, length } = turns;
    for round in 0..=rounds {
        eprint!("\r\x1b[K{what}: round {round} of {rounds}");
        // Each begins with another subject, so that none always comes after the same.
        let (last, first) = subjects.split_at_mut(round % subjects.len().max(1));
        for subject in first.iter_mut().chain(last) {
            let measured = (subject.turn)(length, meter.clone()).await;
            let measured = measured.map_err(|error| format!("{what}, {}: {error}", subject.name))?;
            subject.rounds.extend((round > 0).then_some(measured));
        }
    }
    eprintln!("\r\x1b[K{what}, thousands a second: {}", rates(subjects));
    Ok(())
}

fn rates(subjects: &[Subject]) -> String {
    let rate = |subject: &Subject| {
        let rates: Vec<_> = subject.rounds.iter().map(|round| round.rate / 1e3).collect();
        format!("{} {:.1}", subject.name, median(&rates))
    };
    subjects.iter().map(rate).collect::<Vec<_>>().join("; ")
}

async fn turn<O: Operation>(operation: Arc<O>, tasks: usize, length: Duration, meter: Meter) -> Result<Round> {
    let (used, begin) = (meter.cpu_seconds()?, Instant::now());
    let work = |task: usize| {
        let operation = Arc::clone(&operation);
        tokio::spawn(async move {
            let (mut waits, mut session) = (Vec::new(), task * 7_919);
            let mut last = begin.elapsed();
            while last < length {
                operation.operate(session).await?;
                session += 31;
                let now = begin.elapsed();
                waits.push(now.saturating_sub(last).as_secs_f64());
                last = now;
            }
            Ok::<_, Error>(waits)
        })
    };
    let running: Vec<_> = (0..tasks).map(work).collect();
    let mut waits = Vec::new();
    for task in running {
        waits.extend(task.await??);
    }
    let (seconds, used) = (begin.elapsed().as_secs_f64(), meter.cpu_seconds()? - used);
    operation.tidy().await?;
    let sessions = f64::from(u32::try_from(waits.len())?) * f64::from(O::SESSIONS);
    Ok(Round { rate: sessions / seconds, wait: median(&waits), server: used / sessions })
}

/// The median of some values, and between which two the middle half of them lies.
#[derive(Clone, Copy, serde::Serialize, serde::Deserialize)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Summary {
    pub(crate) fn of(values: &[f64]) -> Self {
        Self { median: median(values), low: quantile(values, 1), high: quantile(values, 3) }
    }
}

pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 2)
}

/// The value that so many quarters of the others are below; 0 where there is none.
fn quantile(values: &[f64], quarters: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() * quarters / 4).copied().unwrap_or_default()
}
