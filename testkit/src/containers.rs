//! Redis, Valkey, PostgreSQL and MongoDB for the tests of their stores.
//!
//! A database is the server that an environment variable names, or else a container that is started when
//! it is first asked for, and removed when its owner is dropped. `scripts/test` sets the variables where
//! no image can be pulled.
//!
//! | variable | what it names |
//! | --- | --- |
//! | `SESSION_STORE_TEST_REDIS_URL` | a running server; likewise `_VALKEY_`, `_POSTGRES_` and `_MONGO_` |
//! | `SESSION_STORE_TEST_REDIS_IMAGE` | the image of the current release, else the one in `images.txt` |
//! | `SESSION_STORE_TEST_REDIS_OLD_IMAGE` | the image of an old release, else the one in `images.txt` |
//! | `SESSION_STORE_TEST_NOT_RUN` | what is not to be had: `mongo old: why; redis old: why` |

use std::env;
use std::fmt;
use std::time::Duration;

use session_store_core::{BoxError, Error, ErrorKind, Result};
use testcontainers::core::IntoContainerPort as _;
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, GenericImage, ImageExt as _};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep, timeout};

pub use crate::release::Release;

/// `<database> <release> <image>` a line; scripts/databases reads it too.
const IMAGES: &str = include_str!("../images.txt");

/// What `scripts/databases` removes where a test program was killed; its value is the run.
const LABEL: &str = "org.session-store.test";

const START_TIMEOUT: Duration = Duration::from_mins(1);

/// A kind of database.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Database {
    /// Redis.
    Redis,
    /// Valkey. Of an old release there is none.
    Valkey,
    /// PostgreSQL.
    Postgres,
    /// MongoDB.
    Mongo,
}

/// A database for tests, started when it is first asked for.
#[derive(Debug)]
pub struct TestDatabase {
    database: Database,
    release: Release,
    server: OnceCell<Server>,
}

#[derive(Debug)]
struct Server {
    url: String,
    /// Removed when it is dropped.
    _container: Option<ContainerAsync<GenericImage>>,
}

impl TestDatabase {
    /// A database that is not started yet.
    #[must_use]
    pub fn new(database: Database, release: Release) -> Self {
        Self { database, release, server: OnceCell::new() }
    }

    /// Why it is not to be had on this machine, where `scripts/test` has found that out.
    #[must_use]
    pub fn not_run(&self) -> Option<String> {
        not_run(&self.to_string())
    }

    /// The URL of the server, which has given a real answer.
    ///
    /// # Errors
    ///
    /// `Unavailable` where there is neither a URL nor Docker, or no answer within a minute. The message
    /// says what to do.
    pub async fn url(&self) -> Result<&str> {
        let server = self.server.get_or_try_init(|| self.start()).await?;
        Ok(&server.url)
    }

    /// The server's answer to the plainest of questions: `PONG`, `1`, or the `ok` of `hello`.
    ///
    /// # Errors
    ///
    /// As [`url`](Self::url).
    pub async fn answer(&self) -> Result<String> {
        let url = self.url().await?;
        self.database.ask(url).await.map_err(|error| self.unavailable("the server gave no answer").with_source(error))
    }

    /// The server's name and release, as it says itself: `PostgreSQL 17.6`.
    ///
    /// # Errors
    ///
    /// As [`url`](Self::url).
    pub async fn release(&self) -> Result<String> {
        let url = self.url().await?;
        let failed = |error| self.unavailable("the server does not tell its release").with_source(error);
        self.database.release(url).await.map_err(failed)
    }

    async fn start(&self) -> Result<Server> {
        let named = given(&self.database.variable("URL")).filter(|_| self.release == Release::Current);
        let server = match named {
            Some(url) => Server { url, _container: None },
            None => self.start_container().await?,
        };
        self.wait_for_an_answer(&server.url).await?;
        Ok(server)
    }

    async fn start_container(&self) -> Result<Server> {
        let image = self.image()?;
        let (name, tag) = image.rsplit_once(':').unwrap_or((&image, "latest"));
        let port = self.database.port();
        let failed = |error| self.unavailable(&format!("the container of {image} does not start")).with_source(error);
        let container = GenericImage::new(name, tag)
            .with_exposed_port(port.tcp())
            .with_env_var("POSTGRES_HOST_AUTH_METHOD", "trust")
            .with_label(LABEL, given("SESSION_STORE_TEST_RUN").unwrap_or_default())
            .with_startup_timeout(START_TIMEOUT)
            .start()
            .await
            .map_err(failed)?;
        let host = container.get_host().await.map_err(failed)?;
        let port = container.get_host_port_ipv4(port).await.map_err(failed)?;
        Ok(Server { url: self.database.url(&format!("{host}:{port}")), _container: Some(container) })
    }

