//! `Sessions` refuse settings that nothing could work with, and keep to the others.

use std::time::Duration;

use session_store_core::codec::Codec;
use session_store_core::sessions::{Builder, MaxPerUser};
use session_store_core::{ErrorKind, MAX_TIMEOUT, MIN_TIMEOUT, Policy};

use crate::fault_store::{FaultStore, HOUR, MINUTE, MS};

type Set = fn(Builder<String>) -> Builder<String>;

#[test]
fn what_is_out_of_bounds_is_refused_by_name() {
    let refused: [(&str, Set); 12] = [
        ("idle_timeout", |it| it.idle_timeout(Duration::ZERO)),
        ("idle_timeout", |it| it.idle_timeout(Duration::from_micros(999))),
        ("idle_timeout", |it| it.idle_timeout(MAX_TIMEOUT + MS)),
        ("idle_timeout", |it| it.idle_timeout(Duration::MAX)),
        ("absolute_timeout", |it| it.absolute_timeout(Duration::ZERO)),
        ("absolute_timeout", |it| it.absolute_timeout(Duration::MAX)),
        ("touch_after", |it| it.touch_after(30 * MINUTE + MS)),
        ("touch_after", |it| it.touch_after(Duration::MAX)),
        ("touch_after", |it| it.touch_after(20 * MINUTE).idle_timeout(39 * MINUTE)),
        ("max_per_user", |it| it.max_per_user(MaxPerUser::EndOldest(0))),
        ("max_per_user", |it| it.max_per_user(MaxPerUser::Refuse(0))),
        ("update_attempts", |it| it.update_attempts(0)),
    ];
    for (name, set) in refused {
        let error = set(FaultStore::new().builder()).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().starts_with(name), "{name}: {error}");
        assert!(error.to_string().contains("set "), "it says what to do: {error}");
    }
}

#[test]
fn the_bounds_themselves_are_taken() {
    let taken: [Set; 9] = [
        |it| it,
        |it| it.idle_timeout(MIN_TIMEOUT).absolute_timeout(MIN_TIMEOUT),
        |it| it.idle_timeout(MAX_TIMEOUT).absolute_timeout(MAX_TIMEOUT),
        |it| it.idle_timeout(MAX_TIMEOUT).absolute_timeout(MIN_TIMEOUT),
        |it| it.touch_after(Duration::ZERO),
        |it| it.touch_after(30 * MINUTE),
        |it| it.touch_after(20 * MINUTE).idle_timeout(40 * MINUTE),
        |it| it.max_per_user(MaxPerUser::EndOldest(u32::MAX)).update_attempts(u32::MAX),
        |it| it.max_per_user(MaxPerUser::Refuse(1)).update_attempts(1).data_limit(usize::MAX),
    ];
    for set in taken {
        assert!(set(FaultStore::new().builder()).build().is_ok());
    }
}

#[tokio::test]
async fn unset_they_are_the_defaults() {
    let faults = FaultStore::new();
    for sessions in [faults.behind::<String>(), faults.sessions()] {
        let session = sessions.create(String::new()).await.unwrap();
        assert_eq!(session.policy(), Policy::NIST_AAL2);
    }
}

#[tokio::test]
async fn both_timeouts_are_those_of_the_last_setting() {
    let sessions =
        FaultStore::new().builder::<()>().policy(Policy::NIST_AAL3).absolute_timeout(2 * HOUR).build().unwrap();
    let policy = sessions.create(()).await.unwrap().policy();
    assert_eq!((policy.idle(), policy.absolute()), (15 * MINUTE, 2 * HOUR));
}

/// The bytes that are sent, encoded as they are.
#[tokio::test]
async fn the_data_limit_is_met_exactly() {
    let faults = FaultStore::new();
    let codec = Codec::new();
    #[cfg(feature = "compression")]
    let codec = codec.with_compression_over(usize::MAX);
    let sessions = faults.builder::<String>().data_limit(1_000).codec(codec).build().unwrap();
    // Two bytes of head, four of checksum, three of MessagePack.
    let (most, more) = ("x".repeat(991), "x".repeat(992));
    let mut session = sessions.create(most.clone()).await.unwrap();
    assert_eq!(faults.record(session.key()).await.unwrap().data.len(), 1_000);
    faults.calls();
    session.data.clone_from(&more);
    let errors = [
        sessions.create(more.clone()).await.unwrap_err(),
        sessions.save(&mut session).await.unwrap_err(),
        sessions.rotate(&mut session).await.unwrap_err(),
    ];
    assert!(faults.calls().is_empty(), "nothing was sent");
    let updated = sessions.update(session.id(), |data| data.push('x')).await.unwrap_err();
    for error in errors.into_iter().chain([updated]) {
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert!(error.to_string().contains("1001 bytes and the limit is 1000"), "{error}");
    }
    assert_eq!(sessions.load(session.id()).await.unwrap().unwrap().data, most);
}

#[tokio::test]
async fn the_data_limit_is_1_mib_unless_set() {
    let sessions = FaultStore::new().sessions::<Vec<u64>>();
    let random = |count: usize| -> Vec<u64> {
        let next = |n: &u64| Some(n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
        std::iter::successors(Some(1), next).take(count).collect()
    };
    assert!(sessions.create(random(100_000)).await.is_ok());
    assert_eq!(sessions.create(random(200_000)).await.unwrap_err().kind(), ErrorKind::TooLarge);
}

/// As where one has a key of another type.
#[tokio::test]
async fn data_that_cannot_be_encoded_are_refused() {
    #[derive(serde::Deserialize)]
    struct Failing;
    impl serde::Serialize for Failing {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("as asked"))
        }
    }
    let faults = FaultStore::new();
    let sessions = faults.sessions::<Failing>();
    assert_eq!(sessions.create(Failing).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(faults.calls().is_empty());
}
