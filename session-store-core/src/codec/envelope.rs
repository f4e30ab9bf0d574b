//! The header before every payload.

use bytes::Bytes;

use super::corrupt;
use crate::Result;

const VERSION: u8 = 1;
const COMPRESSED: u8 = 1;
// Bit 1 is kept for encryption. Until a codec can decrypt, it is refused like any unknown flag.
const KNOWN_FLAGS: u8 = COMPRESSED;

pub(super) struct Envelope<'a> {
    head: [u8; 2],
    checksum: [u8; 4],
    pub(super) payload: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// `basis` is the checksum of what the payload cannot be read without, 0 if that is nothing.
    pub(super) fn new(compressed: bool, payload: &'a [u8], basis: u32) -> Self {
        let head = [VERSION, if compressed { COMPRESSED } else { 0 }];
        Self { head, checksum: checksum(basis, head, payload), payload }
    }

    pub(super) fn to_bytes(&self) -> Bytes {
        [&self.head, self.checksum.as_slice(), self.payload].concat().into()
    }

    pub(super) fn is_compressed(&self) -> bool {
        let [_, flags] = self.head;
        flags & COMPRESSED != 0
    }

    /// Refuses what was damaged since it was written with this basis.
    pub(super) fn check(&self, basis: u32) -> Result<()> {
        if self.checksum == checksum(basis, self.head, self.payload) {
            return Ok(());
        }
        Err(corrupt("the checksum is wrong: the data, or the dictionary it needs, is damaged or not ours"))
    }

    /// The parts of an envelope, which are not checked yet.
    pub(super) fn parse(data: &'a [u8]) -> Result<Self> {
        let Some((&[version, flags], rest)) = data.split_first_chunk() else {
            return Err(corrupt("the data is too short for an envelope"));
        };
        if version != VERSION {
            return Err(corrupt("the data's envelope has a version that this release does not know"));
        }
        if flags & !KNOWN_FLAGS != 0 {
            return Err(corrupt("the data's envelope has flags that this release does not know"));
        }
        let Some((&checksum, payload)) = rest.split_first_chunk() else {
            return Err(corrupt("the data is too short for an envelope"));
        };
        Ok(Self { head: [version, flags], checksum, payload })
    }
}

fn checksum(basis: u32, head: [u8; 2], payload: &[u8]) -> [u8; 4] {
    let mut crc = crc32fast::Hasher::new_with_initial(basis);
    crc.update(&head);
    crc.update(payload);
    crc.finalize().to_be_bytes()
}
