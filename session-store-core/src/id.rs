//! The secret in the cookie.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

use crate::{Error, Result, SessionKey, entropy};

/// The secret bearer token in the cookie. Whoever has it, has the session.
///
/// A store never sees it: a store knows the [`SessionKey`], which is a hash of it. `Debug` is
/// redacted, there is no `Display`, and two are compared in constant time.
///
/// # Example: a new session ID, and one from a cookie
///
/// ```
/// use session_store_core::{SessionId, SessionKey};
///
/// let id = SessionId::generate()?;
/// let cookie = id.expose_secret().to_owned();
/// let same: SessionId = cookie.parse()?;
/// assert_eq!(SessionKey::from(&id), SessionKey::from(&same));
/// # Ok::<(), session_store_core::Error>(())
/// ```
#[derive(Clone)]
pub struct SessionId(Box<str>);

/// The bytes of entropy in a generated ID. OWASP ASVS 5.0 asks for at least 16 (7.2.3).
const ENTROPY: usize = 32;

impl SessionId {
    /// The fewest characters of an ID that is accepted: 128 bits in base64url.
    pub const MIN_LEN: usize = 22;
    /// The most characters of an ID that is accepted.
    pub const MAX_LEN: usize = 256;

    /// A new ID: 256 random bits from the operating system, as 43 characters of base64url.
    ///
    /// # Errors
    ///
    /// `Internal` when the operating system has no random bytes to give.
    pub fn generate() -> Result<Self> {
        let bytes = entropy::random::<ENTROPY>()?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes).into()))
    }

    /// The secret itself, for the cookie and for nothing else.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        &self.0
    }
}

/// Accepts the IDs of this crate and the tokens of other middleware: 22 to 256 visible ASCII
/// characters.
///
/// # Errors
///
/// `InvalidInput` for any other text, and for a text in the form of a key: a key that was seen in a
/// list must not work as a cookie.
impl FromStr for SessionId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if !(Self::MIN_LEN..=Self::MAX_LEN).contains(&text.len()) {
            return Err(Error::invalid_input(format!("a session ID has 22 to 256 characters, not {}", text.len())));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::invalid_input("a session ID has visible ASCII characters only"));
        }
        if SessionKey::is_text_of_a_key(text) {
            return Err(Error::invalid_input("a session key is not a session ID"));
        }
        Ok(Self(text.into()))
    }
}

impl PartialEq for SessionId {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for SessionId {}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(redacted)")
    }
}
