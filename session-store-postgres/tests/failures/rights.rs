//! The rights that the store needs, and no others.

use session_store_core::SessionStore as _;
use session_store_postgres::PostgresStore;
use testkit::failures::operations::{Fixture, Operation, all};

use crate::database::Database;
use crate::support::{APP, CONFIG, assert_works, builder, classify};

/// What `modest` is granted, and what is granted back after it was taken away.
const GRANTS: [(&str, &str); 5] = [
    ("USAGE", "SCHEMA shop"),
    ("SELECT", "TABLE shop.app"),
    ("INSERT", "TABLE shop.app"),
    ("UPDATE", "TABLE shop.app"),
    ("DELETE", "TABLE shop.app"),
];

#[tokio::test]
async fn the_grants_that_the_page_lists_are_enough_and_each_is_needed() {
    let database = Database::new("grants").await;
    let owner = builder(database.url()).schema("shop").build().await.unwrap();
    let url = database.role("modest", &[]).await;
    for (right, place) in GRANTS {
        database.execute(&format!("GRANT {right} ON {place} TO modest")).await;
    }
    let build = || PostgresStore::builder(url.as_str()).schema("shop").table(APP).build();
    let store = build().await.unwrap();
    assert_works(&store).await;
    for (right, place) in GRANTS {
        database.execute(&format!("REVOKE {right} ON {place} FROM modest")).await;
        let mut refused = Vec::new();
        for operation in all() {
            let fixture = Fixture::create(&owner).await.unwrap();
            if let Err(error) = operation.run(&store, &fixture).await {
                assert_eq!(classify(&error, &fixture), CONFIG, "{operation:?} without {right}: {error:?}");
                assert!(error.to_string().contains("GRANT"), "{error}");
                refused.push(operation);
            }
        }
        assert!(!refused.is_empty(), "{right} is not needed");
        assert_eq!(refused.contains(&Operation::Get), right == "USAGE" || right == "SELECT", "{right}: {refused:?}");
        let error = build().await.unwrap_err();
        assert_eq!(classify(&error, &Fixture::without_session()), CONFIG, "without {right}: {error:?}");
        assert!(error.to_string().contains("GRANT"), "{error}");
        database.execute(&format!("GRANT {right} ON {place} TO modest")).await;
        assert_works(&store).await;
    }
    assert!(owner.ping().await.is_ok());
}
