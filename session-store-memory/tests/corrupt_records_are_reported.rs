//! Z2 and E2: a list says to tracing and metrics what it left out, and shows nothing of it.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use session_store_memory::MemoryStore;
use session_store_memory::core::{
    Bytes, Meta, Owner, Page, SessionKey, SessionStore, SetMode, Timestamp, UserId, Version, Write,
};

/// Where the log of this test goes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn once_for_each_record_and_without_a_secret() {
    let (log, recorder) = (Log::default(), DebuggingRecorder::new());
    let counted = recorder.snapshotter();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || written.clone()).with_ansi(false).finish();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    tracing::subscriber::with_default(subscriber, || {
        metrics::with_local_recorder(&recorder, || runtime.block_on(list_beside_two_corrupt_records()));
    });

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(log.matches("a list left out a corrupt record").count(), 2, "{log}");
    assert_eq!(log.lines().count(), 2, "{log}");
    for secret in ["alice", "0707", "7, 7", "0909", "9, 9", "payload"] {
        assert!(!log.contains(secret), "{log}");
    }

    let counted = counted.snapshot().into_vec();
    let counters: Vec<_> = counted.iter().map(|(key, _, _, value)| (key.key().name(), value)).collect();
    assert_eq!(counters, [("session_store_corrupt_records_total", &DebugValue::Counter(2))]);
    let labels: Vec<_> = counted[0].0.key().labels().map(|label| (label.key(), label.value())).collect();
    assert_eq!(labels, [("store", "memory")]);
}

async fn list_beside_two_corrupt_records() {
    const HOUR: Duration = Duration::from_hours(1);
    let (store, alice) = (MemoryStore::new(), UserId::new("alice").unwrap());
    let steady = SessionKey::from_bytes([8; 32]);
    let write = Write::new("payload", HOUR, HOUR).unwrap().with_owner(Owner::User(alice.clone()));
    store.set(&steady, &write, SetMode::Create).await.unwrap();
    for byte in [7, 9] {
        // It expires after its deadline.
        let meta = Meta {
            user: Some(alice.clone()),
            created_at: Timestamp::from_millis(0),
            last_seen_at: Timestamp::from_millis(0),
            expires_at: Timestamp::from_millis(2),
            deadline: Timestamp::from_millis(1),
            version: Version::generate().unwrap(),
        };
        store.plant(SessionKey::from_bytes([byte; 32]), meta, Bytes::from_static(b"payload"));
    }
    let entries = store.list_by_user(&alice, &Page::first(10).unwrap()).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.key).collect::<Vec<_>>(), [steady]);
}
