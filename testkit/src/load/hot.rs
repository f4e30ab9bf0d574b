//! Sessions that many callers write without a pause.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use session_store_core::{ErrorKind, SessionId, SessionKey, SessionStore, SetMode, Write};
use tokio::time::sleep;

const WRITERS: usize = 300;
const HOUR: Duration = Duration::from_hours(1);

/// How long each session is written before it is destroyed.
const WRITTEN_FOR: Duration = Duration::from_millis(30);

/// How long a destroy may take in 99 of 100 cases.
const LONGEST: Duration = Duration::from_secs(1);

/// Destroys sessions that 300 callers of several stores write without a pause (clause O1): each destroy succeeds, soon, and
/// no write fails but because its session is gone.
///
/// # Panics
///
/// If one of these does not hold.
pub async fn assert_destroys_succeed(stores: &[Arc<dyn SessionStore>], destroys: usize) {
    let keys: Arc<Vec<_>> =
        Arc::new((0..destroys).map(|_| SessionKey::from(&SessionId::generate().unwrap())).collect());
    let (current, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let write = Write::new(vec![7; 700], HOUR, HOUR).unwrap();
    let writer = |number: usize| {
        let (store, write) = (Arc::clone(&stores[number % stores.len()]), write.clone());
        let (keys, current, stop) = (Arc::clone(&keys), Arc::clone(&current), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut written = 0_usize;
            while !stop.load(Ordering::Acquire) {
                match store.set(&keys[current.load(Ordering::Acquire)], &write, SetMode::Replace).await {
                    Ok(_) => written += 1,
                    // It is not there yet, or was destroyed.
                    Err(error) if error.kind() == ErrorKind::NotFound => sleep(Duration::from_millis(1)).await,
                    failed => drop(failed.unwrap()),
                }
            }
            written
        })
    };
    let writers: Vec<_> = (0..WRITERS).map(writer).collect();
    let mut waits = Vec::with_capacity(destroys);
    for (number, key) in keys.iter().enumerate() {
        let store = &stores[number % stores.len()];
        store.set(key, &write, SetMode::Create).await.unwrap();
        current.store(number, Ordering::Release);
        sleep(WRITTEN_FOR).await;
        let begun = Instant::now();
        assert!(store.destroy(key).await.unwrap(), "the session was live");
        waits.push(begun.elapsed());
    }
    stop.store(true, Ordering::Release);
    let mut written = 0;
    for writer in writers {
        written += writer.await.unwrap();
    }
    waits.sort_unstable();
    let (median, p99) = (waits[destroys / 2], waits[destroys * 99 / 100]);
    println!(
        "{destroys} destroys under {written} writes: median {median:?}, p99 {p99:?}, longest {:?}",
        waits[destroys - 1]
    );
    assert!(p99 <= LONGEST, "{p99:?}");
    assert!(written > destroys, "the sessions were written");
}
