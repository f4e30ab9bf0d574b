//! The principal a session belongs to.

use std::fmt;
use std::sync::Arc;

use crate::{Error, Result};

/// The principal a session belongs to: 1 to 256 bytes of UTF-8, any characters but NUL.
///
/// Names compare and order by their bytes and are never normalized, so `é` in one code point and `é`
/// in two are two users. `Debug` is redacted. Cloning is cheap.
///
/// # Example
///
/// ```
/// use session_store_core::{ErrorKind, UserId};
///
/// let user = UserId::new("alice@example.com")?;
/// assert_eq!(user.as_str(), "alice@example.com");
/// assert_eq!(UserId::new("").unwrap_err().kind(), ErrorKind::InvalidInput);
/// # Ok::<(), session_store_core::Error>(())
/// ```
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UserId(Arc<str>);

impl UserId {
    /// The most bytes of a name.
    pub const MAX_LEN: usize = 256;

    /// The user of this name.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when the name is empty, longer than 256 bytes, or contains NUL.
    pub fn new(name: impl AsRef<str>) -> Result<Self> {
        let name = name.as_ref();
        if !(1..=Self::MAX_LEN).contains(&name.len()) {
            return Err(Error::invalid_input(format!("a user has 1 to 256 bytes, not {}", name.len())));
        }
        if name.contains('\0') {
            return Err(Error::invalid_input("a user must not contain NUL"));
        }
        Ok(Self(name.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserId(redacted)")
    }
}
