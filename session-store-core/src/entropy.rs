//! Random bytes from the operating system.

use crate::{Error, ErrorKind, Result};

/// `N` bytes from the operating system's generator.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    fill(&mut bytes)?;
    Ok(bytes)
}

/// The same into a place of the caller's.
pub(crate) fn fill<const N: usize>(bytes: &mut [u8; N]) -> Result<()> {
    getrandom::fill(bytes).map_err(|error| {
        Error::new(
            ErrorKind::Internal,
            "the operating system gave no random bytes; check that its generator is available",
        )
        .with_source(error)
    })
}

/// A random part of 1: from 0 to less than 1.
#[cfg(any(feature = "backend", feature = "pruner", feature = "sessions"))]
pub(crate) fn part() -> Result<f64> {
    let random = u32::from_le_bytes(random()?);
    Ok(f64::from(random) / (f64::from(u32::MAX) + 1.0))
}
