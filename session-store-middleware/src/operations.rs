//! What the middlewares do with a session, each as one operation of the store.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use session_store_core::{
    Error, ErrorKind, MAX_TIMEOUT, MIN_TIMEOUT, Owner, Result, SessionKey, SetMode, UserId, Write,
};

use crate::adapter::{Adapter, Done, WhenGone};
use crate::data::{Data, Form, NoJson};
use crate::loaded::{LOADED, Loaded};

/// By how much an expiry may come earlier than that of the session and still be taken for the same: the two are computed
/// from two looks at the clock.
const ROUNDING: i64 = 1_000;

/// A live session.
pub(crate) struct Found {
    pub(crate) form: Form,
    pub(crate) loaded: Loaded,
    /// How long it will live if nothing happens.
    pub(crate) left: Duration,
}

impl Found {
    /// Its values by their names, with the note.
    pub(crate) fn into_values(self) -> Result<impl Iterator<Item = (String, Value)>, NoJson> {
        let note = (LOADED.to_owned(), Value::String(self.loaded.to_text()));
        Ok(Data::try_from(self.form)?.into_values().chain([note]))
    }

    /// Its texts by their names, with the note.
    pub(crate) fn into_texts(self) -> Result<BTreeMap<String, String>, NoJson> {
        let mut texts = self.form.into_texts()?;
        texts.insert(LOADED.to_owned(), self.loaded.to_text());
        Ok(texts)
    }
}

impl Adapter {
    /// `None` also where the ID is none: who has sent it is a visitor without a session.
    pub(crate) async fn find(&self, id: &str) -> Result<Option<Found>> {
        let Ok(key) = self.key(id) else { return Ok(None) };
        self.forget(key);
        let Some(record) = self.store().get(&key).await? else { return Ok(None) };
        let form: Form = self.codec.decode(&key, &record.data)?;
        let left = record.meta.expires_at.saturating_since(record.read_at);
        Ok(Some(Found { loaded: note(key, &form, left), form, left }))
    }

    /// Begins a session. Where it is another that gets a new ID, and that one was found gone when it was to be destroyed,
    /// there is none to go on.
    ///
    /// `AlreadyExists` where there is one with this key.
    pub(crate) async fn create(
        &self,
        key: SessionKey,
        form: Form,
        loaded: Option<Loaded>,
        idle: Option<Duration>,
    ) -> Result<()> {
        if let Some(before) = loaded.filter(|before| self.has(Done::FoundGone, before.key)) {
            return self.unless_discarded(Err(Error::not_found(&before.key)));
        }
        let write = self.write(&key, form, idle)?;
        self.store().set(&key, &write, SetMode::Create).await?;
        self.remember(key, Done::Written);
        Ok(())
    }

    /// Saves a session that is there. Where its data are as they were loaded, only its expiry is moved.
    pub(crate) async fn save(
        &self,
        key: SessionKey,
        form: Form,
        loaded: Option<Loaded>,
        idle: Option<Duration>,
    ) -> Result<()> {
        let idle = self.idle(idle);
        let is_as_loaded = |before: &Loaded| before.key == key && before.print == form.print();
        match loaded.filter(is_as_loaded).filter(|_| !self.has(Done::Written, key)) {
            Some(before) if now().saturating_add(millis(idle)).saturating_add(ROUNDING) >= before.expires => {
                self.touch(&key, idle).await
            }
            Some(_) => self.shorten(&key, idle).await,
            None => {
                let write = self.write(&key, form, Some(idle))?;
                let answer = self.store().set(&key, &write, SetMode::Replace).await;
                self.remember(key, Done::Written);
                self.unless_discarded(answer.map(drop))
            }
        }
    }

    /// Lets a session expire earlier, which a touch never does, and keeps the data that it has by now.
    async fn shorten(&self, key: &SessionKey, idle: Duration) -> Result<()> {
        loop {
            let Some(record) = self.store().get(key).await? else { return Ok(()) };
            let write = Write::new(record.data, idle, self.policy.absolute())?;
            match self.store().set(key, &write, SetMode::Update(record.meta.version)).await {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                answer => return answer.map(drop),
            }
        }
    }

