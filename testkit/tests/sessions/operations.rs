//! All that can be done with sessions, well and badly.

use std::time::Duration;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use session_store_core::codec::{Codec, EncryptionKey, KeyRing};
use session_store_core::sessions::{Login, MaxPerUser};
use session_store_core::{Owner, Page, Policy, SessionId, SessionKey, SetMode, UserId, Write};
use testkit::servers::Proxy;

use crate::secrets::{Context, PAYLOAD, Seen, USER};

const HOUR: Duration = Duration::from_hours(1);

/// Tells its text in every error that it can cause.
#[derive(Clone, Debug)]
struct Telltale(String);

impl Serialize for Telltale {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom(&self.0))
    }
}

impl<'de> Deserialize<'de> for Telltale {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Err(D::Error::custom(String::deserialize(deserializer)?))
    }
}

#[derive(Debug, Deserialize, Serialize)]
enum Choice {
    Neither,
}

fn payload() -> String {
    PAYLOAD.to_owned()
}

fn all() -> Page {
    Page::first(100).unwrap()
}

pub(crate) async fn well(context: &Context, seen: &mut Seen) {
    let sessions = context.sessions::<String>();
    seen.value(&sessions);
    seen.value(&context.builder::<String>());
    seen.value(&context.ring);
    seen.value(&context.user);
    let visitor = sessions.create(payload()).await.unwrap();
    seen.session(&visitor);
    seen.value(&sessions.load(visitor.id()).await.unwrap());
    sessions.update(visitor.id(), |data| data.push('!')).await.unwrap().unwrap();
    let login = context.login(payload()).replacing(visitor.id()).policy(Policy::NIST_AAL3);
    seen.value(&login);
    let mut session = sessions.login(login).await.unwrap();
    seen.session(&session);
    assert!(sessions.save(&mut session).await.unwrap());
    assert!(sessions.rotate(&mut session).await.unwrap());
    seen.session(&session);
    let other = sessions.login(context.login(payload())).await.unwrap();
    seen.session(&other);
    let listing = sessions.list(&context.user, &all()).await.unwrap();
    seen.value(&listing);
    let write = Write::new(payload(), HOUR, HOUR).unwrap().with_owner(Owner::User(context.user.clone()));
    seen.value(&write);
    seen.value(&SetMode::Update(listing.sessions[0].meta.version));
    seen.value(&Page::first(1).unwrap().following(*session.key()));
    seen.value(&context.store.get(session.key()).await.unwrap());
    seen.value(&context.store.list_by_user(&context.user, &all()).await.unwrap());
    assert!(sessions.end(&context.user, other.key()).await.unwrap());
    sessions.login(context.login(payload())).await.unwrap();
    assert_eq!(sessions.destroy_others(&session).await.unwrap(), 1);
    sessions.reencrypt(&context.user).await.unwrap();
    assert!(sessions.destroy(session.id()).await.unwrap());
    sessions.login(context.login(payload())).await.unwrap();
    assert_eq!(sessions.destroy_all(&context.user).await.unwrap(), 1);
    context.store.prune(100).await.unwrap();
    context.store.ping().await.unwrap();
}

