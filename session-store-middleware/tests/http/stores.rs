//! What the middlewares' own tests ask of a store, and what no request shows.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use poem::session::SessionStorage as _;
use serde_json::{Value, json};
use session_store_core::codec::Codec;
use session_store_core::{Page, Policy, SessionKey, SessionStore, SetMode, UserId, Write};
use session_store_memory::MemoryStore;
use session_store_middleware::Adapter;
use tokio::time::sleep;

/// The name of the note among the data that a middleware gets.
const NOTE: &str = "session-store.loaded";
const HOUR: Duration = Duration::from_hours(1);

fn adapter() -> Adapter {
    Adapter::new(Arc::new(MemoryStore::new())).user_at("/user")
}

async fn count(adapter: &Adapter) -> u64 {
    adapter.store().count().await.unwrap()
}

async fn listed(adapter: &Adapter, user: &str) -> usize {
    adapter.list(&UserId::new(user).unwrap(), &Page::first(10).unwrap()).await.unwrap().sessions.len()
}

/// How long the only session of this user has, by the store's clock.
async fn left(adapter: &Adapter, user: &str) -> Duration {
    let listing = adapter.list(&UserId::new(user).unwrap(), &Page::first(10).unwrap()).await.unwrap();
    let [session] = listing.sessions.try_into().unwrap();
    session.meta.expires_at.saturating_since(session.read_at)
}

/// Puts data there that no adapter has written.
async fn corrupt(adapter: &Adapter, id: &str) {
    let write = Write::new("random-thing", HOUR, HOUR).unwrap();
    adapter.store().set(&adapter.key(id).unwrap(), &write, SetMode::Upsert).await.unwrap();
}

