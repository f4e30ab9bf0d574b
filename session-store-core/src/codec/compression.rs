//! zstd, with or without a trained dictionary.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::{self, CCtx, DCtx};

use super::envelope::Envelope;
use super::{corrupt, messagepack};
use crate::{Error, ErrorKind, Result};

/// Below zero, zstd leaves the bytes that it finds nowhere else as they are, so that a session of a kilobyte is
/// decompressed in 0.3 µs instead of 2.2, for a tenth more of bytes.
const LEVEL: i32 = -1;
/// zstd's own default. Higher levels cost more than they gain on data as small as a session.
const LEVEL_WITH_DICTIONARY: i32 = 3;
const THRESHOLD: usize = 512;
const THRESHOLD_WITH_DICTIONARY: usize = 64;

/// What sessions have in common, so that each need not repeat it.
///
/// It is trained once from sessions of the application and deployed with it. Keep its
/// [bytes](Self::as_bytes): what was compressed with it cannot be read without it. Cloning is cheap.
///
/// # Example
///
/// ```
/// use session_store_core::codec::{Codec, Dictionary};
/// use session_store_core::{SessionId, SessionKey};
///
/// let sessions: Vec<_> = (0..500)
///     .map(|n| format!("user-{n} likes lamps, mugs and desks of oak, and pays on delivery by invoice"))
///     .collect();
/// let dictionary = Dictionary::train(&sessions, 1024)?;
/// let saved: Vec<u8> = dictionary.as_bytes().to_vec();
///
/// let codec = Codec::new().with_dictionary(Dictionary::from_bytes(&saved)?);
/// let another = "user-4711 likes mugs, desks and lamps of oak, and pays on delivery by invoice".to_owned();
/// let key = SessionKey::from(&SessionId::generate()?);
/// let data = codec.encode(&key, &another)?;
/// assert!(data.len() < 60, "77 characters, and 6 bytes of envelope");
/// assert_eq!(codec.decode::<String>(&key, &data)?, another);
/// # Ok::<(), session_store_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Dictionary(Arc<Prepared>);

struct Prepared {
    id: u32,
    checksum: u32,
    bytes: Box<[u8]>,
    encoder: EncoderDictionary<'static>,
    decoder: DecoderDictionary<'static>,
}

impl Dictionary {
    /// Trains a dictionary of at most `max_size` bytes from sample sessions: a few hundred typical ones,
    /// and more gain little. 16 KiB is a good size; from few samples it comes out smaller.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when a sample cannot be encoded, or when there are too few samples.
    pub fn train<T: Serialize>(samples: &[T], max_size: usize) -> Result<Self> {
        let samples = samples.iter().map(messagepack::encode).collect::<Result<Vec<_>>>()?;
        let bytes = zstd::dict::from_samples(&samples, max_size).map_err(|_| {
            Error::invalid_input("no dictionary can be trained from these samples; give more of them, or a larger size")
        })?;
        Self::from_bytes(&bytes)
    }

    /// The dictionary of these bytes, as [`as_bytes`](Self::as_bytes) gave them.
    ///
    /// One that was changed or cut on the way may pass here, but not when data is decoded: its checksum is
    /// part of that of the data.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when they are not a zstd dictionary with an ID.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let invalid = || Error::invalid_input("the bytes are not a trained zstd dictionary");
        let id = zstd_safe::get_dict_id_from_dict(bytes).ok_or_else(invalid)?.get();
        let encoder = EncoderDictionary::try_copy(bytes, LEVEL_WITH_DICTIONARY).map_err(|_| invalid())?;
        let decoder = DecoderDictionary::try_copy(bytes).map_err(|_| invalid())?;
        Ok(Self(Arc::new(Prepared { id, checksum: crc32fast::hash(bytes), bytes: bytes.into(), encoder, decoder })))
    }

    /// The bytes to keep: a standard zstd dictionary.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// The number by which compressed data names its dictionary.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id
    }
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its content is pieces of real sessions.
        write!(f, "Dictionary({}, {} bytes)", self.0.id, self.0.bytes.len())
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Compression {
    threshold: Option<usize>,
    level: Option<i32>,
    /// The last one compresses; all decompress.
    dictionaries: Vec<Dictionary>,
}

/// The most bytes that a thread keeps for what it decompresses next.
const KEPT: usize = 1 << 16;

thread_local! {
    static PLAIN: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    // A context is hundreds of kilobytes: made once a thread, not once a session.
    static ENCODER: RefCell<Option<CCtx<'static>>> = const { RefCell::new(None) };
    static DECODER: RefCell<Option<DCtx<'static>>> = const { RefCell::new(None) };
}

