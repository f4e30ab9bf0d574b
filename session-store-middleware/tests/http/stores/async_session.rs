//! The stores of async-session and of saysion.

macro_rules! of_async_session {
    ($module:ident, $core:ident, $method:ident) => {
        mod $module {
            use std::time::Duration;

            use session_store_core::{Page, UserId};
            use session_store_middleware::{Adapter, WhenGone};
            use $core::{Session, SessionStore as _};

            use tokio::time::sleep;

            use crate::stores::{adapter, count, listed};

            #[tokio::test]
            async fn a_session_without_expiry_is_stored_and_updated() {
                let adapter = adapter();
                let store = adapter.$method();
                let mut session = Session::new();
                session.insert("key", "Hello").unwrap();
                let (id, copy) = (session.id().to_owned(), session.clone());
                let cookie = store.store_session(session).await.unwrap().unwrap();
                assert!(!copy.data_changed(), "it is stored");
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
            async fn an_application_sees_its_own_names_only() {
                let adapter = adapter();
                let mut session = Session::new();
                session.insert("user", "ann").unwrap();
                session.expire_in(Duration::from_mins(1));
                adapter.$method().store_session(session).await.unwrap();
                let (ann, page) = (UserId::new("ann").unwrap(), Page::first(1).unwrap());
                let [session] = adapter.list(&ann, &page).await.unwrap().sessions.try_into().unwrap();
                assert_eq!(session.data.unwrap().names().collect::<Vec<_>>(), ["user"]);
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