macro_rules! of_tower_sessions {
    ($module:ident, $tower_sessions:ident, $method:ident) => {
        mod $module {
            use $tower_sessions::cookie::time::{Duration, OffsetDateTime};
            use $tower_sessions::session::{Id, Record};
            use $tower_sessions::session_store::Error;
            use $tower_sessions::{ExpiredDeletion as _, SessionStore as _};

            use super::{NOTE, adapter, corrupt, count, json, left, listed};

            fn record(minutes: i64) -> Record {
                let data = [("user".to_owned(), json!("ann")), ("list".to_owned(), json!([1, { "a": null }]))];
                let expiry_date = OffsetDateTime::now_utc() + Duration::minutes(minutes);
                Record { id: Id(1), data: data.into(), expiry_date }
            }

            #[tokio::test]
            async fn a_record_is_created_loaded_saved_and_deleted() {
                let adapter = adapter();
                let store = adapter.$method();
                let mut record = record(30);
                store.create(&mut record).await.unwrap();
                assert_ne!(record.id, Id(1), "the ID is not new");
                let mut loaded = store.load(&record.id).await.unwrap().unwrap();
                assert!((loaded.expiry_date - record.expiry_date).abs() < Duration::seconds(1));
                assert!(loaded.data.remove(NOTE).is_some());
                assert!(record.data.remove(NOTE).is_some());
                assert_eq!((loaded.id, &loaded.data), (record.id, &record.data));
                record.data.insert("more".to_owned(), json!(0.1));
                store.save(&record).await.unwrap();
                let mut loaded = store.load(&record.id).await.unwrap().unwrap();
                loaded.data.remove(NOTE);
                assert_eq!(loaded.data, record.data);
                store.delete(&record.id).await.unwrap();
                assert!(store.load(&record.id).await.unwrap().is_none());
                store.delete(&record.id).await.unwrap();
                store.delete_expired().await.unwrap();
                assert!(matches!(store.save(&record).await, Err(Error::Backend(_))), "it is back");
                assert_eq!(count(&adapter).await, 0);
            }

            #[tokio::test]
            async fn what_a_request_saves_twice_is_as_the_second_time() {
                let adapter = adapter();
                let store = adapter.$method();
                let mut created = record(30);
                store.create(&mut created).await.unwrap();
                let mut loaded = store.load(&created.id).await.unwrap().unwrap();
                loaded.data.insert("sudo".to_owned(), json!(true));
                store.save(&loaded).await.unwrap();
                loaded.data.remove("sudo");
                store.save(&loaded).await.unwrap();
                assert!(!store.load(&created.id).await.unwrap().unwrap().data.contains_key("sudo"));
            }

            #[tokio::test]
            async fn an_earlier_expiry_undoes_no_change_of_another() {
                let adapter = adapter();
                let store = adapter.$method();
                let mut created = record(30);
                store.create(&mut created).await.unwrap();
                let mut one = store.load(&created.id).await.unwrap().unwrap();
                let mut other = one.clone();
                other.data.insert("cart".to_owned(), json!(["mug"]));
                tokio::spawn({
                    let store = store.clone();
                    async move { store.save(&other).await.unwrap() }
                })
                .await
                .unwrap();
                one.expiry_date -= Duration::minutes(20);
                store.save(&one).await.unwrap();
                assert_eq!(store.load(&created.id).await.unwrap().unwrap().data["cart"], json!(["mug"]));
                assert!(left(&adapter, "ann").await.as_secs() <= 600);
            }

            #[tokio::test]
            async fn of_two_that_give_one_session_a_new_id_one_does() {
                let adapter = adapter();
                let store = adapter.$method();
                let mut created = record(30);
                store.create(&mut created).await.unwrap();
                let barrier = std::sync::Arc::new(tokio::sync::Barrier::new(2));
                let cycle = || {
                    let (store, barrier, id) = (store.clone(), barrier.clone(), created.id);
                    tokio::spawn(async move {
                        let mut record = store.load(&id).await.unwrap().unwrap();
                        barrier.wait().await;
                        store.delete(&id).await.unwrap();
                        barrier.wait().await;
                        store.create(&mut record).await
                    })
                };
                let (one, other) = (cycle(), cycle());
                let created = [one.await.unwrap().is_ok(), other.await.unwrap().is_ok()];
                assert_eq!(created.iter().filter(|is_created| **is_created).count(), 1);
                assert_eq!((listed(&adapter, "ann").await, count(&adapter).await), (1, 1));
            }

            #[tokio::test]
            async fn a_session_with_two_new_ids_that_ends_between_them_is_gone() {
                let adapter = adapter();
                let store = adapter.$method();
                let mut record = record(30);
                store.create(&mut record).await.unwrap();
                let mut record = store.load(&record.id).await.unwrap().unwrap();
                store.delete(&record.id).await.unwrap();
                store.create(&mut record).await.unwrap();
                adapter.store().clear().await.unwrap();
                store.delete(&record.id).await.unwrap();
                assert!(store.create(&mut record).await.is_err());
                assert_eq!(count(&adapter).await, 0);
            }

            #[tokio::test]
            async fn records_that_are_created_have_ids_of_their_own() {
                let store = adapter().$method();
                let (mut one, mut other) = (record(30), record(30));
                store.create(&mut one).await.unwrap();
                other.id = one.id;
                store.create(&mut other).await.unwrap();
                assert_ne!(one.id, other.id);
                assert!(store.load(&one.id).await.unwrap().is_some());
            }

            #[tokio::test]
            async fn a_record_whose_time_is_over_is_not_there() {
                let adapter = adapter();
                let store = adapter.$method();
                let mut record = record(0);
                store.create(&mut record).await.unwrap();
                assert_eq!(count(&adapter).await, 0);
                record.expiry_date += Duration::minutes(1);
                store.create(&mut record).await.unwrap();
                record.expiry_date -= Duration::minutes(2);
                store.save(&record).await.unwrap();
                assert_eq!(count(&adapter).await, 0);
            }

            #[tokio::test]
            async fn an_expiry_comes_earlier_and_later() {
                let adapter = adapter();
                let store = adapter.$method();
                let mut record = record(30);
                store.create(&mut record).await.unwrap();
                for minutes in [10, 60] {
                    let mut record = store.load(&record.id).await.unwrap().unwrap();
                    record.expiry_date = OffsetDateTime::now_utc() + Duration::minutes(minutes);
                    store.save(&record).await.unwrap();
                    let wanted = std::time::Duration::from_mins(minutes.unsigned_abs());
                    assert!(wanted.abs_diff(left(&adapter, "ann").await).as_secs() < 2, "{minutes}");
                }
            }

            #[tokio::test]
            async fn a_user_that_is_none_is_an_error_and_loses_nothing() {
                let adapter = adapter();
                let store = adapter.$method();
                let mut record = record(30);
                store.create(&mut record).await.unwrap();
                for user in ["", &"a".repeat(257)] {
                    record.data.insert("user".to_owned(), json!(user));
                    assert!(matches!(store.save(&record).await, Err(Error::Encode(_))));
                }
                assert_eq!(listed(&adapter, "ann").await, 1);
                record.data.insert("user".to_owned(), json!(7));
                store.save(&record).await.unwrap();
                assert_eq!((listed(&adapter, "ann").await, listed(&adapter, "7").await), (0, 1));
                record.data.remove("user");
                store.save(&record).await.unwrap();
                assert_eq!((listed(&adapter, "7").await, count(&adapter).await), (0, 1));
            }

            #[tokio::test]
            async fn what_cannot_be_read_is_an_error() {
                let adapter = adapter();
                let store = adapter.$method();
                let mut record = record(30);
                store.create(&mut record).await.unwrap();
                corrupt(&adapter, &record.id.to_string()).await;
                assert!(matches!(store.load(&record.id).await, Err(Error::Decode(_))));
            }
        }
    };
}

