//! A session that the database refuses does not fail those that are in one statement with it.

use std::time::Duration;

use futures_util::future::join_all;
use session_store_core::{Error, ErrorKind, SessionKey, SessionStore as _, SetMode, Write};
use session_store_postgres::PostgresStore;
use testkit::failures::operations::Fixture;

use crate::database::Database;
use crate::support::{Classification, HOUR, all_text, assert_works, builder, classify, hex, new_key, timed};

const POISON: &str = "poisonous";

const PATIENCE: Duration = Duration::from_secs(2);

/// A database in which nobody can write a session with this data: an error of this code comes back.
async fn poisoned(name: &'static str, code: &str) -> (Database, PostgresStore) {
    let database = Database::new(name).await;
    // So that all who ask at once share a statement.
    let store = builder(database.url()).batches_in_flight(1).operation_timeout(PATIENCE).build().await.unwrap();
    let trigger = format!(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE EXCEPTION 'no % for %', NEW.data, NEW.key USING ERRCODE = '{code}', DETAIL = NEW.key::text;
        END $$;
        CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON app FOR EACH ROW WHEN (NEW.data = '{POISON}')
        EXECUTE FUNCTION refuse()"
    );
    database.execute(&trigger).await;
    (database, store)
}

/// Sixty-four sessions are created at once. Gives what became of those with poison, and of the others.
async fn create_with_poison(store: &PostgresStore) -> (Vec<Error>, Vec<(SessionKey, Result<(), Error>)>) {
    let (mut refused, mut others) = (Vec::new(), Vec::new());
    let created = join_all((0..64).map(async |number| {
        let key = new_key();
        let data = if number % 32 == 20 { POISON } else { "data" };
        let (answer, took) = timed(store.set(&key, &Write::new(data, HOUR, HOUR).unwrap(), SetMode::Create)).await;
        assert!(took < PATIENCE, "it took {took:?}");
        (key, data, answer.map(drop))
    }));
    for (key, data, answer) in created.await {
        if data == POISON {
            let error = answer.unwrap_err();
            let text = all_text(&error);
            assert!(!text.contains(POISON) && !text.contains(&hex(&key)), "{text}");
            assert!(store.get(&key).await.unwrap().is_none());
            refused.push(error);
        } else {
            others.push((key, answer));
        }
    }
    (refused, others)
}

#[tokio::test]
async fn a_session_that_the_database_refuses_fails_alone() {
    const INTERNAL: Classification = (ErrorKind::Internal, false, false);
    for (name, code) in [
        ("poison_22000", "22000"),
        ("poison_xx000", "XX000"),
        ("poison_23514", "23514"),
        // A key that is never free, as a unique index of somebody else has it.
        ("poison_23505", "23505"),
    ] {
        let (_database, store) = poisoned(name, code).await;
        let (refused, others) = create_with_poison(&store).await;
        assert_eq!(refused.len(), 2);
        for error in refused {
            assert_eq!(classify(&error, &Fixture::without_session()), INTERNAL, "{code}: {error:?}");
            assert!(all_text(&error).contains(code), "{error:?}");
        }
        for (key, answer) in others {
            answer.unwrap();
            assert!(store.get(&key).await.unwrap().is_some());
        }
        assert_works(&store).await;
    }
}

#[tokio::test]
async fn a_server_that_lacks_something_is_unavailable_until_it_has_it() {
    for (name, code, advice) in [
        ("lacks_53100", "53100", "disk"),
        ("lacks_53200", "53200", "memory"),
        ("lacks_53400", "53400", "limits"),
        ("lacks_58030", "58030", "files"),
    ] {
        let (database, store) = poisoned(name, code).await;
        for error in create_with_poison(&store).await.0 {
            let fixture = Fixture::without_session();
            assert_eq!(classify(&error, &fixture), (ErrorKind::Unavailable, true, false), "{code}: {error:?}");
            assert!(error.to_string().contains(advice), "{error}");
        }
        database.execute("DROP TRIGGER refuse ON app").await;
        assert_works(&store).await;
        let write = Write::new(POISON, HOUR, HOUR).unwrap();
        store.set(&new_key(), &write, SetMode::Create).await.unwrap();
    }
}
