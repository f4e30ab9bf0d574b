//! E1 and E2: what an error tells to code, and what it must not tell to a log.

use std::error::Error as _;
use std::fmt::{self, Write as _};

use session_store_core::{Error, ErrorKind, SessionKey};

const KINDS: [(ErrorKind, &str, bool); 11] = [
    (ErrorKind::AlreadyExists, "already_exists", false),
    (ErrorKind::NotFound, "not_found", false),
    (ErrorKind::Conflict, "conflict", false),
    (ErrorKind::InvalidInput, "invalid_input", false),
    (ErrorKind::TooLarge, "too_large", false),
    (ErrorKind::Corrupt, "corrupt", false),
    (ErrorKind::Unavailable, "unavailable", true),
    (ErrorKind::Timeout, "timeout", true),
    (ErrorKind::Config, "config", false),
    (ErrorKind::Unsupported, "unsupported", false),
    (ErrorKind::Internal, "internal", false),
];

fn key() -> SessionKey {
    SessionKey::from_bytes([0xAB; 32])
}

/// All that a log could write of an error: each text of the chain, and every Debug.
fn all_text(error: &Error) -> String {
    let mut text = format!("{error} {error:#} {error:?} {error:#?} ");
    let mut source = error.source();
    while let Some(error) = source {
        let _ = write!(text, "{error} {error:#} {error:?} {error:#?} ");
        source = error.source();
    }
    text
}

#[test]
fn each_kind_has_its_name_and_its_default() {
    for (kind, name, transient) in KINDS {
        assert_eq!((kind.as_str(), kind.to_string().as_str()), (name, name));
        let error = Error::new(kind, "a text");
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, "a text"));
        assert_eq!((error.is_transient(), error.outcome_unknown(), error.key()), (transient, false, None), "{kind}");
        assert!(error.source().is_none());
    }
}

#[test]
fn a_store_may_know_better_whether_it_is_transient() {
    assert!(!Error::new(ErrorKind::Unavailable, "the password is wrong").with_transient(false).is_transient());
    assert!(Error::new(ErrorKind::Internal, "a deadlock was broken").with_transient(true).is_transient());
}

#[test]
fn an_unknown_outcome_is_visible() {
    let error = Error::new(ErrorKind::Timeout, "no answer in 5 s").with_outcome_unknown();
    assert!(error.outcome_unknown() && error.is_transient());
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[test]
fn refusals_are_final_and_name_their_record_to_code_alone() {
    let refusals = [
        (Error::already_exists(&key()), ErrorKind::AlreadyExists, "a live session has this key"),
        (
            Error::not_found(&key()),
            ErrorKind::NotFound,
            "the session is not live; it was never created, has expired or was ended",
        ),
        (
            Error::conflict(&key()),
            ErrorKind::Conflict,
            "the session has changed since it was read; read it again and repeat the change",
        ),
        (
            Error::same_key(&key()),
            ErrorKind::InvalidInput,
            "a rotation needs two different keys; generate a new session ID",
        ),
        (Error::corrupt(&key(), "the record is cut"), ErrorKind::Corrupt, "the record is cut"),
    ];
    for (error, kind, text) in refusals {
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, text));
        assert_eq!(error.key(), Some(&key()));
        assert!(!error.is_transient() && !error.outcome_unknown());
        let shown = all_text(&error).to_lowercase();
        assert!(!shown.contains("abab") && !shown.contains("171, 171"), "{shown}");
    }
}

#[test]
fn shorthands_have_their_kinds() {
    assert_eq!(Error::invalid_input("x").kind(), ErrorKind::InvalidInput);
    assert_eq!(Error::config("x").kind(), ErrorKind::Config);
    assert_eq!(Error::config(String::from("made at run time")).to_string(), "made at run time");
}

#[derive(Debug)]
struct DriverError(Option<Box<DriverError>>, &'static str);

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.1)
    }
}

impl std::error::Error for DriverError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.as_deref().map(|error| error as _)
    }
}

/// What a reporter such as `anyhow` or `eyre` prints, from the outermost to the root cause.
#[test]
fn a_chain_prints_each_text_once() {
    let driver = DriverError(Some(Box::new(DriverError(None, "connection reset"))), "class 08, code 08006");
    let error = Error::new(ErrorKind::Unavailable, "the database does not answer").with_source(driver);
    let mut chain = vec![error.to_string()];
    let mut source = error.source();
    while let Some(error) = source {
        chain.push(error.to_string());
        source = error.source();
    }
    assert_eq!(chain, ["the database does not answer", "class 08, code 08006", "connection reset"]);
}

#[test]
fn the_source_can_be_had_by_its_type() {
    let error = Error::new(ErrorKind::Internal, "failed").with_source(DriverError(None, "code 7"));
    assert_eq!(error.source().unwrap().downcast_ref::<DriverError>().unwrap().1, "code 7");
}

/// It is in every `Result` of every call.
#[test]
fn an_error_is_one_pointer() {
    assert_eq!(size_of::<Error>(), size_of::<usize>());
}
