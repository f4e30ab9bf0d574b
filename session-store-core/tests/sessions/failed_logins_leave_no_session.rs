//! Whatever step of a login fails, no session is left that nobody has the ID of.

use crate::fault_store;
use session_store_core::sessions::{Login, MaxPerUser};
use session_store_core::{ErrorKind, Session, Sessions};

use crate::fault_store::{Act, FaultStore, login, user};

/// Sessions of which a user may have two, an anonymous one, and one of Alice's that is a surplus at her next but one.
async fn faults(max: MaxPerUser) -> (FaultStore, Sessions<String>, Session<String>, Session<String>) {
    let faults = FaultStore::new();
    let sessions = faults.builder().max_per_user(max).build().unwrap();
    let anonymous = sessions.create("basket".to_owned()).await.unwrap();
    let old = login(&sessions, "alice", "old".to_owned()).await;
    faults.pass(fault_store::SECOND);
    login(&sessions, "alice", "newer".to_owned()).await;
    faults.pass(fault_store::SECOND);
    faults.calls();
    (faults, sessions, anonymous, old)
}

const STEPS: [(&str, usize); 4] = [("set", 0), ("destroy", 0), ("list_by_user", 0), ("destroy", 1)];
const OLDEST: MaxPerUser = MaxPerUser::EndOldest(2);

#[tokio::test]
async fn each_step_on_which_nothing_fails() {
    let (faults, sessions, anonymous, old) = faults(OLDEST).await;
    let replacing = Login::new(user("alice"), "new".to_owned()).replacing(anonymous.id());
    sessions.login(replacing).await.unwrap();
    assert_eq!(faults.calls(), STEPS.map(|(operation, _)| operation));
    assert!(sessions.load(old.id()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_failure_of_each_step() {
    for (operation, skipped) in STEPS {
        for kind in [ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::Internal] {
            for act in [Act::Fails(kind), Act::IsDoneButFails(kind)] {
                let (faults, sessions, anonymous, _) = faults(OLDEST).await;
                faults.cue(operation, skipped, 1, act);
                let replacing = Login::new(user("alice"), "new".to_owned()).replacing(anonymous.id());
                let error = sessions.login(replacing).await.unwrap_err();
                assert_eq!(error.kind(), kind, "{operation} {skipped}");
                assert!(faults.is_over());
                let data = data_of_alice(&faults).await;
                assert!(!data.contains(&"new".to_owned()), "{operation} {skipped}: {data:?}");
                assert!(data.contains(&"newer".to_owned()), "{operation} {skipped}: {data:?}");
            }
        }
    }
}

async fn data_of_alice(faults: &FaultStore) -> Vec<String> {
    let page = session_store_core::Page::first(9).unwrap();
    let listed = faults.behind::<String>().list(&user("alice"), &page).await.unwrap().sessions;
    listed.into_iter().map(|listed| listed.data.unwrap()).collect()
}

#[tokio::test]
async fn what_was_not_created_replaces_nothing() {
    let (faults, sessions, anonymous, _) = faults(OLDEST).await;
    faults.next("set", Act::Fails(ErrorKind::Unavailable));
    let replacing = Login::new(user("alice"), "new".to_owned()).replacing(anonymous.id());
    assert!(sessions.login(replacing).await.is_err());
    assert_eq!(sessions.load(anonymous.id()).await.unwrap().unwrap().data, "basket");
    assert_eq!(faults.live().await, 3);
}

/// The error is that of the first failure, not that of cleaning up.
#[tokio::test]
async fn the_cause_is_told_where_cleaning_up_fails_too() {
    let (faults, sessions, anonymous, _) = faults(OLDEST).await;
    faults.next("list_by_user", Act::Fails(ErrorKind::Timeout));
    faults.cue("destroy", 1, 1, Act::Fails(ErrorKind::Unavailable));
    let replacing = Login::new(user("alice"), "new".to_owned()).replacing(anonymous.id());
    assert_eq!(sessions.login(replacing).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert!(faults.is_over());
    assert!(data_of_alice(&faults).await.contains(&"new".to_owned()), "as far as the database allows");
}

#[tokio::test]
async fn a_refusal_whose_cleaning_up_fails_is_cleaned_up_again() {
    let (faults, sessions, anonymous, _) = faults(MaxPerUser::Refuse(2)).await;
    faults.next("destroy", Act::Fails(ErrorKind::Timeout));
    let replacing = Login::new(user("alice"), "new".to_owned()).replacing(anonymous.id());
    assert_eq!(sessions.login(replacing).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(data_of_alice(&faults).await.len(), 2);
    assert!(faults.is_over());
}

#[tokio::test]
async fn data_that_cannot_be_stored_reach_no_database() {
    let faults = FaultStore::new();
    let sessions = faults.builder::<String>().data_limit(100).build().unwrap();
    let anonymous = sessions.create("basket".to_owned()).await.unwrap();
    faults.calls();
    let incompressible: String = (0..4_000_u32).map(|n| char::from(b'!' + (n * n / 7 % 90) as u8)).collect();
    let error = sessions.login(Login::new(user("alice"), incompressible).replacing(anonymous.id())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(faults.calls().is_empty());
    assert!(sessions.load(anonymous.id()).await.unwrap().is_some());
}

/// As where the browser hangs up.
#[tokio::test]
async fn a_login_that_is_dropped_leaves_no_session() {
    let (faults, sessions, ..) = faults(OLDEST).await;
    faults.next("list_by_user", Act::before(std::future::pending));
    let dropped = sessions.login(Login::new(user("alice"), "dropped".to_owned()));
    assert!(tokio::time::timeout(fault_store::MS, dropped).await.is_err());
    assert!(data_of_alice(&faults).await.contains(&"dropped".to_owned()));
    tokio::task::yield_now().await;
    assert!(!data_of_alice(&faults).await.contains(&"dropped".to_owned()));
}

/// So that a visitor who may not log in keeps his basket.
#[tokio::test]
async fn a_login_that_is_refused_leaves_the_session_that_it_was_to_replace() {
    let (faults, sessions, anonymous, _) = faults(MaxPerUser::Refuse(2)).await;
    let replacing = Login::new(user("alice"), "new".to_owned()).replacing(anonymous.id());
    assert_eq!(sessions.login(replacing).await.unwrap_err().kind(), ErrorKind::LimitReached);
    assert!(sessions.load(anonymous.id()).await.unwrap().is_some());
    assert_eq!(data_of_alice(&faults).await.len(), 2);
}

/// One's own session makes room for the one that replaces it.
#[tokio::test]
async fn who_logs_in_again_is_not_refused() {
    let faults = FaultStore::new();
    let sessions = faults.builder::<String>().max_per_user(MaxPerUser::Refuse(1)).build().unwrap();
    let first = login(&sessions, "alice", "first".to_owned()).await;
    let again = sessions.login(Login::from_session(user("alice"), first)).await.unwrap();
    assert!(sessions.load(again.id()).await.unwrap().is_some());
    assert_eq!(data_of_alice(&faults).await, ["first"]);
}

#[tokio::test]
async fn nobody_takes_over_the_data_of_another_user() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<String>();
    let alices = login(&sessions, "alice", "secret".to_owned()).await;
    let id = alices.id().clone();
    let error = sessions.login(Login::from_session(user("bob"), alices)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(sessions.load(&id).await.unwrap().is_some(), "nothing was changed");
}
