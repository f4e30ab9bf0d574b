//! The store of tower-sessions, in both releases.

macro_rules! of_tower_sessions {
    ($module:ident, $tower_sessions:ident, $method:ident) => {
        mod $module {
            use $tower_sessions::cookie::time::{Duration, OffsetDateTime};
            use $tower_sessions::session::{Id, Record};
            use $tower_sessions::session_store::Error;
            use $tower_sessions::{ExpiredDeletion as _, SessionStore as _};

            use serde_json::json;

            use crate::stores::{NOTE, adapter, corrupt, count, left, listed};

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
