//! What no text shows: keys, users, payloads, passwords (clause E2).

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use session_store_core::{Error, Owner, Page, SessionKey, SessionStore, SetMode, UserId, Write};
use session_store_mongo::MongoEndpoint;
use session_store_mongo::mongodb::bson::{Bson, doc};
use testkit::failures::operations::{Fixture, Operation, all};
use testkit::failures::refused_builds::PASSWORD;
use testkit::servers::MongoServer;
use tracing_subscriber::fmt::MakeWriter;

use crate::database::{ALL_RIGHTS, CAN_FAIL, Database, binary};
use crate::support::{APP, HOUR, all_text, builder, impatient, new_key, open, recovery};

const PAYLOAD: &str = "the payload";
const USER: &str = "somebody special";

/// All that is told to a log of the finest level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

impl Log {
    /// For this thread, as long as the guard lives.
    fn begin() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone());
        (log, tracing::subscriber::set_default(subscriber.finish()))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Bytes as texts may show them: in hexadecimal digits, as MongoDB does; in base64, as the driver does; as a list.
fn shown(bytes: &[u8]) -> [String; 3] {
    let hex = bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let base64 = Bson::Binary(binary(bytes)).to_string();
    let base64 = base64.trim_start_matches("Binary(0x0, ").trim_end_matches([')', '=']).to_owned();
    assert!(base64.len() <= bytes.len() * 4 / 3 + 1, "{base64}");
    [hex, base64, format!("{:?}", &bytes[1..]).trim_matches(['[', ']']).to_owned()]
}

fn shows_none(text: &str, keys: &[SessionKey]) {
    let lower = text.to_lowercase();
    for secret in [PASSWORD, PAYLOAD, USER] {
        assert!(!lower.contains(secret), "{text}");
    }
    let bytes = keys.iter().map(|key| key.as_bytes().as_slice()).chain([PAYLOAD.as_bytes(), USER.as_bytes()]);
    for secret in bytes.flat_map(shown) {
        assert!(!text.contains(&secret) && !lower.contains(&secret), "{text}");
    }
}

/// Refusals of every kind, and a list that meets a document that nobody can read.
async fn refusals(database: &Database, store: &dyn SessionStore, keys: &mut Vec<SessionKey>) -> Vec<Error> {
    let [live, other, corrupt, free] = [(); 4].map(|()| new_key());
    keys.extend([live, other, corrupt, free]);
    let user = UserId::new(USER).unwrap();
    let write = Write::new(PAYLOAD, HOUR, HOUR).unwrap().with_owner(Owner::User(user.clone()));
    let too_large = Write::new(PAYLOAD.repeat(1 << 20), HOUR, HOUR).unwrap();
    let version = store.set(&live, &write, SetMode::Create).await.unwrap();
    for key in [other, corrupt] {
        store.set(&key, &write, SetMode::Create).await.unwrap();
    }
    database.plant(&corrupt, doc! { "created_at": PAYLOAD, "layout": PAYLOAD }).await;
    store.set(&live, &write, SetMode::Replace).await.unwrap();
    assert_eq!(store.list_by_user(&user, &Page::first(10).unwrap()).await.unwrap().len(), 2);
    let errors = [
        store.set(&live, &write, SetMode::Create).await.map(drop),
        store.set(&free, &write, SetMode::Replace).await.map(drop),
        store.set(&live, &write, SetMode::Update(version)).await.map(drop),
        store.set(&live, &too_large, SetMode::Replace).await.map(drop),
        store.set(&corrupt, &write, SetMode::Replace).await.map(drop),
        store.get(&corrupt).await.map(drop),
        store.rotate(&live, &live, &write, None).await.map(drop),
        store.rotate(&live, &other, &write, None).await.map(drop),
        store.rotate(&live, &free, &write, Some(version)).await.map(drop),
        store.rotate(&free, &live, &write, None).await.map(drop),
        store.rotate(&corrupt, &free, &write, None).await.map(drop),
        store.touch(&live, Duration::MAX).await.map(drop),
    ];
    errors.into_iter().map(Result::unwrap_err).collect()
}

