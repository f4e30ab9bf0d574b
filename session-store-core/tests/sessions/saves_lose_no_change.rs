//! A save either keeps what others have saved, or is refused.

use session_store_core::{ErrorKind, Session};

use crate::fault_store::{Act, FaultStore, MINUTE, login, user};

#[tokio::test]
async fn what_is_saved_is_loaded() {
    let sessions = FaultStore::new().sessions::<Vec<u32>>();
    let mut session = sessions.create(vec![1]).await.unwrap();
    for n in 2..9 {
        session.data.push(n);
        assert!(sessions.save(&mut session).await.unwrap(), "each save leaves what the next one needs");
        let loaded = sessions.load(session.id()).await.unwrap().unwrap();
        assert_eq!(loaded.data, (1..=n).collect::<Vec<_>>());
        assert!((loaded.key(), loaded.user()) == (session.key(), None));
    }
}

#[tokio::test]
async fn of_two_saves_the_later_is_a_conflict() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<String>();
    let mut mine = login(&sessions, "alice", "old".to_owned()).await;
    let mut theirs = sessions.load(mine.id()).await.unwrap().unwrap();
    theirs.data = "theirs".to_owned();
    assert!(sessions.save(&mut theirs).await.unwrap());
    mine.data = "mine".to_owned();
    for _ in 0..2 {
        let error = sessions.save(&mut mine).await.unwrap_err();
        assert_eq!((error.kind(), error.key()), (ErrorKind::Conflict, Some(mine.key())), "also when repeated");
        let error = sessions.rotate(&mut mine).await.unwrap_err();
        assert_eq!((error.kind(), error.key()), (ErrorKind::Conflict, Some(theirs.key())), "and for a rotation");
    }
    let mut again = sessions.load(mine.id()).await.unwrap().unwrap();
    assert_eq!(again.data, "theirs", "nothing was saved");
    again.data = "mine".to_owned();
    assert!(sessions.save(&mut again).await.unwrap());
    assert!(sessions.load(mine.id()).await.unwrap().unwrap().user() == Some(&user("alice")), "the owner stays");
}

#[tokio::test]
async fn touches_are_no_conflict() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<String>();
    let mut session = sessions.create("old".to_owned()).await.unwrap();
    faults.pass(30 * MINUTE);
    assert!(sessions.load(session.id()).await.unwrap().is_some());
    assert_eq!(faults.calls(), ["set", "get", "touch"]);
    session.data = "new".to_owned();
    assert!(sessions.save(&mut session).await.unwrap());
}

/// The session in hand is still what it was, so that the application may try again.
#[tokio::test]
async fn a_save_that_fails_leaves_the_session_in_hand_as_it_was() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<String>();
    let mut session = sessions.create("old".to_owned()).await.unwrap();
    session.data = "new".to_owned();
    faults.next("set", Act::Fails(ErrorKind::Unavailable));
    faults.next("rotate", Act::Fails(ErrorKind::Timeout));
    assert_eq!(sessions.save(&mut session).await.unwrap_err().kind(), ErrorKind::Unavailable);
    let id = session.id().clone();
    assert_eq!(sessions.rotate(&mut session).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert!(*session.id() == id);
    assert!(sessions.save(&mut session).await.unwrap());
    assert_eq!(sessions.load(&id).await.unwrap().unwrap().data, "new");
    assert!(faults.is_over());
}

#[tokio::test]
async fn a_save_of_unknown_outcome_says_so() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<String>();
    let mut session = sessions.create("old".to_owned()).await.unwrap();
    session.data = "new".to_owned();
    faults.next("set", Act::IsDoneButFails(ErrorKind::Timeout));
    assert!(sessions.save(&mut session).await.unwrap_err().outcome_unknown());
    assert_eq!(sessions.save(&mut session).await.unwrap_err().kind(), ErrorKind::Conflict, "with its own write");
    assert_eq!(sessions.load(session.id()).await.unwrap().unwrap().data, "new");
}

#[test]
fn sessions_and_their_futures_cross_threads() {
    fn crosses<T: Send + Sync + 'static>() {}
    fn is_sent<F: Future + Send>(_: impl Fn() -> F) {}
    crosses::<session_store_core::Sessions<String>>();
    crosses::<Session<String>>();
    let sessions = FaultStore::new().sessions::<String>();
    is_sent(|| async { sessions.create(String::new()).await });
    is_sent(|| async { sessions.update(sessions.create(String::new()).await?.id(), |_| ()).await });
    is_sent(|| async { sessions.destroy_all(&user("alice")).await });
    is_sent(|| async { sessions.list(&user("alice"), &session_store_core::Page::first(1)?).await });
    is_sent(|| async { sessions.reencrypt(&user("alice")).await });
    is_sent(|| async {
        let login = session_store_core::sessions::Login::new(user("alice"), String::new());
        let mut session = sessions.login(login).await?;
        let _ = sessions.save(&mut session).await? && sessions.rotate(&mut session).await?;
        sessions.destroy_others(&session).await
    });
}
