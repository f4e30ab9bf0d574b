//! Lists, counts, scans, `destroy_by_user`, `prune` and `clear` go page by page, within the bulk timeout.

use std::time::Duration;

use session_store_core::backend::{Counted, ListPage, Next, ScannedPage, StoreOptions};
use session_store_core::{Entry, ErrorKind, Page, Pruned, ScanCursor, SessionStore as _};
use tokio::time::Instant;

use crate::callers::{MS, SECOND, alice, assert_elapsed, assert_error, key, one_in_flight, record};
use crate::captured_telemetry::capture;
use crate::scripted_backend::{Operation, Reply, Script, TestStore, broken, overloaded, refused};

fn store() -> (TestStore<true>, std::sync::Arc<Script>) {
    Script::default().store(one_in_flight())
}

/// Operations may take 5 seconds, and bulk operations these in all.
fn bulk_timeout(timeout: Duration) -> StoreOptions {
    let mut options = one_in_flight();
    options.bulk_timeout = timeout;
    options
}

fn entries(bytes: impl IntoIterator<Item = u8>) -> Vec<Entry> {
    bytes.into_iter().map(|byte| Entry { key: key(byte), meta: record().meta }).collect()
}

/// The cursor and the limit of each statement.
fn pages(script: &Script) -> Vec<(Option<u32>, u32)> {
    script.statements().iter().map(|statement| (statement.cursor, statement.limit)).collect()
}

fn list(bytes: impl IntoIterator<Item = u8>, next: Option<u32>) -> Reply {
    Reply::list(ListPage { entries: entries(bytes), corrupt: 0, next })
}

#[tokio::test(start_paused = true)]
async fn a_list_goes_on_from_its_cursor_until_the_page_is_full() {
    let (store, script) = store();
    script.next(Operation::List, list([1, 2], Some(7)));
    script.next(Operation::List, list([], Some(8)));
    script.next(Operation::List, list([3, 4, 5], Some(9)));
    let listed = store.list_by_user(&alice(), &Page::first(5).unwrap()).await.unwrap();
    assert_eq!(listed, entries(1..=5));
    assert_eq!(pages(&script), [(None, 5), (Some(7), 3), (Some(8), 3)]);
}

#[tokio::test(start_paused = true)]
async fn a_list_ends_without_a_cursor() {
    let (store, script) = store();
    script.next(Operation::List, list([1], Some(7)));
    script.next(Operation::List, list([2], None));
    assert_eq!(store.list_by_user(&alice(), &Page::first(5).unwrap()).await.unwrap(), entries([1, 2]));
    assert_eq!(pages(&script), [(None, 5), (Some(7), 4)]);
}

#[tokio::test(start_paused = true)]
async fn a_list_is_no_longer_than_its_limit() {
    let (store, script) = store();
    script.next(Operation::List, list(1..=9, Some(7)));
    assert_eq!(store.list_by_user(&alice(), &Page::first(3).unwrap()).await.unwrap(), entries(1..=3));
    assert_eq!(pages(&script), [(None, 3)]);
}

#[test]
fn corrupt_records_of_lists_and_scans_are_reported() {
    let (telemetry, ()) = capture(|| async {
        let (store, script) = store();
        script.next(Operation::List, Reply::list(ListPage { entries: entries([1]), corrupt: 2, next: Some(7) }));
        script.next(Operation::List, Reply::list(ListPage { entries: vec![], corrupt: 1, next: None }));
        assert_eq!(store.list_by_user(&alice(), &Page::first(5).unwrap()).await.unwrap(), entries([1]));
        script.next(Operation::Scan, Reply::scan(ScannedPage { entries: vec![], corrupt: 4, next: None }));
        assert!(store.scan(None, 5).await.unwrap().entries.is_empty());
    });
    assert_eq!(telemetry.count("corrupt_records"), 2 + 1 + 4, "{telemetry:?}");
    assert!(telemetry.counters("corrupt_records").iter().all(|(name, _)| name.contains("store=scripted")));
}

