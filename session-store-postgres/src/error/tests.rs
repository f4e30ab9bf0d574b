use std::error::Error as StdError;

use ErrorKind::{Config, Corrupt, Internal, Timeout, Unavailable};
use Retry::{Never, Times, UntilDeadline};
use sqlx::error::{DatabaseError, ErrorKind as RefusalKind};

use super::*;

/// A refusal of the server with this code.
#[derive(Debug, thiserror::Error)]
#[error("secret")]
struct Refusal(&'static str);

impl DatabaseError for Refusal {
    fn message(&self) -> &'static str {
        "secret"
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        Some(self.0.into())
    }

    fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn StdError + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn StdError + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> RefusalKind {
        RefusalKind::Other
    }
}

fn refusal(code: &'static str) -> Driver {
    Driver::Database(Box::new(Refusal(code)))
}

fn io_error(kind: io::ErrorKind) -> Driver {
    Driver::Io(io::Error::new(kind, "secret"))
}

/// What a failure does: its kind, its repeats, whether the statement may have been executed, whether it is about no
/// single record, whether it is transient, and whether the connection is kept.
type Meaning = (ErrorKind, Retry, bool, bool, bool);

fn meaning(error: &Error) -> Meaning {
    let failure = classify(error);
    let (retry, is_ambiguous, may_be_of_record) = (failure.retry(), failure.is_ambiguous(), failure.may_be_of_record());
    (failure.kind(), retry, is_ambiguous, !may_be_of_record, failure.into_error().is_transient())
}

#[test]
fn every_refusal_of_a_statement_has_its_meaning() {
    // The code; kind, repeats, ambiguous, of the statement, transient; whether the connection is kept.
    let table: [(&str, Meaning, bool); 42] = [
        ("08000", (Unavailable, UntilDeadline, true, true, true), false),
        ("08006", (Unavailable, UntilDeadline, true, true, true), false),
        ("08P01", (Config, UntilDeadline, true, true, false), false),
        ("0A000", (Unavailable, UntilDeadline, false, true, true), false),
        ("22000", (Internal, Never, false, false, false), true),
        ("22001", (Internal, Never, false, false, false), true),
        ("22P05", (Config, Never, false, false, false), true),
        ("23505", (Internal, Never, false, false, false), true),
        ("23514", (Internal, Never, false, false, false), true),
        ("25006", (Unavailable, Never, false, true, true), false),
        ("25P03", (Unavailable, Never, false, true, true), false),
        ("25P04", (Unavailable, Never, false, true, true), false),
        ("26000", (Unavailable, UntilDeadline, false, true, true), false),
        ("28000", (Config, Never, false, true, false), true),
        ("28P01", (Config, Never, false, true, false), true),
        ("3D000", (Config, Never, false, true, false), true),
        ("3F000", (Config, Never, false, true, false), true),
        ("40001", (Unavailable, UntilDeadline, false, true, true), true),
        ("40P01", (Unavailable, UntilDeadline, false, true, true), true),
        ("42501", (Config, Never, false, true, false), true),
        ("42703", (Config, Never, false, true, false), true),
        ("42804", (Config, Never, false, true, false), true),
        ("42883", (Config, Never, false, true, false), true),
        ("42939", (Config, Never, false, false, false), true),
        ("42P01", (Config, Never, false, true, false), true),
        ("42P05", (Config, Never, false, true, false), true),
        ("53000", (Unavailable, Never, false, true, true), true),
        ("53100", (Unavailable, Never, false, true, true), true),
        ("53200", (Unavailable, Never, false, true, true), true),
        ("53300", (Unavailable, Never, false, true, true), true),
        ("53400", (Unavailable, Never, false, true, true), true),
        ("54000", (Internal, Never, false, false, false), true),
        // One held row of a batch: the batch is halved.
        ("55P03", (Timeout, Never, false, false, true), true),
        ("57014", (Timeout, Never, false, true, true), true),
        ("57P01", (Unavailable, UntilDeadline, true, true, true), false),
        ("57P02", (Unavailable, UntilDeadline, true, true, true), false),
        ("57P03", (Unavailable, UntilDeadline, true, true, true), false),
        ("57P05", (Unavailable, UntilDeadline, true, true, true), false),
        ("58000", (Unavailable, Never, false, true, true), true),
        ("58030", (Unavailable, Never, false, true, true), true),
        ("XX000", (Internal, Never, false, false, false), true),
        ("", (Internal, Never, false, false, false), true),
    ];
    for (code, expected, is_kept) in table {
        assert_eq!(meaning(&Error::Statement(refusal(code))), expected, "{code}");
        assert_eq!(keeps_connection(&refusal(code)), is_kept, "{code}");
        // Nothing was executed on a connection that there is not, and another attempt does no better.
        let (kind, .., transient) = expected;
        let connect = Error::Connect { error: refusal(code), by_path: false };
        assert_eq!(meaning(&connect), (kind, Never, false, true, transient), "{code}");
    }
}

