//! Connections by TLS.

use session_store_core::Error;
use session_store_postgres::PostgresEndpoint;
use session_store_postgres::sqlx::postgres::{PgConnectOptions, PgPool, PgSslMode};
use testkit::certificates::{certificate_of_localhost, new_authority};
use testkit::failures::operations::Fixture;
use testkit::failures::refused_builds::{CONNECT_TIMEOUT, refusal};
use testkit::servers::PostgresServer;

use crate::database::Database;
use crate::support::{CONFIG, all_text, assert_works, builder, classify, new_key, open};

/// A server that takes nothing but TLS, and who vouches for it.
struct TlsServer {
    server: PostgresServer,
    authority: String,
}

impl TlsServer {
    async fn start() -> Self {
        let (authority, issuer) = new_authority();
        let (certificate, key) = certificate_of_localhost(&issuer);
        let server = PostgresServer::start_with_tls(&[], &certificate, &key).await.unwrap();
        Self { server, authority }
    }

    fn url(&self, host: &str, mode: &str) -> String {
        format!("postgres://postgres@{host}:{}/postgres?sslmode={mode}", self.server.port())
    }

    /// The URL of a client that trusts this authority.
    fn trusting(&self, authority: &str, host: &str, mode: &str) -> String {
        let file = self.server.folder().join(new_key().to_text());
        std::fs::write(&file, authority).unwrap();
        format!("{}&sslrootcert={}", self.url(host, mode), file.display())
    }
}

async fn refused(server: impl Into<PostgresEndpoint>) -> Error {
    let builder = builder(server).connect_timeout(CONNECT_TIMEOUT).operation_timeout(CONNECT_TIMEOUT);
    refusal(format!("{builder:?}"), CONNECT_TIMEOUT, builder.build()).await
}

fn is_config(error: &Error, advice: &str) {
    assert_eq!(classify(error, &Fixture::without_session()), CONFIG, "{}", all_text(error));
    assert!(error.to_string().contains(advice), "{}", all_text(error));
}

#[tokio::test]
async fn a_client_that_trusts_the_certificate_is_used() {
    let server = TlsServer::start().await;
    let verified = server.trusting(&server.authority, "localhost", "verify-full");
    let options: PgConnectOptions = server.url("localhost", "verify-full").parse().unwrap();
    let servers: [PostgresEndpoint; 3] = [
        verified.as_str().into(),
        // Neither the name nor the authority is of interest here.
        server.url("127.0.0.1", "require").into(),
        options.ssl_root_cert_from_pem(server.authority.clone().into_bytes()).into(),
    ];
    for way in servers {
        let store = open(way).await;
        assert_works(&store).await;
        let encrypted = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                         WHERE client_addr IS NOT NULL";
        assert!(server.server.ask::<bool>(encrypted).await.unwrap());
        store.close().await;
    }
    assert_works(&open(PgPool::connect_lazy(&verified).unwrap()).await).await;
}

#[tokio::test]
async fn a_client_may_trust_an_authority_whatever_the_name() {
    let server = TlsServer::start().await;
    assert_works(&open(server.trusting(&server.authority, "127.0.0.1", "verify-ca")).await).await;
    let other = server.trusting(&new_authority().0, "127.0.0.1", "verify-ca");
    is_config(&refused(other).await, "certificate");
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_an_error_that_says_so() {
    let server = TlsServer::start().await;
    let other = new_authority().0;
    let urls = [
        server.trusting(&other, "localhost", "verify-full"),
        // By the machine's own list of authorities.
        server.url("localhost", "verify-full"),
        // The certificate is another's.
        server.trusting(&server.authority, "127.0.0.1", "verify-full"),
    ];
    for url in urls {
        is_config(&refused(url.as_str()).await, "certificate");
        is_config(&refused(PgPool::connect_lazy(&url).unwrap()).await, "certificate");
    }
}

#[tokio::test]
async fn a_file_of_certificates_that_is_not_there_or_not_one_is_an_error_that_says_so() {
    let server = TlsServer::start().await;
    let nonsense =
        server.trusting("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----", "localhost", "verify-full");
    is_config(&refused(nonsense.as_str()).await, "certificate");
    is_config(&refused(format!("{nonsense}2")).await, "sslrootcert");
}

#[tokio::test]
async fn tls_on_one_side_only_is_an_error_that_says_so() {
    let plain = Database::new("plain").await;
    for mode in ["require", "verify-ca", "verify-full"] {
        is_config(&refused(format!("{}?sslmode={mode}", plain.url())).await, "TLS");
    }
    let server = TlsServer::start().await;
    is_config(&refused(server.url("localhost", "disable")).await, "TLS");
    let options: PgConnectOptions = server.url("localhost", "disable").parse().unwrap();
    assert_works(&open(options.ssl_mode(PgSslMode::Prefer)).await).await;
}
