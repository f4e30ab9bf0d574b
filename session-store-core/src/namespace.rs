//! What keeps one application's sessions apart from all others.

use crate::{Error, Result};

/// The name that keeps one application's sessions apart from all others in the same database: the
/// prefix of its keys, its table or its collection.
///
/// # Example
///
/// ```
/// use session_store_core::{ErrorKind, Namespace};
///
/// let shop = Namespace::new("shop:*")?; // taken literally: nothing in it is a pattern
/// assert_eq!(shop.as_str(), "shop:*");
/// assert_eq!(Namespace::new("").unwrap_err().kind(), ErrorKind::Config);
/// # Ok::<(), session_store_core::Error>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Namespace(Box<str>);

impl Namespace {
    /// The most bytes of a name.
    pub const MAX_LEN: usize = 40;

    /// The namespace of this name: 1 to 40 bytes of UTF-8 without NUL (clause N1).
    ///
    /// # Errors
    ///
    /// `Config` for any other name.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        if !(1..=Self::MAX_LEN).contains(&name.len()) {
            return Err(Error::config(format!(
                "a namespace has 1 to 40 bytes, not {}; choose another name",
                name.len()
            )));
        }
        if name.contains('\0') {
            return Err(Error::config("a namespace must not contain NUL"));
        }
        Ok(Self(name.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
