//! How typed session data becomes the bytes that a store keeps, and back.
//!
//! The bytes are an envelope:
//!
//! | bytes | content |
//! | --- | --- |
//! | 1 | layout version, now 1 |
//! | 1 | flags: bit 0 compressed, bit 1 encrypted, bit 2 with a policy; all others are 0 |
//! | 8 + 8 | with a policy: idle and absolute timeout in milliseconds, big-endian |
//! | 8 + 24 | where encrypted: key id, nonce |
//! | 4 | CRC-32 (IEEE) of the dictionary if there is one, all before but key id and nonce, and payload, big-endian |
//! | rest | payload: MessagePack with field names, or one zstd frame of it |
//! | 16 | where encrypted: tag |
//!
//! Where encrypted, it is by XChaCha20-Poly1305 from the CRC on, and what is authenticated with it is a fixed
//! domain string, the session key, and all up to the key id: a payload that was moved to another session, or whose
//! flags or policy were changed, does not open.
//!
//! The flags decide how a payload is read: there is no second try with another decoder. The zstd frame
//! is a standard one (RFC 8878); it names its dictionary and its decoded size.

#[cfg(feature = "compression")]
mod compression;
#[cfg(feature = "encryption")]
mod encryption;
mod envelope;
#[cfg(all(any(fuzzing, test), feature = "compression", feature = "encryption"))]
pub(crate) mod fuzzing;
mod messagepack;
mod optional;
mod shape;

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(feature = "compression")]
pub use self::compression::Dictionary;
#[cfg(feature = "encryption")]
pub use self::encryption::{EncryptionKey, KeyRing};
use self::envelope::{Envelope, Head};
use crate::{Error, ErrorKind, Policy, Result, SessionKey};

/// The most bytes of MessagePack that a codec writes or reads unless it is configured otherwise: 4 MiB.
pub const DEFAULT_DECODED_LIMIT: usize = 4 << 20;

/// Turns typed session data into the bytes that a store keeps, and back.
///
/// MessagePack is written with field names, so that fields may be added to and removed from a struct
/// while sessions live: give new ones `#[serde(default)]`. It has one nil only, so `Some(None)` and
/// `Some(())` come back as `None`.
///
/// With the feature `compression`, data of over 512 bytes is compressed where that makes it smaller.
/// Sessions are small and alike, so a trained [`Dictionary`] is where compression pays.
///
/// # Example: one codec for a struct and its later form
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use session_store_core::codec::Codec;
/// use session_store_core::{SessionId, SessionKey};
///
/// #[derive(Serialize)]
/// struct Visit { pages: u32 }
///
/// #[derive(Deserialize)]
/// struct LaterVisit { pages: u32, #[serde(default)] theme: Option<String> }
///
/// let key = SessionKey::from(&SessionId::generate()?);
/// let codec = Codec::new();
/// let data = codec.encode(&key, &Visit { pages: 3 })?;
/// let later: LaterVisit = codec.decode(&key, &data)?;
/// assert_eq!((later.pages, later.theme), (3, None));
/// # Ok::<(), session_store_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Codec {
    decoded_limit: usize,
    #[cfg(feature = "compression")]
    compression: compression::Compression,
    #[cfg(feature = "encryption")]
    ring: Option<KeyRing>,
}

impl Default for Codec {
    fn default() -> Self {
        Self::new()
    }
}

