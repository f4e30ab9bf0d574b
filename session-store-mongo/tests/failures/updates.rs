//! Many updates in one command: each caller has its own answer, and nothing happens to those who are not concerned.

use std::time::Duration;

use futures_util::future::join_all;
use session_store_core::{Error, ErrorKind, SessionKey, SessionStore, SetMode, Version, Write};
use session_store_mongo::MongoStore;
use session_store_mongo::mongodb::Collection;
use session_store_mongo::mongodb::bson::{Document, doc};

use crate::database::{Database, of_key};
use crate::support::{HOUR, SLACK, all_text, assert_works, builder, hex, new_key, open, timed};
use crate::watched::Watched;

/// What an update meets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Met {
    Live,
    Changed,
    Expired,
    Gone,
}

/// What is tried on it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Tried {
    Create,
    Replace,
    Update,
    Upsert,
    Touch,
}

const ALL_MET: [Met; 4] = [Met::Live, Met::Changed, Met::Expired, Met::Gone];
const ALL_TRIED: [Tried; 5] = [Tried::Create, Tried::Replace, Tried::Update, Tried::Upsert, Tried::Touch];

/// One of many at once.
struct Call {
    key: SessionKey,
    met: Met,
    tried: Tried,
    known: Version,
    data: String,
}

/// The version that it has given; none where nothing was done.
type Answer = Result<Option<Version>, Error>;

fn write(data: impl Into<String>) -> Write {
    Write::new(data.into(), HOUR / 2, HOUR).unwrap()
}

impl Call {
    async fn prepare(store: &MongoStore, met: Met, tried: Tried) -> Self {
        const AT_ONCE: Duration = Duration::from_millis(1);
        let key = new_key();
        let known = match met {
            Met::Gone => Version::generate().unwrap(),
            Met::Expired => store.set(&key, &Write::new("old", AT_ONCE, HOUR).unwrap(), SetMode::Create).await.unwrap(),
            Met::Live | Met::Changed => store.set(&key, &write("old"), SetMode::Create).await.unwrap(),
        };
        if met == Met::Changed {
            store.set(&key, &write("old"), SetMode::Replace).await.unwrap();
        }
        Self { key, met, tried, known, data: format!("by {}", hex(&key)) }
    }

    async fn run(&self, store: &MongoStore) -> Answer {
        let mode = match self.tried {
            Tried::Create => SetMode::Create,
            Tried::Replace => SetMode::Replace,
            Tried::Update => SetMode::Update(self.known),
            Tried::Upsert => SetMode::Upsert,
            Tried::Touch => return Ok(store.touch(&self.key, HOUR).await?.then_some(self.known)),
        };
        store.set(&self.key, &write(self.data.as_str()), mode).await.map(Some)
    }

    /// The kind of its refusal; none where it is done.
    fn refusal(&self) -> Option<ErrorKind> {
        let is_live = matches!(self.met, Met::Live | Met::Changed);
        match self.tried {
            Tried::Create => is_live.then_some(ErrorKind::AlreadyExists),
            Tried::Update if self.met == Met::Changed => Some(ErrorKind::Conflict),
            Tried::Replace | Tried::Update => (!is_live).then_some(ErrorKind::NotFound),
            Tried::Upsert | Tried::Touch => None,
        }
    }

