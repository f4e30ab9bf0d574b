//! A server and the processes it has made, which stop and end together.

use std::io;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use super::LIMIT;

/// Of `ps`, and what it says of a process that is stopped, or has ended but not been waited for.
const STOPPED: char = 'T';
const ENDED: char = 'Z';

/// Returns when all of them have really stopped.
pub(super) fn stop(server: Pid) -> io::Result<()> {
    stop_server(server)?;
    until_all(server, Signal::STOP, &[STOPPED, ENDED])
}

/// Lets all of them go on.
pub(super) fn resume(server: Pid) -> io::Result<()> {
    for (child, _) in children_of(server)? {
        signal(child, Signal::CONT);
    }
    Ok(kill_process(server, Signal::CONT)?)
}

/// Kills the children, and leaves a stopped server to its parent to kill: it cannot find out what is done.
pub(super) fn kill_children(server: Pid) -> io::Result<()> {
    stop_server(server)?;
    until_all(server, Signal::KILL, &[ENDED])
}

/// From then on it has no more children, and none is waited for, so that their numbers stay theirs.
fn stop_server(server: Pid) -> io::Result<()> {
    let stopped = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    kill_process(server, Signal::STOP)?;
    waitid(WaitId::Pid(server), stopped)?;
    Ok(())
}

/// Sends the signal, and returns when it has had its effect.
fn until_all(server: Pid, sent: Signal, states: &[char]) -> io::Result<()> {
    let deadline = Instant::now() + LIMIT;
    for (child, _) in children_of(server)? {
        signal(child, sent);
    }
    while children_of(server)?.iter().any(|(_, state)| !states.contains(state)) {
        if Instant::now() > deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the server's children take no signal"));
        }
        sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// It fails where the child has just ended, which is as good.
fn signal(child: Pid, signal: Signal) {
    let _ = kill_process(child, signal);
}

fn children_of(server: Pid) -> io::Result<Vec<(Pid, char)>> {
    let output = Command::new("ps").args(["-A", "-o", "ppid=", "-o", "pid=", "-o", "state="]).output()?;
    let parent = server.as_raw_nonzero().to_string();
    let child = |line: &str| {
        let mut words = line.split_whitespace();
        let is_child = words.next()? == parent;
        let (pid, state) = (words.next()?.parse().ok()?, words.next()?.chars().next()?);
        is_child.then_some((Pid::from_raw(pid)?, state))
    };
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(child).collect())
}
