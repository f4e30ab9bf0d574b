//! Random bytes from the operating system.

use crate::{Error, ErrorKind, Result};

/// `N` bytes from the operating system's generator.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::new(
            ErrorKind::Internal,
            "the operating system gave no random bytes; check that its generator is available",
        )
        .with_source(error)
    })?;
    Ok(bytes)
}
