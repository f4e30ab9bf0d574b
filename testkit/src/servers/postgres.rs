//! One PostgreSQL server.

use std::path::PathBuf;
use std::time::Duration;

use session_store_core::{BoxError, Result};
use sqlx::postgres::{PgConnectOptions, PgSslMode, Postgres};
use sqlx::{AssertSqlSafe, Connection as _, Decode, PgConnection, Type};
use tokio::time::timeout;

use super::account::Account;
use super::process::{Process, process_methods};
use super::{access, free_port, postgres_programs, unavailable};

/// In the server's folder; the watchdog looks for it too.
const DATA: &str = "data";

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A PostgreSQL server of one test's own. It is killed, and its data removed, when it is dropped.
///
/// Where the tests run as root it runs as the user `postgres`.
#[derive(Debug)]
pub struct PostgresServer {
    programs: PathBuf,
    port: u16,
    process: Process,
}

impl PostgresServer {
    /// A server that answers, on loopback, with settings as in `postgresql.conf`:
    /// `&[("synchronous_commit", "off"), ("max_connections", "10")]`.
    ///
    /// It lets everybody in, without a password and without TLS.
    ///
    /// # Errors
    ///
    /// `Unavailable` where there are no programs, or it gives no answer. The message ends with the server's log.
    pub async fn start(settings: &[(&str, &str)]) -> Result<Self> {
        let server = Self::initialized(settings).await?;
        server.write_data("pg_hba.conf", &access::rules("host"))?;
        server.start_first().await
    }