/// The server's own words about these name the values: the data, and the owner.
async fn duplicates(database: &Database, store: &dyn SessionStore, keys: &mut Vec<SessionKey>) -> Vec<Error> {
    store.clear().await.unwrap();
    let mine = ["data", "owner"].map(|field| doc! { "name": field, "key": { field: 1 }, "unique": true });
    database.run(doc! { "createIndexes": APP, "indexes": mine.to_vec() }).await;
    let [taken, other, free] = [(); 3].map(|()| new_key());
    keys.extend([taken, other, free]);
    let write = Write::new(PAYLOAD, HOUR, HOUR).unwrap().with_owner(Owner::User(UserId::new(USER).unwrap()));
    store.set(&taken, &write, SetMode::Create).await.unwrap();
    store.set(&other, &Write::new("others", HOUR, HOUR).unwrap(), SetMode::Create).await.unwrap();
    vec![
        store.rotate(&other, &free, &write, None).await.unwrap_err(),
        store.set(&other, &write, SetMode::Replace).await.unwrap_err(),
        store.set(&free, &write, SetMode::Create).await.unwrap_err(),
    ]
}

#[tokio::test]
async fn no_error_no_debug_text_and_no_trace_shows_a_secret() {
    let (log, _guard) = Log::begin();
    let database = Database::on(MongoServer::start_with_authorization(&CAN_FAIL).await.unwrap());
    database.user(USER, PASSWORD, &ALL_RIGHTS).await;
    let url = database.url_of(&USER.replace(' ', "%20"), PASSWORD);
    let (mut keys, mut texts) = (Vec::new(), Vec::new());
    texts.push(format!("{:?}", MongoEndpoint::from(url.as_str())));
    texts.push(format!("{:?}", impatient(url.as_str())));
    texts.push(all_text(&builder(url.replace(PASSWORD, "opensesame2")).build().await.unwrap_err()));
    texts.push(all_text(&builder(url.replace("/shop", "/")).build().await.unwrap_err()));
    let store = impatient(url.as_str()).build().await.unwrap();
    texts.push(format!("{store:?}"));
    texts.extend(refusals(&database, &store, &mut keys).await.iter().map(all_text));
    // All that can go right, and wrong.
    let ways = [
        (None, doc! { "blockConnection": true, "blockTimeMS": 0 }),
        (None, doc! { "errorCode": 10107 }),
        (None, doc! { "errorCode": 11000 }),
        (None, doc! { "errorCode": 2 }),
        (Some(1), doc! { "closeConnection": true }),
        (Some(1), doc! { "writeConcernError": { "code": 64, "errmsg": "late" } }),
        (None, doc! { "blockConnection": true, "blockTimeMS": 1_000 }),
    ];
    let direct = open(database.client_side()).await;
    for (times, how) in ways {
        database.fail(&["find", "aggregate", "update", "delete"], times, how).await;
        let fixtures = join_all(all().map(async |operation: Operation| {
            let fixture = Fixture::without_session();
            let answer = operation.run(&store, &fixture).await;
            (fixture, answer)
        }));
        for (fixture, answer) in fixtures.await {
            keys.extend([fixture.live, fixture.free]);
            texts.extend(answer.err().as_ref().map(all_text));
        }
        database.mend().await;
        recovery(|| store.ping()).await;
    }
    store.close().await;
    texts.push(all_text(&store.get(&keys[0]).await.unwrap_err()));
    texts.extend(duplicates(&database, &direct, &mut keys).await.iter().map(all_text));
    for text in &texts {
        shows_none(text, &keys);
    }
    assert!(texts.len() > 60, "{} texts", texts.len());
    // It does tell something.
    let log = log.text();
    assert!(log.contains("mongo"), "{log}");
    shows_none(&log, &keys);
}
