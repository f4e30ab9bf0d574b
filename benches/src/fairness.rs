//! `benches fairness [DATABASE | URL]...`: what requests for one session cost those for others (clause O1).
//!
//! 64 tasks work on sessions of their own while 256 others touch, load or save either sessions of their own or one and the
//! same session. Then sessions are destroyed that 300 tasks of four stores, two of them in other processes, save without a
//! pause.

use std::io::Write as _;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use session_store_core::{ErrorKind, SessionKey, SessionStore, SetMode, Write};
use session_store_mongo::MongoStore;
use session_store_postgres::PostgresStore;
use session_store_redis::RedisStore;
use testkit::servers::{MongoServer, PostgresServer, RedisServer};

use crate::measure::median;
use crate::result::{Error, Result};

const OWN: usize = 64;
const OTHERS: usize = 256;
const ROUNDS: usize = 9;
const LENGTH: Duration = Duration::from_millis(400);
const HOUR: Duration = Duration::from_hours(1);
const BYTES: usize = 700;

const DESTROYS: usize = 1_000;
const WRITERS: usize = 300;
const STORES: usize = 4;
/// How long a session is saved before it is destroyed.
const SAVED_FOR: Duration = Duration::from_millis(30);

#[derive(Clone, Copy)]
enum What {
    Touch,
    Load,
    Save,
}

/// What the rate beside one session has to be at least, as a part of the rate beside many.
const WANTED: [(What, &str, f64); 3] =
    [(What::Touch, "touch", 0.8), (What::Load, "load", 0.8), (What::Save, "save", 0.5)];

