//! `benches compare BEFORE AFTER [DATABASE]...`: two releases of the stores that take turns, see `scripts/compare`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};

use testkit::servers::{MongoServer, PostgresServer, RedisServer};

use crate::result::Result;

const WORKLOADS: [&str; 3] = ["load", "save", "mix"];
const TASKS: [usize; 3] = [1, 64, 256];
const ROUNDS: usize = 25;
const MILLIS: u32 = 150;

/// A release is slower if the whole interval of a ratio is below this, twice.
const SLOWER: f64 = 0.97;

/// Compares the programs, and fails if the second one is slower at anything.
pub(crate) async fn run(arguments: &[String]) -> Result<ExitCode> {
    let [before, after, databases @ ..] = arguments else {
        return Err("usage: compare BEFORE AFTER [DATABASE]...".into());
    };
    let databases = if databases.is_empty() {
        vec!["redis", "postgres", "mongo"]
    } else {
        databases.iter().map(String::as_str).collect()
    };
    let mut slower = Vec::new();
    println!(
        "| database | workload | tasks | times as fast as before | 95 % interval |\n| --- | --- | --- | --- | --- |"
    );
    for database in databases {
        slower.extend(match database {
            "redis" => {
                let server = RedisServer::start(&[]).await?;
                compare(database, &server.url(), [before, after])?
            }
            "postgres" => {
                let server = PostgresServer::start(&[("shared_buffers", "1GB"), ("max_wal_size", "4GB")]).await?;
                compare(database, &server.url(), [before, after])?
            }
            "mongo" => {
                let server = MongoServer::start(&[]).await?;
                compare(database, &server.url(), [before, after])?
            }
            other => return Err(format!("no database {other}; there are redis, postgres and mongo").into()),
        });
    }
    for row in &slower {
        eprintln!("benches: slower than before: {row}");
    }
    Ok(if slower.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn compare(database: &str, url: &str, programs: [&String; 2]) -> Result<Vec<String>> {
    eprintln!("{database}: filling both stores");
    let [before, after] = programs;
    let (mut before, mut after) = (Release::start(before, url, "before")?, Release::start(after, url, "after")?);
    let mut slower = Vec::new();
    for workload in WORKLOADS {
        for tasks in TASKS {
            let mut ratio = measure(&mut before, &mut after, workload, tasks)?;
            if ratio.high < SLOWER {
                eprintln!("{database}: {workload}, {tasks} tasks: {ratio}; measured again");
                ratio = measure(&mut before, &mut after, workload, tasks)?;
            }
            println!(
                "| {database} | {workload} | {tasks} | {:.3} | {:.3} to {:.3} |",
                ratio.middle, ratio.low, ratio.high
            );
            if ratio.high < SLOWER {
                slower.push(format!("{database}, {workload}, {tasks} tasks: {ratio}"));
            }
        }
    }
    Ok(slower)
}

fn measure(before: &mut Release, after: &mut Release, workload: &str, tasks: usize) -> Result<Ratio> {
    let mut ratios = Vec::new();
    for round in 0..=ROUNDS {
        // Each begins every other round.
        let (one, other) = if round % 2 == 0 {
            let one = before.rate(workload, tasks)?;
            (one, after.rate(workload, tasks)?)
        } else {
            let other = after.rate(workload, tasks)?;
            (before.rate(workload, tasks)?, other)
        };
        // The first round is for warming up.
        ratios.extend((round > 0).then_some((other / one).ln()));
    }
    Ok(Ratio::of(&ratios))
}

/// How many times as fast the second release is.
struct Ratio {
    low: f64,
    middle: f64,
    high: f64,
}

impl Ratio {
    /// The geometric mean and its interval, by the normal approximation (the rounds are enough for it).
    fn of(logarithms: &[f64]) -> Self {
        #[allow(clippy::cast_precision_loss, reason = "there are few rounds")]
        let count = logarithms.len() as f64;
        let mean = logarithms.iter().sum::<f64>() / count;
        let variance = logarithms.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
        let half = 1.96 * (variance / count).sqrt();
        Self { low: (mean - half).exp(), middle: mean.exp(), high: (mean + half).exp() }
    }
}

impl std::fmt::Display for Ratio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.3} ({:.3} to {:.3})", self.middle, self.low, self.high)
    }
}

/// The program of one release.
struct Release {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Release {
    fn start(program: &str, url: &str, namespace: &str) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg(url).arg(namespace).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let input = child.stdin.take().ok_or("the program has no input")?;
        let output = BufReader::new(child.stdout.take().ok_or("the program has no output")?);
        let mut release = Self { child, input, output };
        if release.line()? == "ready" { Ok(release) } else { Err(format!("{program} did not begin").into()) }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    fn rate(&mut self, workload: &str, tasks: usize) -> Result<f64> {
        writeln!(self.input, "{workload} {tasks} {MILLIS}")?;
        self.input.flush()?;
        let line = self.line()?;
        line.parse().map_err(|_| format!("{workload}, {tasks} tasks: the program ended").into())
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