    /// The same with a certificate and its key, both in PEM. It accepts only connections by TLS.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn start_with_tls(settings: &[(&str, &str)], certificate: &str, key: &str) -> Result<Self> {
        let ours = [("ssl", "on"), ("ssl_cert_file", "server.crt"), ("ssl_key_file", "server.key")];
        let server = Self::initialized(&[&ours, settings].concat()).await?;
        server.write_data("server.crt", certificate)?;
        server.write_data("server.key", key)?;
        server.write_data("pg_hba.conf", &access::rules("hostssl"))?;
        server.start_first().await
    }

    async fn initialized(settings: &[(&str, &str)]) -> Result<Self> {
        let server = Self::without_data()?;
        let options = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--username=postgres"];
        server.run("initdb", &[&["-D", DATA], &options[..]].concat()).await?;
        let ours = [
            ("listen_addresses", "127.0.0.1"),
            // In the folder, where it is removed with all else.
            ("dynamic_shared_memory_type", "mmap"),
            ("password_encryption", "scram-sha-256"),
        ];
        server.configure(&[&ours, settings].concat())?;
        Ok(server)
    }

    /// A server that has no data yet, and does not run.
    pub(super) fn without_data() -> Result<Self> {
        let process = Process::new_as(Account::of_postgres()?)?;
        Ok(Self { programs: postgres_programs()?, port: free_port()?, process })
    }

    /// Runs one of PostgreSQL's other programs on the server's data.
    pub(super) async fn run(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        self.process.run(&self.programs.join(program), &arguments).await
    }

    /// Adds settings, which are in force from the next start. The last one of a name counts.
    ///
    /// # Errors
    ///
    /// `Unavailable` where the server's file cannot be written.
    pub fn configure(&self, settings: &[(&str, &str)]) -> Result<()> {
        const FILE: &str = "postgresql.conf";
        let failed = |error| unavailable("the server's settings cannot be read").with_source(error);
        let text = std::fs::read_to_string(self.folder().join(DATA).join(FILE)).map_err(failed)?;
        let lines = settings.iter().map(|(name, value)| format!("{name} = {}\n", access::literal(value)));
        self.write_data(FILE, &(text + &lines.collect::<String>()))
    }

    fn write_data(&self, file: &str, text: &str) -> Result<()> {
        self.process.write(&format!("{DATA}/{file}"), text)
    }

    /// On another port, where another program was quicker to take this one.
    pub(super) async fn start_first(mut self) -> Result<Self> {
        const TRIES: usize = 3;
        let mut tries = 1;
        loop {
            self.start_again_without_waiting()?;
            match self.wait_for_an_answer().await {
                Err(_) if tries < TRIES && self.log().contains("Address already in use") => tries += 1,
                outcome => return outcome.map(|()| self),
            }
            self.port = free_port()?;
        }
    }

    /// The port on loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `postgres://postgres@127.0.0.1:<port>/postgres`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The same for another role, with or without its password, as they stand in a URL: `name:password`.
    #[must_use]
    pub fn url_of(&self, role: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/postgres", self.port)
    }

    process_methods!();

    /// Shuts it down as an operator would, with a "fast" shutdown: connections are told, and closed.
    ///
    /// # Errors
    ///
    /// `Unavailable` unless it is running, and gone within half a minute.
    pub async fn shut_down(&self) -> Result<()> {
        self.process.interrupt()?;
        self.process.wait_for_end().await
    }

    /// Kills it if it runs, and starts it with the same port and data. It answers when this returns.
    ///
    /// # Errors
    ///
    /// `Unavailable` where it gives no answer.
    pub async fn restart(&self) -> Result<()> {
        self.kill();
        self.start_again_without_waiting()?;
        self.wait_for_an_answer().await
    }

    /// Starts it unless it runs, with the same port and data. After a crash it recovers for a while yet.
    ///
    /// # Errors
    ///
    /// `Unavailable` where the program cannot be started.
    pub fn start_again_without_waiting(&self) -> Result<()> {
        let port = self.port.to_string();
        let socket = self.folder().to_string_lossy();
        let arguments = ["-D", DATA, "-p", &port, "-k", &socket].map(str::to_owned);
        self.process.start(&self.programs.join("postgres"), &arguments)
    }

    /// Returns when it has recovered its data and answers.
    ///
    /// # Errors
    ///
    /// `Unavailable` where it does not, within half a minute, or is not running.
    pub async fn wait_for_an_answer(&self) -> Result<()> {
        let ping = || async move {
            // A stopped server shall not hold up the look at the deadline.
            let answer = timeout(Duration::from_secs(1), self.answer::<i32>("SELECT 1"));
            answer.await.map_err(BoxError::from)?.map(drop).map_err(BoxError::from)
        };
        self.process.wait_for_an_answer(ping).await
    }

    /// A connection of the role `postgres`. It passes by all rules about passwords and TLS.
    ///
    /// # Errors
    ///
    /// `Unavailable` where the server does not accept it within ten seconds.
    pub async fn connection(&self) -> Result<PgConnection> {
        self.within_patience("no connection", self.connect()).await
    }

    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(self.folder())
            .port(self.port)
            .username("postgres")
            .database("postgres")
            .ssl_mode(PgSslMode::Disable);
        PgConnection::connect_with(&options).await
    }

    /// The one value of the one row that a statement gives, on a new [`connection`](Self::connection):
    /// `server.ask::<i64>("SELECT count(*) FROM t")`.
    ///
    /// # Errors
    ///
    /// `Unavailable` with the server's error, or that of the connection, as its source.
    pub async fn ask<T>(&self, statement: &str) -> Result<T>
    where
        T: for<'row> Decode<'row, Postgres> + Type<Postgres> + Send + Unpin,
    {
        self.within_patience(statement, self.answer(statement)).await
    }

    async fn answer<T>(&self, statement: &str) -> Result<T, sqlx::Error>
    where
        T: for<'row> Decode<'row, Postgres> + Type<Postgres> + Send + Unpin,
    {
        let mut connection = self.connect().await?;
        let answer = sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok(answer)
    }

    /// Runs statements whose answers are of no interest, on a new [`connection`](Self::connection).
    ///
    /// # Errors
    ///
    /// As [`ask`](Self::ask).
    pub async fn execute(&self, statements: &str) -> Result<()> {
        let execution = async {
            let mut connection = self.connect().await?;
            sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await?;
            connection.close().await
        };
        self.within_patience(statements, execution).await
    }

    async fn within_patience<T>(&self, what: &str, answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T> {
        let failed = || unavailable(format!("{what}: fails on port {}", self.port));
        let answer = timeout(PATIENCE, answer).await.map_err(|error| failed().with_source(error))?;
        answer.map_err(|error| failed().with_source(error))
    }
}