    async fn wait_for_an_answer(&self, url: &str) -> Result<()> {
        const ONE_TRY: Duration = Duration::from_secs(5);
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let error: BoxError = match timeout(ONE_TRY, self.database.ask(url)).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => error,
                Err(elapsed) => elapsed.into(),
            };
            if Instant::now() > deadline {
                return Err(self.unavailable("the server gave no answer within a minute").with_source(error));
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    fn image(&self) -> Result<String> {
        let variable = match self.release {
            Release::Current => self.database.variable("IMAGE"),
            Release::Old => self.database.variable("OLD_IMAGE"),
        };
        let pinned = || {
            let known = IMAGES.lines().find_map(|line| line.strip_prefix(&format!("{self} ")));
            known.map(str::to_owned).ok_or_else(|| Error::config(format!("images.txt has no image of {self}")))
        };
        given(&variable).map_or_else(pinned, Ok)
    }

    fn unavailable(&self, what: &str) -> Error {
        let variable = self.database.variable("URL");
        Error::new(
            ErrorKind::Unavailable,
            format!("{self}: {what}; run scripts/test, or start Docker, or name a server in {variable}"),
        )
    }
}

/// Why this, as `redis old server`, is not to be had on this machine, where `scripts/test` has found that out.
#[must_use]
pub fn not_run(what: &str) -> Option<String> {
    let listed = env::var("SESSION_STORE_TEST_NOT_RUN").ok()?;
    let why = listed.split("; ").find_map(|entry| entry.strip_prefix(&format!("{what}: ")))?;
    Some(why.to_owned())
}

/// An environment variable; an empty one is as good as none.
fn given(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|value| !value.is_empty())
}

/// As in `images.txt`: `redis old`.
impl fmt::Display for TestDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let database = self.database.name();
        let release = match self.release {
            Release::Current => "current",
            Release::Old => "old",
        };
        write!(f, "{database} {release}")
    }
}

impl Database {
    fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Valkey => "valkey",
            Self::Postgres => "postgres",
            Self::Mongo => "mongo",
        }
    }

    fn variable(self, what: &str) -> String {
        format!("SESSION_STORE_TEST_{}_{what}", self.name().to_uppercase())
    }

    fn port(self) -> u16 {
        match self {
            Self::Redis | Self::Valkey => 6379,
            Self::Postgres => 5432,
            Self::Mongo => 27017,
        }
    }

    fn url(self, address: &str) -> String {
        match self {
            Self::Redis | Self::Valkey => format!("redis://{address}"),
            Self::Postgres => format!("postgres://postgres@{address}/postgres"),
            Self::Mongo => format!("mongodb://{address}/?directConnection=true"),
        }
    }

    /// The answer to the plainest of questions.
    async fn ask(self, url: &str) -> Result<String, BoxError> {
        match self {
            Self::Redis | Self::Valkey => {
                let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
                Ok(redis::cmd("PING").query_async(&mut connection).await?)
            }
            Self::Postgres => {
                use sqlx::{Connection as _, PgConnection};
                let mut connection = PgConnection::connect(url).await?;
                let one: i32 = sqlx::query_scalar("SELECT 1").fetch_one(&mut connection).await?;
                connection.close().await?;
                Ok(one.to_string())
            }
            Self::Mongo => {
                let client = mongodb::Client::with_uri_str(url).await?;
                let answer = client.database("admin").run_command(mongodb::bson::doc! { "hello": 1 }).await?;
                Ok(answer.get_f64("ok")?.to_string())
            }
        }
    }
    async fn release(self, url: &str) -> Result<String, BoxError> {
        match self {
            Self::Redis | Self::Valkey => {
                let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
                let info: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await?;
                let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let valkey = field("valkey_version:").map(|version| format!("Valkey {version}"));
                let redis = || Some(format!("Redis {}", field("redis_version:")?));
                valkey.or_else(redis).ok_or_else(|| "it names no release".into())
            }
            Self::Postgres => {
                use sqlx::{Connection as _, PgConnection};
                let mut connection = PgConnection::connect(url).await?;
                let version: String = sqlx::query_scalar("SHOW server_version").fetch_one(&mut connection).await?;
                connection.close().await?;
                // Distributions add their own number.
                Ok(format!("PostgreSQL {}", version.split(' ').next().unwrap_or_default()))
            }
            Self::Mongo => {
                let client = mongodb::Client::with_uri_str(url).await?;
                let answer = client.database("admin").run_command(mongodb::bson::doc! { "buildInfo": 1 }).await?;
                Ok(format!("MongoDB {}", answer.get_str("version")?))
            }
        }
    }
}
