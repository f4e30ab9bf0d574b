//! All that can be done is done, well and badly, and nothing that is reported or stored shows a secret (clause E2).

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use session_store_core::codec::{Codec, EncryptionKey, KeyRing};
use session_store_core::observed::Observed;
use session_store_core::sessions::{Builder, Login, Pepper};
use session_store_core::{Error, Session, SessionId, SessionKey, SessionStore, Sessions, UserId};
use testkit::servers::Proxy;

use crate::captured_telemetry::CapturedTelemetry;
use crate::encodings::{Secrets, searchable};
use crate::namespace_fixture::{Kind, NamespaceFixture, all_text};
use crate::operations;

pub(crate) const USER: &str = "alice-of-the-long-name";
pub(crate) const PAYLOAD: &str = "the-payload-of-a-lamp";

/// Of a session that nobody encrypts.
const OPEN: &str = "what-everybody-may-read";

/// What was seen of values and errors, and what must not be.
#[derive(Default)]
pub(crate) struct Seen {
    texts: Vec<String>,
    /// What a database must not hold either.
    secrets: Secrets,
    keys: Vec<SessionKey>,
}

impl Seen {
    pub(crate) fn value(&mut self, value: &impl Debug) {
        self.texts.push(format!("{value:?} {value:#?}"));
    }

    pub(crate) fn refused<T: Debug>(&mut self, answer: Result<T, Error>) {
        let error = answer.unwrap_err();
        self.keys.extend(error.key());
        self.texts.push(all_text(&error));
    }

    pub(crate) fn session<T>(&mut self, session: &Session<T>) {
        self.value(session);
        self.value(session.id());
        self.value(session.key());
        self.secrets.add("a session ID", session.id().expose_secret().as_bytes());
        self.keys.extend([*session.key(), SessionKey::from(session.id())]);
    }

    /// The secret of a key or a pepper, as bytes and as text.
    fn secret(&mut self, bytes: [u8; 32], text: &str) {
        self.secrets.add("a secret of the application", &bytes);
        self.secrets.add("the text of a secret of the application", text.as_bytes());
    }

    fn key(&mut self, bytes: [u8; 32]) -> EncryptionKey {
        let key = EncryptionKey::from_bytes(&bytes);
        self.value(&key);
        self.secret(bytes, &key.expose_secret());
        // One character too many.
        self.refused(format!("{}A", *key.expose_secret()).parse::<EncryptionKey>());
        key
    }

    fn pepper(&mut self, bytes: [u8; 32]) -> Pepper {
        let pepper = Pepper::from_bytes(&bytes);
        self.value(&pepper);
        self.secret(bytes, &pepper.expose_secret());
        self.refused(pepper.expose_secret()[1..].parse::<Pepper>());
        pepper
    }

    /// That no text shows what none may, however it was reported.
    fn check_texts(&self, telemetry: &str) {
        let mut secrets = self.secrets.clone();
        secrets.add("a user", USER.as_bytes());
        for key in &self.keys {
            secrets.add("a session key", key.as_bytes());
        }
        for text in self.texts.iter().map(String::as_str).chain([telemetry]) {
            if let Some((what, form)) = secrets.shown_by(text) {
                let line = text.lines().find(|line| line.contains(form));
                panic!("{what} is shown: {}", line.unwrap_or(text));
            }
        }
    }

    /// That the database holds none; but session keys, of which there is one, and what was not encrypted.
    fn check_dump(&self, dump: &[Vec<u8>], kept: &SessionKey) {
        let all: Vec<_> = dump.iter().map(|bytes| searchable(bytes)).collect();
        let (mut there, mut open) = (Secrets::default(), Secrets::default());
        there.add("a session key", kept.as_bytes());
        open.add("what was not encrypted", OPEN.as_bytes());
        assert!(all.iter().any(|text| there.shown_by(text).is_some()), "it would be seen if it were there");
        assert!(all.iter().any(|text| open.shown_by(text).is_some()), "it would be seen if it were there");
        for text in &all {
            assert!(self.secrets.shown_by(text).is_none(), "{:?} is kept", self.secrets.shown_by(text));
        }
    }
}