of_tower_sessions!(of_tower_sessions, tower_sessions, tower_sessions);
of_tower_sessions!(of_tower_sessions_014, tower_sessions_014, tower_sessions_014);

macro_rules! of_async_session {
    ($module:ident, $core:ident, $method:ident) => {
        mod $module {
            use std::time::Duration;

            use session_store_middleware::{Adapter, WhenGone};
            use $core::{Session, SessionStore as _};

            use super::{adapter, count, listed, sleep};

            #[tokio::test]
            async fn a_session_without_expiry_is_stored_and_updated() {
                let adapter = adapter();
                let store = adapter.$method();
                let mut session = Session::new();
                session.insert("key", "Hello").unwrap();
                let id = session.id().to_owned();
                let cookie = store.store_session(session).await.unwrap().unwrap();
                let mut loaded = store.load_session(cookie.clone()).await.unwrap().unwrap();
                assert_eq!((loaded.id(), loaded.get::<String>("key").as_deref()), (&*id, Some("Hello")));
                assert!(loaded.expiry().is_none() && !loaded.data_changed());
                loaded.insert("key", "other value").unwrap();
                assert_eq!(store.store_session(loaded).await.unwrap(), None);
                let loaded = store.load_session(cookie).await.unwrap().unwrap();
                assert_eq!(loaded.get::<String>("key").as_deref(), Some("other value"));
                assert!(loaded.validate().is_some());
            }

            #[tokio::test]
            async fn an_expiry_is_kept_moved_and_heeded() {
                let store = adapter().$method();
                let mut session = Session::new();
                session.expire_in(Duration::from_secs(1));
                let cookie = store.store_session(session).await.unwrap().unwrap();
                let mut session = store.load_session(cookie.clone()).await.unwrap().unwrap();
                assert!(session.expires_in().unwrap().abs_diff(Duration::from_secs(1)).as_millis() < 500);
                session.expire_in(Duration::from_secs(3));
                assert_eq!(store.store_session(session).await.unwrap(), None);
                sleep(Duration::from_millis(1_500)).await;
                let mut session = store.load_session(cookie.clone()).await.unwrap().unwrap();
                assert!(session.expires_in().unwrap().abs_diff(Duration::from_millis(1_500)).as_millis() < 500);
                session.expire_in(Duration::from_millis(100));
                assert_eq!(store.store_session(session).await.unwrap(), None);
                sleep(Duration::from_millis(200)).await;
                assert!(store.load_session(cookie).await.unwrap().is_none());
            }

            #[tokio::test]
            async fn one_session_is_destroyed_or_all() {
                let adapter = adapter();
                let store = adapter.$method();
                for _ in 0..3 {
                    store.store_session(Session::new()).await.unwrap();
                }
                let cookie = store.store_session(Session::new()).await.unwrap().unwrap();
                let session = store.load_session(cookie.clone()).await.unwrap().unwrap();
                store.destroy_session(session.clone()).await.unwrap();
                assert!(store.load_session(cookie).await.unwrap().is_none());
                assert_eq!(count(&adapter).await, 3);
                store.destroy_session(session).await.unwrap();
                store.clear_store().await.unwrap();
                assert_eq!(count(&adapter).await, 0);
            }

            /// A session in the store that was loaded, and has a new ID.
            async fn regenerated(adapter: &Adapter) -> (Session, String, String) {
                let store = adapter.$method();
                let mut session = Session::new();
                session.insert("user", "ann").unwrap();
                let before = store.store_session(session).await.unwrap().unwrap();
                let mut session = store.load_session(before.clone()).await.unwrap().unwrap();
                session.regenerate();
                let id = session.id().to_owned();
                (session, before, id)
            }

            #[tokio::test]
            async fn a_new_id_ends_the_former_one_and_keeps_the_creation() {
                let adapter = adapter();
                let store = adapter.$method();
                let (session, before, id) = regenerated(&adapter).await;
                let created = async || {
                    let page = session_store_core::Page::first(1).unwrap();
                    let user = session_store_core::UserId::new("ann").unwrap();
                    adapter.store().list_by_user(&user, &page).await.unwrap().remove(0).meta.created_at
                };
                let at = created().await;
                sleep(Duration::from_millis(20)).await;
                let after = store.store_session(session).await.unwrap().unwrap();
                assert!(store.load_session(before).await.unwrap().is_none(), "the former ID lives on");
                assert_eq!(store.load_session(after).await.unwrap().unwrap().id(), id);
                assert_eq!((count(&adapter).await, created().await), (1, at));
            }

            #[tokio::test]
            async fn a_session_with_a_new_id_is_stored_twice() {
                let adapter = adapter();
                let store = adapter.$method();
                let (mut session, _, id) = regenerated(&adapter).await;
                let cookie = session.clone();
                store.store_session(cookie).await.unwrap();
                session.insert("more", 1).unwrap();
                let cookie = store.store_session(session).await.unwrap().unwrap();
                let loaded = store.load_session(cookie).await.unwrap().unwrap();
                assert_eq!((loaded.id(), loaded.get::<u8>("more")), (&*id, Some(1)));
                assert_eq!(count(&adapter).await, 1);
            }

            #[tokio::test]
            async fn a_session_whose_time_is_over_ends_also_under_its_former_id() {
                let adapter = adapter();
                let (mut session, ..) = regenerated(&adapter).await;
                session.expire_in(Duration::ZERO);
                assert_eq!(adapter.$method().store_session(session).await.unwrap(), None);
                assert_eq!(count(&adapter).await, 0);
            }

            #[tokio::test]
            async fn a_session_with_a_new_id_is_destroyed_under_the_former_one() {
                let adapter = adapter();
                let (session, ..) = regenerated(&adapter).await;
                adapter.$method().destroy_session(session).await.unwrap();
                assert_eq!(count(&adapter).await, 0);
            }

            #[tokio::test]
            async fn a_session_that_has_ended_gets_no_new_id() {
                for when_gone in [WhenGone::Refuse, WhenGone::Discard] {
                    let adapter = adapter().when_gone(when_gone);
                    let (session, ..) = regenerated(&adapter).await;
                    adapter.store().clear().await.unwrap();
                    let answer = adapter.$method().store_session(session).await;
                    assert_eq!(answer.is_err(), when_gone == WhenGone::Refuse);
                    assert_eq!((count(&adapter).await, listed(&adapter, "ann").await), (0, 0));
                }
            }

            #[tokio::test]
            async fn a_cookie_that_is_none_is_that_of_a_visitor() {
                assert!(adapter().$method().load_session("!".to_owned()).await.unwrap().is_none());
            }
        }
    };
}

