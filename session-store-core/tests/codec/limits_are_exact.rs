//! The decoded limit lets through exactly as many bytes as it says, in both directions.

use session_store_core::ErrorKind;
use session_store_core::codec::{Codec, DEFAULT_DECODED_LIMIT};

const KEY: session_store_core::SessionKey = session_store_core::SessionKey::from_bytes([7; 32]);

/// A text that is so many bytes of MessagePack: its marker and length take five.
fn text_of(encoded: usize) -> String {
    "x".repeat(encoded - 5)
}

const LIMIT: usize = 100_000;

#[test]
fn encoding_stops_over_the_limit() {
    let codec = Codec::new().with_decoded_limit(LIMIT);
    assert!(codec.encode(&KEY, &text_of(LIMIT)).is_ok());
    let error = codec.encode(&KEY, &text_of(LIMIT + 1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(
        error.to_string(),
        "the value has 100001 bytes and the codec's limit is 100000; keep less in the session or raise the limit"
    );
}

#[test]
fn decoding_stops_over_the_limit() {
    let codec = Codec::new().with_decoded_limit(LIMIT);
    let generous = Codec::new();
    #[cfg(feature = "compression")]
    let generous = generous.with_compression_over(usize::MAX);
    decodes_up_to_the_limit(&codec, &generous);
}

#[cfg(feature = "compression")]
#[test]
fn decompressing_stops_over_the_limit() {
    let codec = Codec::new().with_decoded_limit(LIMIT);
    let compressing = Codec::new();
    assert!(compressing.encode(&KEY, &text_of(LIMIT)).unwrap().len() < 100);
    decodes_up_to_the_limit(&codec, &compressing);
}

fn decodes_up_to_the_limit(codec: &Codec, writer: &Codec) {
    let met = writer.encode(&KEY, &text_of(LIMIT)).unwrap();
    assert_eq!(codec.decode::<String>(&KEY, &met).unwrap(), text_of(LIMIT));
    let over = writer.encode(&KEY, &text_of(LIMIT + 1)).unwrap();
    let error = codec.decode::<String>(&KEY, &over).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(error.to_string(), "the data is over the codec's decoded limit");
}

#[test]
fn the_limit_is_4_mib_unless_set() {
    assert_eq!(DEFAULT_DECODED_LIMIT, 4 * 1024 * 1024);
    assert!(Codec::new().encode(&KEY, &text_of(4 * 1024 * 1024)).is_ok());
    assert_eq!(Codec::new().encode(&KEY, &text_of(4 * 1024 * 1024 + 1)).unwrap_err().kind(), ErrorKind::TooLarge);
}