impl Compression {
    pub(super) fn set_threshold(&mut self, bytes: usize) {
        self.threshold = Some(bytes);
    }

    pub(super) fn set_level(&mut self, level: i32) {
        self.level = Some(level);
    }

    pub(super) fn add_dictionary(&mut self, dictionary: Dictionary) {
        self.dictionaries.push(dictionary);
    }

    /// One zstd frame, or `None` where compression does not pay.
    pub(super) fn compress(&self, plain: &[u8]) -> Result<Option<Vec<u8>>> {
        let dictionary = self.dictionaries.last();
        let default = if dictionary.is_some() { THRESHOLD_WITH_DICTIONARY } else { THRESHOLD };
        if plain.len() <= self.threshold.unwrap_or(default) {
            return Ok(None);
        }
        let mut frame = Vec::with_capacity(zstd_safe::compress_bound(plain.len()));
        ENCODER.with_borrow_mut(|context| {
            let context = made(context, CCtx::try_create)?;
            match dictionary {
                Some(dictionary) => context.compress_using_cdict(&mut frame, plain, dictionary.0.encoder.as_cdict()),
                None => context.compress(&mut frame, plain, self.level.unwrap_or(LEVEL)),
            }
            .map_err(|_| Error::new(ErrorKind::Internal, "zstd could not compress the data"))
        })?;
        Ok((frame.len() < plain.len()).then_some(frame))
    }

    /// Reads what the one zstd frame of an envelope holds, allocating no more than `limit` bytes for it.
    pub(super) fn decompress<A>(
        &self,
        envelope: &Envelope<'_>,
        limit: usize,
        read: impl FnOnce(&[u8]) -> Result<A>,
    ) -> Result<A> {
        let dictionary = self.checked_dictionary(envelope)?;
        let frame = &*envelope.payload;
        if zstd_safe::find_frame_compressed_size(frame) != Ok(frame.len()) {
            return Err(corrupt("the compressed data is damaged"));
        }
        let size = match zstd_safe::get_frame_content_size(frame) {
            Ok(Some(size)) => usize::try_from(size).unwrap_or(usize::MAX),
            _ => return Err(corrupt("the compressed data does not tell its size")),
        };
        // The place is taken out while it is used: a type that decodes data of its own finds another.
        let mut plain = PLAIN.take();
        plain.clear();
        // The size is what the frame claims, which need not be true, nor fit into memory.
        if size > limit || plain.try_reserve_exact(size).is_err() {
            return Err(corrupt("the data is over the codec's decoded limit"));
        }
        DECODER.with_borrow_mut(|context| {
            let context = made(context, DCtx::try_create)?;
            match dictionary {
                Some(dictionary) => context.decompress_using_ddict(&mut plain, frame, dictionary.0.decoder.as_ddict()),
                None => context.decompress(&mut plain, frame),
            }
            .map_err(|_| corrupt("the compressed data is damaged"))
        })?;
        let answer = read(&plain);
        if plain.capacity() <= KEPT {
            PLAIN.set(plain);
        }
        answer
    }

    /// The checksum of the dictionary that compresses. A dictionary has none of its own, and a damaged one
    /// would decompress to something else without a word.
    pub(super) fn basis(&self) -> u32 {
        self.dictionaries.last().map_or(0, |dictionary| dictionary.0.checksum)
    }

    /// The same of what an envelope was compressed with.
    pub(super) fn basis_of(&self, envelope: &Envelope<'_>) -> Result<u32> {
        Ok(self.checked_dictionary(envelope)?.map_or(0, |dictionary| dictionary.0.checksum))
    }

    /// The dictionary that an envelope was written with. Two of one ID are told apart by the checksum.
    fn checked_dictionary(&self, envelope: &Envelope<'_>) -> Result<Option<&Dictionary>> {
        let Some(id) = zstd_safe::get_dict_id_from_frame(&envelope.payload) else {
            return envelope.check(0).map(|()| None);
        };
        let mut outcome = Err(corrupt("the data needs a dictionary that this codec was not given"));
        for dictionary in self.dictionaries.iter().filter(|dictionary| dictionary.id() == id.get()) {
            outcome = envelope.check(dictionary.0.checksum).map(|()| Some(dictionary));
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }
}

fn made<C>(context: &mut Option<C>, make: impl FnOnce() -> Option<C>) -> Result<&mut C> {
    if context.is_none() {
        *context = make();
    }
    context.as_mut().ok_or_else(|| Error::new(ErrorKind::Internal, "zstd could not allocate its context"))
}
