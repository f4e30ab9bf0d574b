//! One record that the database refuses fails alone; what is about no record fails all at the cost of one statement.

use session_store_core::backend::{Failure, Retry, Verdict};
use session_store_core::{ErrorKind, Record, SessionStore as _};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::callers::{Callers, MS, SECOND, assert_error, behind_a_gate, key, one_in_flight, options, settle};
use crate::scripted_backend::{Item, Operation, Reply, Script, Trouble, broken, gate, open, overloaded, refused};

/// Sends one batch of destroys, of the sessions 0 to `count`, and returns how each ended. The script decides from the
/// batch on.
async fn batch<const ONE: bool>(
    callers: &Callers<ONE>,
    script: &Script,
    count: u8,
    decide: impl FnOnce(),
) -> Vec<session_store_core::Result<bool>> {
    let gate = gate();
    script.hold(&gate);
    let _busy = callers.keep_busy(200, 201).await;
    let calls: Vec<JoinHandle<_>> = (0..count).map(|byte| callers.destroy(byte)).collect();
    settle().await;
    decide();
    open(&gate);
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    answers
}

#[tokio::test(start_paused = true)]
async fn one_poisoned_record_fails_alone() {
    let (store, script) = Script::default().store::<false>(options(100, 1));
    let callers = Callers(store);
    let poison = || {
        script.always(|statement| statement.keys().contains(&17).then(|| Reply::fails(refused())));
    };
    let answers = batch(&callers, &script, 30, poison).await;
    for (byte, answer) in answers.into_iter().enumerate() {
        if byte == 17 {
            assert_error(answer, ErrorKind::Internal, false);
        } else {
            assert!(answer.unwrap());
        }
    }
    assert_eq!(script.executed_keys().len(), 2 + 29);
    assert!(script.statements().len() <= 2 + 11, "{:?}", script.sizes());
}

#[tokio::test(start_paused = true)]
async fn halves_go_out_in_order() {
    let (store, script) = Script::default().store::<false>(one_in_flight());
    let callers = Callers(store);
    let poison = || {
        script.always(|statement| statement.keys().contains(&2).then(|| Reply::fails(refused())));
    };
    let answers = batch(&callers, &script, 5, poison).await;
    assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false, true, true]);
    let expected = [vec![0, 1, 2, 3, 4], vec![0, 1], vec![2, 3, 4], vec![2], vec![3, 4]];
    assert_eq!(script.keys()[2..], expected);
}

