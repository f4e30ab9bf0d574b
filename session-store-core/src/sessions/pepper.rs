//! Session keys that only the application can compute.

use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::{Error, ErrorKind, Result, SessionId, SessionKey};

/// Keeps these hashes apart from every other use of the secret.
const DOMAIN: &[u8] = b"session-store peppered session key v1\0";

/// A secret of the application that goes into every session key: HMAC-SHA-256 (RFC 2104) instead of SHA-256.
///
/// A session ID has 256 random bits, so nobody finds it from its hash with or without a pepper. What a pepper adds:
/// whoever can write to the database but has no pepper cannot tell what key the session of a cookie has that he made
/// up. The key of a session that he has himself he can see in a list. 32 random bytes, kept where the application keeps its other secrets; `Debug` shows nothing of them.
///
/// # Changing the pepper without downtime
///
/// A session keeps its key until it ends or gets a new ID, so each step reaches all nodes before the next begins:
///
/// 1. `pepper(old)` and `accept_pepper(new)`: all nodes find what will be created with the new one.
/// 2. `pepper(new)` and `accept_pepper(old)`: new sessions get keys by the new one. One of the old ones costs one read
///    more.
/// 3. `pepper(new)`, after the longest absolute timeout. Earlier, it ends the sessions that are left.
///
/// Introducing a pepper is the same with `accept_unpeppered` in the place of the old one.
#[derive(Clone, Debug)]
pub struct Pepper(Secret);

impl Pepper {
    /// A new pepper, from the operating system's random bytes.
    ///
    /// # Errors
    ///
    /// `Internal` when the operating system has no random bytes to give.
    pub fn generate() -> Result<Self> {
        Secret::generate().map(Self)
    }

    /// The pepper of these random bytes. To wipe them is the caller's part.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Secret::from_bytes(bytes))
    }

    /// The secret itself, to be kept: 43 characters that parse back. They are wiped from memory when dropped.
    #[must_use]
    pub fn expose_secret(&self) -> Zeroizing<String> {
        self.0.expose()
    }

    fn key(&self, id: &SessionId) -> Result<SessionKey> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes())
            .map_err(|_| Error::new(ErrorKind::Internal, "the pepper does not fit its hash"))?;
        mac.update(DOMAIN);
        mac.update(id.expose_secret().as_bytes());
        Ok(SessionKey::from_bytes(mac.finalize().into_bytes().into()))
    }
}

/// Reads what [`expose_secret`](Pepper::expose_secret) wrote.
///
/// # Errors
///
/// `InvalidInput` for any other text.
impl FromStr for Pepper {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Secret::parse(text, "a pepper").map(Self)
    }
}

/// How the keys of session IDs are computed: the first way for new sessions, each for those there are.
#[derive(Clone, Debug)]
pub(super) struct Hashing {
    pub(super) first: Way,
    pub(super) others: Vec<Way>,
}

#[derive(Clone, Debug)]
pub(super) enum Way {
    Plain,
    Peppered(Pepper),
}

impl Way {
    fn key(&self, id: &SessionId) -> Result<SessionKey> {
        match self {
            Self::Plain => Ok(SessionKey::from(id)),
            Self::Peppered(pepper) => pepper.key(id),
        }
    }
}

impl Hashing {
    /// The key of a new session.
    pub(super) fn key(&self, id: &SessionId) -> Result<SessionKey> {
        self.first.key(id)
    }

    /// The keys that a session with this ID may have. It has one of them: IDs are random.
    pub(super) fn keys(&self, id: &SessionId) -> impl Iterator<Item = Result<SessionKey>> {
        [&self.first].into_iter().chain(&self.others).map(move |way| way.key(id))
    }
}
