//! A list shows every session of its user, those that do not decode as such, and is no shorter for those that end.

use std::collections::BTreeSet;

use session_store_core::{ErrorKind, Meta, Page, SessionKey, SessionStore, Sessions, Timestamp, Version};

use crate::fault_store::{Act, FaultStore, MINUTE, login, user};

fn page(limit: u32) -> Page {
    Page::first(limit).unwrap()
}

async fn logins(sessions: &Sessions<u32>, count: u32) -> BTreeSet<SessionKey> {
    let mut keys = BTreeSet::new();
    for n in 0..count {
        keys.insert(*login(sessions, "alice", n).await.key());
        login(sessions, "bob", 1_000 + n).await;
    }
    keys
}

#[tokio::test]
async fn all_pages_have_each_session_once() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<u32>();
    let keys = logins(&sessions, 100).await;
    for limit in [1, 7, 50, 99, 100, 101, 1_000] {
        let (mut listed, mut data, mut next, mut pages) = (Vec::new(), BTreeSet::new(), Some(page(limit)), 0);
        while let Some(page) = next {
            let listing = sessions.list(&user("alice"), &page).await.unwrap();
            assert!(listing.sessions.len() <= limit as usize);
            listed.extend(listing.sessions.iter().map(|listed| listed.key));
            data.extend(listing.sessions.into_iter().map(|listed| listed.data.unwrap()));
            (next, pages) = (listing.next, pages + 1);
        }
        assert!(listed.iter().eq(&keys), "in the order of their keys");
        assert_eq!(data, (0..100).collect());
        assert_eq!(pages, 100 / limit + 1, "the last page is short");
    }
}

#[tokio::test]
async fn it_shows_what_is_known_of_a_session() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<u32>();
    let session = login(&sessions, "alice", 7).await;
    faults.pass(MINUTE);
    faults.calls();
    let before = faults.meta(session.key()).await;
    let listed = sessions.list(&user("alice"), &page(9)).await.unwrap().sessions;
    assert_eq!(faults.calls(), ["list_by_user", "get"], "it touches nothing");
    assert_eq!(faults.meta(session.key()).await, before);
    assert!(listed[0].key == *session.key() && listed[0].meta == before);
    assert_eq!(listed[0].read_at.saturating_since(before.created_at), MINUTE);
    assert_eq!(*listed[0].data.as_ref().unwrap(), 7);
    assert!(!format!("{listed:?}").contains("data"));
}

#[tokio::test]
async fn what_does_not_decode_is_listed_as_corrupt() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<u32>();
    let mut keys = logins(&sessions, 5).await;
    let other_type = login(&faults.sessions::<String>(), "alice", "no number".to_owned()).await;
    let garbage = SessionKey::from_bytes([0x77; 32]);
    faults.plant_corrupt(&garbage, "alice").await;
    keys.extend([garbage, *other_type.key()]);
    let listed = sessions.list(&user("alice"), &page(100)).await.unwrap().sessions;
    assert!(listed.iter().map(|listed| &listed.key).eq(&keys));
    for one in listed {
        assert!(one.meta.user == Some(user("alice")));
        let is_odd = one.key == garbage || one.key == *other_type.key();
        match one.data {
            Err(error) => assert_eq!((error.kind(), error.key(), is_odd), (ErrorKind::Corrupt, Some(&one.key), true)),
            Ok(_) => assert!(!is_odd),
        }
    }
    assert_eq!(sessions.load(other_type.id()).await.unwrap_err().key(), Some(other_type.key()));
    assert!(sessions.destroy(other_type.id()).await.unwrap());
    assert!(sessions.end(&user("alice"), &garbage).await.unwrap());
    assert_eq!(sessions.list(&user("alice"), &page(100)).await.unwrap().sessions.len(), 5);
}

/// The next page begins where the store's did, so that it is not taken for the last.
#[tokio::test]
async fn one_that_ends_meanwhile_is_left_out_and_the_pages_go_on() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<u32>();
    let keys: Vec<_> = logins(&sessions, 9).await.into_iter().collect();
    for (ended, limit) in [(2, 3), (0, 3), (1, 2)] {
        let (memory, key) = (faults.memory.clone(), keys[ended]);
        let end = move || {
            let memory = memory.clone();
            async move { assert!(memory.destroy(&key).await.unwrap()) }
        };
        let written = faults.record(&key).await.unwrap();
        faults.next("list_by_user", Act::after(end));
        let (mut all, mut next) = (Vec::new(), Some(page(limit)));
        while let Some(page) = next {
            let listing = sessions.list(&user("alice"), &page).await.unwrap();
            all.extend(listing.sessions.iter().map(|listed| listed.key));
            next = listing.next;
        }
        let left: Vec<_> = keys.iter().copied().filter(|other| *other != key).collect();
        assert!(all == left, "{ended} of a page of {limit}");
        faults.memory.plant(key, written.meta, written.data);
    }
}

/// Its key may be that of another user's session by then.
#[tokio::test]
async fn one_that_is_another_users_by_then_is_left_out() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<u32>();
    let session = login(&sessions, "alice", 1).await;
    let (memory, key) = (faults.memory.clone(), *session.key());
    let give_away = move || {
        let memory = memory.clone();
        async move {
            let record = memory.get(&key).await.unwrap().unwrap();
            memory.plant(key, Meta { user: Some(user("bob")), ..record.meta }, record.data);
        }
    };
    faults.next("list_by_user", Act::after(give_away));
    assert!(sessions.list(&user("alice"), &page(9)).await.unwrap().sessions.is_empty());
}

#[tokio::test]
async fn a_record_that_the_store_cannot_read_is_left_out() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<u32>();
    logins(&sessions, 3).await;
    let at = Timestamp::from_millis;
    let meta = Meta {
        user: Some(user("alice")),
        created_at: at(0),
        last_seen_at: at(0),
        expires_at: at(i64::MAX),
        deadline: at(9),
        version: Version::from_bytes([1; 16]),
    };
    faults.memory.plant(SessionKey::from_bytes([1; 32]), meta, session_store_core::Bytes::new());
    assert_eq!(sessions.list(&user("alice"), &page(9)).await.unwrap().sessions.len(), 3);
    faults.cue("get", 1, 1, Act::Fails(ErrorKind::Corrupt));
    assert_eq!(sessions.list(&user("alice"), &page(9)).await.unwrap().sessions.len(), 2, "found by reading it");
}

/// A list that lacks sessions without a word would pass for the whole.
#[tokio::test]
async fn a_failure_of_the_database_fails_the_list() {
    for operation in ["list_by_user", "get"] {
        for kind in [ErrorKind::Unavailable, ErrorKind::Timeout] {
            let faults = FaultStore::new();
            let sessions = faults.sessions::<u32>();
            logins(&sessions, 3).await;
            faults.next(operation, Act::Fails(kind));
            assert_eq!(sessions.list(&user("alice"), &page(9)).await.unwrap_err().kind(), kind);
        }
    }
}