#[tokio::test(start_paused = true)]
async fn reads_are_halved_too() {
    let (callers, script, gate) = behind_a_gate::<false>(Script::default(), one_in_flight());
    let busy = [callers.get(200), callers.get(201)];
    settle().await;
    let calls: Vec<_> = (0..4).map(|byte| callers.get(byte)).collect();
    settle().await;
    script.always(|statement| statement.keys().contains(&3).then(|| Reply::fails(refused())));
    open(&gate);
    for call in busy {
        call.await.unwrap().unwrap();
    }
    let mut answers: Vec<bool> = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap().is_ok());
    }
    assert_eq!(answers, [true, true, true, false]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_unknown_outcome_is_not_repeated() {
    let (store, script) = Script::default().store::<false>(one_in_flight());
    let answers = batch(&Callers(store), &script, 5, || script.next(Operation::Apply, Reply::fails(broken()))).await;
    for answer in answers {
        assert_error(answer, ErrorKind::Unavailable, true);
    }
    assert_eq!(script.sizes(), [1, 1, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_is_about_no_record() {
    let (store, script) = Script::default().store::<false>(one_in_flight());
    // Not transient: it would be halved if it were not ambiguous.
    let broken = || Failure::new(ErrorKind::Internal, "the connection broke").ambiguous();
    let fail = || script.always(move |_| Some(Reply::fails(broken()).unsent()));
    for answer in batch(&Callers(store), &script, 5, fail).await {
        assert_error(answer, ErrorKind::Internal, false);
    }
    assert_eq!(script.sizes(), [1, 1, 5]);

    let (callers, script, gate) = behind_a_gate::<false>(Script::default(), one_in_flight());
    let _busy = [callers.get(200), callers.get(201)];
    settle().await;
    let calls: Vec<_> = (0..8).map(|byte| callers.get(byte)).collect();
    settle().await;
    script.always(move |_| Some(Reply::fails(broken())));
    open(&gate);
    for call in calls {
        assert_error(call.await.unwrap(), ErrorKind::Internal, false);
    }
    assert_eq!(script.sizes(), [1, 1, 8]);
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_is_about_no_record_unless_the_backend_says_so() {
    let overload = || overloaded().with_retry(Retry::Never);
    let (store, script) = Script::default().store::<false>(one_in_flight());
    let fail = || script.always(move |_| Some(Reply::fails(overload())));
    for answer in batch(&Callers(store), &script, 4, fail).await {
        assert_error(answer, ErrorKind::Unavailable, false);
    }
    assert_eq!(script.sizes(), [1, 1, 4]);

    let (store, script) = Script::default().store::<false>(one_in_flight());
    let fail = || {
        script.always(move |statement| statement.keys().contains(&3).then(|| Reply::fails(overload().of_record())));
    };
    let answers = batch(&Callers(store), &script, 4, fail).await;
    assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, true, false]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_the_statement_costs_one_statement_for_all() {
    let (store, script) = Script::default().store::<false>(one_in_flight());
    let fail = || script.always(|_| Some(Reply::fails(refused().of_statement())));
    for answer in batch(&Callers(store), &script, 10, fail).await {
        assert_error(answer, ErrorKind::Internal, false);
    }
    assert_eq!(script.sizes(), [1, 1, 10]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_was_retried_is_not_halved() {
    let (store, script) = Script::default().store::<false>(one_in_flight());
    let fail = || script.always(|_| Some(Reply::fails(refused().with_retry(Retry::Times(2)))));
    for answer in batch(&Callers(store), &script, 4, fail).await {
        assert_error(answer, ErrorKind::Internal, false);
    }
    assert_eq!(script.sizes(), [1, 1, 4, 4, 4]);
}

#[tokio::test(start_paused = true)]
async fn an_error_about_one_corrupt_record_carries_its_key() {
    let corrupt = || Failure::new(ErrorKind::Corrupt, "the record cannot be read");
    let (store, script) = Script::default().store::<false>(one_in_flight());
    let poison = || {
        script.always(move |statement| statement.keys().contains(&2).then(|| Reply::fails(corrupt())));
    };
    let answers = batch(&Callers(store), &script, 4, poison).await;
    let keys: Vec<_> =
        answers.iter().map(|answer| answer.as_ref().err().and_then(|error| error.key().copied())).collect();
    assert_eq!(keys, [None, None, Some(key(2)), None]);

    let (store, script) = Script::default().store::<false>(one_in_flight());
    let fail = || script.next(Operation::Apply, Reply::fails(corrupt().of_statement()));
    for answer in batch(&Callers(store), &script, 2, fail).await {
        assert_eq!(answer.unwrap_err().key(), None, "it is about no single record");
    }
}

#[tokio::test(start_paused = true)]
async fn a_corrupt_record_of_a_read_carries_its_key_and_fails_alone() {
    let (store, script) = Script::default().store::<false>(one_in_flight());
    let (callers, gate) = (Callers(store.clone()), gate());
    script.hold(&gate);
    let _busy = [callers.get(200), callers.get(201)];
    settle().await;
    let calls = [callers.get(1), callers.get(2)];
    settle().await;
    let corrupt = Item::Fails(Trouble(Failure::new(ErrorKind::Corrupt, "the record cannot be read")));
    script.next(Operation::Read, Reply::items([corrupt, Item::Read(session_store_core::IfChanged::Gone)]));
    open(&gate);
    let [corrupt, gone]: [JoinHandle<session_store_core::Result<Option<Record>>>; 2] = calls;
    let error = assert_error(corrupt.await.unwrap(), ErrorKind::Corrupt, false);
    assert_eq!(error.key(), Some(&key(1)));
    assert_eq!(gone.await.unwrap().unwrap(), None);
    // Only what is about a record carries a key.
    script.always(|_| None);
    script.next(Operation::Read, Reply::items([Item::Fails(Trouble(refused()))]));
    assert_eq!(store.get(&key(1)).await.unwrap_err().key(), None);
}

#[tokio::test(start_paused = true)]
async fn verdicts_about_corrupt_records_are_errors_with_their_key() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    script.next(Operation::Apply, Reply::verdict(Verdict::Corrupt));
    let error = assert_error(store.touch(&key(1), SECOND).await, ErrorKind::Corrupt, false);
    assert_eq!(error.key(), Some(&key(1)));
    let rotate = async || store.rotate(&key(1), &key(2), &crate::callers::write_of(""), None).await;
    let verdicts = [
        (Verdict::Corrupt, ErrorKind::Corrupt, 1),
        (Verdict::TargetCorrupt, ErrorKind::Corrupt, 2),
        (Verdict::NotFound, ErrorKind::NotFound, 1),
        (Verdict::Conflict, ErrorKind::Conflict, 1),
        (Verdict::AlreadyExists, ErrorKind::AlreadyExists, 2),
        (Verdict::Misplaced, ErrorKind::Unsupported, 1),
    ];
    for (verdict, kind, byte) in verdicts {
        script.next(Operation::Rotate, Reply::verdict(verdict));
        let error = assert_error(rotate().await, kind, false);
        assert_eq!((error.key(), error.is_transient()), (Some(&key(byte)), false), "{verdict:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_item_that_failed_is_retried_alone_and_the_others_do_not_wait_for_it() {
    let (callers, script, gate) = behind_a_gate::<false>(Script::default().with_lone_statements(1), one_in_flight());
    let _busy = callers.keep_busy(200, 201).await;
    let calls: Vec<_> = (0..3).map(|byte| callers.destroy(byte)).collect();
    settle().await;
    let done = || Item::Verdict(Verdict::Done);
    script.next(Operation::Apply, Reply::items([done(), Item::Fails(Trouble(overloaded())), done()]));
    script.next(Operation::Apply, Reply::usual().taking(SECOND));
    open(&gate);
    let begun = Instant::now();
    let [first, second, third]: [JoinHandle<_>; 3] = calls.try_into().unwrap();
    assert!(first.await.unwrap().unwrap() && third.await.unwrap().unwrap());
    assert!(begun.elapsed() < 10 * MS, "{:?}", begun.elapsed());
    assert!(second.await.unwrap().unwrap());
    assert!(begun.elapsed() >= SECOND);
    assert_eq!(script.keys()[2..], [vec![0, 1, 2], vec![1]]);
    assert!(!script.statements()[3].may_wait, "nobody holds its record");
}

#[tokio::test(start_paused = true)]
async fn an_item_is_retried_as_often_as_the_backend_says() {
    let cases = [(Retry::Never, 1), (Retry::Times(0), 1), (Retry::Times(1), 2), (Retry::Times(3), 4)];
    for (retry, statements) in cases {
        let (store, script) = Script::default().store::<true>(one_in_flight());
        script.always(move |_| Some(Reply::items([Item::Fails(Trouble(overloaded().with_retry(retry)))])));
        assert_error(store.destroy(&key(1)).await, ErrorKind::Unavailable, false);
        assert_eq!(script.statements().len(), statements, "{retry:?}");
        assert_error(store.get(&key(1)).await, ErrorKind::Unavailable, false);
    }
}

#[tokio::test(start_paused = true)]
async fn an_item_is_retried_until_the_deadline_with_pauses_and_then_returns_its_error() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    script.always(|_| Some(Reply::items([Item::Fails(Trouble(overloaded()))])));
    let begun = Instant::now();
    assert_error(store.destroy(&key(1)).await, ErrorKind::Unavailable, false);
    assert!(begun.elapsed() > 4_800 * MS && begun.elapsed() <= 5 * SECOND, "{:?}", begun.elapsed());
    assert!((80..400).contains(&script.statements().len()), "{}", script.statements().len());
}

#[tokio::test(start_paused = true)]
async fn an_item_that_may_have_been_executed_is_not_repeated() {
    let vague = || Item::Fails(Trouble(broken().with_retry(Retry::UntilDeadline)));
    let (store, script) = Script::default().store::<true>(one_in_flight());
    script.next(Operation::Apply, Reply::items([vague()]));
    assert_error(store.destroy(&key(1)).await, ErrorKind::Unavailable, true);
    assert_eq!(script.statements().len(), 1);
    // Reads, and what was not sent, may be repeated.
    script.next(Operation::Read, Reply::items([vague()]));
    assert_eq!(store.get(&key(1)).await.unwrap(), None);
    script.next(Operation::Apply, Reply::items([vague()]).unsent());
    assert!(store.destroy(&key(1)).await.unwrap());
    assert_eq!(script.statements().len(), 5);
}
