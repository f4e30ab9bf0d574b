//! Tables that are there already, and that are not the store's, or not this release's.

use session_store_core::SessionStore as _;
use session_store_postgres::PostgresStore;
use testkit::failures::operations::{Fixture, Operation, all};

use crate::database::Database;
use crate::support::{APP, CONFIG, assert_works, classify, errors_of, open};

/// The error of a build, with the migration or without.
async fn is_refused(database: &Database, advice: &[&str]) {
    for builder in [PostgresStore::builder(database.url()), PostgresStore::builder(database.url()).migrate()] {
        let error = builder.table(APP).build().await.unwrap_err();
        assert_eq!(classify(&error, &Fixture::without_session()), CONFIG, "{error:?}");
        for words in advice {
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}

#[tokio::test]
async fn a_table_of_somebody_else_is_refused_and_left_as_it_is() {
    let database = Database::new("of_somebody_else").await;
    for made in ["CREATE TABLE app (n int)", "CREATE VIEW app AS SELECT 1 AS n", "CREATE SEQUENCE app"] {
        database.execute(made).await;
        is_refused(&database, &["not one of session-store's", "another name"]).await;
        let names = "SELECT array_to_string(array_agg(attname ORDER BY attnum), ' ') FROM pg_attribute
                     WHERE attrelid = 'app'::regclass AND attnum > 0";
        let columns = if made.ends_with("app") { "last_value log_cnt is_called" } else { "n" };
        assert_eq!(database.ask::<String>(names).await, columns);
        database.execute(&format!("DROP {} app", made.split(' ').nth(1).unwrap())).await;
    }
    open(database.url()).await.ping().await.unwrap();
}

#[tokio::test]
async fn a_table_of_another_release_is_refused_and_left_as_it_is() {
    let database = Database::new("of_another_release").await;
    let store = open(database.url()).await;
    let fixture = Fixture::create(&store).await.unwrap();
    for (comment, advice) in [
        ("session-store layout 2", &["layout 2", "update the application"][..]),
        ("session-store layout 0", &["layout 0", "migrate"]),
        ("session-store layout", &["not one of session-store's"]),
        ("session-store layout -1", &["not one of session-store's"]),
        ("sessions", &["not one of session-store's"]),
        ("", &["not one of session-store's"]),
    ] {
        database.execute(&format!("COMMENT ON TABLE app IS '{comment}'")).await;
        is_refused(&database, advice).await;
    }
    database.execute("COMMENT ON TABLE app IS 'session-store layout 1'").await;
    assert!(open(database.url()).await.get(&fixture.live).await.unwrap().is_some());
}

#[tokio::test]
async fn a_table_that_lacks_a_column_says_so() {
    let database = Database::new("lacks_a_column").await;
    let store = open(database.url()).await;
    database.execute("ALTER TABLE app RENAME COLUMN expires_at TO ends_at").await;
    for (operation, classification, error) in errors_of(&store, all()).await {
        assert_eq!(classification, CONFIG, "{operation:?}: {error:?}");
        assert!(error.to_string().contains("not laid out"), "{error}");
    }
    database.execute("ALTER TABLE app RENAME COLUMN ends_at TO expires_at").await;
    assert_works(&store).await;
}

#[tokio::test]
async fn a_table_that_is_gone_says_so_and_works_when_it_is_back() {
    let database = Database::new("is_gone").await;
    let store = open(database.url()).await;
    assert_works(&store).await;
    for (gone, back) in [
        ("ALTER TABLE app RENAME TO hidden", "ALTER TABLE hidden RENAME TO app"),
        ("ALTER SCHEMA public RENAME TO hidden", "ALTER SCHEMA hidden RENAME TO public"),
    ] {
        database.execute(gone).await;
        for (operation, classification, error) in errors_of(&store, all()).await {
            assert_eq!(classification, CONFIG, "{operation:?}: {error:?}");
            assert!(error.to_string().contains("PostgresStoreBuilder::migrate"), "{error}");
        }
        database.execute(back).await;
        assert_works(&store).await;
    }
    // Another one of that name.
    database.execute("DROP TABLE app").await;
    assert_eq!(errors_of(&store, [Operation::Get]).await[0].1, CONFIG);
    open(database.url()).await;
    assert_works(&store).await;
}
