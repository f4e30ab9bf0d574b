//! Several processes on one file: what a killed one leaves behind, and what many count together.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use libtest_mimic::{Arguments, Failed, Trial};
use session_store_core::{SessionId, SessionKey, SessionStore as _, SetMode, Write};
use session_store_sqlite::SqliteStore;
use session_store_sqlite::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use session_store_sqlite::sqlx::{Connection as _, Row as _, query};
use tokio::runtime::Runtime;

type Result<T = ()> = std::result::Result<T, Failed>;

/// The first argument of this program when it is one of the processes, and not the test.
const WRITE: &str = "write-until-killed";
const COUNT: &str = "create-and-destroy";

const HOUR: Duration = Duration::from_hours(1);
const TASKS: usize = 32;
const KILLS: usize = 50;
const PROCESSES: usize = 4;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [WRITE, path] => run(write_for_ever(Path::new(path))),
        [COUNT, path, millis] => run(create_and_destroy(Path::new(path), millis)),
        _ => {
            let trials = vec![
                Trial::test("a_process_that_is_killed_loses_nothing_that_it_acknowledged", killed),
                Trial::test("what_four_processes_create_and_destroy_is_counted_exactly", counted),
            ];
            return libtest_mimic::run(&Arguments::from_args(), trials).exit_code();
        }
    };
    if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(work: impl Future<Output = Result>) -> Result {
    Runtime::new()?.block_on(work)
}

fn process(arguments: &[&str]) -> Result<Child> {
    Ok(Command::new(std::env::current_exe()?).args(arguments).stdout(Stdio::piped()).spawn()?)
}

fn path_text(path: &Path) -> Result<&str> {
    Ok(path.to_str().ok_or("a path that is no text")?)
}

async fn open(path: &Path) -> Result<Arc<SqliteStore>> {
    Ok(Arc::new(SqliteStore::builder(path).migrate().operation_timeout(Duration::from_secs(30)).build().await?))
}

fn say(text: &str) -> Result {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

/// Writes sessions, each with its own key as data, and reports each that was acknowledged.
async fn write_for_ever(path: &Path) -> Result {
    let store = open(path).await?;
    let tasks = (0..TASKS).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            loop {
                let key = SessionKey::from(&SessionId::generate()?);
                let text = key.to_text();
                store.set(&key, &Write::new(text.clone(), HOUR, HOUR)?, SetMode::Create).await?;
                // Every other one is changed once more, and is then of two bytes.
                if key.as_bytes().first().is_some_and(|byte| byte.is_multiple_of(2)) {
                    store.set(&key, &Write::new("ok", HOUR, HOUR)?, SetMode::Replace).await?;
                }
                say(&text)?;
            }
        })
    });
    for ended in join_all(tasks).await {
        let ended: Result = ended?;
        ended?;
    }
    Ok(())
}

/// `kill -9`, in the middle of everything.
fn killed() -> Result {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("sessions.db");
    let mut acknowledged = HashSet::new();
    for round in 0..KILLS {
        let mut writer = process(&[WRITE, path_text(&path)?])?;
        let out = writer.stdout.take().ok_or("no output")?;
        let (mut lines, mut first) = (BufReader::new(out).lines(), None);
        // At another moment each time, once it writes.
        while first.is_none_or(|first: Instant| first.elapsed() < Duration::from_millis(20 + 7 * (round as u64 % 20))) {
            acknowledged.insert(lines.next().ok_or("the writer has ended")??);
            first = first.or_else(|| Some(Instant::now()));
        }
        writer.kill()?;
        writer.wait()?;
        // What it had reported and nobody had read. The last line may be cut off.
        acknowledged.extend(lines.map_while(std::io::Result::ok).filter(|line| line.len() == 67));
    }
    let count = acknowledged.len();
    run(async move {
        let mut connection = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&path)).await?;
        let row = query("PRAGMA integrity_check").fetch_one(&mut connection).await?;
        assert_eq!(row.get::<String, _>(0), "ok");
        connection.close().await?;
        let store = open(&path).await?;
        for text in &acknowledged {
            let key: SessionKey = text.parse()?;
            let record = store.get(&key).await?.ok_or("an acknowledged session is gone")?;
            let data = if key.as_bytes()[0].is_multiple_of(2) { "ok" } else { text };
            assert_eq!(record.data, data, "an acknowledged write is gone");
        }
        assert!(store.count().await? >= count as u64);
        Ok(())
    })?;
    assert!(count > KILLS, "only {count} writes were acknowledged");
    Ok(())
}

/// Creates sessions and destroys a third of them, and reports the difference.
async fn create_and_destroy(path: &Path, millis: &str) -> Result {
    let store = open(path).await?;
    let end = Instant::now() + Duration::from_millis(millis.parse()?);
    let tasks = (0..TASKS).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let (mut balance, mut round) = (0_u64, 0);
            while Instant::now() < end {
                round += 1;
                let key = SessionKey::from(&SessionId::generate()?);
                store.set(&key, &Write::new("data", HOUR, HOUR)?, SetMode::Create).await?;
                store.touch(&key, HOUR).await?;
                if round % 3 == 0_u64 {
                    assert!(store.destroy(&key).await?);
                    assert_eq!(store.get(&key).await?, None);
                } else {
                    balance += 1;
                }
            }
            Ok::<_, Failed>(balance)
        })
    });
    let mut balance = 0;
    for ended in join_all(tasks).await {
        balance += ended??;
    }
    say(&balance.to_string())
}

fn counted() -> Result {
    let millis = if std::env::var_os("SESSION_STORE_TEST_LONG").is_some() { "60000" } else { "10000" };
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("sessions.db");
    let processes = (0..PROCESSES).map(|_| process(&[COUNT, path_text(&path)?, millis])).collect::<Result<Vec<_>>>()?;
    let mut expected = 0;
    for process in processes {
        let output = process.wait_with_output()?;
        assert!(output.status.success(), "a process has failed");
        expected += String::from_utf8(output.stdout)?.trim().parse::<u64>()?;
    }
    run(async move {
        assert_eq!(open(&path).await?.count().await?, expected);
        assert!(expected > 100, "only {expected} sessions");
        Ok(())
    })
}
