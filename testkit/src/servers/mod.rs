//! Servers that one test owns: it may kill, stop, restart or cut off a Redis, a PostgreSQL or a MongoDB without
//! disturbing another test.
//!
//! ```no_run
//! # async fn example() -> session_store_core::Result<()> {
//! use testkit::servers::{Proxy, RedisServer};
//!
//! let server = RedisServer::start(&["--appendonly", "yes"]).await?;
//! let proxy = Proxy::start(&server.url()).await?;
//! // Connect to `proxy.url()`, and then:
//! proxy.cut_before_answer(); // the next write is done, and the store cannot know
//! proxy.cut().await;
//! server.restart().await?;
//! # Ok(())
//! # }
//! ```
//!
//! They are processes on loopback, in temporary folders, and end with the test, however it ends. Their programs are
//! those that these variables name (`scripts/test` sets them), else those on `PATH`:
//!
//! | variable | what it names |
//! | --- | --- |
//! | `SESSION_STORE_TEST_REDIS_SERVER` | `redis-server` |
//! | `SESSION_STORE_TEST_REDIS_OLD_SERVER` | that of [`Release::Old`], which is not looked for on `PATH` |
//! | `SESSION_STORE_TEST_POSTGRES_PROGRAMS` | the folder of `postgres`, `initdb` and `pg_basebackup` |
//! | `SESSION_STORE_TEST_PGBOUNCER` | `pgbouncer` |
//! | `SESSION_STORE_TEST_MONGOD` | `mongod` |
//!
//! `SESSION_STORE_TEST_FAKETIME` names the library by which a process of a test's own has a clock that is wrong.

mod access;
mod account;
mod cluster;
mod fake;
mod family;
mod mongo;
mod mongo_access;
mod mongo_set;
mod pgbouncer;
mod postgres;
mod process;
mod proxy;
mod redis;
mod resp;
mod sentinel;
mod standby;

use std::env;
use std::future::Future;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use session_store_core::{Error, ErrorKind, Result};
use tokio::time::{Instant, sleep};

pub use self::cluster::RedisCluster;
pub use self::fake::FakeRedis;
pub use self::mongo::MongoServer;
pub use self::mongo_set::MongoReplicaSet;
pub use self::pgbouncer::PgBouncer;
pub use self::postgres::PostgresServer;
pub use self::proxy::Proxy;
pub use self::redis::RedisServer;
pub use self::sentinel::RedisSentinel;
pub use crate::release::Release;

/// How long anything here may take before it is a failure.
const LIMIT: Duration = Duration::from_secs(30);

/// The `redis-server` program.
///
/// # Errors
///
/// `Unavailable` where there is none. The message says what to do.
pub fn program(release: Release) -> Result<PathBuf> {
    let variable = match release {
        Release::Current => "SESSION_STORE_TEST_REDIS_SERVER",
        Release::Old => "SESSION_STORE_TEST_REDIS_OLD_SERVER",
    };
    named_by(variable)
        .or_else(|| (release == Release::Current).then(|| on_path("redis-server")).flatten())
        .ok_or_else(|| unavailable(format!("no redis-server program: run scripts/test, or name one in {variable}")))
}

/// The folder of PostgreSQL's programs.
///
/// # Errors
///
/// `Unavailable` where there is none. The message says what to do.
pub fn postgres_programs() -> Result<PathBuf> {
    const VARIABLE: &str = "SESSION_STORE_TEST_POSTGRES_PROGRAMS";
    named_by(VARIABLE).or_else(|| on_path("postgres")?.parent().map(Path::to_owned)).ok_or_else(|| {
        unavailable(format!("no PostgreSQL programs: run scripts/test, or name their folder in {VARIABLE}"))
    })
}

/// The `pgbouncer` program.
///
/// # Errors
///
/// `Unavailable` where there is none. The message says what to do.
pub fn pgbouncer_program() -> Result<PathBuf> {
    const VARIABLE: &str = "SESSION_STORE_TEST_PGBOUNCER";
    named_by(VARIABLE)
        .or_else(|| on_path("pgbouncer"))
        .ok_or_else(|| unavailable(format!("no pgbouncer program: run scripts/test, or name one in {VARIABLE}")))
}

/// The `mongod` program.
///
/// # Errors
///
/// `Unavailable` where there is none. The message says what to do.
pub fn mongod_program() -> Result<PathBuf> {
    const VARIABLE: &str = "SESSION_STORE_TEST_MONGOD";
    named_by(VARIABLE).or_else(|| on_path("mongod")).ok_or_else(|| {
        unavailable(format!(
            "no mongod program: run scripts/test, or `eval \"$(scripts/databases up)\"`, or name one in {VARIABLE}"
        ))
    })
}

/// The library `libfaketimeMT.so.1`, for `LD_PRELOAD`.
///
/// # Errors
///
/// `Unavailable` where there is none. The message says what to do.
pub fn faketime_library() -> Result<PathBuf> {
    const VARIABLE: &str = "SESSION_STORE_TEST_FAKETIME";
    named_by(VARIABLE)
        .ok_or_else(|| unavailable(format!("no library of faketime: run scripts/test, or name one in {VARIABLE}")))
}

fn named_by(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn on_path(program: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders).map(|folder| folder.join(program)).find(|program| Path::is_file(program))
}

/// A port on loopback that nothing listens on, nor on the one 10 000 above it, which is Cluster's. No other call in
/// this program is given it.
///
/// # Errors
///
/// `Unavailable` where there is no such port.
pub fn free_port() -> Result<u16> {
    // Both below Linux's ports for outgoing connections, which could take that of a killed server.
    const FIRST: u16 = 10_000;
    const COUNT: u16 = 10_000;
    static NEXT: OnceLock<AtomicU16> = OnceLock::new();
    // From a place of its own in each program, so that two that run at once rarely meet.
    let next = NEXT.get_or_init(|| {
        let random = RandomState::new().build_hasher().finish() % u64::from(COUNT);
        AtomicU16::new(u16::try_from(random).unwrap_or_default())
    });
    (0..COUNT)
        .map(|_| FIRST + next.fetch_add(1, Ordering::Relaxed) % COUNT)
        .find(|port| is_free(*port) && is_free(port + 10_000))
        .ok_or_else(|| unavailable("no free port on loopback"))
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Asks again and again until the answer is yes.
async fn until<Check, Answer>(what: &str, check: Check) -> Result<()>
where
    Check: Fn() -> Answer,
    Answer: Future<Output = Result<bool>>,
{
    until_some(what, || async { Ok(check().await?.then_some(())) }).await
}

/// Asks again and again until there is what was asked for.
async fn until_some<Check, Answer, Found>(what: &str, check: Check) -> Result<Found>
where
    Check: Fn() -> Answer,
    Answer: Future<Output = Result<Option<Found>>>,
{
    let deadline = Instant::now() + LIMIT;
    loop {
        let answer = check().await;
        if let Ok(Some(found)) = answer {
            return Ok(found);
        }
        if Instant::now() > deadline {
            let error = unavailable(format!("{what}: not within {LIMIT:?}"));
            return Err(match answer {
                Ok(_) => error,
                Err(cause) => error.with_source(cause),
            });
        }
        sleep(Duration::from_millis(50)).await;
    }
}

fn unavailable(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unavailable, message.into())
}