pub(crate) struct Context {
    pub(crate) store: Arc<dyn SessionStore>,
    pub(crate) ring: KeyRing,
    pub(crate) pepper: Pepper,
    pub(crate) user: UserId,
}

impl Context {
    fn new(
        telemetry: &CapturedTelemetry,
        fixture: &NamespaceFixture,
        store: Arc<dyn SessionStore>,
        seen: &mut Seen,
    ) -> Self {
        let [current, next, former] = [0xA7, 0xB9, 0xC3].map(|byte| {
            let mut bytes = *SessionKey::from(&SessionId::generate().unwrap()).as_bytes();
            bytes[0] = byte;
            seen.key(bytes)
        });
        let ring = KeyRing::new(current).with_next(next).with_former(former);
        let pepper = seen.pepper(*SessionKey::from(&SessionId::generate().unwrap()).as_bytes());
        seen.secrets.add("a payload", PAYLOAD.as_bytes());
        let store = Observed::new(store, fixture.kind.name()).with_audit(telemetry.audit());
        seen.value(&store);
        Self { store: Arc::new(store), ring, pepper, user: UserId::new(USER).unwrap() }
    }

    /// On another way to the same store.
    fn through(&self, telemetry: &CapturedTelemetry, fixture: &NamespaceFixture, store: Arc<dyn SessionStore>) -> Self {
        let store = Observed::new(store, fixture.kind.name()).with_audit(telemetry.audit());
        let Self { ring, pepper, user, .. } = self;
        Self { store: Arc::new(store), ring: ring.clone(), pepper: pepper.clone(), user: user.clone() }
    }

    /// With all that may be switched on.
    pub(crate) fn builder<T>(&self) -> Builder<T> {
        let codec = Codec::new().with_encryption(self.ring.clone());
        let builder = Sessions::builder(Arc::clone(&self.store)).codec(codec).touch_after(Duration::ZERO);
        builder.pepper(self.pepper.clone()).accept_unpeppered()
    }

    pub(crate) fn sessions<T: Serialize + DeserializeOwned + Send>(&self) -> Sessions<T> {
        self.builder().build().unwrap()
    }

    pub(crate) fn login<T>(&self, data: T) -> Login<T> {
        Login::new(self.user.clone(), data)
    }
}

pub(crate) async fn keep(fixture: &NamespaceFixture) -> String {
    let telemetry = CapturedTelemetry::begin();
    let mut seen = Seen::default();
    let context = Context::new(&telemetry, fixture, fixture.node().await, &mut seen);
    operations::well(&context, &mut seen).await;
    operations::badly(&context, &mut seen).await;
    if fixture.kind != Kind::Memory {
        let [proxy, nowhere] = [Proxy::start(&fixture.url).await.unwrap(), Proxy::start(&fixture.url).await.unwrap()];
        nowhere.refuse();
        let unreachable = fixture.at(nowhere.url());
        let broken = context.through(&telemetry, fixture, fixture.at(proxy.url()).node().await);
        let ((), unopened) = tokio::join!(operations::broken(&broken, &proxy, &mut seen), unreachable.try_node());
        seen.refused(unopened);
    }
    // Something must be left to be found.
    let kept = context.sessions().login(context.login(PAYLOAD.to_owned())).await.unwrap();
    seen.session(&kept);
    Sessions::new(fixture.node().await).create(OPEN.to_owned()).await.unwrap();

    seen.check_texts(&telemetry.text());
    if fixture.kind != Kind::Memory {
        seen.check_dump(&fixture.dump().await, kept.key());
    }
    // Whatever anybody tells would have been heard.
    tracing::trace!("{PAYLOAD}");
    assert!(seen.secrets.shown_by(&telemetry.text()).is_some());
    for what in ["session_store_events_total", "audit logged_in", "operation=", "session_store_undecodable_total"] {
        assert!(telemetry.text().contains(what), "{what}");
    }
    format!("no secret in {} texts and {} bytes", seen.texts.len(), telemetry.text().len())
}