#[tokio::test(start_paused = true)]
async fn a_destroy_by_user_goes_on_from_its_cursor_and_adds_up_the_live_sessions() {
    let (store, script) = store();
    script.next(Operation::Destroy, Reply::bulk(2, 5, Next::From(7)));
    script.next(Operation::Destroy, Reply::bulk(0, 0, Next::From(8)));
    script.next(Operation::Destroy, Reply::bulk(1, 1, Next::Again));
    script.next(Operation::Destroy, Reply::bulk(4, 4, Next::End));
    let begun = Instant::now();
    assert_eq!(store.destroy_by_user(&alice(), None).await.unwrap(), 7);
    assert_eq!(begun.elapsed(), Duration::ZERO, "nothing waits if there was progress");
    assert_eq!(pages(&script), [(None, 0), (Some(7), 0), (Some(8), 0), (None, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_destroy_by_user_waits_for_sessions_that_others_hold() {
    let (store, script) = store();
    for _ in 0..3 {
        script.next(Operation::Destroy, Reply::bulk_held(0, 0, Next::Again));
    }
    script.next(Operation::Destroy, Reply::bulk(1, 1, Next::End));
    assert_eq!(store.destroy_by_user(&alice(), None).await.unwrap(), 1);
    let statements = script.statements();
    assert!(statements.windows(2).all(|pair| pair[1].begun - pair[0].begun >= MS / 2), "{statements:?}");
}

#[tokio::test(start_paused = true)]
async fn sessions_that_others_hold_are_waited_for_until_the_bulk_timeout() {
    for (removed, outcome_unknown) in [(0, false), (2, true)] {
        let (store, script) = Script::default().store::<true>(bulk_timeout(20 * SECOND));
        script.next(Operation::Destroy, Reply::bulk(removed, removed, Next::From(1)));
        script.next(Operation::Clear, Reply::bulk_held(removed, removed, Next::From(1)));
        script.always(|_| Some(Reply::bulk_held(0, 0, Next::Again)));
        let begun = Instant::now();
        let error = assert_error(store.destroy_by_user(&alice(), None).await, ErrorKind::Timeout, outcome_unknown);
        assert!(error.to_string().contains("call again") && error.is_transient(), "{error}");
        assert!(begun.elapsed() > 19 * SECOND && begun.elapsed() < 20 * SECOND, "{:?}", begun.elapsed());
        let begun = Instant::now();
        assert_error(store.clear().await, ErrorKind::Timeout, outcome_unknown);
        assert!(begun.elapsed() > 19 * SECOND && begun.elapsed() < 20 * SECOND, "{:?}", begun.elapsed());
        let deadlines = script.statements().into_iter().map(|call| call.deadline.instant() - call.begun.into_std());
        assert!(deadlines.into_iter().all(|left| left <= 5 * SECOND), "each statement has the operation timeout");
    }
}

#[tokio::test(start_paused = true)]
async fn each_statement_has_the_operation_timeout_and_the_whole_has_the_bulk_timeout() {
    let (store, script) = Script::default().store::<true>(bulk_timeout(12 * SECOND));
    script.next(Operation::Count, Reply::never());
    let begun = Instant::now();
    assert_error(store.count().await, ErrorKind::Timeout, false);
    assert_elapsed(begun, 5 * SECOND);

    script.always(|_| Some(Reply::count(Counted::Sessions(1), Some(1)).taking(3 * SECOND)));
    let begun = Instant::now();
    assert_error(store.count().await, ErrorKind::Timeout, false);
    assert_elapsed(begun, 12 * SECOND);
    let last = script.statements().pop().unwrap();
    assert_eq!(last.deadline.instant(), (begun + 12 * SECOND).into_std());
}

#[tokio::test(start_paused = true)]
async fn every_bulk_operation_ends_by_the_bulk_timeout() {
    let (store, script) = Script::default().store::<true>(bulk_timeout(SECOND));
    script.always(|_| Some(Reply::never()));
    let begun = Instant::now();
    assert_error(store.list_by_user(&alice(), &Page::first(1).unwrap()).await, ErrorKind::Timeout, false);
    assert_error(store.destroy_by_user(&alice(), None).await, ErrorKind::Timeout, true);
    assert_error(store.prune(1).await, ErrorKind::Timeout, true);
    assert_error(store.count().await, ErrorKind::Timeout, false);
    assert_error(store.clear().await, ErrorKind::Timeout, true);
    assert_error(store.scan(None, 1).await, ErrorKind::Timeout, false);
    assert_elapsed(begun, 6 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn partial_work_and_then_an_error_is_of_unknown_outcome() {
    let (store, script) = store();
    for operation in [Operation::Destroy, Operation::Prune, Operation::Clear] {
        script.next(operation, Reply::bulk(0, 1, Next::From(1)));
        script.next(operation, Reply::fails(refused()));
    }
    assert_error(store.destroy_by_user(&alice(), None).await, ErrorKind::Internal, true);
    assert_error(store.prune(9).await, ErrorKind::Internal, true);
    assert_error(store.clear().await, ErrorKind::Internal, true);
    for operation in [Operation::Destroy, Operation::Prune, Operation::Clear] {
        script.next(operation, Reply::bulk(0, 0, Next::From(1)));
        script.next(operation, Reply::fails(refused()));
    }
    assert_error(store.destroy_by_user(&alice(), None).await, ErrorKind::Internal, false);
    assert_error(store.prune(9).await, ErrorKind::Internal, false);
    assert_error(store.clear().await, ErrorKind::Internal, false);
    // Reads change nothing.
    script.next(Operation::Count, Reply::count(Counted::Sessions(1), Some(1)));
    script.next(Operation::Count, Reply::fails(broken()));
    assert_error(store.count().await, ErrorKind::Unavailable, false);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_fails_is_retried_and_the_walk_goes_on_from_there() {
    let (store, script) = store();
    script.next(Operation::Clear, Reply::bulk(1, 1, Next::From(7)));
    script.next(Operation::Clear, Reply::fails(overloaded()));
    script.next(Operation::Clear, Reply::bulk(1, 1, Next::End));
    assert_eq!(store.clear().await.unwrap(), 2);
    assert_eq!(pages(&script)[..3], [(None, 0), (Some(7), 0), (Some(7), 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_prune_removes_no_more_than_its_limit() {
    let (store, script) = store();
    script.next(Operation::Prune, Reply::bulk(0, 4, Next::From(7)));
    script.next(Operation::Prune, Reply::bulk(0, 0, Next::From(8)));
    script.next(Operation::Prune, Reply::bulk(0, 6, Next::From(9)));
    assert_eq!(store.prune(10).await.unwrap(), Pruned { removed: 10, more: true });
    assert_eq!(pages(&script), [(None, 10), (Some(7), 6), (Some(8), 6)]);
}

#[tokio::test(start_paused = true)]
async fn a_prune_says_whether_more_may_remain() {
    let cases = [
        (vec![Reply::bulk(0, 3, Next::End)], Pruned { removed: 3, more: false }),
        (vec![Reply::bulk(0, 10, Next::End)], Pruned { removed: 10, more: false }),
        (vec![Reply::bulk(0, 10, Next::Again)], Pruned { removed: 10, more: true }),
        (vec![Reply::bulk(0, 10, Next::From(1))], Pruned { removed: 10, more: true }),
        (vec![Reply::bulk_held(0, 0, Next::Again)], Pruned { removed: 0, more: true }),
        (vec![Reply::bulk(0, 3, Next::Again), Reply::bulk(0, 0, Next::End)], Pruned { removed: 3, more: false }),
        (vec![Reply::bulk(0, 3, Next::Again), Reply::bulk(0, 0, Next::Again)], Pruned { removed: 3, more: true }),
    ];
    for (replies, expected) in cases {
        let (store, script) = store();
        let count = replies.len();
        for reply in replies.clone() {
            script.next(Operation::Prune, reply);
        }
        assert_eq!(store.prune(10).await.unwrap(), expected, "{replies:?}");
        assert_eq!(script.statements().len(), count);
        assert!(
            script.statements().iter().all(|statement| statement.cursor.is_none()),
            "`Again` is from the beginning"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_clear_walks_again_until_a_walk_removes_nothing() {
    let (store, script) = store();
    script.next(Operation::Clear, Reply::bulk(2, 3, Next::From(7)));
    script.next(Operation::Clear, Reply::bulk(0, 0, Next::End));
    script.next(Operation::Clear, Reply::bulk(0, 0, Next::From(7)));
    script.next(Operation::Clear, Reply::bulk(0, 0, Next::End));
    let begun = Instant::now();
    assert_eq!(store.clear().await.unwrap(), 2);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(pages(&script), [(None, 0), (Some(7), 0), (None, 0), (Some(7), 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_clear_walks_three_times_at_the_most_if_new_sessions_keep_coming() {
    let (store, script) = store();
    script.always(|_| Some(Reply::bulk(1, 1, Next::Again)));
    assert_eq!(store.clear().await.unwrap(), 3);
    assert_eq!(script.statements().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_clear_walks_on_as_long_as_others_hold_sessions() {
    let (store, script) = store();
    script.next(Operation::Clear, Reply::bulk_held(0, 0, Next::From(7)));
    for _ in 0..5 {
        script.next(Operation::Clear, Reply::bulk(0, 0, Next::End));
        script.next(Operation::Clear, Reply::bulk_held(0, 0, Next::From(7)));
    }
    script.next(Operation::Clear, Reply::bulk(1, 1, Next::End));
    let begun = Instant::now();
    assert_eq!(store.clear().await.unwrap(), 1);
    assert!(script.statements().len() >= 12, "{}", script.statements().len());
    assert!(begun.elapsed() > 10 * MS, "it pauses between the walks");
}

#[tokio::test(start_paused = true)]
async fn a_count_adds_up_the_pages() {
    let (store, script) = store();
    script.next(Operation::Count, Reply::count(Counted::Sessions(3), Some(7)));
    script.next(Operation::Count, Reply::count(Counted::Sessions(0), Some(8)));
    script.next(Operation::Count, Reply::count(Counted::Sessions(4), None));
    assert_eq!(store.count().await.unwrap(), 7);
    assert_eq!(pages(&script), [(None, 0), (Some(7), 0), (Some(8), 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_count_counts_keys_that_come_twice_once() {
    let (store, script) = store();
    let keys = |bytes: &[u8]| Counted::Keys(bytes.iter().map(|byte| key(*byte)).collect());
    script.next(Operation::Count, Reply::count(keys(&[1, 2, 2]), Some(7)));
    script.next(Operation::Count, Reply::count(keys(&[2, 3, 1]), Some(8)));
    script.next(Operation::Count, Reply::count(keys(&[]), None));
    assert_eq!(store.count().await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_scan_is_one_statement_and_its_cursor_leads_to_the_next() {
    let (store, script) = store();
    let page = ScannedPage { entries: entries([3, 1]), corrupt: 0, next: Some(vec![0, 0, 0, 9]) };
    script.next(Operation::Scan, Reply::scan(page));
    let first = store.scan(None, 5).await.unwrap();
    assert_eq!(first.entries, entries([3, 1]));
    let cursor: ScanCursor = first.next.unwrap().to_string().parse().unwrap();
    let second = store.scan(Some(&cursor), 6).await.unwrap();
    assert_eq!((second.entries, second.next), (vec![], None));
    assert_eq!(pages(&script), [(None, 5), (Some(9), 6)]);
}

#[tokio::test(start_paused = true)]
async fn a_bulk_operation_that_has_run_out_of_time_sends_nothing_more() {
    let (store, script) = Script::default().store::<true>(bulk_timeout(SECOND));
    script.next(Operation::Prune, Reply::bulk(0, 1, Next::From(1)).taking(999 * MS));
    script.next(Operation::Prune, Reply::bulk(0, 1, Next::From(2)).taking(MS));
    assert_error(store.prune(100).await, ErrorKind::Timeout, true);
    assert!(script.statements().len() <= 2, "{:?}", script.statements());
}
