//! The type of the data changes from release to release: fields come, go, and get other names.

use serde::{Deserialize, Serialize};
use session_store_core::{ErrorKind, Page};

use crate::fault_store::{FaultStore, login, user};

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Older {
    name: String,
    theme: String,
    visits: u32,
}

/// `theme` has gone, `visits` is `pages`, and `roles` have come.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Newer {
    name: String,
    #[serde(alias = "visits")]
    pages: u32,
    #[serde(default)]
    roles: Vec<String>,
}

/// It asks for what older data do not have.
#[derive(Debug, Deserialize, Serialize)]
struct Demanding {
    name: String,
    country: String,
}

fn older() -> Older {
    Older { name: "Ada".into(), theme: "dark".into(), visits: 3 }
}

#[tokio::test]
async fn fields_that_came_went_or_were_renamed_load() {
    let faults = FaultStore::new();
    let session = login(&faults.sessions(), "alice", older()).await;
    let newer = faults.sessions::<Newer>();
    let expected = || Newer { name: "Ada".into(), pages: 3, roles: vec![] };
    let mut loaded = newer.load(session.id()).await.unwrap().unwrap();
    assert_eq!(loaded.data, expected());
    let listed = newer.list(&user("alice"), &Page::first(9).unwrap()).await.unwrap().sessions;
    assert_eq!(listed.into_iter().map(|one| one.data.unwrap()).collect::<Vec<_>>(), [expected()]);
    newer.update(session.id(), |data| data.pages += 1).await.unwrap().unwrap();
    assert_eq!(newer.load(session.id()).await.unwrap().unwrap().data.pages, 4);
    assert_eq!(newer.save(&mut loaded).await.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn what_no_longer_decodes_is_corrupt_and_can_be_ended() {
    let faults = FaultStore::new();
    let session = login(&faults.sessions(), "alice", older()).await;
    let demanding = faults.sessions::<Demanding>();
    let fitting = login(&demanding, "alice", Demanding { name: "Ada".into(), country: "UK".into() }).await;
    for error in [
        demanding.load(session.id()).await.unwrap_err(),
        demanding.update(session.id(), |_| unreachable!()).await.map(|_: Option<()>| ()).unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some(session.key())));
    }
    let listed = demanding.list(&user("alice"), &Page::first(9).unwrap()).await.unwrap().sessions;
    let corrupt: Vec<_> = listed.iter().filter_map(|one| one.data.as_ref().err()?.key()).collect();
    assert!(listed.len() == 2 && corrupt == [session.key()]);
    assert_eq!(faults.sessions::<Older>().load(session.id()).await.unwrap().unwrap().data, older(), "nothing is lost");
    assert!(demanding.destroy(session.id()).await.unwrap());
    assert!(demanding.load(session.id()).await.unwrap().is_none());
    assert!(demanding.load(fitting.id()).await.unwrap().is_some());
}
