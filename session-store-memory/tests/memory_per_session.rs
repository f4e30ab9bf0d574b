//! What a session costs on the heap beside its data: at most 250 bytes, with ten sessions per user.
//!
//! One test only: the heap is counted for the whole process.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::time::Duration;

use session_store_core::{Bytes, Owner, SessionKey, SessionStore, SetMode, UserId, Write};
use session_store_memory::MemoryStore;

#[global_allocator]
static ALLOC: dhat::Alloc = dhat::Alloc;

const HOUR: Duration = Duration::from_hours(1);
const DATA: usize = 1024;

#[tokio::test]
async fn a_session_costs_at_most_250_bytes_beside_its_data() {
    // Each allocation is traced, which is slow, so the traces are kept short and the store is filled once.
    let _profiler = dhat::Profiler::builder().testing().trim_backtraces(Some(4)).build();
    // Tables grow by doubling, so the cost goes up and down with the number. 60,000 is just after it.
    at_most(250, 10, &[60_000, 100_000, 140_000]).await;
    at_most(330, 1, &[15_000, 30_000]).await;
}

/// Fills a store up to each of these numbers of sessions, and reads each once.
async fn at_most(limit: usize, sessions_per_user: u32, totals: &[u32]) {
    let empty = dhat::HeapStats::get().curr_bytes;
    let store = MemoryStore::new();
    let mut held = 0;
    for &total in totals {
        for n in held..total {
            let user = UserId::new(format!("user-{:08}", n / sessions_per_user)).unwrap();
            let data = Bytes::from(n.to_be_bytes().repeat(DATA / 4));
            let write = Write::new(data, HOUR, HOUR).unwrap().with_owner(Owner::User(user));
            store.set(&key(n), &write, SetMode::Create).await.unwrap();
        }
        for n in held..total {
            assert_eq!(store.get(&key(n)).await.unwrap().unwrap().data.len(), DATA);
        }
        held = total;
        let cost = (dhat::HeapStats::get().curr_bytes - empty) / total as usize - DATA;
        println!("{cost} bytes beside the data of each of {total} sessions, {sessions_per_user} a user");
        assert!(cost <= limit, "{cost} bytes for each of {total}");
    }
}

/// Spread evenly, as hashes are (splitmix64).
fn key(n: u32) -> SessionKey {
    let mut bytes = [0; 32];
    for (chunk, word) in bytes.chunks_exact_mut(8).zip(0..) {
        let number = (u64::from(n) * 4 + word).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        chunk.copy_from_slice(&(number ^ (number >> 31)).to_be_bytes());
    }
    SessionKey::from_bytes(bytes)
}