#[test]
fn every_other_error_has_its_meaning() {
    let connect = |error| Error::Connect { error, by_path: false };
    let not_http = || Driver::Protocol("unexpected response from SSLRequest: 0x48".to_owned());
    let cut = || Driver::Protocol("unexpected response from SSLRequest: 0x00".to_owned());
    let table: [(Error, Meaning, &str); 26] = [
        (Error::Address, (Config, Never, false, true, false), "postgres://user:password@host:5432/database"),
        (connect(Driver::Configuration("secret".into())), (Config, Never, false, true, false), "not valid"),
        (connect(Driver::Tls("secret".into())), (Config, Never, false, true, false), "TLS"),
        (connect(io_error(io::ErrorKind::InvalidData)), (Config, Never, false, true, false), "TLS"),
        (connect(io_error(io::ErrorKind::ConnectionRefused)), (Unavailable, Never, false, true, true), "running"),
        (connect(io_error(io::ErrorKind::NotFound)), (Config, Never, false, true, false), "sslrootcert"),
        (connect(io_error(io::ErrorKind::PermissionDenied)), (Config, Never, false, true, false), "sslrootcert"),
        (
            Error::Connect { error: io_error(io::ErrorKind::NotFound), by_path: true },
            (Unavailable, Never, false, true, true),
            "running",
        ),
        (connect(not_http()), (Config, Never, false, true, false), "does not speak"),
        (connect(cut()), (Unavailable, Never, false, true, true), "running"),
        (connect(Driver::PoolTimedOut), (Unavailable, Never, false, true, true), "free"),
        (connect(Driver::PoolClosed), (Unavailable, Never, false, true, false), "closed"),
        (Error::ServerFull, (Unavailable, UntilDeadline, false, true, true), "give the store fewer"),
        (Error::NoConnection, (Unavailable, Never, false, true, true), "running"),
        (Error::NoFreeConnection, (Timeout, Never, false, true, true), "more connections"),
        (Error::Pool, (Internal, Never, false, true, false), "pool"),
        (Error::Closed, (Unavailable, Never, false, true, false), "closed"),
        (Error::Standby, (Unavailable, Never, false, true, true), "primary"),
        (
            Error::Statement(io_error(io::ErrorKind::UnexpectedEof)),
            (Unavailable, UntilDeadline, true, true, true),
            "running",
        ),
        (Error::Statement(Driver::WorkerCrashed), (Unavailable, UntilDeadline, true, true, true), "running"),
        (
            Error::Statement(Driver::Decode("secret".into())),
            (Internal, UntilDeadline, true, true, false),
            "driver failed",
        ),
        (Error::Statement(Driver::PoolClosed), (Unavailable, Never, false, true, false), "closed"),
        (Error::Raced(refusal(DUPLICATE_KEY)), (Internal, Times(2), false, false, false), "refused"),
        (Error::UnexpectedAnswer, (Internal, Never, true, true, false), "unexpected form"),
        (Error::Corrupt(Corruption::Form), (Corrupt, Never, false, false, false), "no record"),
        (Error::Corrupt(Corruption::Times), (Corrupt, Never, false, false, false), "contradict"),
    ];
    for (error, expected, advice) in table {
        assert_eq!(meaning(&error), expected, "{error:?}");
        let error = session_store_core::Error::from(error);
        assert!(error.to_string().contains(advice), "{error}");
    }
    assert!(!keeps_connection(&io_error(io::ErrorKind::UnexpectedEof)));
    assert!(!keeps_connection(&Driver::WorkerCrashed));
}

#[test]
fn the_texts_of_the_driver_are_not_passed_on() {
    let errors = [
        Driver::Protocol("secret".to_owned()),
        Driver::Configuration("secret".into()),
        Driver::Tls("secret".into()),
        io_error(io::ErrorKind::Other),
        Driver::Decode("secret".into()),
        refusal("XX000"),
    ];
    for error in errors {
        let error = Error::Statement(error);
        let debug = format!("{error:?}");
        let error = session_store_core::Error::from(error);
        let source = StdError::source(&error).map(ToString::to_string).unwrap();
        for shown in [debug, error.to_string(), format!("{error:?}"), source] {
            assert!(!shown.contains("secret"), "{shown}");
        }
    }
}
