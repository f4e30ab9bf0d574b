//! Whatever is logged, measured, printed or refused shows no ID, key, user, data, or secret of the application.

use std::fmt::{Arguments, Debug};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use session_store_core::observed::{Audit, Event, Observed};
use session_store_core::sessions::{Login, MaxPerUser, Pepper};
use session_store_core::{ErrorKind, Page, Session, SessionId, SessionKey, SessionStore, Sessions};

use crate::captured_telemetry::capture;
use crate::fault_store::{Act, FaultStore, HOUR, MINUTE, user};
use crate::test_keys::{codec, key, ring};

const USER: &str = "alice.wonderland@example.com";
const DATA: &str = "correct horse battery staple";
const KEYS: [u8; 2] = [0xA7, 0xB3];
const PEPPER: u8 = 0xC9;

/// Everything that is printed.
#[derive(Clone, Debug, Default)]
struct Shown(Arc<Mutex<String>>);

impl Shown {
    fn line(&self, text: Arguments<'_>) {
        let mut shown = self.0.lock().unwrap();
        shown.push_str(&text.to_string());
        shown.push('\n');
    }

    fn add(&self, value: &dyn Debug) {
        self.line(format_args!("{value:?}\n{value:#?}"));
    }

    fn error(&self, error: &session_store_core::Error) {
        self.add(error);
        self.line(format_args!("{error} {error:#}"));
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            self.line(format_args!("{cause} {cause:?}"));
            source = cause.source();
        }
    }
}

impl Audit for Shown {
    fn record(&self, event: &Event<'_>) {
        self.add(event);
    }
}

fn sessions(faults: &FaultStore, shown: &Shown, max: MaxPerUser, new_ring: bool) -> Sessions<String> {
    let ring = if new_ring { ring(KEYS[1]).with_former(key(KEYS[0])) } else { ring(KEYS[0]) };
    let builder = Sessions::builder(Arc::new(Observed::new(faults.clone(), "memory").with_audit(shown.clone())))
        .pepper(Pepper::from_bytes(&[PEPPER; 32]))
        .accept_pepper(Pepper::from_bytes(&[PEPPER; 32]))
        .accept_unpeppered()
        .max_per_user(max)
        .update_attempts(2)
        .data_limit(10_000)
        .codec(codec(ring));
    shown.add(&builder);
    let sessions = builder.build().unwrap();
    shown.add(&sessions);
    sessions
}

/// Everything that goes well.
async fn live(faults: &FaultStore, shown: &Shown, ids: &mut Vec<(SessionId, SessionKey)>) -> Session<String> {
    let sessions = sessions(faults, shown, MaxPerUser::EndOldest(2), false);
    let anonymous = sessions.create(DATA.to_owned()).await.unwrap();
    let login = Login::new(user(USER), DATA.to_owned()).replacing(anonymous.id());
    shown.add(&login);
    let mut session = sessions.login(login).await.unwrap();
    ids.extend([&anonymous, &session].map(|session| (session.id().clone(), *session.key())));
    assert!(sessions.rotate(&mut session).await.unwrap());
    for _ in 0..3 {
        faults.pass(MINUTE * 7);
        let other = sessions.login(Login::new(user(USER), DATA.to_owned())).await.unwrap();
        ids.push((other.id().clone(), *other.key()));
        session = other;
    }
    faults.pass(MINUTE * 7);
    let rotating = self::sessions(faults, shown, MaxPerUser::EndOldest(2), true);
    let loaded = rotating.load(session.id()).await.unwrap().unwrap();
    shown.add(&(&loaded, rotating.list(&user(USER), &Page::first(9).unwrap()).await.unwrap()));
    assert_eq!(rotating.reencrypt(&user(USER)).await.unwrap(), 1);
    rotating.update(session.id(), |data| data.push('!')).await.unwrap().unwrap();
    faults.pass(MINUTE * 7);
    rotating.load(session.id()).await.unwrap().unwrap()
}

