//! How typed session data becomes the bytes that a store keeps, and back.
//!
//! The bytes are an envelope:
//!
//! | bytes | content |
//! | --- | --- |
//! | 1 | layout version, now 1 |
//! | 1 | flags: bit 0 compressed; bit 1 is kept for encryption; all others are 0 |
//! | 4 | CRC-32 (IEEE) of the dictionary if there is one, version, flags and payload, big-endian |
//! | rest | payload: MessagePack with field names, or one zstd frame of it |
//!
//! The flags decide how a payload is read: there is no second try with another decoder. The zstd frame
//! is a standard one (RFC 8878); it names its dictionary and its decoded size.

#[cfg(feature = "compression")]
mod compression;
mod envelope;
mod messagepack;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(feature = "compression")]
pub use self::compression::Dictionary;
use self::envelope::Envelope;
use crate::{Error, ErrorKind, Result};

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
///
/// #[derive(Serialize)]
/// struct Visit { pages: u32 }
///
/// #[derive(Deserialize)]
/// struct LaterVisit { pages: u32, #[serde(default)] theme: Option<String> }
///
/// let codec = Codec::new();
/// let data = codec.encode(&Visit { pages: 3 })?;
/// let later: LaterVisit = codec.decode(&data)?;
/// assert_eq!((later.pages, later.theme), (3, None));
/// # Ok::<(), session_store_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Codec {
    decoded_limit: usize,
    #[cfg(feature = "compression")]
    compression: compression::Compression,
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

    /// Compresses with this dictionary from now on. Data that was compressed without a dictionary, or
    /// with one that this codec was given before, stays readable.
    ///
    /// # Example: a newer dictionary
    ///
    /// ```
    /// use session_store_core::codec::{Codec, Dictionary};
    ///
    /// let sessions: Vec<_> = (0..200).map(|n| format!("user-{n} likes lamps, mugs and desks of oak")).collect();
    /// let older = Dictionary::train(&sessions[..100], 4096)?;
    /// let newer = Dictionary::train(&sessions[100..], 4096)?;
    ///
    /// let written_before = Codec::new().with_dictionary(older.clone()).encode(&sessions[7])?;
    /// let codec = Codec::new().with_dictionary(older).with_dictionary(newer);
    /// assert_eq!(codec.decode::<String>(&written_before)?, sessions[7]);
    /// # Ok::<(), session_store_core::Error>(())
    /// ```
    #[cfg(feature = "compression")]
    #[must_use]
    pub fn with_dictionary(mut self, dictionary: Dictionary) -> Self {
        self.compression.add_dictionary(dictionary);
        self
    }

    /// Encodes a value.
    ///
    /// # Errors
    ///
    /// - `InvalidInput` when the value's `Serialize` fails, or the value is nested so deeply that it
    ///   could not be read back (over 128 levels).
    /// - `TooLarge` when its MessagePack is over the decoded limit.
    pub fn encode<T: Serialize + ?Sized>(&self, value: &T) -> Result<Bytes> {
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
            return Ok(Envelope::new(true, &frame, self.compression.basis()).to_bytes());
        }
        Ok(Envelope::new(false, &plain, 0).to_bytes())
    }

    /// Decodes what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    ///
    /// - `Corrupt` when the bytes are not such an envelope, are damaged, need a dictionary that this
    ///   codec was not given, are over the decoded limit, or do not fit `T`. The message says which; it
    ///   shows no value.
    /// - `Unsupported` when the data is compressed and the feature `compression` is off.
    pub fn decode<T: DeserializeOwned>(&self, data: &[u8]) -> Result<T> {
        let envelope = Envelope::parse(data)?;
        if envelope.is_compressed() {
            return messagepack::decode(&self.decompress(&envelope)?);
        }
        envelope.check(0)?;
        if envelope.payload.len() > self.decoded_limit {
            return Err(corrupt("the data is over the codec's decoded limit"));
        }
        messagepack::decode(envelope.payload)
    }

    #[cfg(feature = "compression")]
    fn decompress(&self, envelope: &Envelope<'_>) -> Result<Vec<u8>> {
        self.compression.decompress(envelope, self.decoded_limit)
    }

    #[cfg(not(feature = "compression"))]
    #[allow(clippy::unused_self, reason = "the signature of the build that can")]
    fn decompress(&self, _envelope: &Envelope<'_>) -> Result<Vec<u8>> {
        Err(Error::new(
            ErrorKind::Unsupported,
            "the data is compressed; build session-store-core with the feature `compression`",
        ))
    }
}

fn corrupt(why: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, why)
}
