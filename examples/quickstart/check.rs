//! How the program proves what it prints.

pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Fails unless `holds`; `claim` is what was to be shown.
pub(crate) fn ensure(holds: bool, claim: &str) -> Result {
    if holds { Ok(()) } else { Err(format!("this does not hold: {claim}").into()) }
}
