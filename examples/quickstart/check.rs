//! How the program proves what it prints.

use session_store_core::ErrorKind;

pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Fails unless `holds`; `claim` is what was to be shown.
pub(crate) fn ensure(holds: bool, claim: &str) -> Result {
    if holds { Ok(()) } else { Err(format!("this does not hold: {claim}").into()) }
}

/// Fails unless the store refused, and for the right reason.
pub(crate) fn ensure_refused<T>(answer: session_store_core::Result<T>, kind: ErrorKind, claim: &str) -> Result {
    match answer {
        Err(error) if error.kind() == kind => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => ensure(false, claim),
    }
}
