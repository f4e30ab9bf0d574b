//! One MongoDB server.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use mongodb::Client;
use mongodb::bson::{Document, doc};
use mongodb::options::{ClientOptions, Credential, ServerAddress, Tls, TlsOptions};
use session_store_core::{BoxError, Result};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::process::{Process, process_methods};
use super::{free_port, mongod_program, unavailable};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A MongoDB server of one test's own. It is killed, and its data removed, when it is dropped.
#[derive(Debug)]
pub struct MongoServer {
    program: PathBuf,
    options: Vec<String>,
    port: u16,
    uses_tls: bool,
    /// Whom the tests' own commands come from, where that matters.
    root: Option<Credential>,
    process: Process,
}

impl MongoServer {
    /// A server that answers, on loopback, with options of `mongod`. One that removes expired documents every second,
    /// and not every minute: `&["--setParameter", "ttlMonitorSleepSecs=1"]`.
    ///
    /// It lets everybody in, without a password and without TLS. Its journal is on; it and the cache are small,
    /// unless the options say otherwise.
    ///
    /// # Errors
    ///
    /// `Unavailable` where there is no program, or it gives no answer. The message ends with the server's log.
    pub async fn start(options: &[&str]) -> Result<Self> {
        Self::new(options)?.start_first().await
    }

    /// The same with a certificate and its key, both in PEM. It accepts only connections by TLS, and asks clients for
    /// no certificate.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn start_with_tls(options: &[&str], certificate: &str, key: &str) -> Result<Self> {
        const FILE: &str = "server.pem";
        let ours = ["--tlsMode", "requireTLS", "--tlsCertificateKeyFile", FILE];
        let mut server = Self::new(&[&ours, options].concat())?;
        server.process.write(FILE, &format!("{certificate}\n{key}"))?;
        server.uses_tls = true;
        server.start_first().await
    }

    fn new(options: &[&str]) -> Result<Self> {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let (program, port, process) = (mongod_program()?, free_port()?, Process::new()?);
        Ok(Self { program, options, port, uses_tls: false, root: None, process })
    }

    /// On another port, where another program was quicker to take this one.
    async fn start_first(mut self) -> Result<Self> {
        const TRIES: usize = 3;
        let mut tries = 1;
        loop {
            match self.start_again().await {
                Err(_) if tries < TRIES && self.log().contains("Address already in use") => tries += 1,
                outcome => return outcome.map(|()| self),
            }
            self.port = free_port()?;
        }
    }

    /// From now on the tests' own commands come from this user.
    pub(super) fn set_root(&mut self, root: Credential) {
        self.root = Some(root);
    }

    /// The port on loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:<port>`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `mongodb://127.0.0.1:<port>/?directConnection=true`, which says nothing of a user or of TLS.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mongodb://{}/?directConnection=true", self.address())
    }

    process_methods!();

    /// Shuts it down as an operator would: what is under way is told, and connections are closed. A member of a
    /// replica set first steps down, and waits fifteen seconds for its clients to notice.
    ///
    /// # Errors
    ///
    /// `Unavailable` unless it is running, and gone within half a minute.
    pub async fn shut_down(&self) -> Result<()> {
        self.process.interrupt()?;
        self.process.wait_for_end().await
    }

    /// Kills it if it runs, and starts it with the same port, options and data. It answers when this returns.
    ///
    /// # Errors
    ///
    /// `Unavailable` where it gives no answer.
    pub async fn restart(&self) -> Result<()> {
        self.kill();
        self.start_again().await
    }

    /// Starts it unless it runs, with the same port, options and data. After a crash it recovers for a while yet.
    ///
    /// # Errors
    ///
    /// `Unavailable` where the program cannot be started.
    pub fn start_again_without_waiting(&self) -> Result<()> {
        const CACHE: &str = "--wiredTigerCacheSizeGB";
        const ENGINE: &str = "--wiredTigerEngineConfigString";
        let port = self.port.to_string();
        let place = ["--dbpath", ".", "--port", &port, "--bind_ip", "127.0.0.1", "--nounixsocket"];
        let own_cache = self.options.iter().any(|option| option == CACHE);
        let cache: &[&str] = if own_cache { &[] } else { &[CACHE, "0.25"] };
        // Three hundred megabytes each would be set aside for the journal, and a full disk ends them all.
        let own_journal = self.options.iter().any(|option| option == ENGINE);
        let journal: &[&str] = if own_journal { &[] } else { &[ENGINE, "log=(file_max=4MB,prealloc=false)"] };
        let light = ["--setParameter", "diagnosticDataCollectionEnabled=false"];
        let ours = place.iter().chain(cache).chain(journal).chain(&light).map(|option| (*option).to_owned());
        let arguments: Vec<_> = ours.chain(self.options.iter().cloned()).collect();
        self.process.start(&self.program, &arguments)
    }

    async fn start_again(&self) -> Result<()> {
        self.start_again_without_waiting()?;
        self.wait_for_an_answer().await
    }

    /// Returns when it has recovered its data and answers. A member of a replica set may not know its role yet.
    ///
    /// # Errors
    ///
    /// `Unavailable` where it does not, within half a minute, or is not running.
    pub async fn wait_for_an_answer(&self) -> Result<()> {
        self.process.wait_for_an_answer(|| self.ping()).await
    }

    async fn ping(&self) -> Result<(), BoxError> {
        // The driver alone would wait for half a second before it tries again.
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        // Nobody's, because everybody may ask.
        let admin = Client::with_options(self.options_of(None))?.database("admin");
        // A stopped server shall not hold up the look at the deadline.
        timeout(Duration::from_secs(1), admin.run_command(doc! { "ping": 1 })).await??;
        Ok(())
    }

    /// A client that is connected to this server alone, by TLS or as root where the server wants that. It looks for
    /// the server for two seconds, but waits for an answer as long as that takes.
    ///
    /// # Errors
    ///
    /// `Unavailable` where the driver makes none.
    pub fn client(&self) -> Result<Client> {
        let failed = |error| unavailable(format!("no client of port {}", self.port)).with_source(error);
        Client::with_options(self.options_of(self.root.clone())).map_err(failed)
    }

    fn options_of(&self, user: Option<Credential>) -> ClientOptions {
        // Its certificate is of no interest here.
        let tls = || Tls::Enabled(TlsOptions::builder().allow_invalid_certificates(true).build());
        ClientOptions::builder()
            .hosts(vec![ServerAddress::from(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)))])
            .direct_connection(true)
            .connect_timeout(Duration::from_secs(2))
            .server_selection_timeout(Duration::from_secs(2))
            .tls(self.uses_tls.then(tls))
            .credential(user)
            .build()
    }

    /// The answer to one command, of a new [`client`](Self::client): `server.run("admin", doc! { "hello": 1 })`.
    ///
    /// # Errors
    ///
    /// `Unavailable` with the server's error, or that of the connection, as its source; also where a write's answer
    /// names errors, and where there is no answer within ten seconds.
    pub async fn run(&self, database: &str, command: Document) -> Result<Document> {
        let name = command.keys().next().cloned().unwrap_or_default();
        let failed = |cause: BoxError| unavailable(format!("{name} fails on port {}", self.port)).with_source(cause);
        let client = self.client()?;
        let answer = timeout(PATIENCE, client.database(database).run_command(command)).await;
        let answer = answer.map_err(|late| failed(late.into()))?.map_err(|error| failed(error.into()))?;
        match ["writeErrors", "writeConcernError"].iter().find_map(|errors| answer.get(errors)) {
            Some(errors) => Err(failed(errors.to_string().into())),
            None => Ok(answer),
        }
    }
}
