//! What a run has shown: as JSON with every round, as Markdown with ratios first, and drawn.

use std::fmt;

use procfs::{CpuInfo, Current as _, Meminfo};
use serde::Serialize;

use crate::measure::{Subject, Summary};
use crate::result::Result;
use crate::store::Workload;

/// Everything about one database.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) database: &'static str,
    pub(crate) title: String,
    pub(crate) server: String,
    pub(crate) machine: String,
    pub(crate) date: String,
    pub(crate) comparisons: Vec<Comparison>,
    pub(crate) targets: Vec<Target>,
    pub(crate) tables: Vec<Table>,
}

/// Subjects that took turns at the same thing.
#[derive(Serialize)]
pub(crate) struct Comparison {
    pub(crate) what: String,
    pub(crate) tasks: usize,
    pub(crate) rows: Vec<Row>,
}

/// What was measured of a subject.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) subject: String,
    /// Sessions a second.
    pub(crate) rate: Summary,
    /// The median that a task waits for one operation, in microseconds.
    pub(crate) wait: Summary,
    /// The server's CPU time for a session, in microseconds.
    pub(crate) server: Summary,
    rates: Vec<f64>,
    waits: Vec<f64>,
}

impl Row {
    fn of(subject: &Subject) -> Self {
        let all = |value: fn(&crate::measure::Round) -> f64| subject.rounds.iter().map(value).collect::<Vec<_>>();
        let (rates, waits) = (all(|round| round.rate), all(|round| round.wait * 1e6));
        Self {
            subject: subject.name.clone(),
            rate: Summary::of(&rates),
            wait: Summary::of(&waits),
            server: Summary::of(&all(|round| round.server * 1e6)),
            rates,
            waits,
        }
    }

    /// How many times as fast as another, round by round.
    pub(crate) fn times_as_fast(&self, other: &Self) -> Summary {
        ratio(&self.rates, &other.rates)
    }

    /// How many times as long a task waits as for another, round by round.
    fn times_as_long(&self, other: &Self) -> Summary {
        ratio(&self.waits, &other.waits)
    }
}

fn ratio(values: &[f64], others: &[f64]) -> Summary {
    Summary::of(&values.iter().zip(others).map(|(value, other)| value / other).collect::<Vec<_>>())
}

impl Comparison {
    pub(crate) fn of(what: impl Into<String>, tasks: usize, subjects: &[Subject]) -> Self {
        Self { what: what.into(), tasks, rows: subjects.iter().map(Row::of).collect() }
    }

    pub(crate) fn row(&self, subject: &str) -> Result<&Row> {
        let row = self.rows.iter().find(|row| row.subject == subject);
        row.ok_or_else(|| format!("{}: {subject} did not take part", self.what).into())
    }
}

/// What a ratio must reach, or must not exceed.
#[derive(Clone, Copy, Serialize)]
pub(crate) enum Want {
    AtLeast(f64),
    AtMost(f64),
}

impl Want {
    fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "at least {least}"),
            Self::AtMost(most) => write!(f, "at most {most}"),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) value: Summary,
    pub(crate) want: Want,
    pub(crate) is_met: bool,
}

impl Target {
    pub(crate) fn new(what: impl Into<String>, value: Summary, want: Want) -> Self {
        Self { what: what.into(), value, want, is_met: want.is_met_by(value.median) }
    }

    pub(crate) fn of_value(what: impl Into<String>, value: f64, want: Want) -> Self {
        Self::new(what, Summary { median: value, low: value, high: value }, want)
    }
}

/// Figures that are no rates.
#[derive(Serialize)]
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) heads: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// How a comparison ends in its name whose subjects are stores of different sizes.
pub(crate) const BY_SIZE: &str = "by sessions in the store";

impl Report {
    pub(crate) fn new(database: &'static str, title: impl Into<String>, server: String) -> Result<Self> {
        let date = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
        let (title, machine) = (title.into(), machine()?);
        Ok(Self { database, title, server, machine, date, comparisons: vec![], targets: vec![], tables: vec![] })
    }

    fn comparison(&self, what: &str, tasks: usize) -> Result<&Comparison> {
        let found = self.comparisons.iter().find(|comparison| comparison.what == what && comparison.tasks == tasks);
        found.ok_or_else(|| format!("{what} of {tasks} tasks was not measured").into())
    }

    /// Judges how many times as fast a subject is as another.
    pub(crate) fn want_speed(&mut self, workload: Workload, tasks: usize, pair: [&str; 2], want: Want) -> Result {
        let comparison = self.comparison(&workload.to_string(), tasks)?;
        let [subject, other] = pair;
        let value = comparison.row(subject)?.times_as_fast(comparison.row(other)?);
        let what = format!("{workload}, {tasks} tasks: times as fast as {other}");
        self.targets.push(Target::new(what, value, want));
        Ok(())
    }

    /// Judges how many times as long one task waits as for another subject.
    pub(crate) fn want_wait(&mut self, workload: Workload, pair: [&str; 2], want: Want) -> Result {
        let comparison = self.comparison(&workload.to_string(), 1)?;
        let [subject, other] = pair;
        let value = comparison.row(subject)?.times_as_long(comparison.row(other)?);
        let what = format!("{workload}, one task: median wait, times that of {other}");
        self.targets.push(Target::new(what, value, want));
        Ok(())
    }
}

impl Summary {
    pub(crate) fn times(self, factor: f64) -> Self {
        Self { median: self.median * factor, low: self.low * factor, high: self.high * factor }
    }
}

fn machine() -> Result<String> {
    let cpus = CpuInfo::current()?;
    let model = cpus.model_name(0).unwrap_or("an unnamed processor").to_owned();
    let memory = Meminfo::current()?.mem_total / (1 << 30);
    let kernel = procfs::sys::kernel::Version::current()?;
    Ok(format!("{} cores of {model}, {memory} GiB, Linux {}.{}", cpus.num_cores(), kernel.major, kernel.minor))
}

pub(crate) fn tasks(count: usize) -> String {
    if count == 1 { "1 task".to_owned() } else { format!("{count} tasks") }
}
