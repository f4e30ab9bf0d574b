//! Servers that refuse commands, by every number that the store knows.

use futures_util::future::join_all;
use session_store_core::{Error, ErrorKind, SessionStore as _, Version};
use session_store_mongo::MongoStore;
use session_store_mongo::mongodb::bson::{Document, doc};
use testkit::failures::operations::{BULK, Fixture, Operation, WRITES, all};

use crate::database::{CAN_FAIL, Database};
use crate::support::{
    BROKEN, CONFIG, Classification, SHORT, SLACK, TIMEOUT, UNAVAILABLE, all_text, assert_works, builder, changing,
    classify, impatient, leave_a_dead_session, open, timed,
};
use crate::watched::Watched;

const COMMANDS: [&str; 4] = ["find", "aggregate", "update", "delete"];

/// The driver takes a server that says that it is no primary for none until it has looked at it again. Here it does not wait for
/// a change to be announced, because there is none.
fn polling(database: &Database) -> String {
    format!("{}&serverMonitoringMode=poll", database.url())
}

/// A refusal of the whole command, in words that are the server's.
fn code(code: i32) -> Document {
    doc! { "errorCode": code }
}

/// What the error says of itself, which has none of the server's words.
fn assert_refused(operation: Operation, error: &Error, fixture: &Fixture, wanted: Classification) {
    assert_eq!(classify(error, fixture), wanted, "{operation:?}: {error:?}");
    let text = all_text(error);
    assert!(!text.contains("failpoint") && !text.contains("failCommand"), "{text}");
}

/// Each in its turn is refused once, and has a client that has met no refusal yet.
async fn refused_once(database: &Database, how: Document, operation: Operation) -> (Fixture, Option<Error>) {
    let store = open(polling(database)).await;
    let fixture = Fixture::create(&store).await.unwrap();
    database.fail(&COMMANDS, Some(1), how).await;
    match operation.run(&store, &fixture).await {
        Ok(is_right) => {
            assert!(is_right, "{operation:?}");
            (fixture, None)
        }
        Err(error) => (fixture, Some(error)),
    }
}

