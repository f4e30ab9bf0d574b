//! The PostgreSQL servers that tests own do what they are for.

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use sqlx::{Connection as _, PgConnection};
use testkit::servers::{PostgresServer, Proxy};
use tokio::time::{sleep, timeout};

const SHORT: Duration = Duration::from_millis(300);

async fn connect(url: &str) -> Result<PgConnection, sqlx::Error> {
    PgConnection::connect(url).await
}

async fn one(url: &str) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar("SELECT 1").fetch_one(&mut connect(url).await?).await
}

/// The `SQLSTATE` of the server's refusal.
async fn refusal(url: &str) -> String {
    let error = one(url).await.unwrap_err();
    error.as_database_error().unwrap().code().unwrap().into_owned()
}

#[tokio::test]
async fn a_server_answers_and_keeps_its_settings() {
    let server = PostgresServer::start(&[("work_mem", "7MB"), ("application_name", "it's")]).await.unwrap();
    assert_eq!(one(&server.url()).await.unwrap(), 1);
    assert_eq!(server.ask::<String>("SHOW work_mem").await.unwrap(), "7MB");
    assert_eq!(
        server.ask::<String>("SELECT reset_val FROM pg_settings WHERE name = 'application_name'").await.unwrap(),
        "it's"
    );
    assert_eq!(server.ask::<String>("SHOW server_encoding").await.unwrap(), "UTF8");
    assert_eq!(server.ask::<String>("SHOW fsync").await.unwrap(), "on");

    server.configure(&[("work_mem", "8MB")]).unwrap();
    server.shut_down().await.unwrap();
    assert!(!server.is_running());
    server.restart().await.unwrap();
    assert_eq!(server.ask::<String>("SHOW work_mem").await.unwrap(), "8MB");
}

#[tokio::test]
async fn a_server_is_killed_and_comes_back_with_its_data() {
    let server = PostgresServer::start(&[]).await.unwrap();
    server.execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)").await.unwrap();
    let mut connection = server.connection().await.unwrap();
    let (backend,): (i32,) = sqlx::query_as("SELECT pg_backend_pid()").fetch_one(&mut connection).await.unwrap();
    let busy = tokio::spawn(async move { sqlx::raw_sql("SELECT pg_sleep(60)").execute(&mut connection).await });
    assert!(is_process(backend));
    server.kill();
    assert!(!server.is_running() && !is_process(backend));
    assert!(busy.await.unwrap().is_err());
    assert!(server.ask::<i32>("SELECT 1").await.is_err());

    let port = server.port();
    server.restart().await.unwrap();
    assert_eq!((server.port(), server.ask::<i32>("SELECT n FROM kept").await.unwrap()), (port, 1));
    assert!(server.log().contains("was not properly shut down"));

    server.kill();
    server.start_again_without_waiting().unwrap();
    server.wait_for_an_answer().await.unwrap();
    assert_eq!(server.ask::<i64>("SELECT count(*) FROM kept").await.unwrap(), 1);
}

/// One that has ended, but that nobody has waited for, is none.
fn is_process(pid: i32) -> bool {
    let ps = Command::new("ps").args(["-o", "state=", "-p", &pid.to_string()]).output().unwrap();
    let state = String::from_utf8_lossy(&ps.stdout).trim().to_owned();
    !state.is_empty() && !state.starts_with('Z')
}

#[tokio::test]
async fn a_server_that_is_shut_down_tells_its_connections() {
    let server = PostgresServer::start(&[]).await.unwrap();
    let mut connection = connect(&server.url()).await.unwrap();
    let busy = tokio::spawn(async move { sqlx::raw_sql("SELECT pg_sleep(60)").execute(&mut connection).await });
    sleep(SHORT).await;
    server.shut_down().await.unwrap();
    let error = busy.await.unwrap().unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().unwrap(), "57P01");
    assert!(server.shut_down().await.is_err());
}

