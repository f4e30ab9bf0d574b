//! `PgBouncer` in front of a PostgreSQL server.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use session_store_core::{BoxError, Error, Result};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{Connection as _, PgConnection};
use tokio::time::timeout;

use super::account::Account;
use super::process::{Process, process_methods};
use super::proxy::parts_of;
use super::{free_port, pgbouncer_program};

const SETTINGS: &str = "pgbouncer.ini";

/// A `PgBouncer` of one test's own. It is killed when it is dropped.
///
/// Where the tests run as root it runs as the user `postgres`.
#[derive(Debug)]
pub struct PgBouncer {
    program: PathBuf,
    port: u16,
    url: String,
    process: Process,
}

impl PgBouncer {
    /// A `PgBouncer` on loopback, through which a server answers: `postgres://postgres@127.0.0.1:5432/postgres`.
    ///
    /// It pools by transaction, with two connections to the server, lets everybody in as the URL's role, and connects
    /// anew a second after the server was gone. Settings are as in `pgbouncer.ini`: `&[("default_pool_size", "1")]`.
    ///
    /// # Errors
    ///
    /// `Config` where the URL has no role or no port; `Unavailable` where there is no program, or no answer. The message
    /// ends with the log.
    pub async fn start(server: &str, settings: &[(&str, &str)]) -> Result<Self> {
        const TRIES: usize = 3;
        let program = pgbouncer_program()?;
        let mut tries = 1;
        loop {
            let port = free_port()?;
            let (before, _, after) = parts_of(server);
            let url = format!("{before}127.0.0.1:{port}{after}");
            let process = Process::new_as(Account::of_postgres()?)?;
            let bouncer = Self { program: program.clone(), port, url, process };
            bouncer.process.write(SETTINGS, &file(server, port, settings)?)?;
            match bouncer.restart().await {
                // Another program was quicker to take the port.
                Err(_) if tries < TRIES && bouncer.log().contains("Address already in use") => tries += 1,
                outcome => return outcome.map(|()| bouncer),
            }
        }
    }

    /// The port on loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's URL with `PgBouncer`'s address in place of the server's.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    process_methods!();

    /// Kills it if it runs, and starts it with the same port and settings. The server answers when this returns.
    ///
    /// # Errors
    ///
    /// `Unavailable` where the server gives no answer.
    pub async fn restart(&self) -> Result<()> {
        self.kill();
        self.process.start(&self.program, &[SETTINGS.to_owned()])?;
        let ping = || async move { timeout(Duration::from_secs(1), self.ping()).await.map_err(BoxError::from)? };
        self.process.wait_for_an_answer(ping).await
    }

    async fn ping(&self) -> Result<(), BoxError> {
        // What it does not pool: start-up parameters of its own choice, and prepared statements.
        let options: PgConnectOptions = self.url.parse()?;
        let options = options.extra_float_digits(None).ssl_mode(PgSslMode::Disable);
        let mut connection = PgConnection::connect_with(&options).await?;
        sqlx::raw_sql("SELECT 1").execute(&mut connection).await?;
        Ok(connection.close().await?)
    }
}

/// Only what releases 1.18 to 1.24 know. Of two settings of a name the last one counts.
fn file(server: &str, port: u16, settings: &[(&str, &str)]) -> Result<String> {
    let (before, address, _) = parts_of(server);
    let user = before.rsplit('/').next().and_then(|user| user.strip_suffix('@'));
    let (Some(user), Some((host, server_port))) = (user, address.rsplit_once(':')) else {
        return Err(Error::config("the server that PgBouncer is for needs a URL with a role and a port"));
    };
    let (role, password) = user.split_once(':').unwrap_or((user, ""));
    let mut text = format!("[databases]\n* = host={host} port={server_port} user={role}");
    if !password.is_empty() {
        // Writing to a string does not fail; neither does it below.
        let _ = write!(text, " password={password}");
    }
    let _ = write!(text, "\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n");
    let ours =
        [("auth_type", "any"), ("pool_mode", "transaction"), ("default_pool_size", "2"), ("server_login_retry", "1")];
    for (name, value) in ours.iter().chain(settings) {
        let _ = writeln!(text, "{name} = {value}");
    }
    Ok(text)
}