/// Which operations are repeated, and what the others tell.
async fn check(number: i32, is_repeated: fn(Operation) -> bool, wanted: Classification) {
    let database = Database::alone(&CAN_FAIL).await;
    for operation in all() {
        let (fixture, error) = refused_once(&database, code(number), operation).await;
        assert_eq!(error.is_none(), is_repeated(operation), "{number}: {operation:?}: {error:?}");
        if let Some(error) = error {
            assert_refused(operation, &error, &fixture, wanted);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_refusal_has_its_kind_and_only_what_has_changed_nothing_is_repeated() {
    // A refusal by one that is no primary: nothing was begun.
    let not_begun =
        [10107, 13435, 10058, 13436].map(|number| (number, (|_| true) as fn(Operation) -> bool, UNAVAILABLE));
    // By one that stops to be one, or whose connections break, or where somebody ends commands: only a read is sent again.
    let reads = |operation: Operation| !operation.is_write();
    let stepping_down = [11600, 11602, 91, 189].map(|number| (number, reads as fn(Operation) -> bool, BROKEN));
    let interrupted = [6, 7, 89, 9001, 11601].map(|number| (number, reads as fn(Operation) -> bool, BROKEN));
    let never = |_| false;
    let others = [
        (50, reads as fn(Operation) -> bool, (ErrorKind::Timeout, true, true)),
        (13, never, CONFIG),
        (18, never, CONFIG),
        (8000, never, CONFIG),
        (14031, never, UNAVAILABLE),
        (26, never, CONFIG),
        (73, never, CONFIG),
        (1, never, (ErrorKind::Internal, false, false)),
    ];
    let all = not_begun.into_iter().chain(stepping_down).chain(interrupted).chain(others);
    let checks: Vec<_> = all.map(|(number, repeated, wanted)| tokio::spawn(check(number, repeated, wanted))).collect();
    for check in join_all(checks).await {
        check.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_is_never_the_primary_is_unavailable_in_time_and_nothing_has_happened() {
    let database = Database::alone(&CAN_FAIL).await;
    let direct = open(database.url()).await;
    let mut stores = Vec::new();
    for operation in all() {
        stores.push((
            operation,
            impatient(database.url()).build().await.unwrap(),
            Fixture::create(&direct).await.unwrap(),
        ));
    }
    for number in [10107, 13435] {
        database.fail(&COMMANDS, None, code(number)).await;
        join_all(stores.iter().map(async |(operation, store, fixture)| {
            let (answer, took) = timed(operation.run(store, fixture)).await;
            assert_refused(*operation, &answer.unwrap_err(), fixture, UNAVAILABLE);
            assert!(took < SHORT + SLACK, "{operation:?} took {took:?}");
        }))
        .await;
    }
    database.mend().await;
    assert_works(&direct).await;
}

#[tokio::test]
async fn a_write_that_too_few_members_have_in_time_is_of_unknown_outcome_and_not_repeated() {
    let database = Database::alone(&CAN_FAIL).await;
    // The last two say so of a primary that has just ceased to be one.
    for (number, kind) in [(64, ErrorKind::Timeout), (91, ErrorKind::Unavailable), (10107, ErrorKind::Unavailable)] {
        for operation in changing() {
            let watched = Watched::new(&polling(&database)).await;
            let store = open(watched.client.clone()).await;
            leave_a_dead_session(&store).await;
            let fixture = Fixture::create(&store).await.unwrap();
            watched.sent();
            let how = doc! { "writeConcernError": { "code": number, "errmsg": "failCommand's words" } };
            database.fail(&["update", "delete"], Some(1), how).await;
            let error = operation.run(&store, &fixture).await.expect_err("too few have it");
            assert_refused(operation, &error, &fixture, (kind, true, true));
            let writes = watched.names().iter().filter(|name| ["update", "delete"].contains(&name.as_str())).count();
            assert_eq!(writes, 1, "{operation:?} was repeated after {number}");
        }
    }
    assert_works(&open(database.url()).await).await;
}

#[tokio::test]
async fn a_write_concern_that_nobody_can_satisfy_is_an_error_of_the_configuration() {
    let database = Database::alone(&CAN_FAIL).await;
    let store = open(database.url()).await;
    for operation in WRITES {
        let fixture = Fixture::create(&store).await.unwrap();
        let how = doc! { "writeConcernError": { "code": 100, "errmsg": "failCommand's words" } };
        database.fail(&["update", "delete"], Some(1), how).await;
        let error = operation.run(&store, &fixture).await.expect_err("nobody can have it");
        assert_refused(operation, &error, &fixture, (ErrorKind::Config, false, true));
        assert!(error.to_string().contains("write concern"), "{error}");
    }
}

/// The limit that each command carries, which the server keeps.
#[tokio::test]
async fn a_command_that_takes_too_long_is_ended_by_the_server_too() {
    let database = Database::alone(&CAN_FAIL).await;
    let watched = Watched::new(&database.url()).await;
    let store = impatient(watched.client.clone()).build().await.unwrap();
    for operation in all().filter(|operation| *operation != Operation::Rotate) {
        let fixture = Fixture::create(&store).await.unwrap();
        watched.sent();
        operation.run(&store, &fixture).await.unwrap();
        for command in watched.sent() {
            assert_eq!(command.get_i64("maxTimeMS").unwrap(), 300, "{command}");
        }
    }
    // A time-out of the server's own is the same to the caller.
    database.fail(&COMMANDS, None, code(50)).await;
    for operation in BULK {
        let fixture = Fixture::without_session();
        let (answer, took) = timed(operation.run(&store, &fixture)).await;
        assert_refused(operation, &answer.unwrap_err(), &fixture, TIMEOUT);
        assert!(took < SHORT + SLACK, "{operation:?} took {took:?}");
    }
}

async fn version_of(store: &MongoStore, fixture: &Fixture) -> Version {
    store.get(&fixture.live).await.unwrap().unwrap().meta.version
}

#[tokio::test]
async fn a_batch_that_is_ended_in_the_middle_is_of_unknown_outcome_for_all() {
    const SESSIONS: usize = 8;
    let database = Database::alone(&CAN_FAIL).await;
    let store = builder(database.url()).batches_in_flight(1).build().await.unwrap();
    // The third update of all waits, until it is ended.
    let hang = |mode: Document| {
        let data = doc! { "nss": "shop.app", "shouldCheckForInterrupt": true };
        doc! { "configureFailPoint": "hangDuringBatchUpdate", "mode": mode, "data": data }
    };
    let fixtures = join_all((0..SESSIONS).map(|_| Fixture::create(&store))).await;
    let fixtures: Vec<_> = fixtures.into_iter().map(Result::unwrap).collect();
    let before = join_all(fixtures.iter().map(|fixture| version_of(&store, fixture))).await;
    // The first goes alone, beside the others, which go together: of the three updates that do not wait, it may be one.
    database.server.run("admin", hang(doc! { "skip": 3 })).await.unwrap();
    let ending = async {
        let hanging = doc! { "ns": "shop.app", "active": true, "failpointMsg": "hangDuringBatchUpdate" };
        let pipeline = [doc! { "$currentOp": {} }, doc! { "$match": hanging }];
        loop {
            let ask = doc! { "aggregate": 1, "pipeline": pipeline.to_vec(), "cursor": {} };
            let found = database.server.run("admin", ask).await.unwrap();
            let found = found.get_document("cursor").unwrap().get_array("firstBatch").unwrap().clone();
            for operation in found {
                let number = operation.as_document().unwrap().get("opid").unwrap().clone();
                database.server.run("admin", doc! { "killOp": 1, "op": number }).await.unwrap();
            }
        }
    };
    let calls = join_all(fixtures.iter().map(|fixture| Operation::Replace.run(&store, fixture)));
    let answers = tokio::select! { answers = calls => answers, () = ending => unreachable!() };
    let off = doc! { "configureFailPoint": "hangDuringBatchUpdate", "mode": "off" };
    database.server.run("admin", off).await.unwrap();
    let mut changed_of_failed = 0;
    for (number, (fixture, answer)) in fixtures.iter().zip(answers).enumerate() {
        let Err(error) = answer else {
            assert_eq!(number, 0, "the batch was ended");
            continue;
        };
        let was_changed = version_of(&store, fixture).await != before[number];
        changed_of_failed += usize::from(was_changed);
        assert_eq!(classify(&error, fixture), BROKEN, "{number} {was_changed}: {error:?}");
    }
    assert!([2, 3].contains(&changed_of_failed), "{changed_of_failed}: the batch was ended in the middle");
}
