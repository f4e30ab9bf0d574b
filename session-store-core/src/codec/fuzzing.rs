//! The envelope and what is in it, tried with any bytes; see [`crate::fuzzing`].
#![allow(clippy::panic, clippy::unwrap_used, clippy::missing_panics_doc, reason = "a decoder is at fault then")]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::LazyLock;

use bytes::Bytes;
use rmp_serde::decode::Error as DecodeError;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};
use zstd::zstd_safe::get_dict_id_from_frame;

use super::envelope::{Envelope, Head};
use super::shape::{self, MAX_DEPTH};
use super::{Codec, Dictionary, EncryptionKey, KeyRing};
use crate::fuzzing::refused::assert_refused;
use crate::{ErrorKind, SessionKey};

/// As in `tests/codec/data_of_release_0_1_is_read.rs`.
const KEY: SessionKey = SessionKey::from_bytes([7; SessionKey::LEN]);
const ANOTHER: SessionKey = SessionKey::from_bytes([8; SessionKey::LEN]);

/// More than a file of a corpus has, so that compressed data has to be refused for it.
const LIMIT: usize = 1 << 16;

static DICTIONARY: LazyLock<Dictionary> =
    LazyLock::new(|| Dictionary::from_bytes(include_bytes!("../../tests/release_0_1/dictionary.zdict")).unwrap());

/// Without a dictionary, with one, and with one and encryption.
static CODECS: LazyLock<[Codec; 3]> = LazyLock::new(|| {
    let key = EncryptionKey::from_bytes(&std::array::from_fn(|n| u8::try_from(n).unwrap()));
    let plain = Codec::new().with_decoded_limit(LIMIT);
    let with_dictionary = plain.clone().with_dictionary(DICTIONARY.clone());
    [plain, with_dictionary.clone(), with_dictionary.with_encryption(KeyRing::new(key))]
});

/// Sessions as in `tests/sample_sessions`.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Session {
    name: String,
    email: String,
    roles: Vec<String>,
    visits: u32,
    last_page: Option<String>,
}

/// It contains itself.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
enum Tree {
    Leaf,
    Number(i64),
    Maybe(Option<Box<Tree>>),
    Many(Vec<Tree>),
    ByNumber(BTreeMap<i8, Tree>),
    Pair { first: Box<Tree>, second: (bool, char) },
}

/// `bytes` are an envelope, of which each codec reads a value that it can write and read again, or refuses it: as they
/// are, and with the right checksum, encrypted where they say so.
pub fn envelope<Any: DeserializeOwned + Serialize + PartialEq + Debug>(bytes: &[u8]) {
    for codec in &*CODECS {
        let right = put_right(codec, bytes);
        if !is_encrypted(bytes) && codec.decode::<IgnoredAny>(&KEY, bytes).is_ok() {
            assert_eq!(right.as_deref(), Some(bytes), "its checksum is wrong");
        }
        for data in [Some(bytes), right.as_deref()].into_iter().flatten() {
            read::<Any>(codec, data);
            read::<Session>(codec, data);
            read::<Tree>(codec, data);
            reencrypt::<Any>(codec, data);
        }
    }
}

fn is_encrypted(data: &[u8]) -> bool {
    Head::parse(data).is_ok_and(|(head, _)| head.is_encrypted())
}

/// For a fuzzer cannot guess these.
fn put_right(codec: &Codec, bytes: &[u8]) -> Option<Bytes> {
    let (head, rest) = Head::parse(bytes).ok()?;
    let payload = rest.get(4..)?;
    let needs_dictionary = || get_dict_id_from_frame(payload).is_some_and(|id| id.get() == DICTIONARY.id());
    let basis = if head.is_compressed() && needs_dictionary() { crc32fast::hash(DICTIONARY.as_bytes()) } else { 0 };
    codec.write(&KEY, &Envelope::new(head, payload, basis)).ok()
}

fn read<T: DeserializeOwned + Serialize + PartialEq + Debug>(codec: &Codec, data: &[u8]) {
    match codec.decode_with::<T>(&KEY, data) {
        Ok(read) => {
            match codec.encode_with(&KEY, &read.0, read.1) {
                Ok(written) => assert_eq!(codec.decode_with::<T>(&KEY, &written).unwrap(), read),
                // A number may take more bytes than it did.
                Err(error) => assert_eq!(error.kind(), ErrorKind::TooLarge),
            }
            assert_eq!(codec.decode::<IgnoredAny>(&ANOTHER, data).is_err(), is_encrypted(data));
            let (head, rest) = Head::parse(data).unwrap();
            let is_whole = rest.get(4..).is_some_and(|payload| shape::check(payload).is_ok());
            assert!(is_whole || head.is_compressed() || head.is_encrypted());
            assert_eq!(is_encrypted(data), codec.encrypts(), "only one of the codecs has a key, and it asks for one");
        }
        Err(error) => {
            assert_refused(&error, ErrorKind::Corrupt);
            assert_eq!(error.key(), Some(&KEY));
        }
    }
}

/// What is encrypted anew is read, or refused, as before.
fn reencrypt<T: DeserializeOwned + PartialEq + Debug>(codec: &Codec, data: &[u8]) {
    let read = |data: &[u8]| codec.decode_with::<T>(&KEY, data).map_err(|error| error.to_string());
    match codec.reencrypt(&KEY, data) {
        Ok(anew) => {
            assert!(codec.is_current(&anew));
            assert_eq!(read(&anew), read(data));
        }
        Err(error) => {
            assert_refused(&error, ErrorKind::Corrupt);
            assert!(read(data).is_err());
        }
    }
}

/// `bytes` have the shape of one value of MessagePack if the decoder finds so as well.
pub fn messagepack(bytes: &[u8]) {
    let is_shape = shape::check(bytes).is_ok();
    if is_shape != is_read(bytes, MAX_DEPTH) {
        // To the decoder, an extension is a level of its own.
        let may_have_extension = bytes.iter().any(|byte| matches!(byte, 0xc7..=0xc9 | 0xd4..=0xd8));
        assert!(is_shape && may_have_extension && is_read(bytes, MAX_DEPTH + 1));
    }
}

fn is_read(bytes: &[u8], depth: usize) -> bool {
    let mut decoder = rmp_serde::Deserializer::from_read_ref(bytes);
    // It refuses the level at which its count reaches zero.
    decoder.set_max_depth(depth + 1);
    IgnoredAny::deserialize(&mut decoder).is_ok() && is_at_end(&mut decoder)
}

/// After the last byte, and only there, not even a marker can be read.
fn is_at_end<'a>(decoder: impl Deserializer<'a, Error = DecodeError>) -> bool {
    matches!(<()>::deserialize(decoder), Err(DecodeError::InvalidMarkerRead(_)))
}