#[tokio::test]
async fn a_stopped_server_answers_only_when_it_goes_on() {
    let server = PostgresServer::start(&[]).await.unwrap();
    let mut connection = connect(&server.url()).await.unwrap();
    for _ in 0..2 {
        server.stop().unwrap();
        assert!(server.is_running());
        assert!(timeout(SHORT, one(&server.url())).await.is_err());
        let held = tokio::spawn(async move {
            sqlx::raw_sql("SELECT 1").execute(&mut connection).await.unwrap();
            connection
        });
        sleep(SHORT).await;
        assert!(!held.is_finished());
        server.resume().unwrap();
        connection = held.await.unwrap();
    }
    server.stop().unwrap();
    server.kill();
    assert!(!server.is_running());
    assert!(server.stop().is_err());
}

#[tokio::test]
async fn a_standby_follows_refuses_writes_and_is_promoted() {
    let primary = PostgresServer::start(&[]).await.unwrap();
    primary.execute("CREATE TABLE followed (n int)").await.unwrap();
    let standby = primary.standby(&[("work_mem", "7MB")]).await.unwrap();
    primary.execute("INSERT INTO followed VALUES (1)").await.unwrap();
    standby.catch_up_with(&primary).await.unwrap();
    assert_eq!(standby.ask::<i32>("SELECT n FROM followed").await.unwrap(), 1);
    assert_eq!(standby.ask::<String>("SHOW work_mem").await.unwrap(), "7MB");

    let mut reader = connect(&standby.url()).await.unwrap();
    let error = sqlx::raw_sql("INSERT INTO followed VALUES (2)").execute(&mut reader).await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().unwrap(), "25006");

    // What is written while it is down reaches it as well, even where the primary crashed since.
    standby.kill();
    primary.execute("INSERT INTO followed VALUES (2)").await.unwrap();
    primary.restart().await.unwrap();
    primary.execute("CHECKPOINT").await.unwrap();
    standby.restart().await.unwrap();
    standby.catch_up_with(&primary).await.unwrap();

    primary.kill();
    standby.promote().await.unwrap();
    standby.execute("INSERT INTO followed VALUES (3)").await.unwrap();
    assert_eq!(standby.ask::<i64>("SELECT sum(n) FROM followed").await.unwrap(), 6);
    assert!(standby.promote().await.is_err());
}

#[tokio::test]
async fn a_server_with_a_certificate_refuses_what_is_not_encrypted() {
    let (authority, certificate, key) = new_certificate("127.0.0.1");
    let server = PostgresServer::start_with_tls(&[], &certificate, &key).await.unwrap();
    let file = server.folder().join("authority.pem");
    std::fs::write(&file, authority).unwrap();
    let verified = format!("?sslmode=verify-full&sslrootcert={}", file.display());
    assert_eq!(refusal(&format!("{}?sslmode=disable", server.url())).await, "28000");
    assert_eq!(one(&format!("{}{verified}", server.url())).await.unwrap(), 1);
    assert!(one(&format!("{}?sslmode=verify-full", server.url())).await.is_err());

    server.require_password("somebody", "secret").await.unwrap();
    let url = server.url_of("somebody:secret");
    assert_eq!(one(&format!("{url}{verified}")).await.unwrap(), 1);
    assert_eq!(refusal(&format!("{url}?sslmode=disable")).await, "28000");

    let standby = server.standby(&[]).await.unwrap();
    assert_eq!(one(&format!("{}{verified}", standby.url())).await.unwrap(), 1);
    assert_eq!(refusal(&format!("{}?sslmode=disable", standby.url())).await, "28000");
}

/// The certificate of an authority, and the one with its key that it has signed.
fn new_certificate(name: &str) -> (String, String, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    (authority, certificate.pem(), key.serialize_pem())
}

#[tokio::test]
async fn a_role_needs_its_password() {
    let server = PostgresServer::start(&[]).await.unwrap();
    server.require_password("it's \"me\"", "it's").await.unwrap();
    server.require_password("somebody", "first").await.unwrap();
    server.require_password("somebody", "second").await.unwrap();
    assert_eq!(one(&server.url_of("it's%20%22me%22:it's")).await.unwrap(), 1);
    assert_eq!(one(&server.url_of("somebody:second")).await.unwrap(), 1);
    assert_eq!(refusal(&server.url_of("somebody:first")).await, "28P01");
    let hash = "SELECT rolpassword FROM pg_authid WHERE rolname = 'somebody'";
    assert!(server.ask::<String>(hash).await.unwrap().starts_with("SCRAM-SHA-256$"));

    server.require_password("postgres", "secret").await.unwrap();
    assert!(one(&server.url()).await.is_err());
    assert_eq!(one(&server.url_of("postgres:secret")).await.unwrap(), 1);
    server.restart().await.unwrap();
    assert_eq!(server.ask::<i32>("SELECT 1").await.unwrap(), 1);
}

