//! Keys by a pepper are computed as documented, and a pepper is introduced and changed while sessions live.

use session_store_core::sessions::{Builder, Login, Pepper};
use session_store_core::{Session, SessionId, SessionKey, Sessions};

use crate::fault_store::{FaultStore, login, user};

/// HMAC-SHA-256 of a domain string and the ID, by another implementation (`hmac` of Python). Stores hold these, so
/// that a release that computes another one logs everybody out.
const KNOWN: [(u8, &str, &str); 4] = [
    (
        0,
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "k1_58ac670a7ea6fb9b39a8ad0e9a55520b3ba86211fe8488270d93c9d9a3c0ba53",
    ),
    (0, "0123456789abcdefghijkl", "k1_7c2a35ee5b6814be01ef3125e033d3bbf961011ea6d9718a6e9ed7cc64224f4b"),
    (0, "s%3AtlFmNiYlOWVhNWJlNDA0.sig+x/=~!", "k1_0f03387c8bfcaedd601d9f7e0820b80b82b617dcba561d3876148ba2bb819836"),
    (1, "0123456789abcdefghijkl", "k1_f951df1d651a3538e3e0540c4cecb7013a2599168be3d9666c65f082cecd93e5"),
];

/// Bytes 0 to 31, or 32 times 255.
fn known_pepper(n: u8) -> Pepper {
    Pepper::from_bytes(&if n == 0 { std::array::from_fn(|n| u8::try_from(n).unwrap()) } else { [0xFF; 32] })
}

fn pepper(n: u8) -> Pepper {
    Pepper::from_bytes(&[n; 32])
}

fn node(faults: &FaultStore, set: impl FnOnce(Builder<String>) -> Builder<String>) -> Sessions<String> {
    set(faults.builder()).build().unwrap()
}

/// That the session is there for each of these nodes, by every method.
async fn lives_on(nodes: &[&Sessions<String>], session: &Session<String>) {
    for node in nodes {
        let mut loaded = node.load(session.id()).await.unwrap().unwrap();
        assert!(loaded.key() == session.key());
        assert!(node.save(&mut loaded).await.unwrap());
        assert!(node.update(session.id(), |data| data.push('.')).await.unwrap().is_some());
    }
}

/// What is planted under the key of the documentation is found by the ID, and nothing else is.
#[tokio::test]
async fn the_key_of_an_id_is_known() {
    for (n, id, key) in KNOWN {
        let (faults, id): (_, SessionId) = (FaultStore::new(), id.parse().unwrap());
        let created = faults.sessions::<String>().create("data".to_owned()).await.unwrap();
        let record = faults.record(created.key()).await.unwrap();
        faults.memory.plant(key.parse().unwrap(), record.meta, record.data);
        let peppered = node(&faults, |it| it.pepper(known_pepper(n)));
        assert_eq!(peppered.load(&id).await.unwrap().unwrap().key().to_text(), key);
        assert!(node(&faults, |it| it.pepper(pepper(9))).load(&id).await.unwrap().is_none());
        assert!(node(&faults, |it| it).load(&id).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn each_pepper_has_keys_of_its_own() {
    let faults = FaultStore::new();
    let nodes =
        [node(&faults, |it| it), node(&faults, |it| it.pepper(pepper(1))), node(&faults, |it| it.pepper(pepper(2)))];
    for (n, one) in nodes.iter().enumerate() {
        let session = one.create(String::new()).await.unwrap();
        assert_eq!(*session.key() == SessionKey::from(session.id()), n == 0);
        for (m, other) in nodes.iter().enumerate() {
            assert_eq!(other.load(session.id()).await.unwrap().is_some(), n == m);
            assert_eq!(other.update(session.id(), |_| ()).await.unwrap().is_some(), n == m);
            assert!(n == m || !other.destroy(session.id()).await.unwrap());
        }
    }
}

#[tokio::test]
async fn a_pepper_is_introduced() {
    let faults = FaultStore::new();
    let before = node(&faults, |it| it.accept_pepper(pepper(1)));
    let after = node(&faults, |it| it.pepper(pepper(1)).accept_unpeppered());
    let old = before.create(String::new()).await.unwrap();
    let new = after.create(String::new()).await.unwrap();
    assert!(*old.key() == SessionKey::from(old.id()) && *new.key() != SessionKey::from(new.id()));
    for session in [&old, &new] {
        lives_on(&[&before, &after], session).await;
    }
    let last = node(&faults, |it| it.pepper(pepper(1)));
    assert!(last.load(old.id()).await.unwrap().is_none());
    assert!(last.load(new.id()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_pepper_is_changed() {
    let faults = FaultStore::new();
    let steps = [
        node(&faults, |it| it.pepper(pepper(1))),
        node(&faults, |it| it.pepper(pepper(1)).accept_pepper(pepper(2))),
        node(&faults, |it| it.pepper(pepper(2)).accept_pepper(pepper(1))),
        node(&faults, |it| it.pepper(pepper(2))),
    ];
    let [first, second, third, last] = &steps;
    let old = first.create(String::new()).await.unwrap();
    lives_on(&[first, second, third], &old).await;
    let from_second = second.create(String::new()).await.unwrap();
    lives_on(&[first, second, third], &from_second).await;
    let new = third.create(String::new()).await.unwrap();
    lives_on(&[second, third, last], &new).await;
    for session in [&old, &from_second] {
        assert!(last.load(session.id()).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_new_id_is_by_the_new_pepper() {
    let faults = FaultStore::new();
    let mut session = login(&node(&faults, |it| it.pepper(pepper(1))), "alice", String::new()).await;
    let third = node(&faults, |it| it.pepper(pepper(2)).accept_pepper(pepper(1)));
    assert!(third.rotate(&mut session).await.unwrap());
    assert!(node(&faults, |it| it.pepper(pepper(2))).load(session.id()).await.unwrap().is_some());
}

#[tokio::test]
async fn logouts_find_a_session_under_an_old_pepper() {
    let faults = FaultStore::new();
    let old = node(&faults, |it| it.pepper(pepper(1)));
    let new = node(&faults, |it| it.pepper(pepper(2)).accept_pepper(pepper(1)).accept_unpeppered());
    let destroyed = old.create(String::new()).await.unwrap();
    assert!(new.destroy(destroyed.id()).await.unwrap());
    assert!(!new.destroy(destroyed.id()).await.unwrap());
    let replaced = old.create(String::new()).await.unwrap();
    new.login(Login::new(user("alice"), String::new()).replacing(replaced.id())).await.unwrap();
    for session in [&destroyed, &replaced] {
        assert!(old.load(session.id()).await.unwrap().is_none());
    }
    let listed = login(&old, "bob", String::new()).await;
    assert!(new.end(&user("bob"), listed.key()).await.unwrap());
    assert_eq!(faults.live().await, 1);
}

#[tokio::test]
async fn a_session_under_the_new_pepper_costs_one_read() {
    let faults = FaultStore::new();
    let new = node(&faults, |it| it.pepper(pepper(2)).accept_pepper(pepper(1)).accept_unpeppered());
    let sessions = [
        (new.create(String::new()).await.unwrap(), 1),
        (node(&faults, |it| it.pepper(pepper(1))).create(String::new()).await.unwrap(), 2),
        (node(&faults, |it| it).create(String::new()).await.unwrap(), 3),
    ];
    for (session, reads) in sessions {
        faults.calls();
        assert!(new.load(session.id()).await.unwrap().is_some());
        assert_eq!(faults.calls(), vec!["get"; reads]);
    }
}
