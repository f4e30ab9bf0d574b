//! A network that loses connections, or leads to another server.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test without its network fails")]

use std::net::Ipv4Addr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Forwards connections to a server on loopback. When its target changes, the existing connections stay open and dead.
#[derive(Debug)]
pub struct Relay {
    /// The port that clients connect to.
    pub port: u16,
    /// The server's port, to which new connections lead.
    pub target: watch::Sender<u16>,
    _connections: JoinSet<()>,
}

impl Relay {
    /// Starts to forward connections to this port.
    pub async fn start(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (port, target) = (listener.local_addr().unwrap().port(), watch::Sender::new(target));
        let (mut connections, targets) = (JoinSet::new(), target.clone());
        connections.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(join(client, targets.subscribe()));
            }
        });
        Self { port, target, _connections: connections }
    }
}

async fn join(mut client: TcpStream, mut targets: watch::Receiver<u16>) {
    let target = *targets.borrow_and_update();
    let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = targets.changed() => std::future::pending().await,
    }
}
