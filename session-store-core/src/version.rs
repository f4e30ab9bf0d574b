//! The precondition of an update.

use std::fmt;

use crate::{Result, entropy};

/// An opaque token that changes with every successful `set` and `rotate`.
///
/// It is 16 random bytes, chosen by the handle that writes, so that a handle recognizes its own write
/// when it must find out whether that happened. It has no order: of two versions, none is "later".
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Version([u8; Version::LEN]);

impl Version {
    /// The bytes of a version.
    pub const LEN: usize = 16;

    /// A version never used before.
    ///
    /// # Errors
    ///
    /// `Internal` when the operating system has no random bytes to give.
    pub fn generate() -> Result<Self> {
        entropy::random().map(Self)
    }

    /// The version of these bytes, as a store has kept them.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes, for a store to keep.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({})", hex::encode(self.0))
    }
}
