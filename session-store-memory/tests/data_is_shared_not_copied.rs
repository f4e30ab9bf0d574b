//! Reading copies nothing, and writing keeps nothing but the data.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use session_store_core::{Bytes, SessionKey, SessionStore, SetMode, Write};
use session_store_memory::MemoryStore;

const HOUR: Duration = Duration::from_hours(1);

fn key(byte: u8) -> SessionKey {
    SessionKey::from_bytes([byte; 32])
}

#[tokio::test]
async fn two_reads_share_the_data() {
    let store = MemoryStore::new();
    store.set(&key(1), &Write::new(vec![7; 1024], HOUR, HOUR).unwrap(), SetMode::Create).await.unwrap();
    let one = store.get(&key(1)).await.unwrap().unwrap();
    let other = store.clone().get(&key(1)).await.unwrap().unwrap();
    assert_eq!(one.data, vec![7; 1024]);
    assert_eq!(one.data.as_ptr(), other.data.as_ptr());
}

#[tokio::test]
async fn what_was_read_stays_as_it_was() {
    let store = MemoryStore::new();
    let write = |data| Write::new(data, HOUR, HOUR).unwrap();
    store.set(&key(1), &write("first"), SetMode::Create).await.unwrap();
    let first = store.get(&key(1)).await.unwrap().unwrap();
    store.set(&key(1), &write("second"), SetMode::Replace).await.unwrap();
    store.destroy(&key(1)).await.unwrap();
    assert_eq!(first.data, "first");
}

/// 16 MiB that tell, by the count of the `Arc`, whether anything still holds them.
struct LargeBuffer(Vec<u8>, #[allow(dead_code, reason = "it is only counted")] Arc<()>);

impl AsRef<[u8]> for LargeBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

fn a_piece_of_a_large_buffer(held: &Arc<()>) -> Write {
    let buffer = Bytes::from_owner(LargeBuffer(vec![7; 16 << 20], Arc::clone(held)));
    Write::new(buffer.slice(1000..1010), HOUR, HOUR).unwrap()
}

#[tokio::test]
async fn a_small_piece_does_not_keep_a_large_buffer_alive() {
    let store = MemoryStore::new();
    let held = Arc::new(());

    let write = a_piece_of_a_large_buffer(&held);
    store.set(&key(1), &write, SetMode::Create).await.unwrap();
    assert_eq!(Arc::strong_count(&held), 2, "the caller's write still holds it");
    drop(write);
    assert_eq!(Arc::strong_count(&held), 1);

    store.rotate(&key(1), &key(2), &a_piece_of_a_large_buffer(&held), None).await.unwrap();
    assert_eq!(Arc::strong_count(&held), 1);
    assert_eq!(store.get(&key(2)).await.unwrap().unwrap().data, vec![7; 10]);
}
