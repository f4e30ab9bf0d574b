//! Peppers, while requests go on.

use std::collections::BTreeSet;
use std::sync::Arc;

use session_store_core::sessions::Pepper;
use session_store_core::{SessionId, SessionKey, Sessions};

use crate::namespace_fixture::NamespaceFixture;
use crate::rollout::{Data, Rollout};

async fn keys(rollout: &Rollout, ids: &[SessionId], sessions: &Sessions<Data>) -> Vec<SessionKey> {
    let mut keys = Vec::new();
    for id in ids {
        keys.push(*sessions.load(id).await.unwrap().unwrap().key());
    }
    let kept: BTreeSet<_> = rollout.kept().await.into_iter().map(|(key, _)| key).collect();
    assert!(keys.iter().all(|key| kept.contains(key)));
    keys
}

/// From no pepper to one, and on to another.
pub(crate) async fn changes(fixture: Arc<NamespaceFixture>) {
    let [first, second] = [(); 2].map(|()| Pepper::generate().unwrap());
    let rollout = Rollout::begin(&fixture, |builder| builder).await;
    let ids = rollout.ids();
    let reader = Sessions::<Data>::builder(fixture.node().await).accept_pepper(first.clone()).build().unwrap();
    let before = keys(&rollout, &ids, &reader).await;
    assert_eq!(before, ids.iter().map(SessionKey::from).collect::<Vec<_>>());

    rollout.deploy(|builder| builder.accept_pepper(first.clone())).await;
    rollout.deploy(|builder| builder.pepper(first.clone()).accept_unpeppered()).await;
    assert_eq!(keys(&rollout, &ids, &reader).await, before, "sessions keep their keys");
    rollout.deploy(|builder| builder.pepper(first.clone()).accept_unpeppered().accept_pepper(second.clone())).await;
    rollout.deploy(|builder| builder.pepper(second.clone()).accept_pepper(first.clone()).accept_unpeppered()).await;
    assert_eq!(keys(&rollout, &ids, &reader).await, before, "sessions keep their keys");

    let nodes = rollout.end().await;
    // A new ID is what gives a session a key by the pepper.
    let last = nodes.each_ref().map(|node| Sessions::<Data>::builder(Arc::clone(node.store())).pepper(second.clone()));
    let last = last.map(|builder| builder.build().unwrap());
    for (n, id) in ids.iter().enumerate() {
        assert!(last[n % 2].load(id).await.unwrap().is_none(), "its key is not by this pepper");
        let mut session = nodes[n % 2].load(id).await.unwrap().unwrap();
        assert!(nodes[n % 2].rotate(&mut session).await.unwrap());
        assert_eq!(last[1 - n % 2].load(session.id()).await.unwrap().unwrap().key(), session.key());
        assert_ne!(*session.key(), SessionKey::from(session.id()));
    }
}
