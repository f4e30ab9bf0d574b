//! The CPU time of a server, and the memory of this program.

use std::path::{Path, PathBuf};
use std::time::Duration;

use procfs::process::{Process, all_processes};

use crate::result::Result;

/// Reads how much CPU time the processes of a server have used.
#[derive(Clone, Default)]
pub(crate) struct Meter {
    folder: Option<PathBuf>,
}

impl Meter {
    /// Of the server whose processes work in this folder.
    pub(crate) fn of_server(folder: &Path) -> Self {
        Self { folder: Some(folder.to_owned()) }
    }

    /// Of all its processes; 0 where there is no server.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        let Some(folder) = &self.folder else { return Ok(0.0) };
        let is_server = |process: &Process| process.cwd().is_ok_and(|cwd| cwd.starts_with(folder));
        let nanos = all_processes()?.flatten().filter(is_server).map(|process| run_time(&process)).sum();
        Ok(Duration::from_nanos(nanos).as_secs_f64())
    }
}

/// In nanoseconds, of all threads: the times in `stat` are whole hundredths of a second.
fn run_time(process: &Process) -> u64 {
    let Ok(tasks) = process.tasks() else { return 0 };
    tasks.flatten().filter_map(|task| task.schedstat().ok()).map(|stat| stat.sum_exec_runtime).sum()
}

/// How many bytes of memory this program has.
pub(crate) fn resident_bytes() -> Result<u64> {
    let pages = Process::myself()?.statm()?.resident;
    Ok(pages * procfs::page_size())
}
