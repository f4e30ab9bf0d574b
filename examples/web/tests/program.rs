//! The program as it is called from a command line.

#![allow(clippy::unwrap_used, reason = "tests")]

use session_store::ErrorKind;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};

fn program(arguments: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_web-demo"));
    program.args(arguments).stdin(Stdio::null());
    program
}

/// It ends with the test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = program(arguments).output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn a_mistake_on_the_command_line_is_told_with_exit_code_2() {
    for (arguments, told) in [
        (&["--listen", "here"][..], "--listen takes an address and a port"),
        (&["--fast"], "there is no option --fast"),
        (&["memory:", "memory:"], "the URL is given twice"),
        (&["ftp://127.0.0.1/"], "scheme"),
        (&["memory:?session_nonsense=1"], "`session_nonsense`"),
    ] {
        let (code, text) = refused(arguments);
        assert!(code == Some(2) && text.contains(told), "{arguments:?}: {code:?} {text}");
    }
}

#[tokio::test]
async fn a_store_that_is_not_built_in_is_named_with_its_feature() {
    for (url, feature) in [
        ("redis://:secret@127.0.0.1:1/", "redis"),
        ("postgres://me:secret@127.0.0.1:1/db", "postgres"),
        ("mongodb://me:secret@127.0.0.1:1/db?serverSelectionTimeoutMS=500", "mongo"),
    ] {
        // Other packages of one build may have switched it on.
        let is_on = session_store::connect(url).await.unwrap_err().kind() == ErrorKind::Unavailable;
        let (code, text) = refused(&[url]);
        assert_eq!(code, Some(if is_on { 1 } else { 2 }), "{text}");
        assert_eq!(text.contains(&format!("the feature `{feature}`")), !is_on, "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

#[test]
fn an_address_that_is_taken_is_no_mistake_on_the_command_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (code, text) = refused(&["--listen", &taken.local_addr().unwrap().to_string()]);
    assert!(code == Some(1) && text.contains("cannot listen there"), "{code:?} {text}");
}

#[cfg(unix)]
#[test]
fn it_says_where_it_is_and_ends_when_it_is_told_to() {
    use std::net::TcpStream;

    for signal in ["-TERM", "-INT"] {
        let spawned = program(&["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut running = Running(spawned);
        let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.find_map(|line| Some(line.strip_prefix("open:     http://")?.to_owned())).unwrap();
        let address = address.trim_end_matches('/');
        assert!(!address.ends_with(":0"), "{address}");
        // Held open with nothing asked: it is not waited for.
        let _idle = TcpStream::connect(address).unwrap();

        let sent = Command::new("kill").args([signal, &running.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
        assert!(running.0.wait().unwrap().success(), "{signal}");
        assert!(TcpStream::connect(address).is_err());
    }
}