pub(crate) async fn badly(context: &Context, seen: &mut Seen) {
    let sessions = context.sessions::<String>();
    let mut session = sessions.login(context.login(payload())).await.unwrap();
    seen.session(&session);
    let (id, key) = (session.id().clone(), *session.key());
    // What the codec refuses.
    let other_ring = KeyRing::new(EncryptionKey::generate().unwrap());
    for codec in [Codec::new().with_encryption(other_ring), Codec::new(), Codec::new().with_decoded_limit(3)] {
        let others = context.builder::<String>().codec(codec).build().unwrap();
        seen.refused(others.load(&id).await);
        seen.refused(others.update(&id, |_| ()).await);
        seen.value(&others.list(&context.user, &all()).await.unwrap());
        others.reencrypt(&context.user).await.unwrap();
    }
    seen.refused(context.sessions::<u64>().load(&id).await);
    seen.refused(context.sessions::<Choice>().load(&id).await);
    let telltales = context.sessions::<Telltale>();
    seen.refused(telltales.load(&id).await);
    seen.refused(telltales.create(Telltale(payload())).await);
    seen.refused(telltales.login(context.login(Telltale(payload()))).await);
    for listed in telltales.list(&context.user, &all()).await.unwrap().sessions {
        seen.refused(listed.data);
    }
    let small = context.builder::<String>().data_limit(20).build().unwrap();
    seen.refused(small.create(payload()).await);
    // What the store refuses.
    assert!(sessions.update(&id, |data| data.push('?')).await.unwrap().is_some());
    seen.refused(sessions.save(&mut session).await);
    seen.refused(sessions.rotate(&mut session).await);
    let once = context.builder::<String>().update_attempts(1).build().unwrap();
    assert!(once.update(&id, |data| data.push('.')).await.unwrap().is_some());
    let write = Write::new(payload(), HOUR, HOUR).unwrap();
    let nobody = SessionKey::from(&SessionId::generate().unwrap());
    seen.refused(context.store.set(&key, &write, SetMode::Create).await);
    seen.refused(context.store.set(&nobody, &write, SetMode::Replace).await);
    seen.refused(context.store.rotate(&key, &key, &write, None).await);
    seen.refused(context.store.rotate(&nobody, &key, &write, None).await);
    seen.refused(context.store.touch(&key, Duration::MAX).await);
    seen.refused(context.store.set(&key, &Write::new(vec![0; 2 << 20], HOUR, HOUR).unwrap(), SetMode::Replace).await);
    // A session of no codec's making.
    let foreign = SessionId::generate().unwrap();
    let write = Write::new(payload(), HOUR, HOUR).unwrap();
    context.store.set(&SessionKey::from(&foreign), &write, SetMode::Create).await.unwrap();
    seen.refused(sessions.load(&foreign).await);
    assert!(sessions.destroy(&foreign).await.unwrap());
    // What the limit refuses.
    let few = context.builder::<String>().max_per_user(MaxPerUser::Refuse(1)).build().unwrap();
    seen.value(&few);
    seen.refused(few.login(context.login(payload())).await);
    // What nothing accepts.
    seen.refused(context.builder::<String>().idle_timeout(Duration::ZERO).build());
    seen.refused(context.builder::<String>().max_per_user(MaxPerUser::EndOldest(0)).build());
    seen.refused(UserId::new(USER.repeat(20)));
    seen.refused(UserId::new(format!("{USER}\0")));
    seen.refused(key.to_text().parse::<SessionId>());
    seen.refused(format!("{} {PAYLOAD}", id.expose_secret()).parse::<SessionId>());
    seen.refused(key.to_text().to_uppercase().parse::<SessionKey>());
    seen.refused(format!("{}00", key.to_text()).parse::<SessionKey>());
    // And the end of it, with the session still held.
    assert!(sessions.destroy(&id).await.unwrap());
    assert!(!sessions.save(&mut session).await.unwrap());
    assert!(!sessions.rotate(&mut session).await.unwrap());
    assert!(sessions.load(&id).await.unwrap().is_none());
    seen.value(&session);
}

/// The server goes away while sessions are held.
pub(crate) async fn broken(context: &Context, proxy: &Proxy, seen: &mut Seen) {
    let sessions = context.sessions::<String>();
    let session = sessions.login(context.login(payload())).await.unwrap();
    seen.session(&session);
    let (id, key) = (session.id().clone(), *session.key());
    let [mut saved, mut rotated] =
        [sessions.load(&id).await, sessions.load(&id).await].map(|held| held.unwrap().unwrap());
    let few = context.builder::<String>().max_per_user(MaxPerUser::EndOldest(1)).build().unwrap();
    let login = Login::new(context.user.clone(), payload()).replacing(&id);
    proxy.refuse();
    proxy.cut().await;
    let page = all();
    // At once, since a store may take its whole operation timeout to see that there is no server.
    let (written, read, ended) = tokio::join!(
        async {
            tokio::join!(
                sessions.create(payload()),
                sessions.save(&mut saved),
                sessions.rotate(&mut rotated),
                sessions.update(&id, |_| ()),
                few.login(login),
            )
        },
        async { tokio::join!(sessions.load(&id), sessions.list(&context.user, &page), context.store.count()) },
        async {
            tokio::join!(
                sessions.end(&context.user, &key),
                sessions.destroy(&id),
                sessions.destroy_others(&session),
                sessions.destroy_all(&context.user),
            )
        }
    );
    seen.refused(written.0);
    seen.refused(written.1);
    seen.refused(written.2);
    seen.refused(written.3);
    seen.refused(written.4);
    seen.refused(read.0);
    seen.refused(read.1);
    seen.refused(read.2);
    seen.refused(ended.0);
    seen.refused(ended.1);
    seen.refused(ended.2);
    seen.refused(ended.3);
}
