//! One server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, RedisError};
use session_store_core::Result;

use super::process::{Process, process_methods};
use super::{free_port, program, unavailable};
use crate::release::Release;

/// A Redis server of one test's own. It is killed, and its data removed, when it is dropped.
#[derive(Debug)]
pub struct RedisServer {
    program: PathBuf,
    arguments: Vec<String>,
    port: u16,
    password: Option<String>,
    process: Process,
}

impl RedisServer {
    /// A server that answers, on loopback, without persistence unless the options say otherwise:
    /// `&["--appendonly", "yes", "--appendfsync", "always"]`.
    ///
    /// It listens on a port of its own, and on what else the options name, as `--tls-port` with a
    /// [`free_port`]. With `--requirepass`, [`url`](Self::url) has the password.
    ///
    /// # Errors
    ///
    /// `Unavailable` where there is no program, or it gives no answer. The message ends with the server's log.
    pub async fn start(options: &[&str]) -> Result<Self> {
        Self::start_release(Release::Current, options).await
    }

    /// The same, of this release.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn start_release(release: Release, options: &[&str]) -> Result<Self> {
        Self::start_program(&program(release)?, options).await
    }

    /// The same with a program that takes Redis's options.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn start_program(program: &Path, options: &[&str]) -> Result<Self> {
        const TRIES: usize = 3;
        let mut tries = 1;
        loop {
            let port = free_port()?;
            let port_text = port.to_string();
            let ours = ["--port", &port_text, "--bind", "127.0.0.1", "--save", ""];
            let server = Self::new(program, port, ours.iter().chain(options))?;
            match server.start_again().await {
                // Another program was quicker to take the port.
                Err(_) if tries < TRIES && server.log().contains("Address already in use") => tries += 1,
                outcome => return outcome.map(|()| server),
            }
        }
    }

    /// A Sentinel, with the lines of the file that it keeps its state in.
    pub(super) async fn start_sentinel(settings: &str) -> Result<Self> {
        const FILE: &str = "sentinel.conf";
        let port = free_port()?;
        let server = Self::new(&program(Release::Current)?, port, [FILE, "--sentinel"].iter())?;
        let text = format!("port {port}\nbind 127.0.0.1\ndir {}\n{settings}\n", server.folder().display());
        std::fs::write(server.folder().join(FILE), text)
            .map_err(|error| unavailable("the sentinel's file cannot be written").with_source(error))?;
        server.start_again().await?;
        Ok(server)
    }

    fn new<'a>(program: &Path, port: u16, arguments: impl Iterator<Item = &'a &'a str>) -> Result<Self> {
        let arguments: Vec<_> = arguments.map(|argument| (*argument).to_owned()).collect();
        let named = arguments.iter().position(|argument| argument == "--requirepass");
        let password = named.and_then(|at| arguments.get(at + 1)).cloned();
        Ok(Self { program: program.to_owned(), arguments, port, password, process: Process::new()? })
    }

    /// The port on loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://127.0.0.1:<port>`, with the password if there is one.
    #[must_use]
    pub fn url(&self) -> String {
        let password = self.password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default();
        format!("redis://{password}127.0.0.1:{}", self.port)
    }

    /// What `--requirepass` says.
    #[must_use]
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    process_methods!();

    /// Kills it if it runs, and starts it with the same port, options and data. It answers when this returns.
    ///
    /// # Errors
    ///
    /// `Unavailable` where it gives no answer.
    pub async fn restart(&self) -> Result<()> {
        self.kill();
        self.start_again().await
    }

    /// Starts it unless it runs, with the same port, options and data. It may load its data for a while yet.
    ///
    /// # Errors
    ///
    /// `Unavailable` where the program cannot be started.
    pub fn start_again_without_waiting(&self) -> Result<()> {
        self.process.start(&self.program, &self.arguments)
    }

    async fn start_again(&self) -> Result<()> {
        self.start_again_without_waiting()?;
        self.wait_for_an_answer().await
    }

    /// Returns when it has loaded its data and answers.
    ///
    /// # Errors
    ///
    /// `Unavailable` where it does not, within half a minute, or is not running.
    pub async fn wait_for_an_answer(&self) -> Result<()> {
        self.process.wait_for_an_answer(|| self.ping()).await
    }

    async fn ping(&self) -> Result<(), RedisError> {
        // A stopped server shall not hold up the look at the deadline.
        let mut connection = self.connect(Duration::from_secs(1)).await?;
        match redis::cmd("PING").query_async(&mut connection).await {
            // With `--requirepass` and a user's own ACL file, say.
            Err(error) if error.code().is_some_and(|code| code != "LOADING") => Ok(()),
            outcome => outcome,
        }
    }

    /// A connection that waits ten seconds for an answer.
    ///
    /// # Errors
    ///
    /// `Unavailable` where the server does not accept it.
    pub async fn connection(&self) -> Result<MultiplexedConnection> {
        let failed = |error| unavailable(format!("no connection to port {}", self.port)).with_source(error);
        self.connect(Duration::from_secs(10)).await.map_err(failed)
    }

    async fn connect(&self, patience: Duration) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(1)))
            .set_response_timeout(Some(patience));
        Client::open(self.url())?.get_multiplexed_async_connection_with_config(&config).await
    }

    /// The answer to one command, on a new connection: `server.ask::<String>(&["INFO", "replication"])`.
    ///
    /// # Errors
    ///
    /// `Unavailable` with the server's error, or that of the connection, as its source.
    pub async fn ask<T: FromRedisValue>(&self, command: &[&str]) -> Result<T> {
        let mut connection = self.connection().await?;
        let name = command.first().copied().unwrap_or_default();
        let failed = |error| unavailable(format!("{name} fails on port {}", self.port)).with_source(error);
        let mut query = redis::Cmd::new();
        query.arg(command);
        query.query_async(&mut connection).await.map_err(failed)
    }

    /// One value of `INFO`, as of `master_link_status`.
    ///
    /// # Errors
    ///
    /// As [`ask`](Self::ask).
    pub async fn info(&self, field: &str) -> Result<Option<String>> {
        let text: String = self.ask(&["INFO", "everything"]).await?;
        Ok(value_in(&text, field))
    }
}

/// The value of a field in text of lines like `role:master`.
pub(super) fn value_in(text: &str, field: &str) -> Option<String> {
    let of_field = |line: &str| line.strip_prefix(field)?.strip_prefix(':').map(str::to_owned);
    text.lines().find_map(of_field)
}
