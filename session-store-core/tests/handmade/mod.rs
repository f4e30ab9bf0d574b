//! Envelopes put together by hand, with a checksum of our own making.

/// An envelope with the right checksum, whatever is in it.
pub(crate) fn envelope(version: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut data = vec![version, flags];
    let checked: Vec<u8> = [&[version, flags], payload].concat();
    data.extend_from_slice(&crc32(&checked).to_be_bytes());
    data.extend_from_slice(payload);
    data
}

/// CRC-32 (IEEE 802.3), bit by bit from its definition.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 })
    })
}