    /// Saves a session of which the middleware does not say whether there was one.
    pub(crate) async fn create_or_save(
        &self,
        key: SessionKey,
        form: Form,
        loaded: Option<Loaded>,
        idle: Option<Duration>,
    ) -> Result<()> {
        if loaded.is_some_and(|before| before.key == key) {
            return self.save(key, form, loaded, idle).await;
        }
        match self.create(key, form.clone(), loaded, idle).await {
            // One whose note the application has removed with all else.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => self.save(key, form, None, idle).await,
            answer => answer,
        }
    }

    /// Gives a session that is there a new ID, and these data.
    pub(crate) async fn rotate(
        &self,
        from: SessionKey,
        to: SessionKey,
        form: Form,
        idle: Option<Duration>,
    ) -> Result<()> {
        let write = self.write(&to, form, idle)?;
        let answer = self.store().rotate(&from, &to, &write, None).await;
        self.remember(to, Done::Written);
        self.unless_discarded(answer.map(drop))
    }

    /// Where it is gone, nothing is lost.
    pub(crate) async fn touch(&self, key: &SessionKey, idle: Duration) -> Result<()> {
        self.store().touch(key, idle).await.map(drop)
    }

    /// A session that is gone already is as good as destroyed.
    pub(crate) async fn destroy(&self, id: &str) -> Result<()> {
        match self.key(id) {
            Ok(key) => self.destroy_key(key).await,
            Err(_) => Ok(()),
        }
    }

    pub(crate) async fn destroy_key(&self, key: SessionKey) -> Result<()> {
        if !self.store().destroy(&key).await? {
            self.remember(key, Done::FoundGone);
        }
        Ok(())
    }

    /// Removes what is dead.
    pub(crate) async fn prune(&self) -> Result<()> {
        const BATCH: u32 = 1_000;
        while self.store().prune(BATCH).await?.more {}
        Ok(())
    }

    pub(crate) fn idle(&self, idle: Option<Duration>) -> Duration {
        idle.unwrap_or(self.policy.idle()).clamp(MIN_TIMEOUT, MAX_TIMEOUT)
    }

    fn write(&self, key: &SessionKey, form: Form, idle: Option<Duration>) -> Result<Write> {
        let data = Data::try_from(form).map_err(|no_json| Error::invalid_input(no_json.to_string()))?;
        let owner = match &self.user {
            None => Owner::Keep,
            Some(find) => match find(&data) {
                None => Owner::Anonymous,
                Some(user) => Owner::User(UserId::new(user)?),
            },
        };
        let data = self.codec.encode(key, &data)?;
        Ok(Write::new(data, self.idle(idle), self.policy.absolute())?.with_owner(owner))
    }

    fn unless_discarded(&self, answer: Result<()>) -> Result<()> {
        match answer {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                tracing::info!(target: "session_store", "what a request has changed in a session that has ended is lost");
                if self.when_gone == WhenGone::Discard { Ok(()) } else { Err(error) }
            }
            answer => answer,
        }
    }
}

/// The note on a session as it is in the store now.
pub(crate) fn note(key: SessionKey, form: &Form, left: Duration) -> Loaded {
    Loaded { key, print: form.print(), expires: now().saturating_add(millis(left)) }
}

/// Milliseconds on a clock of this process's own, to be compared with what was computed with it.
fn now() -> i64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    millis(START.elapsed())
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use session_store_memory::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn a_session_is_not_created_in_the_place_of_another() {
        let id = "0123456789012345678901";
        let form = |user: &str| Form::Json(format!("{{\"user\":\"{user}\"}}"));
        let adapter = Adapter::new(std::sync::Arc::new(MemoryStore::new()));
        let key = adapter.key(id).unwrap();
        adapter.create(key, form("ann"), None, None).await.unwrap();
        let error = adapter.create(key, form("ben"), None, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert!(adapter.find(id).await.unwrap().unwrap().form == form("ann"));
    }
}
