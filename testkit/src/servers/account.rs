//! The user that a server runs as which refuses to run as root.

use std::io;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::process::geteuid;
use session_store_core::Result;

use super::unavailable;

/// Another user than this program's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account {
    user: u32,
    group: u32,
}

impl Account {
    /// `postgres` where this program is root's; none, which is its own user, elsewhere.
    pub(super) fn of_postgres() -> Result<Option<Self>> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        Ok(Some(Self { user: number_of_postgres("-u")?, group: number_of_postgres("-g")? }))
    }

    /// The command then runs as this user.
    pub(super) fn run(self, command: &mut Command) {
        command.uid(self.user).gid(self.group);
    }

    /// The file, or folder, is then this user's.
    pub(super) fn own(self, path: &Path) -> io::Result<()> {
        chown(path, Some(self.user), Some(self.group))
    }
}

/// By the program, because not every system keeps its users in a file.
fn number_of_postgres(what: &str) -> Result<u32> {
    let failed = || unavailable("root must run this server as the user postgres, and there is none");
    let output = Command::new("id").args([what, "postgres"]).output().map_err(|error| failed().with_source(error))?;
    let number = String::from_utf8_lossy(&output.stdout);
    number.trim().parse().map_err(|error| failed().with_source(error))
}
