//! XChaCha20-Poly1305, with a ring of keys.

use std::fmt;
use std::str::FromStr;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::corrupt;
use crate::secret::Secret;
use crate::{Error, ErrorKind, Result, SessionKey, entropy};

/// Keeps what is authenticated here apart from every other use of the key.
const DOMAIN: &[u8] = b"session-store envelope v1\0";
const ID_DOMAIN: &[u8] = b"session-store encryption key id v1\0";
const ID_LEN: usize = 8;
const NONCE_LEN: usize = 24;

/// A key that encrypts session data: 32 random bytes, kept where the application keeps its other secrets.
///
/// It must be random, and no password. It is wiped from memory when its last clone is dropped, and `Debug` shows
/// its [`id`](Self::id) only. Cloning is cheap.
///
/// # Example: a key from the environment
///
/// ```
/// use session_store_core::codec::EncryptionKey;
///
/// let made_once = EncryptionKey::generate()?;
/// let kept: String = made_once.expose_secret().to_string(); // 43 characters, for a secret manager
///
/// let key: EncryptionKey = kept.parse()?;
/// assert_eq!(key.id(), made_once.id());
/// # Ok::<(), session_store_core::Error>(())
/// ```
#[derive(Clone)]
pub struct EncryptionKey {
    id: [u8; ID_LEN],
    secret: Secret,
}

impl EncryptionKey {
    /// A new key, from the operating system's random bytes.
    ///
    /// # Errors
    ///
    /// `Internal` when the operating system has no random bytes to give.
    pub fn generate() -> Result<Self> {
        Secret::generate().map(Self::new)
    }

    /// The key of these random bytes. To wipe them is the caller's part.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self::new(Secret::from_bytes(bytes))
    }

    fn new(secret: Secret) -> Self {
        let digest = Sha256::new().chain_update(ID_DOMAIN).chain_update(secret.as_bytes()).finalize();
        let mut id = [0; ID_LEN];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self { id, secret }
    }

    /// It wipes its copy of the secret when it is dropped.
    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.secret.as_bytes().into())
    }

    /// The name of the key, by which encrypted data refers to it: 16 hexadecimal digits, the beginning of a hash of
    /// the key. It may be shown: nothing of the key can be told from it.
    #[must_use]
    pub fn id(&self) -> String {
        hex::encode(self.id)
    }

    /// The secret itself, to be kept: 43 characters that parse back. They are wiped from memory when dropped.
    #[must_use]
    pub fn expose_secret(&self) -> Zeroizing<String> {
        self.secret.expose()
    }
}

/// Reads what [`expose_secret`](EncryptionKey::expose_secret) wrote.
///
/// # Errors
///
/// `InvalidInput` for any other text.
impl FromStr for EncryptionKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Secret::parse(text, "an encryption key").map(Self::new)
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptionKey({})", self.id())
    }
}

/// The keys of a [`Codec`](super::Codec): one encrypts, all decrypt.
///
/// Where a codec has a ring, data that is not encrypted is `Corrupt`: whoever can write to the database, but has no
/// key, cannot make up data, nor move those of one session to another. He can still do what needs no key: put back
/// older data of the same session, change its owner or its times, or remove it.
///
/// # Changing the key without downtime
///
/// Each step reaches all nodes before the next begins:
///
/// 1. `KeyRing::new(old).with_next(new)`: all nodes can read what the new key will encrypt.
/// 2. `KeyRing::new(new).with_former(old)`: the new key encrypts. What the old one has encrypted is encrypted anew
///    when it is loaded; `Sessions::reencrypt` does the same for all sessions of a user, loaded or not.
/// 3. After the longest idle timeout, every live session has been loaded: `KeyRing::new(new)`, and the old key can
///    be thrown away. Where it leaked, the third step comes at once, and sessions that were not loaded since are lost.
///
/// # Introducing encryption, and giving it up
///
/// The same in steps: [`writing_unencrypted`](Self::writing_unencrypted) on all nodes, then
/// [`accepting_unencrypted`](Self::accepting_unencrypted), and after the longest idle timeout neither. It is given up
/// the other way round; then what is encrypted stays so until it is saved, so the ring stays until the longest absolute
/// timeout has passed.
///
/// # Example
///
/// ```
/// use session_store_core::codec::{Codec, EncryptionKey, KeyRing};
/// use session_store_core::{SessionId, SessionKey};
///
/// let (old, new) = (EncryptionKey::generate()?, EncryptionKey::generate()?);
/// let key = SessionKey::from(&SessionId::generate()?);
///
/// let data = Codec::new().with_encryption(KeyRing::new(old.clone())).encode(&key, "a secret")?;
/// let codec = Codec::new().with_encryption(KeyRing::new(new).with_former(old));
/// assert_eq!(codec.decode::<String>(&key, &data)?, "a secret");
///
/// let another_session = SessionKey::from(&SessionId::generate()?);
/// assert!(codec.decode::<String>(&another_session, &data).is_err(), "moved to another session it does not open");
/// # Ok::<(), session_store_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct KeyRing {
    current: EncryptionKey,
    next: Vec<EncryptionKey>,
    former: Vec<EncryptionKey>,
    unencrypted: Unencrypted,
}

