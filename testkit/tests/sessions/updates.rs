//! Changes at once.

use std::sync::Arc;

use futures_util::future::join_all;

use crate::namespace_fixture::NamespaceFixture;

const TASKS: usize = 8;
const EACH: u64 = 200;

/// Each update gives the count that it has made, so that one made twice would show as well.
pub(crate) async fn lose_nothing(fixture: Arc<NamespaceFixture>) {
    let nodes = fixture.two::<u64>(|builder| builder).await;
    let id = nodes[0].create(0).await.unwrap().id().clone();
    let tasks = (0..TASKS).map(|task| {
        let (sessions, id) = (nodes[task % 2].clone(), id.clone());
        tokio::spawn(async move {
            let mut counts = Vec::new();
            for _ in 0..EACH {
                let count = sessions.update(&id, |count| {
                    *count += 1;
                    *count
                });
                counts.push(count.await.unwrap().unwrap());
            }
            counts
        })
    });
    let mut counts: Vec<_> = join_all(tasks).await.into_iter().flat_map(Result::unwrap).collect();
    counts.sort_unstable();
    let all = TASKS as u64 * EACH;
    assert_eq!(counts, (1..=all).collect::<Vec<_>>());
    for sessions in &nodes {
        assert_eq!(sessions.load(&id).await.unwrap().unwrap().data, all);
    }
}

/// To the others the session is gone, and so is its old ID to everybody.
pub(crate) async fn one_rotation_succeeds(fixture: Arc<NamespaceFixture>) {
    let nodes = fixture.two::<u64>(|builder| builder).await;
    for round in 0..20 {
        let id = nodes[0].create(round).await.unwrap().id().clone();
        let held = join_all((0..TASKS).map(|task| nodes[task % 2].load(&id))).await;
        let held = held.into_iter().map(|session| session.unwrap().unwrap()).enumerate();
        let rotations = held.map(|(task, mut session)| {
            let sessions = nodes[task % 2].clone();
            tokio::spawn(async move { sessions.rotate(&mut session).await.unwrap().then_some(session) })
        });
        let rotated: Vec<_> = join_all(rotations).await.into_iter().filter_map(Result::unwrap).collect();
        assert_eq!(rotated.len(), 1);
        for sessions in &nodes {
            assert!(sessions.load(&id).await.unwrap().is_none());
            assert_eq!(sessions.load(rotated[0].id()).await.unwrap().unwrap().data, round);
        }
    }
}