impl Codec {
    /// A codec with the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            decoded_limit: DEFAULT_DECODED_LIMIT,
            #[cfg(feature = "compression")]
            compression: compression::Compression::default(),
            #[cfg(feature = "encryption")]
            ring: None,
        }
    }

    /// Writes and reads at most so many bytes of MessagePack, however small they were compressed.
    #[must_use]
    pub fn with_decoded_limit(mut self, bytes: usize) -> Self {
        self.decoded_limit = bytes;
        self
    }

    /// Compresses data of over so many bytes of MessagePack; `usize::MAX` means never.
    ///
    /// Unless set, it is 512 without a dictionary and 64 with one: below, compression gains nothing.
    #[cfg(feature = "compression")]
    #[must_use]
    pub fn with_compression_over(mut self, bytes: usize) -> Self {
        self.compression.set_threshold(bytes);
        self
    }

    /// Compresses at this level of zstd, or the nearest that it has, where there is no dictionary. What was compressed at another stays
    /// readable.
    ///
    /// Unless set, it is -1, at which a session costs least to read. 3 makes it a tenth smaller, and costs some 2 µs
    /// more at every read of a kilobyte. A dictionary gains far more.
    #[cfg(feature = "compression")]
    #[must_use]
    pub fn with_compression_level(mut self, level: i32) -> Self {
        self.compression.set_level(level);
        self
    }

    /// Compresses with this dictionary from now on. Data that was compressed without a dictionary, or
    /// with one that this codec was given before, stays readable.
    ///
    /// # Example: a newer dictionary
    ///
    /// ```
    /// use session_store_core::codec::{Codec, Dictionary};
    /// use session_store_core::{SessionId, SessionKey};
    ///
    /// let sessions: Vec<_> = (0..200).map(|n| format!("user-{n} likes lamps, mugs and desks of oak")).collect();
    /// let older = Dictionary::train(&sessions[..100], 4096)?;
    /// let newer = Dictionary::train(&sessions[100..], 4096)?;
    ///
    /// let key = SessionKey::from(&SessionId::generate()?);
    /// let written_before = Codec::new().with_dictionary(older.clone()).encode(&key, &sessions[7])?;
    /// let codec = Codec::new().with_dictionary(older).with_dictionary(newer);
    /// assert_eq!(codec.decode::<String>(&key, &written_before)?, sessions[7]);
    /// # Ok::<(), session_store_core::Error>(())
    /// ```
    #[cfg(feature = "compression")]
    #[must_use]
    pub fn with_dictionary(mut self, dictionary: Dictionary) -> Self {
        self.compression.add_dictionary(dictionary);
        self
    }

    /// Encrypts with this ring, and takes nothing that is not encrypted, unless the ring says otherwise.
    ///
    /// Encryption hides what is in a session, not how large it is: who can see the database, and can put text of
    /// his own into a session that holds a secret as well, may learn of the secret by how well both compress.
    #[cfg(feature = "encryption")]
    #[must_use]
    pub fn with_encryption(mut self, ring: KeyRing) -> Self {
        self.ring = Some(ring);
        self
    }

    /// Encodes the value of the session with this key.
    ///
    /// # Errors
    ///
    /// - `InvalidInput` when the value's `Serialize` fails, or the value is nested so deeply that it
    ///   could not be read back (over 128 levels).
    /// - `TooLarge` when its MessagePack is over the decoded limit.
    pub fn encode<T: Serialize + ?Sized>(&self, key: &SessionKey, value: &T) -> Result<Bytes> {
        self.encode_with(key, value, None)
    }

    /// Encodes a value with the policy of its session, to be had back by [`decode_with`](Self::decode_with).
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    pub fn encode_with<T>(&self, key: &SessionKey, value: &T, policy: Option<Policy>) -> Result<Bytes>
    where
        T: Serialize + ?Sized,
    {
        let plain = messagepack::encode(value)?;
        if plain.len() > self.decoded_limit {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!(
                    "the value has {} bytes and the codec's limit is {}; keep less in the session or raise the limit",
                    plain.len(),
                    self.decoded_limit
                ),
            ));
        }
        #[cfg(feature = "compression")]
        if let Some(frame) = self.compression.compress(&plain)? {
            let head = Head::new(true, self.encrypts(), policy);
            return self.write(key, &Envelope::new(head, &frame, self.compression.basis()));
        }
        self.write(key, &Envelope::new(Head::new(false, self.encrypts(), policy), &plain, 0))
    }

    /// Decodes what was encoded for the session with this key.
    ///
    /// # Errors
    ///
    /// All about this key:
    ///
    /// - `Corrupt` when the bytes are not such an envelope, are damaged, need a dictionary or a key that this
    ///   codec was not given, are not encrypted and have to be, are over the decoded limit, or do not fit `T`. The
    ///   message says which; it shows no value.
    /// - `Unsupported` when the data is compressed or encrypted, and the feature for it is off.
    pub fn decode<T: DeserializeOwned>(&self, key: &SessionKey, data: &[u8]) -> Result<T> {
        self.decode_with(key, data).map(|(value, _)| value)
    }

    /// Decodes a value, and the policy that was encoded with it.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode).
    pub fn decode_with<T: DeserializeOwned>(&self, key: &SessionKey, data: &[u8]) -> Result<(T, Option<Policy>)> {
        self.read(key, data).map_err(|error| error.with_key(*key))
    }

    /// Whether [`encode`](Self::encode) would encrypt as this data is encrypted. Where it is not so, the data was
    /// written with a former key, or before encryption was introduced, and had better be encoded anew. What is no
    /// envelope is not current.
    #[must_use]
    pub fn is_current(&self, data: &[u8]) -> bool {
        Head::parse(data).is_ok_and(|(head, rest)| self.is_encrypted_now(head.is_encrypted().then_some(rest)))
    }

    /// The same data as this codec would encrypt it now. The value is not decoded, so that fields that this release of
    /// the application does not know are kept.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode), but for what the value's type would refuse.
    pub fn reencrypt(&self, key: &SessionKey, data: &[u8]) -> Result<Bytes> {
        self.reencrypt_with(key, data).map(|(data, _)| data)
    }

    /// The same, and the policy that was encoded with the value.
    pub(crate) fn reencrypt_with(&self, key: &SessionKey, data: &[u8]) -> Result<(Bytes, Option<Policy>)> {
        let anew = || {
            let envelope = self.open(key, data)?;
            let basis = if envelope.head.is_compressed() { self.basis(&envelope)? } else { 0 };
            envelope.check(basis)?;
            let policy = envelope.head.policy;
            let head = Head::new(envelope.head.is_compressed(), self.encrypts(), policy);
            Ok((self.write(key, &Envelope::new(head, &envelope.payload, basis))?, policy))
        };
        anew().map_err(|error: Error| error.with_key(*key))
    }

    fn open<'a>(&self, key: &SessionKey, data: &'a [u8]) -> Result<Envelope<'a>> {
        let (head, rest) = Head::parse(data)?;
        let body = if head.is_encrypted() {
            Cow::Owned(self.decrypt(key, &head, rest)?)
        } else {
            self.check_may_be_unencrypted()?;
            Cow::Borrowed(rest)
        };
        Envelope::from_body(head, body)
    }

    fn read<T: DeserializeOwned>(&self, key: &SessionKey, data: &[u8]) -> Result<(T, Option<Policy>)> {
        let envelope = self.open(key, data)?;
        let policy = envelope.head.policy;
        if envelope.head.is_compressed() {
            return Ok((self.decompress(&envelope, messagepack::decode)?, policy));
        }
        envelope.check(0)?;
        if envelope.payload.len() > self.decoded_limit {
            return Err(corrupt("the data is over the codec's decoded limit"));
        }
        Ok((messagepack::decode(&envelope.payload)?, policy))
    }
}

fn corrupt(why: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, why)
}