of_async_session!(of_async_session, async_session, async_session);
of_async_session!(of_saysion, saysion, saysion);

mod of_actix_session {
    use actix_session::storage::{LoadError, SessionKey, SessionStore as _, UpdateError};
    use actix_web::cookie::time::Duration;
    use session_store_middleware::WhenGone;

    use super::{HashMap, NOTE, adapter, corrupt, count};

    fn state() -> HashMap<String, String> {
        [("user".to_owned(), "\"ann\"".to_owned())].into()
    }

    fn key(text: &str) -> SessionKey {
        SessionKey::try_from(text.to_owned()).unwrap()
    }

    #[tokio::test]
    async fn a_missing_session_is_none() {
        let store = adapter().actix_session();
        for text in ["a".repeat(64), "short".to_owned(), "a".repeat(4_000), "ä".repeat(40)] {
            assert!(store.load(&key(&text)).await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_an_error() {
        let adapter = adapter();
        let store = adapter.actix_session();
        let key = store.save(state(), &Duration::HOUR).await.unwrap();
        corrupt(&adapter, key.as_ref()).await;
        assert!(matches!(store.load(&key).await, Err(LoadError::Other(_))));
    }

    #[tokio::test]
    async fn a_session_that_has_ended_is_made_again_only_on_demand_and_under_another_key() {
        let discarding = adapter().when_gone(WhenGone::Discard);
        let recreating = discarding.actix_session().recreating();
        let ended = recreating.save(state(), &Duration::HOUR).await.unwrap();
        discarding.actix_session().delete(&ended).await.unwrap();
        let same = discarding.actix_session().update(key(ended.as_ref()), state(), &Duration::HOUR).await.unwrap();
        assert_eq!((same.as_ref(), count(&discarding).await), (ended.as_ref(), 0));
        recreating.update(ended, state(), &Duration::HOUR).await.unwrap();
        assert_eq!(count(&discarding).await, 1);
        let adapter = adapter();
        let (store, recreating) = (adapter.actix_session(), adapter.actix_session().recreating());
        let ended = store.save(state(), &Duration::HOUR).await.unwrap();
        let mut loaded = store.load(&ended).await.unwrap().unwrap();
        assert!(loaded.contains_key(NOTE));
        store.delete(&ended).await.unwrap();
        store.update_ttl(&ended, &Duration::HOUR).await.unwrap();
        loaded.insert("more".to_owned(), "1".to_owned());
        let refused = store.update(key(ended.as_ref()), loaded.clone(), &Duration::HOUR).await;
        assert!(matches!(refused, Err(UpdateError::Other(_))));
        assert_eq!(count(&adapter).await, 0);
        let again = recreating.update(key(ended.as_ref()), loaded, &Duration::HOUR).await.unwrap();
        assert_ne!(again.as_ref(), ended.as_ref());
        let mut state = recreating.load(&again).await.unwrap().unwrap();
        state.remove(NOTE);
        assert_eq!(state.len(), 2);
    }
}

mod of_poem {
    use poem::session::SessionStorage as _;

    use super::{BTreeMap, HOUR, NOTE, Value, adapter, corrupt, count, json, left};

    const ID: &str = "0123456789012345678901234567890123456789012";

    fn entries() -> BTreeMap<String, Value> {
        [("user".to_owned(), json!("ann"))].into()
    }

    #[tokio::test]
    async fn a_session_is_stored_loaded_and_removed() {
        let adapter = adapter();
        let store = adapter.poem();
        assert!(store.load_session(ID).await.unwrap().is_none());
        store.update_session(ID, &entries(), Some(HOUR)).await.unwrap();
        let mut loaded = store.load_session(ID).await.unwrap().unwrap();
        assert!(loaded.remove(NOTE).is_some());
        assert_eq!(loaded, entries());
        store.remove_session(ID).await.unwrap();
        store.remove_session(ID).await.unwrap();
        assert!(store.load_session(ID).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn without_a_time_of_its_own_a_session_has_that_of_the_policy() {
        let adapter = adapter();
        adapter.poem().update_session(ID, &entries(), None).await.unwrap();
        let days = left(&adapter, "ann").await.as_secs_f64() / 86_400.0;
        assert!((29.9..=30.0).contains(&days), "{days}");
    }

    #[tokio::test]
    async fn a_session_that_was_cleared_is_written_as_it_is() {
        let adapter = adapter();
        let store = adapter.poem();
        store.update_session(ID, &entries(), Some(HOUR)).await.unwrap();
        store.update_session(ID, &BTreeMap::new(), Some(HOUR)).await.unwrap();
        let mut loaded = store.load_session(ID).await.unwrap().unwrap();
        loaded.remove(NOTE);
        assert_eq!((loaded.len(), count(&adapter).await), (0, 1));
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_an_error() {
        let adapter = adapter();
        corrupt(&adapter, ID).await;
        assert!(adapter.poem().load_session(ID).await.is_err());
    }
}

mod of_axum_session {
    use axum_session::{DatabaseError, DatabasePool as _};
    use time::OffsetDateTime;

    use super::{adapter, corrupt, count, listed};

    const ID: &str = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
    const SESSION: &str = r#"{"data":{"user":"\"ann\"","n":"1"},"longterm":false}"#;
    const REORDERED: &str = r#"{"data":{"n":"1","user":"\"ann\""},"longterm":false}"#;

    fn in_an_hour() -> i64 {
        OffsetDateTime::now_utc().unix_timestamp() + 3_600
    }

    #[tokio::test]
    async fn a_session_is_stored_counted_and_deleted() {
        let adapter = adapter();
        let store = adapter.axum_session();
        store.initiate("any").await.unwrap();
        assert!(!store.exists(ID, "any").await.unwrap());
        store.store(ID, SESSION, in_an_hour(), "any").await.unwrap();
        assert_eq!(store.load(ID, "any").await.unwrap().as_deref(), Some(SESSION));
        assert!(store.exists(ID, "any").await.unwrap());
        assert_eq!((store.count("any").await.unwrap(), listed(&adapter, "ann").await), (1, 1));
        assert!(store.delete_by_expiry("any").await.unwrap().is_empty());
        store.delete_one_by_id(ID, "any").await.unwrap();
        assert_eq!(store.load(ID, "any").await.unwrap(), None);
        store.store(ID, SESSION, in_an_hour(), "any").await.unwrap();
        store.delete_all("any").await.unwrap();
        assert_eq!(store.count("any").await.unwrap(), 0);
        assert!(store.auto_handles_expiry());
        assert!(matches!(store.get_ids("any").await, Err(DatabaseError::GenericNotSupportedError(_))));
    }

    #[tokio::test]
    async fn the_order_of_what_has_not_changed_is_no_change() {
        let adapter = adapter();
        let store = adapter.axum_session();
        assert!(!store.exists(ID, "any").await.unwrap());
        store.store(ID, SESSION, in_an_hour(), "any").await.unwrap();
        let version = async || adapter.store().get(&adapter.key(ID).unwrap()).await.unwrap().unwrap().meta.version;
        let before = version().await;
        store.load(ID, "any").await.unwrap();
        store.store(ID, REORDERED, in_an_hour(), "any").await.unwrap();
        assert_eq!(version().await, before);
        store.load(ID, "any").await.unwrap();
        store.store(ID, &SESSION.replace("false", "true"), in_an_hour(), "any").await.unwrap();
        assert_ne!(version().await, before);
    }

    #[tokio::test]
    async fn a_session_of_the_middlewares_memory_is_not_created_again() {
        let adapter = adapter();
        adapter.axum_session().store(ID, SESSION, in_an_hour(), "any").await.unwrap();
        assert_eq!(count(&adapter).await, 0);
    }

    #[tokio::test]
    async fn a_session_whose_time_is_over_is_not_kept() {
        let adapter = adapter();
        let store = adapter.axum_session();
        assert!(!store.exists(ID, "any").await.unwrap());
        store.store(ID, SESSION, in_an_hour(), "any").await.unwrap();
        store.store(ID, SESSION, 0, "any").await.unwrap();
        assert_eq!(count(&adapter).await, 0);
    }

    #[tokio::test]
    async fn what_could_not_be_loaded_is_neither_replaced_nor_deleted() {
        let adapter = adapter();
        let store = adapter.axum_session();
        corrupt(&adapter, ID).await;
        assert!(store.load(ID, "any").await.is_err());
        assert!(store.store(ID, SESSION, in_an_hour(), "any").await.is_err());
        assert!(store.delete_one_by_id(ID, "any").await.is_err());
        assert_eq!(count(&adapter).await, 1);
    }

    #[tokio::test]
    async fn an_id_that_is_none_keeps_nothing() {
        let adapter = adapter();
        let store = adapter.axum_session();
        assert_eq!(store.load("short", "any").await.unwrap(), None);
        store.store("short", SESSION, in_an_hour(), "any").await.unwrap();
        assert_eq!(count(&adapter).await, 0);
    }
}

#[tokio::test]
async fn no_session_outlives_the_time_of_the_policy() {
    const DAY: Duration = Duration::from_hours(24);
    for (adapter, wanted) in [(adapter(), 30 * DAY), (adapter().policy(Policy::new(HOUR, 2 * DAY).unwrap()), 2 * DAY)] {
        let id = "0123456789012345678901234567890123456789012";
        let entries = [("user".to_owned(), json!("ann"))].into();
        adapter.poem().update_session(id, &entries, Some(3 * 30 * DAY)).await.unwrap();
        let meta = adapter.store().get(&adapter.key(id).unwrap()).await.unwrap().unwrap().meta;
        assert_eq!(meta.deadline.saturating_since(meta.created_at), wanted);
        assert_eq!(meta.expires_at, meta.deadline);
    }
}

#[test]
fn a_key_is_that_of_the_id() {
    let id = "0123456789012345678901";
    assert_eq!(adapter().key(id).unwrap(), SessionKey::from(&id.parse().unwrap()));
    assert!(adapter().key("short").is_err());
}

#[tokio::test]
async fn nothing_of_the_data_is_shown() {
    let adapter = adapter();
    let id = "0123456789012345678901234567890123456789012";
    let entries = [("user".to_owned(), json!("ann")), ("card".to_owned(), json!("4111-1111"))].into();
    adapter.poem().update_session(id, &entries, None).await.unwrap();
    let listing = adapter.list(&UserId::new("ann").unwrap(), &Page::first(1).unwrap()).await.unwrap();
    let data = listing.sessions[0].data.as_ref().unwrap();
    assert_eq!(data.get::<String>("card").as_deref(), Some("4111-1111"));
    // What another program has stored there: no object, but a text.
    let key = adapter.key(id).unwrap();
    let data_of_another = Codec::new().encode(&key, "card 4111-1111").unwrap();
    adapter.store().set(&key, &Write::new(data_of_another, HOUR, HOUR).unwrap(), SetMode::Upsert).await.unwrap();
    let error = adapter.poem().load_session(id).await.unwrap_err();
    let shown = format!("{adapter:?} {:?} {listing:?} {data:?} {error} {error:?}", adapter.axum_session());
    assert!(shown.contains("MemoryStore") && !shown.contains("4111") && !shown.contains(id), "{shown}");
}
