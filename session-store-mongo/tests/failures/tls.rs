//! Connections by TLS.

use rustls::crypto::{aws_lc_rs, ring};
use session_store_core::Error;
use session_store_mongo::MongoEndpoint;
use session_store_mongo::mongodb::Client;
use session_store_mongo::mongodb::options::ClientOptions;
use testkit::certificates::{certificate_of_localhost, new_authority};
use testkit::failures::operations::Fixture;
use testkit::failures::refused_builds::{CONNECT_TIMEOUT, refusal};
use testkit::servers::MongoServer;

use crate::database::Database;
use crate::support::{CONFIG, UNAVAILABLE, all_text, assert_works, builder, classify, new_key, open, recovery};

/// A server that takes nothing but TLS, and who vouches for it.
struct TlsServer {
    database: Database,
    authority: String,
}

impl TlsServer {
    async fn start() -> Self {
        let (authority, issuer) = new_authority();
        let (certificate, key) = certificate_of_localhost(&issuer);
        let server = MongoServer::start_with_tls(&[], &certificate, &key).await.unwrap();
        Self { database: Database::on(server), authority }
    }

    fn url(&self, host: &str, query: &str) -> String {
        format!("{}{query}", self.database.url().replace("127.0.0.1", host))
    }

    /// The URL of a client that trusts this authority.
    fn trusting(&self, authority: &str, host: &str) -> String {
        let file = self.database.server.folder().join(new_key().to_text());
        std::fs::write(&file, authority).unwrap();
        self.url(host, &format!("&tls=true&tlsCAFile={}", file.display()))
    }
}

async fn refused(server: impl Into<MongoEndpoint>) -> Error {
    let builder = builder(server).connect_timeout(CONNECT_TIMEOUT).operation_timeout(CONNECT_TIMEOUT);
    refusal(format!("{builder:?}"), CONNECT_TIMEOUT, builder.build()).await
}

/// A client of the application's own.
async fn client(url: &str) -> Client {
    let mut options = ClientOptions::parse(url).await.unwrap();
    options.server_selection_timeout = Some(CONNECT_TIMEOUT / 2);
    Client::with_options(options).unwrap()
}

fn is_config(error: &Error, advice: &str) {
    assert_eq!(classify(error, &Fixture::without_session()), CONFIG, "{}", all_text(error));
    assert!(error.to_string().contains(advice), "{}", all_text(error));
}

#[tokio::test]
async fn a_client_that_trusts_the_certificate_is_used() {
    // Two providers are there, and the application has chosen none.
    assert!(!aws_lc_rs::ALL_CIPHER_SUITES.is_empty() && !ring::ALL_CIPHER_SUITES.is_empty());
    let server = TlsServer::start().await;
    let verified = server.trusting(&server.authority, "localhost");
    assert_works(&open(verified.as_str()).await).await;
    assert_works(&open(client(&verified).await).await).await;
    // Neither the name nor the authority is of interest here.
    assert_works(&open(server.url("127.0.0.1", "&tls=true&tlsAllowInvalidCertificates=true")).await).await;
    // Also after the server was away.
    let store = open(verified).await;
    assert_works(&store).await;
    server.database.server.restart().await.unwrap();
    recovery(|| Fixture::create(&store)).await;
    assert_works(&store).await;
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_an_error_that_says_so() {
    let server = TlsServer::start().await;
    let urls = [
        server.trusting(&new_authority().0, "localhost"),
        // By the list of authorities that comes with the driver.
        server.url("localhost", "&tls=true"),
        // The certificate is another's.
        server.trusting(&server.authority, "127.0.0.1"),
    ];
    for url in urls {
        is_config(&refused(url.as_str()).await, "certificate");
        is_config(&refused(client(&url).await).await, "certificate");
    }
}

#[tokio::test]
async fn a_file_of_certificates_that_is_not_there_or_not_one_is_an_error_that_says_so() {
    let server = TlsServer::start().await;
    let nonsense = server.trusting("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----", "localhost");
    is_config(&refused(nonsense.as_str()).await, "certificate");
    is_config(&refused(format!("{nonsense}2")).await, "tlsCAFile");
}

#[tokio::test]
async fn a_server_without_tls_is_an_error_that_says_so() {
    let plain = Database::new("plain").await;
    is_config(&refused(format!("{}&tls=true", plain.url())).await, "TLS");
}

#[tokio::test]
async fn a_server_that_wants_tls_is_unavailable_without() {
    let server = TlsServer::start().await;
    // It ends the connection, and the driver tells no more than that.
    let error = refused(server.url("localhost", "")).await;
    assert_eq!(classify(&error, &Fixture::without_session()), UNAVAILABLE, "{}", all_text(&error));
    assert!(error.to_string().contains("address"), "{error}");
}
