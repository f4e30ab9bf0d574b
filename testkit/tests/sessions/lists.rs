//! A user's sessions, seen from two nodes.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use session_store_core::sessions::Login;
use session_store_core::{ErrorKind, Page, SessionKey, Sessions};

use crate::namespace_fixture::{NamespaceFixture, new_user};

pub(crate) async fn end_only_ones_own(fixture: Arc<NamespaceFixture>) {
    let [first, second] = fixture.two::<u64>(|builder| builder).await;
    let (alice, bob) = (new_user(), new_user());
    let session = first.login(Login::new(alice.clone(), 1)).await.unwrap();
    let visitor = first.create(2).await.unwrap();
    assert!(!second.end(&bob, session.key()).await.unwrap());
    assert!(!second.end(&alice, visitor.key()).await.unwrap(), "it is nobody's");
    assert!(first.load(session.id()).await.unwrap().is_some());
    assert!(first.load(visitor.id()).await.unwrap().is_some());
    assert!(second.end(&alice, session.key()).await.unwrap());
    assert!(first.load(session.id()).await.unwrap().is_none());
    assert!(!first.end(&alice, session.key()).await.unwrap());
}

#[derive(Debug, Deserialize, Serialize)]
struct Shop {
    basket: Vec<String>,
}

/// The next release forgot that `basket` was a list.
#[derive(Debug, Deserialize, Serialize)]
struct LaterShop {
    basket: u64,
}

pub(crate) async fn show_misfits(fixture: Arc<NamespaceFixture>) {
    let former = Sessions::new(fixture.node().await);
    let sessions = Sessions::<LaterShop>::new(fixture.node().await);
    let user = new_user();
    let misfit = former.login(Login::new(user.clone(), Shop { basket: vec!["lamp".into()] })).await.unwrap();
    let fit = sessions.login(Login::new(user.clone(), LaterShop { basket: 3 })).await.unwrap();

    let all = Page::first(100).unwrap();
    let listed = sessions.list(&user, &all).await.unwrap().sessions;
    assert_eq!(listed.len(), 2);
    for listed in listed {
        match listed.data {
            Ok(LaterShop { basket }) => assert_eq!((basket, listed.key), (3, *fit.key())),
            Err(error) => {
                assert_eq!((error.kind(), listed.key), (ErrorKind::Corrupt, *misfit.key()));
                assert_eq!(error.key(), Some(misfit.key()));
            }
        }
    }
    assert_eq!(sessions.load(misfit.id()).await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert!(sessions.end(&user, misfit.key()).await.unwrap());
    assert_eq!(sessions.list(&user, &all).await.unwrap().sessions.len(), 1);
    assert!(former.load(misfit.id()).await.unwrap().is_none());
}

pub(crate) async fn end_others(fixture: Arc<NamespaceFixture>) {
    let nodes = fixture.two::<u64>(|builder| builder).await;
    let (alice, bob) = (new_user(), new_user());
    let others = nodes[0].login(Login::new(bob, 0)).await.unwrap();
    let mut alices = Vec::new();
    for n in 0..7 {
        alices.push(nodes[n % 2].login(Login::new(alice.clone(), 0)).await.unwrap());
    }
    let mut mine = alices.pop().unwrap();
    assert_eq!(nodes[1].destroy_others(&mine).await.unwrap(), 6);
    for session in &mut alices {
        assert!(nodes[0].load(session.id()).await.unwrap().is_none());
        assert!(!nodes[0].save(session).await.unwrap(), "it was held all the while");
    }
    assert!(nodes[0].save(&mut mine).await.unwrap());
    let page = Page::first(3).unwrap();
    let keys = nodes[0].list(&alice, &page).await.unwrap().sessions.into_iter().map(|listed| listed.key);
    assert_eq!(keys.collect::<BTreeSet<SessionKey>>(), BTreeSet::from([*mine.key()]));
    assert_eq!(nodes[0].destroy_all(&alice).await.unwrap(), 1);
    assert!(nodes[1].load(mine.id()).await.unwrap().is_none());
    assert!(nodes[1].load(others.id()).await.unwrap().is_some());
}
