//! Whatever step of a login fails, no session is left that nobody has the ID of.
#![cfg(feature = "sessions")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod stage;

use session_store_core::sessions::{Login, MaxPerUser};
use session_store_core::{ErrorKind, Session, Sessions};

use self::stage::{Act, Stage, login, user};

/// Sessions of which a user may have two, an anonymous one, and one of Alice's that is a surplus at her next but one.
async fn stage(max: MaxPerUser) -> (Stage, Sessions<String>, Session<String>, Session<String>) {
    let stage = Stage::new();
    let sessions = stage.builder().max_per_user(max).build().unwrap();
    let anonymous = sessions.create("basket".to_owned()).await.unwrap();
    let old = login(&sessions, "alice", "old".to_owned()).await;
    stage.pass(stage::SECOND);
    login(&sessions, "alice", "newer".to_owned()).await;
    stage.pass(stage::SECOND);
    stage.calls();
    (stage, sessions, anonymous, old)
}

const STEPS: [(&str, usize); 4] = [("set", 0), ("destroy", 0), ("list_by_user", 0), ("destroy", 1)];
const OLDEST: MaxPerUser = MaxPerUser::EndOldest(2);

#[tokio::test]
async fn each_step_on_which_nothing_fails() {
    let (stage, sessions, anonymous, old) = stage(OLDEST).await;
    let replacing = Login::new(user("alice"), "new".to_owned()).replacing(anonymous.id());
    sessions.login(replacing).await.unwrap();
    assert_eq!(stage.calls(), STEPS.map(|(operation, _)| operation));
    assert!(sessions.load(old.id()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_failure_of_each_step() {
    for (operation, skipped) in STEPS {
        for kind in [ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::Internal] {
            for act in [Act::Fails(kind), Act::IsDoneButFails(kind)] {
                let (stage, sessions, anonymous, _) = stage(OLDEST).await;
                stage.cue(operation, skipped, 1, act);
                let replacing = Login::new(user("alice"), "new".to_owned()).replacing(anonymous.id());
                let error = sessions.login(replacing).await.unwrap_err();
                assert_eq!(error.kind(), kind, "{operation} {skipped}");
                assert!(stage.is_over());
                let data = data_of_alice(&stage).await;
                assert!(!data.contains(&"new".to_owned()), "{operation} {skipped}: {data:?}");
                assert!(data.contains(&"newer".to_owned()), "{operation} {skipped}: {data:?}");
            }
        }
    }
}

async fn data_of_alice(stage: &Stage) -> Vec<String> {
    let page = session_store_core::Page::first(9).unwrap();
    let listed = stage.behind::<String>().list(&user("alice"), &page).await.unwrap().sessions;
    listed.into_iter().map(|listed| listed.data.unwrap()).collect()
}

#[tokio::test]
async fn what_was_not_created_replaces_nothing() {
    let (stage, sessions, anonymous, _) = stage(OLDEST).await;
    stage.next("set", Act::Fails(ErrorKind::Unavailable));
    let replacing = Login::new(user("alice"), "new".to_owned()).replacing(anonymous.id());
    assert!(sessions.login(replacing).await.is_err());
    assert_eq!(sessions.load(anonymous.id()).await.unwrap().unwrap().data, "basket");
    assert_eq!(stage.live().await, 3);
}

/// The failure that is told is the first one, not that of cleaning up.
#[tokio::test]
async fn the_cause_is_told_where_cleaning_up_fails_too() {
    let (stage, sessions, anonymous, _) = stage(OLDEST).await;
    stage.next("list_by_user", Act::Fails(ErrorKind::Timeout));
    stage.cue("destroy", 1, 1, Act::Fails(ErrorKind::Unavailable));
    let replacing = Login::new(user("alice"), "new".to_owned()).replacing(anonymous.id());
    assert_eq!(sessions.login(replacing).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert!(stage.is_over());
    assert!(data_of_alice(&stage).await.contains(&"new".to_owned()), "as far as the database allows");
}

#[tokio::test]
async fn a_refusal_whose_cleaning_up_fails_is_cleaned_up_again() {
    let (stage, sessions, anonymous, _) = stage(MaxPerUser::Refuse(2)).await;
    stage.cue("destroy", 1, 1, Act::Fails(ErrorKind::Timeout));
    let replacing = Login::new(user("alice"), "new".to_owned()).replacing(anonymous.id());
    assert_eq!(sessions.login(replacing).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(data_of_alice(&stage).await.len(), 2);
    assert!(stage.is_over());
}

#[tokio::test]
async fn data_that_cannot_be_stored_reach_no_database() {
    let stage = Stage::new();
    let sessions = stage.builder::<String>().data_limit(100).build().unwrap();
    let anonymous = sessions.create("basket".to_owned()).await.unwrap();
    stage.calls();
    let incompressible: String = (0..4_000_u32).map(|n| char::from(b'!' + (n * n / 7 % 90) as u8)).collect();
    let error = sessions.login(Login::new(user("alice"), incompressible).replacing(anonymous.id())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(stage.calls().is_empty());
    assert!(sessions.load(anonymous.id()).await.unwrap().is_some());
}

/// As where a request is given up: what has begun ends later, by its timeouts, and by the limit.
#[tokio::test]
async fn a_login_that_is_dropped_leaves_no_session_that_counts_for_ever() {
    let (stage, sessions, _, _) = stage(OLDEST).await;
    stage.next("list_by_user", Act::before(std::future::pending));
    let dropped = sessions.login(Login::new(user("alice"), "dropped".to_owned()));
    assert!(tokio::time::timeout(stage::MS, dropped).await.is_err());
    assert_eq!(data_of_alice(&stage).await.len(), 3);
    stage.pass(stage::SECOND);
    login(&sessions, "alice", "new".to_owned()).await;
    let mut data = data_of_alice(&stage).await;
    data.sort();
    assert_eq!(data, ["dropped", "new"], "the limit holds again");
}
