//! Measures one release of a store, on command: `scripts/compare` builds it against two releases, and `benches compare` gives
//! both their turns.
//!
//! It reads lines `WORKLOAD TASKS MILLISECONDS` and answers each with the rate that it reached.

use std::io::{BufRead as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use session_store_core::{Owner, SessionId, SessionKey, SessionStore, SetMode, UserId, Write};
use tokio::runtime::Builder;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T = ()> = std::result::Result<T, Error>;

const SESSIONS: usize = 20_000;
/// About what a session of a real application has.
const BYTES: usize = 700;
const HOUR: Duration = Duration::from_secs(3_600);

struct Release {
    store: Arc<dyn SessionStore>,
    keys: Vec<SessionKey>,
    write: Write,
}

fn main() -> Result {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(name)) = (arguments.next(), arguments.next()) else {
        return Err("usage: runner URL NAMESPACE".into());
    };
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let release = Arc::new(runtime.block_on(open(&url, &name))?);
    say("ready")?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let mut words = line.split(' ');
        let (Some(workload), Some(tasks), Some(millis)) = (words.next(), words.next(), words.next()) else {
            return Err("a line is WORKLOAD TASKS MILLISECONDS".into());
        };
        let length = Duration::from_millis(millis.parse()?);
        say(&runtime.block_on(turn(&release, workload, tasks.parse()?, length))?.to_string())?;
    }
    Ok(())
}

fn say(text: &str) -> Result {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

async fn open(url: &str, name: &str) -> Result<Release> {
    let store: Arc<dyn SessionStore> = match url.split(':').next() {
        Some("redis") => Arc::new(session_store_redis::RedisStore::builder(url).prefix(name).build().await?),
        Some("postgres") => {
            Arc::new(session_store_postgres::PostgresStore::builder(url).table(name).migrate().build().await?)
        }
        Some("mongodb") => {
            let builder = session_store_mongo::MongoStore::builder(url);
            Arc::new(builder.database("compare").collection(name).ensure_indexes().build().await?)
        }
        _ => return Err("no such store".into()),
    };
    let data: Vec<u8> = (0..BYTES).map(|byte| (byte * 31 % 251) as u8).collect();
    let write = Write::new(data, HOUR, HOUR)?;
    let keys = (0..SESSIONS).map(|_| Ok(SessionKey::from(&SessionId::generate()?))).collect::<Result<Vec<_>>>()?;
    let release = Arc::new(Release { store, keys, write });
    let fill = |task: usize| {
        let release = Arc::clone(&release);
        tokio::spawn(async move {
            for number in (task..SESSIONS).step_by(64) {
                let user = UserId::new(format!("user {}", number / 2))?;
                let write = release.write.clone().with_owner(Owner::User(user));
                release.store.set(&release.keys[number], &write, SetMode::Create).await?;
            }
            Ok::<_, Error>(())
        })
    };
    let running: Vec<_> = (0..64).map(fill).collect();
    for task in running {
        task.await??;
    }
    Arc::into_inner(release).ok_or_else(|| "a task still runs".into())
}

async fn turn(release: &Arc<Release>, workload: &str, tasks: usize, length: Duration) -> Result<f64> {
    let count = Arc::new(AtomicU64::new(0));
    let begin = Instant::now();
    let work = |task: usize| {
        let (release, count, workload) = (Arc::clone(release), Arc::clone(&count), workload.to_owned());
        tokio::spawn(async move {
            let (mut number, mut done) = (task * 7_919, 0);
            while begin.elapsed() < length {
                release.operate(&workload, number).await?;
                number += 31;
                done += 1;
            }
            count.fetch_add(done, Ordering::Relaxed);
            Ok::<_, Error>(())
        })
    };
    let running: Vec<_> = (0..tasks).map(work).collect();
    for task in running {
        task.await??;
    }
    Ok(count.load(Ordering::Relaxed) as f64 / begin.elapsed().as_secs_f64())
}

impl Release {
    async fn operate(&self, workload: &str, number: usize) -> Result {
        let key = &self.keys[number % SESSIONS];
        match workload {
            "load" => self.load(key).await,
            "save" => self.save(key).await,
            "create" => self.create().await.map(drop),
            "mix" => match ((number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) * 100 >> 32 {
                0..80 => self.load(key).await,
                80..92 => Ok(self.store.touch(key, HOUR).await.map(drop)?),
                92..98 => self.save(key).await,
                _ => {
                    let key = self.create().await?;
                    self.store.destroy(&key).await?;
                    Ok(())
                }
            },
            _ => Err("no such workload".into()),
        }
    }

    async fn load(&self, key: &SessionKey) -> Result {
        self.store.get(key).await?.map(drop).ok_or_else(|| "a session is gone".into())
    }

    async fn save(&self, key: &SessionKey) -> Result {
        self.store.set(key, &self.write, SetMode::Replace).await?;
        Ok(())
    }

    async fn create(&self) -> Result<SessionKey> {
        let key = SessionKey::from(&SessionId::generate()?);
        self.store.set(&key, &self.write, SetMode::Create).await?;
        Ok(key)
    }
}
