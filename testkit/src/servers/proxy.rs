//! A connection that a test breaks.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{io, mem};

use session_store_core::{Error, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::resp::{Commands, name_of};
use super::unavailable;

/// Stands between clients and a server: cuts, holds, and counts what goes through.
///
/// Connections, holding and cutting work for every protocol; commands are counted where it is Redis's, without TLS.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    port: u16,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    target: String,
    refuses: AtomicBool,
    holds: watch::Sender<bool>,
    traffic: Mutex<Traffic>,
    connections: Mutex<JoinSet<()>>,
}

#[derive(Debug, Default)]
struct Traffic {
    connections: u64,
    round_trips: u64,
    commands: Vec<String>,
    to_lose: Option<ToLose>,
    lost: u64,
}

/// Which answer does not get through.
#[derive(Debug)]
enum ToLose {
    Next,
    Of(String),
}

/// What the two directions of one connection know of each other.
#[derive(Debug, Default)]
struct Connection {
    /// Bytes have gone to the server since its last answer.
    asks: AtomicBool,
    /// The next answer is lost.
    is_doomed: AtomicBool,
}

impl Proxy {
    /// A proxy on loopback in front of a server: `redis://127.0.0.1:6379`, or `127.0.0.1:6379`.
    ///
    /// # Errors
    ///
    /// `Config` where the server has no port; `Unavailable` where no port is free.
    pub async fn start(server: &str) -> Result<Self> {
        let failed = |error| unavailable("no proxy can be started").with_source(error);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let (before, target, after) = parts_of(server);
        if !target.contains(':') {
            return Err(Error::config("the server that the proxy is for needs a port"));
        }
        let url = format!("{before}127.0.0.1:{port}{after}");
        let shared = Arc::new(Shared {
            target: target.to_owned(),
            refuses: AtomicBool::new(false),
            holds: watch::Sender::new(false),
            traffic: Mutex::default(),
            connections: Mutex::default(),
        });
        let listening = tokio::spawn(listen(listener, Arc::clone(&shared)));
        Ok(Self { url, port, shared, listening })
    }

    /// The server's URL with the proxy's address in place of the server's.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The port on loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes all connections. New ones are accepted.
    pub async fn cut(&self) {
        let mut connections = mem::take(&mut *lock(&self.shared.connections));
        connections.shutdown().await;
    }

    /// From now on closes each new connection at once.
    pub fn refuse(&self) {
        self.shared.refuses.store(true, Ordering::SeqCst);
    }

    /// Accepts connections again after [`refuse`](Self::refuse).
    pub fn accept(&self) {
        self.shared.refuses.store(false, Ordering::SeqCst);
    }

    /// From now on takes what comes from either side, and passes nothing on: a network that swallows everything.
    pub fn hold(&self) {
        self.shared.holds.send_replace(true);
    }

    /// Passes on what was held, and all that comes.
    pub fn release(&self) {
        self.shared.holds.send_replace(false);
    }

    /// Passes the next request on to the server, and closes its connection in place of passing back the answer:
    /// the request has been executed, and the client cannot know.
    ///
    /// Whatever comes back first on that connection is taken for the answer, so nothing else may be under way there.
    pub fn cut_before_answer(&self) {
        self.shared.traffic().to_lose = Some(ToLose::Next);
    }

    /// The same for the next request that has a command of this name: `EVALSHA`.
    pub fn cut_before_answer_to(&self, command: &str) {
        self.shared.traffic().to_lose = Some(ToLose::Of(command.to_uppercase()));
    }

    /// How many answers [`cut_before_answer`](Self::cut_before_answer) has kept back.
    #[must_use]
    pub fn lost_answers(&self) -> u64 {
        self.shared.traffic().lost
    }