pub(crate) async fn run(databases: &[String]) -> Result<ExitCode> {
    let all = ["postgres", "mongo", "redis"];
    let databases: Vec<_> =
        if databases.is_empty() { all.to_vec() } else { databases.iter().map(String::as_str).collect() };
    let mut missed = 0;
    println!("| database | what | beside 256 of their own, thousands a second | beside one session | ratio | wanted |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for database in databases {
        missed += match database {
            "redis" => {
                let server = RedisServer::start(&[]).await?;
                measure(database, &server.url()).await?
            }
            "postgres" => {
                let server = PostgresServer::start(&[("max_connections", "200")]).await?;
                measure(database, &server.url()).await?
            }
            "mongo" => {
                let server = MongoServer::start(&[]).await?;
                measure(database, &server.url()).await?
            }
            url if url.contains("://") => measure(url.split(':').next().unwrap_or(url), url).await?,
            other => return Err(format!("no database {other}; there are postgres, mongo and redis").into()),
        };
    }
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn open(url: &str) -> Result<Arc<dyn SessionStore>> {
    Ok(match url.split(':').next() {
        Some("redis") => Arc::new(RedisStore::builder(url).prefix("fair").build().await?),
        Some("postgres") => Arc::new(PostgresStore::builder(url).table("fair").migrate().build().await?),
        _ => Arc::new(MongoStore::builder(url).database("fair").collection("fair").ensure_indexes().build().await?),
    })
}

/// The key of a session, which all processes know by its number.
fn key(number: usize) -> SessionKey {
    let mut bytes = [0; SessionKey::LEN];
    let number = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    for (byte, from) in bytes.iter_mut().zip(number.into_iter().cycle()) {
        *byte = from;
    }
    SessionKey::from_bytes(bytes)
}

fn write() -> Result<Write> {
    Ok(Write::new(vec![7; BYTES], HOUR, HOUR)?)
}

async fn measure(database: &str, url: &str) -> Result<usize> {
    let store = open(url).await?;
    for number in 0..=OWN + OTHERS {
        store.set(&key(number), &write()?, SetMode::Upsert).await?;
    }
    let mut missed = 0;
    for (what, name, wanted) in WANTED {
        let (mut beside_many, mut beside_one, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            eprint!("\r\x1b[K{database}: {name}, round {round} of {ROUNDS}");
            let many = rate(&store, what, false).await?;
            let one = rate(&store, what, true).await?;
            // The first round is for warming up.
            if round > 0 {
                beside_many.push(many / 1e3);
                beside_one.push(one / 1e3);
                ratios.push(one / many);
            }
        }
        eprintln!();
        let ratio = median(&ratios);
        missed += usize::from(ratio < wanted);
        let (many, one) = (median(&beside_many), median(&beside_one));
        println!("| {database} | {name} | {many:.1} | {one:.1} | {ratio:.2} | {wanted} |");
    }
    Ok(missed + destroys(database, url).await?)
}

/// How often a second 64 tasks do it on their own sessions, beside others on many sessions or on one.
async fn rate(store: &Arc<dyn SessionStore>, what: What, others_on_one: bool) -> Result<f64> {
    let (count, begin) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let work = |task: usize| {
        let (store, count) = (Arc::clone(store), Arc::clone(&count));
        let number = if task >= OWN && others_on_one { OWN } else { task };
        tokio::spawn(async move {
            let (key, write, mut done) = (key(number), write()?, 0);
            while begin.elapsed() < LENGTH {
                match what {
                    What::Touch => drop(store.touch(&key, HOUR).await?),
                    What::Load => drop(store.get(&key).await?),
                    What::Save => drop(store.set(&key, &write, SetMode::Replace).await?),
                }
                done += 1;
            }
            if task < OWN {
                count.fetch_add(done, Ordering::Relaxed);
            }
            Ok::<_, Error>(())
        })
    };
    let running: Vec<_> = (0..OWN + OTHERS).map(work).collect();
    for task in running {
        task.await??;
    }
    #[allow(clippy::cast_precision_loss, reason = "a rate is no exact number")]
    Ok(count.load(Ordering::Relaxed) as f64 / begin.elapsed().as_secs_f64())
}

/// Destroys sessions that others save without a pause.
async fn destroys(database: &str, url: &str) -> Result<usize> {
    let mut children: Vec<_> = (0..2).map(|_| Writers::start(url)).collect::<Result<_>>()?;
    let stores = [open(url).await?, open(url).await?];
    let number = Arc::new(AtomicUsize::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for store in &stores {
        writers.extend(start_writers(store, &number, &stop)?);
    }
    let (mut waits, mut failed) = (Vec::new(), 0);
    for round in 0..DESTROYS {
        if round % 50 == 0 {
            eprint!("\r\x1b[K{database}: destroy {round} of {DESTROYS}");
        }
        let current = 1_000_000 + round;
        let store = stores.get(round % 2).ok_or("there are two stores")?;
        store.set(&key(current), &write()?, SetMode::Create).await?;
        number.store(current, Ordering::Release);
        for child in &mut children {
            child.tell(current)?;
        }
        tokio::time::sleep(SAVED_FOR).await;
        let begin = Instant::now();
        failed += usize::from(!matches!(store.destroy(&key(current)).await, Ok(true)));
        waits.push(begin.elapsed().as_secs_f64());
    }
    eprintln!();
    stop.store(true, Ordering::Release);
    let mut saved = 0;
    for writer in writers {
        saved += writer.await?;
    }
    waits.sort_by(f64::total_cmp);
    let p99 = waits.get(waits.len() * 99 / 100).copied().unwrap_or_default();
    println!(
        "| {database} | destroy under {WRITERS} writers on {STORES} stores, {DESTROYS} times | {saved} saves here | \
         p50 {:.0} ms, p99 {:.0} ms, {failed} failed | | none fails, p99 at most 1 s |",
        median(&waits) * 1e3,
        p99 * 1e3
    );
    Ok(usize::from(failed > 0) + usize::from(p99 > 1.0))
}

fn start_writers(
    store: &Arc<dyn SessionStore>,
    number: &Arc<AtomicUsize>,
    stop: &Arc<AtomicBool>,
) -> Result<Vec<tokio::task::JoinHandle<u64>>> {
    let write = write()?;
    let work = |_| {
        let (store, number, stop, write) = (Arc::clone(store), Arc::clone(number), Arc::clone(stop), write.clone());
        tokio::spawn(async move {
            let mut saved = 0;
            while !stop.load(Ordering::Acquire) {
                let current = number.load(Ordering::Acquire);
                match store.set(&key(current), &write, SetMode::Replace).await {
                    Ok(_) => saved += 1,
                    // It was destroyed: the next one comes.
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    Err(error) => eprintln!("benches: a save failed: {error}"),
                }
            }
            saved
        })
    };
    Ok((0..WRITERS / STORES).map(work).collect())
}

/// The writers of another process.
struct Writers {
    child: Child,
    input: ChildStdin,
}

/// Makes this program the other process.
pub(crate) const WRITER: &str = "fairness-writer";

impl Writers {
    fn start(url: &str) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?).arg(WRITER).arg(url).stdin(Stdio::piped()).spawn()?;
        let input = child.stdin.take().ok_or("the process has no input")?;
        Ok(Self { child, input })
    }

    fn tell(&mut self, number: usize) -> Result {
        writeln!(self.input, "{number}")?;
        Ok(self.input.flush()?)
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Saves the session whose number comes on standard input, until it is killed.
pub(crate) async fn write_for_ever(arguments: &[String]) -> Result<ExitCode> {
    let [url] = arguments else { return Err("usage: fairness-writer URL".into()) };
    let store = open(url).await?;
    let number = Arc::new(AtomicUsize::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let writers = start_writers(&store, &number, &stop)?;
    let reported = Arc::clone(&number);
    tokio::task::spawn_blocking(move || {
        for line in std::io::stdin().lines().map_while(std::result::Result::ok) {
            reported.store(line.parse().unwrap_or_default(), Ordering::Release);
        }
    })
    .await?;
    stop.store(true, Ordering::Release);
    for writer in writers {
        writer.await?;
    }
    Ok(ExitCode::SUCCESS)
}
