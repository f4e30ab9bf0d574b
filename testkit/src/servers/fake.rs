//! A peer that answers what a test tells it to.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use session_store_core::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::resp::{Command, Commands, name_of};
use super::unavailable;

const INFO: &str = "# Server\r\nredis_version:8.2.1\r\nredis_mode:standalone\r\n\
                    # Memory\r\nmaxmemory_policy:noeviction\r\n\
                    # Persistence\r\nloading:0\r\n# Replication\r\nrole:master\r\n";

/// A server that clients of Redis can connect to, and that answers nearly every command in the same way.
///
/// `HELLO`, `AUTH`, `CLIENT`, `SELECT`, `PING`, `INFO`, `TIME` and `ROLE` are answered as a Redis would.
#[derive(Debug)]
pub struct FakeRedis {
    port: u16,
    script: Arc<Script>,
    listening: JoinHandle<()>,
}

#[derive(Debug)]
struct Script(Mutex<Answers>);

#[derive(Debug)]
struct Answers {
    to_any: String,
    to_named: HashMap<String, String>,
    commands: Vec<String>,
}

impl FakeRedis {
    /// A server whose answer is this, as Redis sends it: `-LOADING Redis is loading the dataset in memory`.
    ///
    /// The end of the line may be left out. No answer at all is given where it is empty.
    ///
    /// # Errors
    ///
    /// `Unavailable` where no port is free.
    pub async fn start(answer: &str) -> Result<Self> {
        let failed = |error| unavailable("no fake server can be started").with_source(error);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let answers = Answers { to_any: line(answer), to_named: HashMap::new(), commands: Vec::new() };
        let script = Arc::new(Script(Mutex::new(answers)));
        let listening = tokio::spawn(listen(listener, Arc::clone(&script)));
        Ok(Self { port, script, listening })
    }

    /// The port on loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// From now on this is the answer.
    pub fn answer_with(&self, answer: &str) {
        self.script.lock().to_any = line(answer);
    }

    /// From now on this is the answer to one command, be it `INFO` or `EVALSHA`.
    pub fn answer_to(&self, command: &str, answer: &str) {
        self.script.lock().to_named.insert(command.to_uppercase(), line(answer));
    }

    /// From now on this is the text of `INFO`.
    pub fn answer_info_with(&self, text: &str) {
        self.answer_to("INFO", &bulk(text));
    }

    /// The names of all commands that came, in upper case.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        self.script.lock().commands.clone()
    }
}

impl Drop for FakeRedis {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, script: Arc<Script>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(serve(client, Arc::clone(&script)));
    }
}

/// Ends when the client has closed the connection, or speaks another protocol.
async fn serve(mut client: TcpStream, script: Arc<Script>) {
    let mut commands = Commands::default();
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = client.read(&mut buffer).await {
        let read = commands.read(buffer.get(..length).unwrap_or_default());
        let answers: String = read.iter().map(|command| script.answer(command)).collect();
        if client.write_all(answers.as_bytes()).await.is_err() {
            return;
        }
    }
}

impl Script {
    fn lock(&self) -> MutexGuard<'_, Answers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, command: &Command) -> String {
        let name = name_of(command);
        let mut answers = self.lock();
        let answer = answers.to_named.get(&name).cloned().or_else(|| as_redis_would(&name, command));
        answers.commands.push(name);
        answer.unwrap_or_else(|| answers.to_any.clone())
    }
}

#[allow(clippy::disallowed_methods, reason = "here it is the server's clock")]
fn as_redis_would(name: &str, command: &Command) -> Option<String> {
    Some(match name {
        "AUTH" | "CLIENT" | "SELECT" => "+OK\r\n".into(),
        "HELLO" => hello(command),
        "INFO" => bulk(INFO),
        "PING" => "+PONG\r\n".into(),
        "ROLE" => format!("*3\r\n{}:0\r\n*0\r\n", bulk("master")),
        "TIME" => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            format!("*2\r\n{}{}", bulk(&now.as_secs().to_string()), bulk(&now.subsec_micros().to_string()))
        }
        _ => return None,
    })
}

fn hello(command: &Command) -> String {
    let (head, protocol) = if command.get(1).is_some_and(|version| version == b"3") { ("%7", 3) } else { ("*14", 2) };
    let text: String = [("server", "redis"), ("version", "8.2.1"), ("mode", "standalone"), ("role", "master")]
        .map(|(field, value)| bulk(field) + &bulk(value))
        .concat();
    format!("{head}\r\n{text}{}:{protocol}\r\n{}:1\r\n{}*0\r\n", bulk("proto"), bulk("id"), bulk("modules"))
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

fn line(answer: &str) -> String {
    if answer.is_empty() || answer.ends_with("\r\n") { answer.to_owned() } else { format!("{answer}\r\n") }
}
