use std::borrow::Cow;
use std::error::Error as StdError;
use std::io;

use ErrorKind::{Config, Corrupt, Internal, TooLarge, Unavailable};
use Retry::{Never, UntilDeadline};
use sqlx::error::{DatabaseError, ErrorKind as RefusalKind};

use super::*;

/// A refusal by SQLite with this code.
#[derive(Debug)]
struct Refusal(i32, &'static str);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.1)
    }
}

impl StdError for Refusal {}

impl DatabaseError for Refusal {
    fn message(&self) -> &str {
        self.1
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        Some(self.0.to_string().into())
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

fn refusal(code: i32) -> Driver {
    Driver::Database(Box::new(Refusal(code, "secret")))
}

/// Kind, repeats, whether it may have been executed, whether it is about no single record, whether it is transient.
type Meaning = (ErrorKind, Retry, bool, bool, bool);

fn meaning(error: &Error) -> Meaning {
    let failure = classify(error);
    let (retry, is_ambiguous, may_be_of_record) = (failure.retry(), failure.is_ambiguous(), failure.may_be_of_record());
    (failure.kind(), retry, is_ambiguous, !may_be_of_record, failure.into_error().is_transient())
}

#[test]
fn every_code_has_its_meaning() {
    let table: [(i32, Meaning); 24] = [
        (1, (Internal, Never, false, true, false)),
        (3, (Config, Never, false, true, false)),
        (5, (Unavailable, UntilDeadline, false, true, true)),
        (261, (Unavailable, UntilDeadline, false, true, true)),
        (6, (Unavailable, UntilDeadline, false, true, true)),
        (262, (Unavailable, UntilDeadline, false, true, true)),
        (7, (Unavailable, Never, false, true, true)),
        (8, (Config, Never, false, true, false)),
        (1032, (Unavailable, Never, false, true, true)),
        (10, (Unavailable, Never, true, true, true)),
        (778, (Unavailable, Never, true, true, true)),
        (1034, (Unavailable, Never, true, true, true)),
        (11, (Internal, Never, false, true, false)),
        (13, (Unavailable, Never, false, true, true)),
        (14, (Config, Never, false, true, false)),
        (15, (Unavailable, UntilDeadline, false, true, true)),
        (17, (Unavailable, UntilDeadline, false, true, true)),
        (18, (TooLarge, Never, false, false, false)),
        (19, (Internal, Never, false, false, false)),
        (2067, (Internal, Never, false, false, false)),
        (23, (Config, Never, false, true, false)),
        (26, (Config, Never, false, true, false)),
        (0, (Internal, Never, false, true, false)),
        (99, (Internal, Never, false, true, false)),
    ];
    for (code, expected) in table {
        assert_eq!(meaning(&Error::Statement(refusal(code))), expected, "{code}");
    }
}

#[test]
fn every_other_error_has_its_meaning() {
    let no_table = Driver::Database(Box::new(Refusal(1, "no such table: secret")));
    let table: [(Error, Meaning, &str); 13] = [
        (Error::Address, (Config, Never, false, true, false), "sqlite:sessions.db"),
        (Error::Connect(refusal(14)), (Config, Never, false, true, false), "migrate"),
        (Error::Connect(refusal(5)), (Unavailable, UntilDeadline, false, true, true), "lock"),
        (Error::Connect(Driver::Configuration("secret".into())), (Config, Never, false, true, false), "not valid"),
        (Error::Statement(no_table), (Config, Never, false, true, false), "migrate"),
        (Error::Statement(Driver::WorkerCrashed), (Unavailable, Never, true, true, true), "thread"),
        (Error::Statement(io::Error::other("secret").into()), (Config, Never, false, true, false), "opened"),
        (Error::Statement(Driver::Decode("secret".into())), (Internal, Never, true, true, false), "driver failed"),
        (Error::Held, (Unavailable, Never, false, true, true), "lock"),
        (Error::Closed, (Unavailable, Never, false, true, false), "closed"),
        (Error::UnexpectedAnswer, (Internal, Never, true, true, false), "unexpected form"),
        (Error::Corrupt(Corruption::Form), (Corrupt, Never, false, false, false), "no record"),
        (Error::Corrupt(Corruption::Times), (Corrupt, Never, false, false, false), "contradict"),
    ];
    for (error, expected, advice) in table {
        assert_eq!(meaning(&error), expected, "{error:?}");
        let shown = format!("{error:?}");
        let error = session_store_core::Error::from(error);
        assert!(error.to_string().contains(advice), "{error}");
        for text in [shown, format!("{error:?}"), StdError::source(&error).map(ToString::to_string).unwrap_or_default()]
        {
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
