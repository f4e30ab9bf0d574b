use std::error::Error as _;
use std::io;
use std::sync::Arc;

use serde_json::json;
use session_store_core::ErrorKind::{Config, Corrupt, Internal, Timeout, TooLarge, Unavailable};

use super::Retry::{Never, UntilDeadline};
use super::*;

/// What a failure does: its kind, whether it is sent again, whether the statement may have been executed, whether it is
/// about no single record, whether the error is transient.
type Row = (ErrorKind, Retry, bool, bool, bool);

fn row(failure: &Failure) -> Row {
    let is_transient = failure.clone().into_error().is_transient();
    (failure.kind(), failure.retry(), failure.is_ambiguous(), !failure.may_be_of_record(), is_transient)
}

/// A wrong setting or missing right: nothing was done, and all callers get the error.
const SETTING: Row = (Config, Never, false, true, false);
/// The server cannot serve now: nothing was done, and all callers get the error.
const DOWN: Row = (Unavailable, Never, false, true, true);
/// Nothing was begun, and another attempt may do better.
const NOT_BEGUN: Row = (Unavailable, UntilDeadline, false, true, true);
/// It may have been executed.
const BROKEN: Row = (Unavailable, UntilDeadline, true, true, true);
/// It was ended by the server, possibly in the middle.
const ENDED: Row = (Timeout, UntilDeadline, true, true, true);
/// It is about one record of a batch.
const UNFIT: Row = (Config, Never, false, false, false);
const UNREADABLE: Row = (Corrupt, Never, false, false, false);
const LARGE: Row = (TooLarge, Never, false, false, false);
const UNKNOWN: Row = (Internal, Never, false, false, false);

#[test]
fn every_code_has_its_meaning() {
    let groups: [(Row, &[i32]); 10] = [
        (SETTING, &[2, 13, 18, 20, 26, 27, 59, 67, 68, 72, 73, 79, 85, 86, 100, 115, 166, 8000, 10003]),
        (DOWN, &[39, 63, 70, 133, 146, 150, 249, 365, 13388, 14031]),
        (NOT_BEGUN, &[112, 10058, 10107, 13435, 13436]),
        (BROKEN, &[91, 189, 11600, 11602]),
        (BROKEN, &[6, 7, 43, 89, 134, 175, 237, 279, 282, 290, 355, 9001, 11601, 46841]),
        (ENDED, &[24, 46, 50, 202, 262]),
        (UNFIT, &[121, 11000]),
        (UNREADABLE, &[14, 16554, 16555, 16556]),
        (LARGE, &[10334, 17280, 17419, 17420]),
        (UNKNOWN, &[0, 1, 241, 99999]),
    ];
    for (wanted, codes) in groups {
        for code in codes {
            let whole = Error::Driver(Kind::Command(serde_json::from_value(json!({ "code": code })).unwrap()).into());
            for error in [whole, Error::Update { code: *code }, Error::Driver(write_error(*code))] {
                let failure = classify(&error);
                assert_eq!(row(&failure), wanted, "{code}: {failure:?}");
                assert_eq!(source(&failure), format!("server, code {code}"));
            }
            // A part of a removal may be done, whatever its code.
            let (kind, _, _, is_of_statement, is_transient) = wanted;
            let removal = classify(&Error::Removal { code: *code });
            assert_eq!(row(&removal), (kind, Never, true, is_of_statement, is_transient), "{code}: {removal:?}");
        }
    }
}

fn write_error(code: i32) -> Driver {
    Kind::Write(WriteFailure::WriteError(serde_json::from_value(json!({ "code": code })).unwrap())).into()
}

fn source(failure: &Failure) -> String {
    failure.clone().into_error().source().map(ToString::to_string).unwrap_or_default()
}

#[test]
fn a_write_that_may_not_last_is_of_unknown_outcome_and_never_repeated() {
    let rows = [
        (64, (Timeout, Never, true, true, true)),
        (79, (Config, Never, true, true, false)),
        (100, (Config, Never, true, true, false)),
        // A primary that has just ceased to be one.
        (91, (Unavailable, Never, true, true, true)),
        (10107, (Unavailable, Never, true, true, true)),
        (50, (Timeout, Never, true, true, true)),
        (0, (Internal, Never, true, true, false)),
    ];
    for (code, wanted) in rows {
        let refusal = serde_json::from_value(json!({ "code": code })).unwrap();
        let of_driver = Error::Driver(Kind::Write(WriteFailure::WriteConcernError(refusal)).into());
        for error in [of_driver, Error::WriteConcern { code }] {
            let failure = classify(&error);
            assert_eq!(row(&failure), wanted, "{code}: {failure:?}");
            assert_eq!(source(&failure), format!("write concern, code {code}"));
        }
    }
}

#[test]
fn errors_without_a_code_have_their_meaning() {
    let broken = Kind::Io(Arc::new(io::ErrorKind::BrokenPipe.into()));
    let rows = [
        (Error::Driver(broken.into()), BROKEN),
        (Error::Driver(Kind::Shutdown.into()), (Unavailable, Never, false, true, false)),
        (Error::Driver(Kind::SessionsNotSupported.into()), (Internal, Never, false, true, false)),
        (Error::NoFreeConnection, (Timeout, Never, false, true, true)),
        (Error::NoPrimary, DOWN),
        (Error::UnexpectedAnswer, (Internal, Never, true, false, false)),
        (Error::Corrupt(Corruption::Form), UNREADABLE),
        (Error::Corrupt(Corruption::Times), UNREADABLE),
        (Error::TooOld, SETTING),
        (Error::NoIndex, SETTING),
        (Error::OtherIndex, SETTING),
        (Error::Encoding, (Internal, Never, false, true, false)),
    ];
    for (error, wanted) in rows {
        assert_eq!(row(&classify(&error)), wanted, "{error:?}");
    }
}

#[test]
fn only_what_changed_nothing_is_busy() {
    let busy = [10058, 10107, 13435, 13436, 112];
    for code in (0..400).chain(8_000..20_000) {
        assert_eq!(did_not_begin(code), busy.contains(&code), "{code}");
    }
}

#[test]
fn the_texts_of_the_driver_are_not_passed_on() {
    let errors = [
        Driver::from(Kind::Io(Arc::new(io::Error::other("secret")))),
        Driver::from(Kind::Custom(Arc::new("secret"))),
        Driver::custom("secret"),
        write_error_with("secret"),
    ];
    for driver in errors {
        let error = Error::Driver(driver);
        let shown_by_backend = format!("{error:?}");
        let error = session_store_core::Error::from(error);
        let source = error.source().map(ToString::to_string).unwrap();
        for shown in [error.to_string(), format!("{error:?}"), source, shown_by_backend] {
            assert!(!shown.contains("secret"), "{shown}");
        }
    }
}

fn write_error_with(text: &str) -> Driver {
    let refusal = serde_json::from_value(json!({ "code": 11000, "codeName": text, "errmsg": text })).unwrap();
    Kind::Write(WriteFailure::WriteError(refusal)).into()
}
