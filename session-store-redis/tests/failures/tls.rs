//! Connections by TLS.

use std::time::Duration;

use redis::{Client, TlsCertificates};
use rustls::crypto::{aws_lc_rs, ring};
use session_store_core::{Error, ErrorKind, SessionStore as _};
use session_store_redis::RedisEndpoint;
use testkit::certificates::{certificate_of_localhost, new_authority};
use testkit::failures::operations::{Fixture, all};
use testkit::servers::{RedisServer, free_port};

use crate::support::{SLACK, all_text, builder, open, timed};

const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// A server that speaks TLS on a port of its own, and who vouches for it.
struct TlsServer {
    server: RedisServer,
    port: u16,
    authority: String,
    _files: tempdir::Folder,
}

mod tempdir {
    //! A folder that is removed with its owner.

    use std::path::{Path, PathBuf};

    pub(super) struct Folder(PathBuf);

    impl Folder {
        pub(super) fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("session-store-test.{}.{name}", std::process::id()));
            std::fs::create_dir(&folder).unwrap();
            Self(folder)
        }

        pub(super) fn write(&self, name: &str, text: &str) -> String {
            let file = Path::join(&self.0, name);
            std::fs::write(&file, text).unwrap();
            file.to_str().unwrap().to_owned()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

impl TlsServer {
    async fn start() -> Self {
        let (authority, issuer) = new_authority();
        let (certificate, key) = certificate_of_localhost(&issuer);
        let port = free_port().unwrap();
        let files = tempdir::Folder::new(&port.to_string());
        let (certificate, key) = (files.write("cert.pem", &certificate), files.write("key.pem", &key));
        let text = port.to_string();
        let options = ["--tls-port", &text, "--tls-cert-file", &certificate, "--tls-key-file", &key];
        let server = RedisServer::start(&[&options[..], &["--tls-auth-clients", "no"]].concat()).await.unwrap();
        Self { server, port, authority, _files: files }
    }

    fn url(&self) -> String {
        format!("rediss://localhost:{}", self.port)
    }

    fn client(root: &str, url: &str) -> Client {
        let certificates = TlsCertificates { client_tls: None, root_cert: Some(root.as_bytes().to_vec()) };
        Client::build_with_tls(url, certificates).unwrap()
    }
}

async fn refused(server: impl Into<RedisEndpoint>) -> Error {
    let (answer, took) = timed(builder(server).connect_timeout(CONNECT_TIMEOUT).build()).await;
    assert!(took < CONNECT_TIMEOUT + SLACK, "it took {took:?}");
    answer.unwrap_err()
}

#[tokio::test]
async fn a_client_that_trusts_the_certificate_is_used() {
    // Two providers are there, and the application has chosen none.
    assert!(!aws_lc_rs::ALL_CIPHER_SUITES.is_empty() && !ring::ALL_CIPHER_SUITES.is_empty());
    let server = TlsServer::start().await;
    let store = open(TlsServer::client(&server.authority, &server.url())).await;
    for operation in all() {
        let fixture = Fixture::create(&store).await.unwrap();
        assert!(operation.run(&store, &fixture).await.unwrap(), "{operation:?}");
    }
    // Also after the connection was closed.
    server.server.ask::<u64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await.unwrap();
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_an_error_that_says_so() {
    let server = TlsServer::start().await;
    let (other, _) = new_authority();
    let by_address = format!("rediss://127.0.0.1:{}", server.port);
    let errors = [
        refused(TlsServer::client(&other, &server.url())).await,
        // The certificate is another's.
        refused(TlsServer::client(&server.authority, &by_address)).await,
        // By the machine's own list of authorities.
        refused(server.url()).await,
    ];
    for error in errors {
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Config, false), "{}", all_text(&error));
        assert!(error.to_string().contains("certificate"), "{}", all_text(&error));
    }
}

#[tokio::test]
async fn tls_on_one_side_only_is_an_error_that_says_so() {
    let server = TlsServer::start().await;
    let to_plain_port = format!("rediss://localhost:{}", server.server.port());
    let errors = [
        refused(TlsServer::client(&server.authority, &to_plain_port)).await,
        refused(format!("redis://localhost:{}", server.port)).await,
    ];
    for error in errors {
        assert!(matches!(error.kind(), ErrorKind::Config | ErrorKind::Unavailable), "{}", all_text(&error));
        assert!(error.to_string().contains("TLS"), "{}", all_text(&error));
    }
}
