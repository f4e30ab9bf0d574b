//! A server of this program's own.

use std::env;
use std::ffi::OsString;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use redis::Client;

use crate::measure::Result;

/// `redis-server` on loopback, without persistence. It ends when this is dropped.
pub(super) struct Process {
    child: Child,
    port: u16,
}

impl Process {
    pub(super) fn start() -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let program = env::var_os("SESSION_STORE_TEST_REDIS_SERVER").filter(|program| !program.is_empty());
        let program = program.unwrap_or_else(|| OsString::from("redis-server"));
        let mut command = Command::new(&program);
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().map_err(|error| {
            format!("{} cannot be started ({error}); name a server in {}", program.display(), super::server::VARIABLE)
        })?;
        let process = Self { child, port };
        process.wait_for_an_answer()?;
        Ok(process)
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    fn wait_for_an_answer(&self) -> Result {
        let client = Client::open(self.url())?;
        let answer = |_| {
            sleep(Duration::from_millis(50));
            client.get_connection().is_ok_and(|mut connection| redis::cmd("PING").exec(&mut connection).is_ok())
        };
        if (0..100).any(answer) { Ok(()) } else { Err("the Redis server that was started gives no answer".into()) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended by itself is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
