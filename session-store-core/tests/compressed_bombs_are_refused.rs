//! A few kilobytes that would become many megabytes are refused before the memory is taken.
//!
//! One test only: the heap is counted for the whole process.
#![cfg(feature = "compression")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "support/envelopes.rs"]
mod envelopes;

use envelopes::envelope;
use session_store_core::ErrorKind;
use session_store_core::codec::Codec;

const KEY: session_store_core::SessionKey = session_store_core::SessionKey::from_bytes([7; 32]);

#[global_allocator]
static ALLOC: dhat::Alloc = dhat::Alloc;

const MIB: usize = 1 << 20;

fn refusal(data: &[u8]) -> (ErrorKind, String) {
    let error = Codec::new().decode::<Vec<u8>>(&KEY, data).unwrap_err();
    (error.kind(), error.to_string())
}

#[test]
fn bombs_are_refused_with_little_memory() {
    let zeros = vec![0; 64 * MIB];
    let honest = zstd::bulk::compress(&zeros, 3).unwrap();
    let silent = zstd::stream::encode_all(zeros.as_slice(), 3).unwrap();
    let lying = with_content_size(&honest, 1000);
    drop(zeros);
    let [honest, silent, lying] = [honest, silent, lying].map(|frame| envelope(1, 1, &frame));
    assert!(honest.len() < 10_000 && silent.len() < 10_000);
    // An array that promises 4,294,967,295 elements, within others that do.
    let promising = envelope(1, 0, &[0xDD, 0xFF, 0xFF, 0xFF, 0xFF].repeat(100));

    let profiler = dhat::Profiler::builder().testing().build();
    let corrupt = |why: &str| (ErrorKind::Corrupt, why.to_owned());
    assert_eq!(refusal(&honest), corrupt("the data is over the codec's decoded limit"));
    assert_eq!(refusal(&silent), corrupt("the compressed data does not tell its size"));
    assert_eq!(refusal(&lying), corrupt("the compressed data is damaged"));
    assert_eq!(refusal(&promising), corrupt("the data ends too early"));
    assert_eq!(
        Codec::new().decode::<serde_json::Value>(&KEY, &promising).unwrap_err().kind(),
        ErrorKind::Corrupt,
        "a type that holds itself"
    );
    let peak = dhat::HeapStats::get().max_bytes;
    drop(profiler);
    assert!(peak < 64 * 1024, "{peak} bytes of heap at once");
}

/// The same frame with another size in its header, which zstd wrote in four bytes after the magic
/// number and the descriptor (and no window, or one byte of it).
fn with_content_size(frame: &[u8], size: u32) -> Vec<u8> {
    let mut frame = frame.to_vec();
    let descriptor = frame[4];
    assert_eq!(descriptor >> 6, 2, "a content size of four bytes");
    let at = if descriptor & 0b10_0000 == 0 { 6 } else { 5 };
    assert_eq!(frame[at..at + 4], u32::try_from(64 * MIB).unwrap().to_le_bytes());
    frame[at..at + 4].copy_from_slice(&size.to_le_bytes());
    frame
}
