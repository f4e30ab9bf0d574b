//! The settings that all middlewares share, and what only they add: a user's sessions.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use session_store_core::codec::Codec;
use session_store_core::sessions::Listing;
use session_store_core::{Page, Policy, Result, SessionId, SessionKey, SessionStore, Sessions, UserId};
use tokio::task::{Id, try_id};

use crate::data::Data;
use crate::memo::Memo;

/// How many requests are remembered: more than run at a time.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// What a request has done to a session, which it may ask for once more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Done {
    /// It was to be destroyed, and was gone already.
    FoundGone,
    /// It was written: it is not as it was loaded any more.
    Written,
}

/// A request is known by the task that it runs on, which it shares with none that runs at the same time.
type Request = (Option<Id>, SessionKey);

/// What a request sees whose session has ended while it ran, by a logout or a revocation elsewhere, or because its time
/// was over. What it has changed is not saved either way, and the session stays ended. One that has changed nothing gets its
/// own answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum WhenGone {
    /// An error of the kind [`NotFound`](session_store_core::ErrorKind::NotFound), which the middleware answers with a
    /// status of 500 or 503: nobody believes that anything was saved. The default.
    #[default]
    Refuse,
    /// Its own answer, as if all had been saved. The next request finds no session.
    Discard,
}

/// A store and what is needed to put it behind a middleware. Clones share everything.
///
/// ```
/// # #[cfg(feature = "tower-sessions")] {
/// use std::sync::Arc;
/// use session_store_memory::MemoryStore;
/// use session_store_middleware::Adapter;
///
/// let adapter = Adapter::new(Arc::new(MemoryStore::new())).user_at("/user/id");
/// let layer = tower_sessions::SessionManagerLayer::new(adapter.tower_sessions());
/// # }
/// ```
#[derive(Clone)]
pub struct Adapter {
    sessions: Sessions<Data>,
    pub(crate) codec: Codec,
    pub(crate) policy: Policy,
    pub(crate) when_gone: WhenGone,
    pub(crate) user: Option<FindUser>,
    done: Memo<Request, Done>,
}

pub(crate) type FindUser = Arc<dyn Fn(&Data) -> Option<String> + Send + Sync>;

impl Adapter {
    /// With the default codec, and sessions that belong to nobody: see [`user_at`](Self::user_at).
    #[must_use]
    pub fn new(store: Arc<dyn SessionStore>) -> Self {
        Self {
            sessions: Sessions::new(store),
            codec: Codec::new(),
            policy: Policy::NIST_AAL1,
            when_gone: WhenGone::default(),
            user: None,
            done: Memo::new(REMEMBERED),
        }
    }

    /// Where the user is found in the data of a session: a JSON Pointer
    /// ([RFC 6901](https://www.rfc-editor.org/rfc/rfc6901)) to a text or a number, such as `/user_id` or `/user/id`.
    /// A session without it belongs to nobody. What was stored before this was said belongs to a user from its next change on.
    #[must_use]
    pub fn user_at(self, pointer: &str) -> Self {
        let pointer = pointer.to_owned();
        self.user(move |data| data.text_at(&pointer))
    }

    /// Whom a session belongs to, by its data: looked at whenever a session is written.
    ///
    /// Give a session a new ID when its user becomes another, as each login should: a key that was listed for the one is
    /// then never that of the other.
    ///
    /// A user that is no [`UserId`], because it is empty or has more than 256 bytes, is an error of that write.
    #[must_use]
    pub fn user(mut self, find: impl Fn(&Data) -> Option<String> + Send + Sync + 'static) -> Self {
        self.user = Some(Arc::new(find));
        self
    }

    /// How long a session may live in all, however active it is, which no middleware says; and how long without activity
    /// where the middleware does not say that either. [`Policy::NIST_AAL1`] by default: 30 days.
    ///
    /// A middleware that gives a session a new ID by making another session gives it this time anew, unless its page says
    /// otherwise.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// What a request sees whose session has ended while it ran.
    #[must_use]
    pub fn when_gone(mut self, what: WhenGone) -> Self {
        self.when_gone = what;
        self
    }

    /// How data are written and read: compressed, with a dictionary, encrypted.
    ///
    /// # Errors
    ///
    /// `Config` as [`Builder::build`](session_store_core::sessions::Builder::build).
    pub fn codec(mut self, codec: Codec) -> Result<Self> {
        self.sessions = Sessions::builder(Arc::clone(self.store())).codec(codec.clone()).build()?;
        self.codec = codec;
        Ok(self)
    }

    /// The key of the session with this ID, as the middleware shows it: which of a user's sessions is "this one".
    ///
    /// # Errors
    ///
    /// `InvalidInput` for what is no ID: it has 22 to 256 visible ASCII characters.
    pub fn key(&self, id: &str) -> Result<SessionKey> {
        Ok(SessionKey::from(&id.parse::<SessionId>()?))
    }

    /// The sessions of a user, a page at a time, in the order of their keys.
    ///
    /// # Errors
    ///
    /// As [`Sessions::list`].
    pub async fn list(&self, user: &UserId, page: &Page) -> Result<Listing<Data>> {
        self.sessions.list(user, page).await
    }

    /// Ends this session if it is the user's. Gives whether it did.
    ///
    /// # Errors
    ///
    /// As [`Sessions::end`].
    pub async fn end(&self, user: &UserId, key: &SessionKey) -> Result<bool> {
        self.sessions.end(user, key).await
    }

    /// Ends all sessions of the user but this one. Gives how many it ended.
    ///
    /// # Errors
    ///
    /// As [`SessionStore::destroy_by_user`].
    pub async fn destroy_others(&self, user: &UserId, key: &SessionKey) -> Result<u64> {
        self.store().destroy_by_user(user, Some(key)).await
    }

    /// Ends all sessions of the user. Gives how many it ended.
    ///
    /// # Errors
    ///
    /// As [`Sessions::destroy_all`].
    pub async fn destroy_all(&self, user: &UserId) -> Result<u64> {
        self.sessions.destroy_all(user).await
    }

    /// The store itself.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn SessionStore> {
        self.sessions.store()
    }

    /// Remembers what this request has done.
    pub(crate) fn remember(&self, key: SessionKey, done: Done) {
        self.done.put((try_id(), key), done);
    }

    pub(crate) fn has(&self, done: Done, key: SessionKey) -> bool {
        self.done.get(&(try_id(), key)) == Some(done)
    }

    /// Another request may run on the same task.
    pub(crate) fn forget(&self, key: SessionKey) {
        self.done.take(&(try_id(), key));
    }
}

impl fmt::Debug for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adapter")
            .field("store", self.store())
            .field("codec", &self.codec)
            .field("policy", &self.policy)
            .field("when_gone", &self.when_gone)
            .finish_non_exhaustive()
    }
}
