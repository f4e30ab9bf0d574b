//! A network that loses connections, and that leads elsewhere.

use std::net::Ipv4Addr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Passes everything on, until it is told where to lead: then the connections that it has stay open and are dead.
pub(crate) struct Relay {
    pub(crate) port: u16,
    /// The server's port, which new connections lead to.
    pub(crate) leads_to: watch::Sender<u16>,
    _connections: JoinSet<()>,
}

impl Relay {
    pub(crate) async fn start(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (port, leads_to) = (listener.local_addr().unwrap().port(), watch::Sender::new(target));
        let (mut connections, told) = (JoinSet::new(), leads_to.clone());
        connections.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(join(client, told.subscribe()));
            }
        });
        Self { port, leads_to, _connections: connections }
    }
}

async fn join(mut client: TcpStream, mut leads_to: watch::Receiver<u16>) {
    let target = *leads_to.borrow_and_update();
    let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = leads_to.changed() => std::future::pending().await,
    }
}