#[tokio::test]
async fn two_servers_know_nothing_of_each_other() {
    let (first, second) = tokio::join!(PostgresServer::start(&[]), PostgresServer::start(&[]));
    let (first, second) = (first.unwrap(), second.unwrap());
    first.execute("CREATE TABLE here (n int)").await.unwrap();
    assert!(second.ask::<i64>("SELECT count(*) FROM here").await.is_err());
    first.kill();
    assert_eq!(one(&second.url()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_proxy_cuts_and_holds() {
    let server = PostgresServer::start(&[]).await.unwrap();
    let proxy = Proxy::start(&server.url()).await.unwrap();
    let mut connection = connect(&proxy.url()).await.unwrap();
    proxy.cut().await;
    assert!(sqlx::raw_sql("SELECT 1").execute(&mut connection).await.is_err());
    proxy.hold();
    assert!(timeout(SHORT, one(&proxy.url())).await.is_err());
    proxy.release();
    assert_eq!(one(&proxy.url()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_dropped_server_leaves_nothing_behind() {
    let server = PostgresServer::start(&[]).await.unwrap();
    let standby = server.standby(&[]).await.unwrap();
    let all = [&server, &standby].map(|server| (server.folder().to_owned(), server.port()));
    let mut memory = Vec::new();
    for server in [&server, &standby] {
        assert!(!is_gone(server.folder(), server.port()));
        memory.push(shared_memory_of(server.folder()));
    }
    assert!(memory.iter().all(|id| is_shared_memory(id)));
    // Also where it was killed before.
    server.kill();
    drop((server, standby));
    assert!(all.iter().all(|(folder, port)| is_gone(folder, *port)));
    assert!(!memory.iter().any(|id| is_shared_memory(id)));
}

fn shared_memory_of(folder: &Path) -> String {
    let text = std::fs::read_to_string(folder.join("data/postmaster.pid")).unwrap();
    text.lines().nth(6).unwrap().split_whitespace().nth(1).unwrap().to_owned()
}

fn is_shared_memory(id: &str) -> bool {
    let ipcs = Command::new("ipcs").arg("-m").output().unwrap();
    String::from_utf8_lossy(&ipcs.stdout).lines().any(|line| line.split_whitespace().nth(1) == Some(id))
}

#[tokio::test]
async fn a_killed_program_leaves_nothing_behind() {
    const ROLE: &str = "SESSION_STORE_TEST_IS_THE_KILLED_PROGRAM";
    if std::env::var_os(ROLE).is_some() {
        let server = PostgresServer::start(&[]).await.unwrap();
        let backend = server.ask::<i32>("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'");
        println!("\nserver {} {} {}", server.port(), backend.await.unwrap(), server.folder().display());
        return std::future::pending().await;
    }
    let mut program = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "postgres::a_killed_program_leaves_nothing_behind"])
        .env(ROLE, "yes")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.find_map(|line| line.strip_prefix("server ").map(str::to_owned)).unwrap();
    let [port, child, folder] = line.splitn(3, ' ').collect::<Vec<_>>().try_into().unwrap();
    let (port, child) = (port.parse().unwrap(), child.parse().unwrap());
    assert!(!is_gone(folder, port) && is_process(child));
    program.kill().unwrap();
    program.wait().unwrap();
    let gone = async {
        while !is_gone(folder, port) || is_process(child) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(10), gone).await.unwrap();
}

fn is_gone(folder: impl AsRef<Path>, port: u16) -> bool {
    !folder.as_ref().exists() && TcpStream::connect(("127.0.0.1", port)).is_err()
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let error = PostgresServer::start(&[("no_such_setting", "1")]).await.unwrap_err();
    assert!(error.to_string().contains("no_such_setting"), "{error}");
}
