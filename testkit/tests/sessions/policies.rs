//! The policy of a login, which is not that of the configuration.

use std::sync::Arc;
use std::time::Duration;

use session_store_core::sessions::Login;
use session_store_core::{Meta, Policy, Session, Sessions};
use tokio::time::sleep;

use crate::namespace_fixture::{NamespaceFixture, new_user};

const DAY: Duration = Duration::from_hours(24);

async fn remembered(sessions: &Sessions<u64>) -> (Session<u64>, Policy) {
    let policy = Policy::new(14 * DAY, 90 * DAY).unwrap();
    (sessions.login(Login::new(new_user(), 7).policy(policy)).await.unwrap(), policy)
}

async fn meta(sessions: &Sessions<u64>, session: &Session<u64>) -> Meta {
    sessions.store().get(session.key()).await.unwrap().unwrap().meta
}

fn obeys(meta: &Meta, policy: Policy) {
    assert_eq!(meta.expires_at.saturating_since(meta.last_seen_at), policy.idle());
    assert_eq!(meta.deadline.saturating_since(meta.created_at), policy.absolute());
}

pub(crate) async fn a_touch_obeys(fixture: Arc<NamespaceFixture>) {
    let [first, second] = fixture.two(|builder| builder.touch_after(Duration::from_millis(20))).await;
    let (session, policy) = remembered(&first).await;
    let before = meta(&first, &session).await;
    obeys(&before, policy);
    sleep(Duration::from_millis(300)).await;
    let loaded = second.load(session.id()).await.unwrap().unwrap();
    assert_eq!(loaded.policy(), policy);
    let after = meta(&first, &session).await;
    obeys(&after, policy);
    assert!(after.last_seen_at > before.last_seen_at);
    assert_eq!((after.version, after.deadline), (before.version, before.deadline));
}

/// On a node that would give it another one.
pub(crate) async fn writes_obey(fixture: Arc<NamespaceFixture>) {
    let [first, second] = fixture.two(|builder| builder).await;
    let (session, policy) = remembered(&first).await;
    let mut loaded = second.load(session.id()).await.unwrap().unwrap();
    assert!(second.save(&mut loaded).await.unwrap());
    obeys(&meta(&first, &loaded).await, policy);
    assert!(second.update(session.id(), |data| *data += 1).await.unwrap().is_some());
    obeys(&meta(&first, &loaded).await, policy);
    let mut loaded = second.load(session.id()).await.unwrap().unwrap();
    assert!(second.rotate(&mut loaded).await.unwrap());
    obeys(&meta(&first, &loaded).await, policy);
    assert!(first.load(session.id()).await.unwrap().is_none());
    let loaded = first.load(loaded.id()).await.unwrap().unwrap();
    assert_eq!((loaded.policy(), loaded.data), (policy, 8));
}
