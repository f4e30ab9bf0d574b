//! A process, and a folder, that do not outlive the program that made them.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use session_store_core::{BoxError, Error, Result};
use tokio::time::{Instant, sleep};

use super::account::Account;
use super::{LIMIT, family, free_port, unavailable};

/// Outlives even a program that is killed: then its standard input ends.
const WATCHDOG: &str = r#"
server=
while read -r line; do server=$line; done
if [ -n "$server" ]; then
    # It has no more children then.
    kill -STOP "$server"
    kill -KILL $(ps -A -o ppid= -o pid= | awk -v server="$server" '$1 == server { print $2 }') "$server"
fi
# PostgreSQL's shared memory, which the system keeps.
[ ! -f "$1/data/postmaster.pid" ] || ipcrm -m $(awk 'NR == 7 { print $2 }' "$1/data/postmaster.pid")
# Once more, should something have been written by one that was not yet dead.
rm -rf "$1" || { sleep 1; rm -rf "$1"; }
"#;

/// Writes the methods of a server that only control its [`Process`], which is in its field `process`.
macro_rules! process_methods {
    () => {
        /// Returns the folder of the server's files.
        #[must_use]
        pub fn folder(&self) -> &::std::path::Path {
            self.process.folder()
        }

        /// Returns what the server has logged since it was first started.
        #[must_use]
        pub fn log(&self) -> String {
            self.process.log()
        }

        /// Returns whether the process exists, running or stopped.
        #[must_use]
        pub fn is_running(&self) -> bool {
            self.process.is_running()
        }

        /// Kills it by `SIGKILL`, with the processes that serve its connections, as a crash would. All of them are gone
        /// when this returns.
        pub fn kill(&self) {
            self.process.kill();
        }

        /// Stops it by `SIGSTOP`, with the processes that serve its connections: these stay, and new ones are made, but
        /// nothing is answered.
        ///
        /// # Errors
        ///
        /// `Unavailable` unless it is running.
        pub fn stop(&self) -> ::session_store_core::Result<()> {
            self.process.stop()
        }

        /// Lets it go on after [`stop`](Self::stop).
        ///
        /// # Errors
        ///
        /// `Unavailable` unless it is running.
        pub fn resume(&self) -> ::session_store_core::Result<()> {
            self.process.resume()
        }
    };
}

pub(super) use process_methods;

/// Runs one server at a time in a folder of its own.
#[derive(Debug)]
pub(super) struct Process {
    folder: PathBuf,
    /// Where the server does not run as this program's user.
    account: Option<Account>,
    running: Mutex<Running>,
}

#[derive(Debug)]
struct Running {
    server: Option<Child>,
    watchdog: Child,
}

impl Process {
    /// A folder, and nothing that runs in it yet.
    pub(super) fn new() -> Result<Self> {
        Self::new_as(None)
    }