/// What becomes of data that is not encrypted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Unencrypted {
    Refused,
    Read,
    Written,
}

impl KeyRing {
    /// A ring of one key.
    #[must_use]
    pub fn new(key: EncryptionKey) -> Self {
        Self { current: key, next: Vec::new(), former: Vec::new(), unencrypted: Unencrypted::Refused }
    }

    /// The same ring with one more key that decrypts: one that other nodes may encrypt with already.
    #[must_use]
    pub fn with_next(mut self, key: EncryptionKey) -> Self {
        self.next.push(key);
        self
    }

    /// The same ring with one more key that decrypts: one that has encrypted before. Its data is to be encrypted anew.
    #[must_use]
    pub fn with_former(mut self, key: EncryptionKey) -> Self {
        self.former.push(key);
        self
    }

    /// Encrypts, and reads what is not encrypted as well: while encryption is being introduced or given up. Whoever
    /// can write to the database can make up sessions so long.
    #[must_use]
    pub fn accepting_unencrypted(mut self) -> Self {
        self.unencrypted = Unencrypted::Read;
        self
    }

    /// Reads what is encrypted, but encrypts nothing: before encryption is introduced, and when it is given up.
    #[must_use]
    pub fn writing_unencrypted(mut self) -> Self {
        self.unencrypted = Unencrypted::Written;
        self
    }

    pub(super) fn encrypts(&self) -> bool {
        self.unencrypted != Unencrypted::Written
    }

    pub(super) fn accepts_unencrypted(&self) -> bool {
        self.unencrypted != Unencrypted::Refused
    }

    /// Whether data that is or is not encrypted in this way may stay as it is. A ring that writes unencrypted leaves
    /// alone what other nodes encrypt, or the two would undo each other's work at every load.
    pub(super) fn is_current(&self, sealed: Option<&[u8]>) -> bool {
        match sealed.map(|sealed| sealed.split_first_chunk::<ID_LEN>()) {
            None => !self.encrypts(),
            Some(parts) => {
                let is = |key: &EncryptionKey| parts.is_some_and(|(id, _)| *id == key.id);
                is(&self.current) || self.next.iter().any(is)
            }
        }
    }

    /// Key id, nonce, and the encrypted body with its tag.
    pub(super) fn seal(&self, session: &SessionKey, head: &[u8], body: &[u8]) -> Result<Vec<u8>> {
        let nonce = entropy::random::<NONCE_LEN>()?;
        let associated = associated(session, head);
        let sealed = self.current.cipher().encrypt(&XNonce::from(nonce), Payload { msg: body, aad: &associated });
        let sealed = sealed.map_err(|_| Error::new(ErrorKind::Internal, "the data could not be encrypted"))?;
        Ok([self.current.id.as_slice(), &nonce, &sealed].concat())
    }

    /// The body of what `seal` wrote for this session and head.
    pub(super) fn open(&self, session: &SessionKey, head: &[u8], sealed: &[u8]) -> Result<Vec<u8>> {
        let too_short = || corrupt("the data is too short for an encrypted envelope");
        let (id, rest) = sealed.split_first_chunk::<ID_LEN>().ok_or_else(too_short)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(too_short)?;
        let mut keys = [&self.current].into_iter().chain(&self.next).chain(&self.former);
        let key = keys
            .find(|key| key.id == *id)
            .ok_or_else(|| corrupt("the data is encrypted with a key that is not in the ring"))?;
        let associated = associated(session, head);
        key.cipher()
            .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &associated })
            .map_err(|_| corrupt("the encrypted data does not open: it was changed, or written for another session"))
    }
}

/// What is not encrypted, but authenticated: the head, and whose data it is.
fn associated(session: &SessionKey, head: &[u8]) -> Vec<u8> {
    [DOMAIN, session.as_bytes(), head].concat()
}

#[cfg(test)]
mod tests {
    use zeroize::ZeroizeOnDrop;

    use super::*;

    fn is_wiped<T: ZeroizeOnDrop>(_: &T) {}

    #[test]
    fn what_holds_a_key_is_wiped_when_dropped() {
        let key = EncryptionKey::from_bytes(&[7; 32]);
        is_wiped(&key.cipher());
        is_wiped(&key.expose_secret());
        is_wiped(&Zeroizing::new(*key.secret.as_bytes()));
    }
}