    /// How many connections were accepted.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.traffic().connections
    }

    /// How many commands went to the server.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.shared.traffic().commands.len()
    }

    /// How often a client sent something, be it one command or many, and then waited for an answer.
    #[must_use]
    pub fn round_trips(&self) -> u64 {
        self.shared.traffic().round_trips
    }

    /// The names of the commands that went to the server, in upper case.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        self.shared.traffic().commands.clone()
    }

    /// Begins all counts at zero.
    pub fn forget(&self) {
        let mut traffic = self.shared.traffic();
        let to_lose = traffic.to_lose.take();
        *traffic = Traffic { to_lose, ..Traffic::default() };
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
        lock(&self.shared.connections).abort_all();
    }
}

/// What stands before the address, the address, and what stands after it.
pub(super) fn parts_of(url: &str) -> (&str, &str, &str) {
    let start = url.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = url.split_at(start);
    let (authority, after) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let user = authority.rfind('@').map_or(0, |at| at + 1);
    let (before, address) = url.split_at(scheme.len() + user);
    (before, address.strip_suffix(after).unwrap_or(address), after)
}

async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        if shared.refuses.load(Ordering::SeqCst) {
            continue;
        }
        shared.traffic().connections += 1;
        let mut connections = lock(&shared.connections);
        while connections.try_join_next().is_some() {}
        connections.spawn(join(client, Arc::clone(&shared)));
    }
}

/// Ends when either side, or the proxy, has closed the connection.
async fn join(client: TcpStream, shared: Arc<Shared>) {
    let Ok(server) = TcpStream::connect(&shared.target).await else { return };
    for stream in [&client, &server] {
        // Without it an answer would only be slower.
        let _ = stream.set_nodelay(true);
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let connection = Connection::default();
    let _ = tokio::select! {
        ended = shared.pass_requests(from_client, to_server, &connection) => ended,
        ended = shared.pass_answers(from_server, to_client, &connection) => ended,
    };
}

impl Shared {
    async fn pass_requests(&self, from: OwnedReadHalf, to: OwnedWriteHalf, connection: &Connection) -> io::Result<()> {
        let mut commands = Commands::default();
        self.pass(from, to, |bytes| {
            self.note_request(&mut commands, bytes, connection);
            true
        })
        .await
    }

    async fn pass_answers(&self, from: OwnedReadHalf, to: OwnedWriteHalf, connection: &Connection) -> io::Result<()> {
        self.pass(from, to, |_| {
            connection.asks.store(false, Ordering::SeqCst);
            let is_doomed = connection.is_doomed.load(Ordering::SeqCst);
            self.traffic().lost += u64::from(is_doomed);
            !is_doomed
        })
        .await
    }

    /// Passes bytes on until there are no more, or `look` says no.
    async fn pass(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        mut look: impl FnMut(&[u8]) -> bool,
    ) -> io::Result<()> {
        let mut holds = self.holds.subscribe();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let length = from.read(&mut buffer).await?;
            let bytes = buffer.get(..length).unwrap_or_default();
            // It fails when the proxy is gone; then so is this.
            let _ = holds.wait_for(|holds| !holds).await;
            if bytes.is_empty() || !look(bytes) {
                return Ok(());
            }
            to.write_all(bytes).await?;
        }
    }

    fn note_request(&self, commands: &mut Commands, bytes: &[u8], connection: &Connection) {
        let names: Vec<_> = commands.read(bytes).iter().map(name_of).collect();
        let mut traffic = self.traffic();
        if !connection.asks.swap(true, Ordering::SeqCst) {
            traffic.round_trips += 1;
        }
        let loses = match &traffic.to_lose {
            Some(ToLose::Next) => true,
            Some(ToLose::Of(command)) => names.contains(command),
            None => false,
        };
        if loses {
            traffic.to_lose = None;
            connection.is_doomed.store(true, Ordering::SeqCst);
        }
        traffic.commands.extend(names);
    }

    fn traffic(&self) -> MutexGuard<'_, Traffic> {
        lock(&self.traffic)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