    /// The caller's answer is its own, and tells what became of the session.
    async fn check(&self, answer: &Answer, collection: &Collection<Document>, store: &MongoStore) {
        let what = format!("{:?} of what is {:?}", self.tried, self.met);
        let found = store.get(&self.key).await.unwrap();
        let is_live = matches!(self.met, Met::Live | Met::Changed);
        let documents = collection.count_documents(of_key(&self.key)).await.unwrap();
        match (answer, self.refusal()) {
            (Err(error), Some(kind)) => {
                assert_eq!((error.kind(), error.key()), (kind, Some(&self.key)), "{what}: {error:?}");
                assert!(!all_text(error).to_lowercase().contains(&hex(&self.key)), "{what}: {error:?}");
                assert_eq!(found.map(|found| found.data), is_live.then(|| "old".into()), "{what}");
                assert_eq!(documents, u64::from(self.met != Met::Gone), "{what}");
            }
            (Ok(version), None) if self.tried == Tried::Touch => {
                assert_eq!(version.is_some(), is_live, "{what}");
                let idle_end = found.map(|found| found.meta.expires_at == found.meta.deadline);
                assert_eq!(idle_end, is_live.then_some(true), "{what}");
                assert_eq!(documents, u64::from(self.met != Met::Gone), "{what}");
            }
            (Ok(Some(version)), None) => {
                let found = found.unwrap_or_else(|| panic!("{what}: nothing is there"));
                assert_eq!((found.data, found.meta.version), (self.data.clone().into(), *version), "{what}");
                assert_eq!(documents, 1, "{what}");
            }
            (answer, refusal) => panic!("{what}: {answer:?} where {refusal:?} was to come"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_caller_of_a_batch_has_exactly_its_own_answer() {
    const OF_EACH: usize = 25;
    let database = Database::new("own_answers").await;
    let (direct, collection) = (open(database.url()).await, database.collection());
    let kinds: Vec<_> = ALL_MET.into_iter().flat_map(|met| ALL_TRIED.map(|tried| (met, tried))).collect();
    let kinds = kinds.repeat(OF_EACH);
    let is_there = |(met, tried): &&(Met, Tried)| *met != Met::Gone || matches!(tried, Tried::Create | Tried::Upsert);
    let documents = kinds.iter().filter(is_there).count() as u64;
    for settings in [(64, 4), (500, 1)] {
        let watched = Watched::new(&database.url()).await;
        let store = builder(watched.client.clone()).batch_size(settings.0).batches_in_flight(settings.1);
        let store = store.build().await.unwrap();
        let calls = join_all(kinds.iter().map(|(met, tried)| Call::prepare(&direct, *met, *tried))).await;
        watched.sent();
        let answers = join_all(calls.iter().map(|call| call.run(&store))).await;
        let updates = watched.names().iter().filter(|name| *name == "update").count();
        assert!(updates <= calls.len() / 8, "{updates} commands for {} updates", calls.len());
        join_all(calls.iter().zip(&answers).map(|(call, answer)| call.check(answer, &collection, &direct))).await;
        assert_eq!(database.count(doc! {}).await, documents);
        assert!(direct.clear().await.unwrap() > 0);
    }
}

#[tokio::test]
async fn a_document_that_nobody_can_update_fails_alone_and_is_named() {
    let database = Database::new("poisoned").await;
    let watched = Watched::new(&database.url()).await;
    let store = builder(watched.client.clone()).batches_in_flight(1).build().await.unwrap();
    let keys: Vec<_> = (0..60).map(|_| new_key()).collect();
    for key in &keys {
        store.set(key, &write("old"), SetMode::Create).await.unwrap();
    }
    let poisoned = |number: usize| number % 20 == 7;
    for (_, key) in keys.iter().enumerate().filter(|(number, _)| poisoned(*number)) {
        database.plant(key, doc! { "created_at": "poisonous" }).await;
    }
    for mode in [SetMode::Replace, SetMode::Upsert] {
        watched.sent();
        let calls = keys.iter().map(async |key| store.set(key, &write(hex(key)), mode).await);
        let (answers, took) = timed(join_all(calls)).await;
        // Besides a look at each that was refused.
        let updates = watched.names().iter().filter(|name| *name == "update").count();
        assert!(updates <= 3, "they were to go together");
        assert!(took < SLACK, "it took {took:?}");
        for (number, (key, answer)) in keys.iter().zip(answers).enumerate() {
            if poisoned(number) {
                let error = answer.unwrap_err();
                assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some(key)), "{error:?}");
                assert!(!error.is_transient() && !error.outcome_unknown(), "{error:?}");
                assert!(!all_text(&error).contains("poisonous"), "{error:?}");
                assert_eq!(store.get(key).await.unwrap_err().kind(), ErrorKind::Corrupt);
            } else {
                let record = store.get(key).await.unwrap().unwrap();
                assert_eq!((record.data, record.meta.version), (hex(key).into(), answer.unwrap()));
            }
        }
    }
    // It is not in the way of its own end.
    assert!(store.destroy(&keys[7]).await.unwrap());
    assert_eq!(store.clear().await.unwrap(), 59);
    assert_works(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_create_the_same_session_at_once_exactly_one_does() {
    const NODES: usize = 4;
    const KEYS: usize = 30;
    let database = Database::new("created_at_once").await;
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        nodes.push(open(database.url()).await);
    }
    for round in 0..8 {
        let has_upserts = round % 2 == 1;
        let keys: Vec<_> = (0..KEYS).map(|_| new_key()).collect();
        let call = |node: usize, key: SessionKey, mode| {
            let store = nodes[node].clone();
            tokio::spawn(async move { store.set(&key, &write(format!("{mode:?} {node}")), mode).await })
        };
        let modes: &[SetMode] = if has_upserts { &[SetMode::Create, SetMode::Upsert] } else { &[SetMode::Create] };
        let mut calls = Vec::new();
        for (number, key) in keys.iter().enumerate() {
            for node in 0..NODES {
                calls.extend(modes.iter().map(|mode| (number, *mode, call(node, *key, *mode))));
            }
        }
        let mut created = [0; KEYS];
        for (number, mode, call) in calls {
            match call.await.unwrap() {
                Ok(_) => created[number] += usize::from(mode == SetMode::Create),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{mode:?}: {error:?}");
                    assert_eq!(mode, SetMode::Create, "an upsert is never refused");
                }
            }
        }
        for (key, created) in keys.iter().zip(created) {
            // An upsert may have been the first.
            assert!(created == 1 || (has_upserts && created == 0), "{created} have created one session");
            assert_eq!(database.count(of_key(key)).await, 1);
            assert!(nodes[0].get(key).await.unwrap().is_some());
        }
    }
}

#[tokio::test]
async fn many_updates_of_one_session_at_once_keep_their_order_and_one_of_each_version_succeeds() {
    let database = Database::new("one_session").await;
    let store = open(database.url()).await;
    let key = new_key();
    let mut version = store.set(&key, &write("0"), SetMode::Create).await.unwrap();
    for _ in 0..5 {
        let calls = (0..40).map(async |number: usize| {
            store.set(&key, &write(number.to_string()), SetMode::Update(version)).await.map_err(|error| error.kind())
        });
        let answers = join_all(calls).await;
        let done: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
        assert_eq!(done.len(), 1, "{answers:?}");
        assert!(answers.iter().filter_map(|answer| answer.as_ref().err()).all(|kind| *kind == ErrorKind::Conflict));
        version = *done[0];
        assert_eq!(store.get(&key).await.unwrap().unwrap().meta.version, version);
    }
}
