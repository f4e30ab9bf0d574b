//! A process, and a folder, that do not outlive the program that made them.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use session_store_core::Result;

use super::{free_port, unavailable};

/// Outlives even a program that is killed: then its standard input ends.
const WATCHDOG: &str = r#"
server=
while read -r line; do server=$line; done
[ -z "$server" ] || kill -KILL "$server"
rm -rf "$1"
"#;

/// Runs one server at a time in a folder of its own.
#[derive(Debug)]
pub(super) struct Process {
    folder: PathBuf,
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
        let failed = |what: &'static str| move |error| unavailable(what).with_source(error);
        // A port is given out once in this program, and its number tells programs apart.
        let name = format!("session-store-test.{}.{}", std::process::id(), free_port()?);
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).map_err(failed("a temporary folder cannot be made"))?;
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
        Ok(Self { folder, running: Mutex::new(Running { server: None, watchdog }) })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts the server, unless it runs.
    pub(super) fn start(&self, program: &Path, arguments: &[String]) -> Result<()> {
        let failed = |error| unavailable(format!("{} cannot be started", program.display())).with_source(error);
        let mut running = self.lock();
        if running.is_alive() {
            return Ok(());
        }
        let log = File::options().create(true).append(true).open(self.log_file()).map_err(failed)?;
        let server = Command::new(program)
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(failed)?;
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
        let stopped = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let server = self.signal(Signal::STOP)?;
        waitid(WaitId::Pid(server), stopped).map_err(|error| unavailable("the server is gone").with_source(error))?;
        Ok(())
    }

    pub(super) fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT).map(drop)
    }

    pub(super) fn log(&self) -> String {
        fs::read(self.log_file()).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn signal(&self, signal: Signal) -> Result<Pid> {
        let mut running = self.lock();
        let alive = running.is_alive();
        let server = running.server.as_ref().filter(|_| alive).ok_or_else(|| unavailable("the server does not run"))?;
        let server = Pid::from_child(server);
        kill_process(server, signal).map_err(|error| unavailable("no signal reaches the server").with_source(error))?;
        Ok(server)
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
        if let Some(mut server) = self.server.take() {
            // It fails where the server is gone, which is as good.
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