    /// The same, for a server that runs as another user.
    pub(super) fn new_as(account: Option<Account>) -> Result<Self> {
        let failed = |what: &'static str| move |error| unavailable(what).with_source(error);
        // A port is given out once in this program, and its number tells programs apart.
        let name = format!("session-store-test.{}.{}", std::process::id(), free_port()?);
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).map_err(failed("a temporary folder cannot be made"))?;
        account.map_or(Ok(()), |account| account.own(&folder)).map_err(failed("the folder cannot be given away"))?;
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Out of reach of Ctrl-C.
            .process_group(0)
            .spawn()
            .map_err(failed("sh cannot be started"))?;
        Ok(Self { folder, account, running: Mutex::new(Running { server: None, watchdog }) })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a file in the folder that is the server's, and that nobody else can read.
    pub(super) fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.folder.join(file);
        let write = || -> io::Result<()> {
            let mut opened = File::options().create(true).write(true).truncate(true).mode(0o600).open(&path)?;
            opened.write_all(text.as_bytes())?;
            self.account.map_or(Ok(()), |account| account.own(&path))
        };
        write().map_err(|error| unavailable(format!("{file} cannot be written")).with_source(error))
    }

    /// Runs a program to its end.
    pub(super) async fn run(&self, program: &Path, arguments: &[String]) -> Result<()> {
        self.start(program, arguments)?;
        self.wait_for_end().await?;
        let mut running = self.lock();
        if running.server.take().is_some_and(|mut ended| ended.wait().is_ok_and(|status| status.success())) {
            return Ok(());
        }
        Err(unavailable(format!("{} fails; its log ends: {}", program.display(), self.end_of_log())))
    }

    /// Starts the server, unless it runs.
    pub(super) fn start(&self, program: &Path, arguments: &[String]) -> Result<()> {
        let failed = |error| unavailable(format!("{} cannot be started", program.display())).with_source(error);
        let mut running = self.lock();
        if running.is_alive() {
            return Ok(());
        }
        let log = File::options().create(true).append(true).open(self.log_file()).map_err(failed)?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log)
            .process_group(0);
        if let Some(account) = self.account {
            account.run(&mut command);
        }
        let server = command.spawn().map_err(failed)?;
        running.tell_watchdog(&server.id().to_string());
        running.server = Some(server);
        Ok(())
    }

    pub(super) fn is_running(&self) -> bool {
        self.lock().is_alive()
    }

    pub(super) fn kill(&self) {
        self.lock().kill();
    }

    /// Returns when it has really stopped.
    pub(super) fn stop(&self) -> Result<()> {
        self.signal(family::stop)
    }

    pub(super) fn resume(&self) -> Result<()> {
        self.signal(family::resume)
    }

    /// As Ctrl-C does, which does not reach the server.
    pub(super) fn interrupt(&self) -> Result<()> {
        self.signal(|server| Ok(kill_process(server, Signal::INT)?))
    }

    /// Returns when it has ended by itself.
    pub(super) async fn wait_for_end(&self) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        while self.is_running() {
            if Instant::now() > deadline {
                return Err(unavailable(format!("no end within {LIMIT:?}; the log ends: {}", self.end_of_log())));
            }
            sleep(Duration::from_millis(5)).await;
        }
        self.lock().tell_watchdog("");
        Ok(())
    }

    /// Asks again and again until there is an answer, or the server is gone.
    pub(super) async fn wait_for_an_answer<Ping, Failure>(&self, ping: impl Fn() -> Ping) -> Result<()>
    where
        Ping: Future<Output = Result<(), Failure>>,
        Failure: Into<BoxError>,
    {
        let deadline = Instant::now() + LIMIT;
        while let Err(failure) = ping().await {
            if Instant::now() > deadline || !self.is_running() {
                return Err(self.silent(failure.into()));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    fn silent(&self, cause: BoxError) -> Error {
        unavailable(format!("the server gives no answer; its log ends: {}", self.end_of_log())).with_source(cause)
    }

    pub(super) fn log(&self) -> String {
        fs::read(self.log_file()).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    fn end_of_log(&self) -> String {
        let log = self.log();
        let start = log.char_indices().rev().nth(1000).map_or(0, |(at, _)| at);
        log.get(start..).unwrap_or_default().to_owned()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn signal(&self, send: impl Fn(Pid) -> io::Result<()>) -> Result<()> {
        let mut running = self.lock();
        let alive = running.is_alive();
        let server = running.server.as_ref().filter(|_| alive).ok_or_else(|| unavailable("the server does not run"))?;
        send(Pid::from_child(server)).map_err(|error| unavailable("no signal reaches the server").with_source(error))
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn is_alive(&mut self) -> bool {
        self.server.as_mut().is_some_and(|server| matches!(server.try_wait(), Ok(None)))
    }

    fn kill(&mut self) {
        let alive = self.is_alive();
        if let Some(mut server) = self.server.take() {
            // Both fail where the server is gone, which is as good.
            let _ = if alive { family::kill_children(Pid::from_child(&server)) } else { Ok(()) };
            let _ = server.kill();
            // Before its number can be given out again.
            self.tell_watchdog("");
            let _ = server.wait();
        }
    }

    fn tell_watchdog(&mut self, server: &str) {
        if let Some(pipe) = &mut self.watchdog.stdin {
            let _ = writeln!(pipe, "{server}");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut running = self.lock();
        running.kill();
        drop(running.watchdog.stdin.take());
        let _ = running.watchdog.wait();
    }
}
