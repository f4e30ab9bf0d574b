//! How the table is made: by many at once, by hand, and beside others.

#![allow(clippy::print_stdout, reason = "what a process tells the one that started it")]

use std::env;
use std::io::{BufRead as _, BufReader, Write as _, stdin};
use std::process::{Child, ChildStdin, Command, Stdio};

use futures_util::future::{join_all, try_join_all};
use session_store_core::SessionStore as _;
use session_store_postgres::{PostgresStore, PostgresStoreBuilder};
use testkit::failures::operations::Fixture;

use crate::database::Database;
use crate::support::{CONFIG, assert_works, builder, classify, open};

/// How many tables there are.
const TABLES: &str = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace::regnamespace::text \
                      IN ('public', 'shop')";

/// Everything about the table of a schema, but the schema.
const DESCRIPTION: &str =
    "SELECT replace(concat_ws(E'\n', t.relpersistence, t.reloptions, obj_description(t.oid, 'pg_class'),
        (SELECT string_agg(concat_ws(' ', attnum, attname, format_type(atttypid, atttypmod), attnotnull, atthasdef,
                attstorage, attcompression, attoptions), E'\n' ORDER BY attnum)
            FROM pg_attribute WHERE attrelid = t.oid AND attnum > 0),
        (SELECT string_agg(concat_ws(' ', pg_get_indexdef(indexrelid), indisprimary, indisvalid), E'\n' ORDER BY 1)
            FROM pg_index WHERE indrelid = t.oid),
        (SELECT string_agg(concat_ws(' ', conname, pg_get_constraintdef(oid)), E'\n' ORDER BY 1)
            FROM pg_constraint WHERE conrelid = t.oid),
        (SELECT count(*)::text FROM pg_trigger WHERE tgrelid = t.oid)), SCHEMA || '.', '')
    FROM pg_class AS t WHERE relkind = 'r' AND relnamespace::regnamespace::text = SCHEMA";

async fn description(database: &Database, schema: &str) -> String {
    database.ask(&DESCRIPTION.replace("SCHEMA", &format!("'{schema}'"))).await
}

#[tokio::test]
async fn twenty_stores_that_migrate_an_empty_database_at_once_all_succeed() {
    let database = Database::new("twenty_migrate").await;
    for schema in ["public", "shop"] {
        let builds = (0..20).map(|_| builder(database.url()).schema(schema).connections(1).build());
        let stores = try_join_all(builds).await.unwrap();
        let fixture = Fixture::create(&stores[0]).await.unwrap();
        assert!(stores[19].get(&fixture.live).await.unwrap().is_some());
    }
    assert_eq!(database.ask::<i64>(TABLES).await, 2);
    assert_eq!(description(&database, "public").await, description(&database, "shop").await);
}

/// A process that is ready to migrate, and does so when it is told.
fn process(url: &str) -> (Child, ChildStdin) {
    let mut process = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "migrate::ten_processes_that_migrate_an_empty_database_at_once_all_succeed"])
        .env(URL, url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "ready"));
    // It shall not fail for want of a reader.
    std::thread::spawn(move || lines.for_each(drop));
    let told = process.stdin.take().unwrap();
    (process, told)
}

/// Names the database to a process that is to migrate it.
const URL: &str = "SESSION_STORE_TEST_DATABASE_TO_MIGRATE";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_processes_that_migrate_an_empty_database_at_once_all_succeed() {
    if let Ok(url) = env::var(URL) {
        println!("\nready");
        stdin().read_line(&mut String::new()).unwrap();
        return drop(builder(url).schema("shop").build().await.unwrap());
    }
    let database = Database::new("ten_migrate").await;
    let mut processes: Vec<_> = (0..10).map(|_| process(&database.url())).collect();
    for (_, told) in &mut processes {
        told.write_all(b"\n").unwrap();
    }
    for (process, _) in &mut processes {
        assert!(process.wait().unwrap().success());
    }
    assert_eq!(database.ask::<i64>(TABLES).await, 1);
    assert_works(&builder(database.url()).schema("shop").build().await.unwrap()).await;
}