/// Everything that is refused or fails.
async fn fail(faults: &FaultStore, shown: &Shown, mut session: Session<String>) {
    let good = sessions(faults, shown, MaxPerUser::Refuse(1), true);
    shown.error(&good.login(Login::new(user(USER), DATA.to_owned())).await.unwrap_err());
    shown.error(&good.create(DATA.repeat(400_000)).await.unwrap_err());
    let by_another_key = faults.builder::<String>().pepper(Pepper::from_bytes(&[PEPPER; 32])).codec(codec(ring(9)));
    shown.error(&by_another_key.build().unwrap().load(session.id()).await.unwrap_err());
    let numbers = faults.builder::<u64>().pepper(Pepper::from_bytes(&[PEPPER; 32]));
    let numbers = numbers.codec(codec(ring(KEYS[1]).with_former(key(KEYS[0])))).build().unwrap();
    shown.error(&numbers.load(session.id()).await.unwrap_err());
    shown.add(&numbers.list(&user(USER), &Page::first(9).unwrap()).await.unwrap());
    good.update(session.id(), |_| ()).await.unwrap().unwrap();
    shown.error(&good.save(&mut session).await.unwrap_err());
    for operation in ["get", "set", "rotate", "destroy", "list_by_user", "destroy_by_user"] {
        // A session may have one of several keys, each of which is tried.
        faults.cue(operation, 0, if operation == "destroy" { 2 } else { 1 }, Act::Fails(ErrorKind::Internal));
    }
    shown.error(&good.load(session.id()).await.unwrap_err());
    shown.error(&good.save(&mut session).await.unwrap_err());
    shown.error(&good.rotate(&mut session).await.unwrap_err());
    shown.error(&good.destroy(session.id()).await.unwrap_err());
    shown.error(&good.list(&user(USER), &Page::first(9).unwrap()).await.unwrap_err());
    shown.error(&good.destroy_all(&user(USER)).await.unwrap_err());
    faults.pass(MINUTE * 7);
    faults.next("touch", Act::Fails(ErrorKind::Unavailable));
    assert!(good.load(session.id()).await.unwrap().is_some());
    faults.plant_corrupt(&SessionKey::from_bytes([0xD1; 32]), USER).await;
    assert_eq!(good.list(&user(USER), &Page::first(9).unwrap()).await.unwrap().sessions.len(), 3);
    assert_eq!(good.destroy_all(&user(USER)).await.unwrap(), 3);
    assert!(!good.save(&mut session).await.unwrap());
    faults.pass(HOUR * 25);
    good.store().prune(9).await.unwrap();
    good.store().clear().await.unwrap();
}

/// All ways in which bytes may be shown.
fn forms(bytes: &[u8]) -> Vec<String> {
    let list = format!("{bytes:?}");
    vec![
        hex::encode(bytes),
        hex::encode_upper(bytes),
        URL_SAFE_NO_PAD.encode(bytes)[..bytes.len()].to_owned(),
        STANDARD_NO_PAD.encode(bytes)[..bytes.len()].to_owned(),
        list.trim_matches(['[', ']']).to_owned(),
        String::from_utf8_lossy(bytes).into_owned(),
    ]
}

#[test]
fn by_all_that_goes_well_and_all_that_fails() {
    let (faults, shown) = (FaultStore::new(), Shown::default());
    let mut ids = Vec::new();
    let (telemetry, ()) = capture(|| async {
        let session = live(&faults, &shown, &mut ids).await;
        fail(&faults, &shown, session).await;
    });
    let printed = shown.0.lock().unwrap().clone();
    let all = format!("{}\n{:?}\n{printed}", telemetry.log, telemetry.metrics);
    for event in ["created", "logged_in", "rotated", "replaced", "surplus", "all_of_user", "limit_reached", "conflict"]
    {
        assert!(all.contains(event), "{event} was reported");
    }
    for failure in ["could not be kept up", "cannot be decoded", "an operation failed"] {
        assert!(telemetry.log.contains(failure), "{failure}: {}", telemetry.log);
    }
    let mut secrets = vec![USER.as_bytes().to_vec(), DATA.as_bytes().to_vec(), b"horse".to_vec(), b"alice".to_vec()];
    secrets.extend(KEYS.map(|n| vec![n; 32]).into_iter().chain([vec![PEPPER; 32], vec![0xD1; 32]]));
    for (id, key) in ids {
        secrets.extend([id.expose_secret().as_bytes().to_vec(), key.as_bytes().to_vec()]);
        secrets.push(URL_SAFE_NO_PAD.decode(id.expose_secret()).unwrap());
        // A part of them would be enough to look for them.
        secrets.extend([id.expose_secret().as_bytes()[..12].to_vec(), key.as_bytes()[..8].to_vec()]);
    }
    for form in secrets.iter().flat_map(|secret| forms(secret)) {
        assert!(!all.contains(&form), "{form:?} is shown");
    }
}
