//! The policy that a login brought is kept with its session, and whatever is done with it obeys that policy.

use std::time::Duration;

use session_store_core::sessions::Login;
use session_store_core::{Meta, Policy, Session, SessionId, Sessions};

use crate::fault_store::{FaultStore, HOUR, MINUTE, user};

const DAY: Duration = Duration::from_hours(24);

fn remember_me() -> Policy {
    Policy::new(14 * DAY, 90 * DAY).unwrap()
}

fn strict() -> Policy {
    Policy::new(2 * MINUTE, 30 * MINUTE).unwrap()
}

async fn log_in(sessions: &Sessions<String>, policy: Policy) -> Session<String> {
    sessions.login(Login::new(user("alice"), "data".to_owned()).policy(policy)).await.unwrap()
}

/// That the session ends by this policy, when it was last seen after so long.
fn obeys(meta: &Meta, policy: Policy, seen_after: Duration, what: &str) {
    let seen = meta.created_at.saturating_add(seen_after);
    assert_eq!(meta.deadline, meta.created_at.saturating_add(policy.absolute()), "{what}");
    assert_eq!(meta.last_seen_at, seen, "{what}");
    assert_eq!(meta.expires_at, seen.saturating_add(policy.idle()).min(meta.deadline), "{what}");
}

#[tokio::test]
async fn by_every_method() {
    for policy in [remember_me(), strict()] {
        let faults = FaultStore::new();
        let sessions = faults.sessions::<String>();
        let mut session = log_in(&sessions, policy).await;
        assert_eq!((session.policy(), session.time_left()), (policy, policy.absolute()));
        obeys(&faults.meta(session.key()).await, policy, Duration::ZERO, "login");

        faults.pass(MINUTE);
        assert!(sessions.save(&mut session).await.unwrap());
        obeys(&faults.meta(session.key()).await, policy, MINUTE, "save");

        faults.pass(MINUTE);
        sessions.update(session.id(), |data| data.push('!')).await.unwrap().unwrap();
        obeys(&faults.meta(session.key()).await, policy, 2 * MINUTE, "update");

        let step = policy.idle() / 2;
        faults.pass(step);
        let mut loaded = sessions.load(session.id()).await.unwrap().unwrap();
        assert_eq!(loaded.policy(), policy);
        assert_eq!(loaded.time_left() + 2 * MINUTE + step, policy.absolute());
        obeys(&faults.meta(session.key()).await, policy, 2 * MINUTE + step, "load");

        faults.pass(MINUTE);
        assert!(sessions.rotate(&mut loaded).await.unwrap());
        obeys(&faults.meta(loaded.key()).await, policy, 3 * MINUTE + step, "rotate");

        faults.pass(MINUTE);
        assert!(sessions.save(&mut loaded).await.unwrap());
        obeys(&faults.meta(loaded.key()).await, policy, 4 * MINUTE + step, "a save after the rotation");
        let listed = sessions.list(&user("alice"), &session_store_core::Page::first(1).unwrap()).await.unwrap();
        assert_eq!(listed.sessions.len(), 1);
    }
}

/// Another configuration, as after a deployment, changes nothing for a login with a policy of its own.
#[tokio::test]
async fn whatever_the_configuration_says_later() {
    let faults = FaultStore::new();
    let session = log_in(&faults.sessions(), remember_me()).await;
    let later = faults.builder::<String>().policy(Policy::OWASP_HIGH_VALUE).build().unwrap();
    faults.pass(3 * DAY);
    let mut loaded = later.load(session.id()).await.unwrap().unwrap();
    assert_eq!(loaded.policy(), remember_me());
    obeys(&faults.meta(session.key()).await, remember_me(), 3 * DAY, "load");
    assert!(later.save(&mut loaded).await.unwrap());
    obeys(&faults.meta(session.key()).await, remember_me(), 3 * DAY, "save");
}

/// Without a policy of its own, a session has the configuration's from its next save on, and not from a touch.
#[tokio::test]
async fn a_changed_configuration_reaches_the_others_at_their_next_save() {
    for new in [Policy::OWASP_HIGH_VALUE, Policy::NIST_AAL1] {
        type Saving = for<'a> fn(&'a Sessions<String>, &'a SessionId) -> Saved<'a>;
        type Saved<'a> = std::pin::Pin<Box<dyn Future<Output = Session<String>> + 'a>>;
        let savings: [(&str, Saving); 3] = [
            ("save", |sessions, id| {
                Box::pin(async {
                    let mut session = sessions.load(id).await.unwrap().unwrap();
                    assert!(sessions.save(&mut session).await.unwrap());
                    session
                })
            }),
            ("update", |sessions, id| {
                Box::pin(async {
                    sessions.update(id, |_| ()).await.unwrap().unwrap();
                    sessions.load(id).await.unwrap().unwrap()
                })
            }),
            ("rotate", |sessions, id| {
                Box::pin(async {
                    let mut session = sessions.load(id).await.unwrap().unwrap();
                    assert!(sessions.rotate(&mut session).await.unwrap());
                    session
                })
            }),
        ];
        for (what, save) in savings {
            let faults = FaultStore::new();
            let created = faults.sessions::<String>().create("data".to_owned()).await.unwrap();
            let later = faults.builder::<String>().policy(new).build().unwrap();
            faults.pass(2 * MINUTE);
            assert_eq!(later.load(created.id()).await.unwrap().unwrap().policy(), new);
            let unchanged = faults.meta(created.key()).await;
            assert_eq!(unchanged.deadline, unchanged.created_at.saturating_add(24 * HOUR), "by no load");
            let session = save(&later, created.id()).await;
            obeys(&faults.meta(session.key()).await, new, 2 * MINUTE, what);
        }
    }
}

#[tokio::test]
async fn a_login_without_one_takes_the_configurations() {
    let faults = FaultStore::new();
    let sessions = faults.builder::<String>().policy(Policy::NIST_AAL3).build().unwrap();
    let session = sessions.login(Login::new(user("alice"), String::new())).await.unwrap();
    obeys(&faults.meta(session.key()).await, Policy::NIST_AAL3, Duration::ZERO, "login");
    let loaded = faults.sessions::<String>().load(session.id()).await.unwrap().unwrap();
    assert_eq!(loaded.policy(), Policy::NIST_AAL2, "and none is kept with it");
}

#[tokio::test]
async fn it_does_not_pass_to_the_session_of_the_next_login() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<String>();
    let first = log_in(&sessions, remember_me()).await;
    let next = sessions.login(Login::new(user("alice"), String::new()).replacing(first.id())).await.unwrap();
    obeys(&faults.meta(next.key()).await, Policy::NIST_AAL2, Duration::ZERO, "login");
}
