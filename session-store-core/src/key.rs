//! What a store knows a session by.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::{Error, Result, SessionId};

/// What a store holds instead of the [`SessionId`]: SHA-256 of a fixed domain string and the ID.
///
/// It cannot be turned back into the cookie, so lists may show it to its user or to an admin, by
/// [`to_text`](Self::to_text). `Debug` redacts it all the same, so that no log collects keys by the
/// way. Keys order by their bytes.
///
/// Where `Sessions` are built with a pepper, the keys of their sessions are computed with it, and are others than
/// those that `From<&SessionId>` gives.
///
/// # Example: a key in a web form and back
///
/// ```
/// use session_store_core::{SessionId, SessionKey};
///
/// let key = SessionKey::from(&SessionId::generate()?);
/// let text = key.to_text();
/// assert!(text.starts_with("k1_"));
/// assert_eq!(text.parse::<SessionKey>()?, key);
/// assert!(text.parse::<SessionId>().is_err(), "a key is not a cookie");
/// # Ok::<(), session_store_core::Error>(())
/// ```
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionKey([u8; SessionKey::LEN]);

/// Keeps these hashes apart from every other use of SHA-256 on the same ID.
const DOMAIN: &[u8] = b"session-store session key v1\0";

const TEXT_PREFIX: &str = "k1_";

impl SessionKey {
    /// The bytes of a key.
    pub const LEN: usize = 32;

    /// The key of these bytes, as a store has kept them.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes, for a store to keep.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// The key as text: `k1_` and 64 hexadecimal digits. It parses back.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::from(TEXT_PREFIX);
        text.push_str(&hex::encode(self.0));
        text
    }

    pub(crate) fn is_text_of_a_key(text: &str) -> bool {
        text.strip_prefix(TEXT_PREFIX)
            .is_some_and(|digits| digits.len() == 2 * Self::LEN && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }
}

impl From<&SessionId> for SessionKey {
    fn from(id: &SessionId) -> Self {
        let digest = Sha256::new().chain_update(DOMAIN).chain_update(id.expose_secret()).finalize();
        Self(digest.into())
    }
}

/// Reads what [`to_text`](SessionKey::to_text) wrote.
///
/// # Errors
///
/// `InvalidInput` for any other text.
impl FromStr for SessionKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = || Error::invalid_input("a session key is `k1_` and 64 hexadecimal digits in lower case");
        let digits = text.strip_prefix(TEXT_PREFIX).ok_or_else(invalid)?;
        if digits.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(invalid());
        }
        let mut bytes = [0; Self::LEN];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| invalid())?;
        Ok(Self(bytes))
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(redacted)")
    }
}