#[tokio::test]
async fn the_ddl_run_by_hand_makes_the_same_table() {
    let database = Database::new("ddl_by_hand").await;
    let url = database.url();
    for (table, is_unlogged) in [("sessions", false), ("a \"b\"", false), ("quick", true)] {
        let builder = |schema: &str| {
            let builder = PostgresStore::builder(url.as_str()).schema(schema).table(table);
            if is_unlogged { builder.unlogged() } else { builder }
        };
        database.execute(&format!("CREATE SCHEMA hand; {}", builder("hand").ddl().unwrap())).await;
        let by_hand = builder("hand").build().await.unwrap();
        let migrated = builder("made").migrate().build().await.unwrap();
        let description = description(&database, "hand").await;
        assert_eq!(description, self::description(&database, "made").await);
        assert!(description.starts_with(if is_unlogged { "u\n" } else { "p\n" }), "{description}");
        for detail in ["fillfactor=70", "session-store layout 1", "PRIMARY KEY (key)", "(owner, key)", "(prune_at)"] {
            assert!(description.contains(detail), "{description}");
        }
        // Once more changes nothing.
        builder("hand").migrate().build().await.unwrap();
        assert_eq!(description, self::description(&database, "hand").await);
        assert_works(&by_hand).await;
        assert_works(&migrated).await;
        database.execute("DROP SCHEMA hand, made CASCADE").await;
    }
}

#[tokio::test]
async fn tables_whose_names_are_alike_stand_side_by_side() {
    let database = Database::new("side_by_side").await;
    let long = "a_primary_key_index_of_a_table_of_session_store"[..40].to_owned();
    let names = [
        "a",
        "A",
        "a_owner",
        "a_owner_index",
        "a_pkey",
        "a_primary_key",
        "a_prune_at",
        &long,
        &long[1..],
        "a\"",
        "a'",
        "a\\",
        "a b",
        "a;--",
        "$1",
        "{table}",
        "{now}",
        "{patience}",
        "{lock}",
        "{is_held}",
        "want",
        "locked",
        "clock",
        "key",
        "t",
        "select",
        "CREATE TABLE",
        "\"public\".\"sessions\"",
        "sessions",
        "\u{e9}",
        "%s",
        "E''",
    ];
    let url = database.url();
    let build = |name: &str| -> PostgresStoreBuilder {
        PostgresStore::builder(url.as_str()).table(name).connections(1).migrate()
    };
    let stores = join_all(names.iter().map(|name| build(name).build())).await;
    let stores: Vec<_> = stores.into_iter().map(Result::unwrap).collect();
    assert_eq!(database.ask::<i64>(TABLES).await, i64::try_from(names.len()).unwrap());
    for store in &stores {
        assert_works(store).await;
        store.clear().await.unwrap();
    }
    let fixtures = join_all(stores.iter().map(|store| Fixture::create(store))).await;
    for (index, store) in stores.iter().enumerate() {
        assert_eq!(store.count().await.unwrap(), 1, "{}", names[index]);
        for (other, fixture) in fixtures.iter().enumerate() {
            let live = store.get(&fixture.as_ref().unwrap().live).await.unwrap().is_some();
            assert_eq!(live, index == other, "{} and {}", names[index], names[other]);
        }
    }
}

#[tokio::test]
async fn schemas_of_any_name_are_made() {
    let database = Database::new("schemas").await;
    for schema in ["Shop", "a\".\"b", "it's", "{table}", "{now}", "pg_sessions\\", "\u{e9} \n", &"s".repeat(63)] {
        let build = || builder(database.url()).schema(schema).connections(1);
        if schema.starts_with("pg_") {
            // PostgreSQL keeps these for itself.
            let error = build().build().await.unwrap_err();
            assert_eq!(classify(&error, &Fixture::without_session()).0, CONFIG.0, "{error:?}");
            continue;
        }
        assert_works(&build().build().await.unwrap()).await;
        assert_works(&build().build().await.unwrap()).await;
    }
}

#[tokio::test]
async fn a_role_that_may_not_create_is_told_so_by_migrate() {
    let database = Database::new("may_not_create").await;
    let url = database.role("modest_migrator", &[]).await;
    for schema in ["public", "shop"] {
        let error = builder(url.as_str()).schema(schema).build().await.unwrap_err();
        assert_eq!(classify(&error, &Fixture::without_session()), CONFIG, "{error:?}");
        assert!(error.to_string().contains("lacks rights"), "{error}");
    }
    assert_eq!(database.ask::<i64>(TABLES).await, 0);
    // Where everything is there, there is nothing to create.
    open(database.url()).await;
    database.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON app TO modest_migrator").await;
    assert_works(&open(url).await).await;
}
