//! The application on a store of a test's own, and browsers that use it.

mod browser;

use std::sync::Arc;
use std::time::Duration;

use axum_login_example::{adapter, router};
use session_store::sessions::Listed;
use session_store::{Page, UserId};
use session_store_memory::MemoryStore;
use session_store_middleware::{Adapter, Data};
use session_store_redis::RedisStore;
use testkit::servers::RedisServer;
use tokio::net::TcpListener;
use tokio::time::sleep;

pub(crate) use self::browser::{Answer, Browser};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Memory,
    Redis,
}

pub(crate) const ANN: &str = "1";
pub(crate) const BEN: &str = "2";

pub(crate) struct Stage {
    url: String,
    /// It looks at the store from outside the application, and knows nothing of users.
    pub(crate) outside: Adapter,
    _server: Option<RedisServer>,
}

impl Stage {
    pub(crate) async fn new(kind: Kind) -> Self {
        let (outside, server) = match kind {
            Kind::Memory => (Adapter::new(Arc::new(MemoryStore::new())), None),
            Kind::Redis => {
                let server = RedisServer::start(&[]).await.unwrap();
                let store = RedisStore::builder(server.url()).build().await.unwrap();
                (Adapter::new(Arc::new(store)), Some(server))
            }
        };
        Self { url: serve(&outside).await, outside, _server: server }
    }

    /// The address of the application started once more, on the same store.
    pub(crate) async fn again(&self) -> String {
        serve(&self.outside).await
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser::new(&self.url)
    }

    pub(crate) async fn logged_in(&self, name: &str) -> Browser {
        let browser = self.browser();
        browser.log_in(name).await;
        browser
    }

    /// The keys of the sessions that the store has for a user, by his ID.
    pub(crate) async fn keys(&self, user: &str) -> Vec<String> {
        self.sessions(user).await.iter().map(|listed| listed.key.to_text()).collect()
    }

    /// How long after its login the only session of a user was last seen.
    pub(crate) async fn seen_after_login(&self, user: &str) -> Duration {
        let [Listed { meta, .. }] = self.sessions(user).await.try_into().unwrap();
        meta.last_seen_at.saturating_since(meta.created_at)
    }

    async fn sessions(&self, user: &str) -> Vec<Listed<Data>> {
        self.outside.list(&user_id(user), &Page::first(100).unwrap()).await.unwrap().sessions
    }

    /// How many sessions there are, whoever they belong to.
    pub(crate) async fn count(&self) -> u64 {
        self.outside.store().count().await.unwrap()
    }

    /// The key of the session that a browser has.
    pub(crate) fn key(&self, browser: &Browser) -> String {
        self.outside.key(&browser.cookie().unwrap()).unwrap().to_text()
    }
}

pub(crate) fn user_id(user: &str) -> UserId {
    UserId::new(user).unwrap()
}

pub(crate) async fn a_moment() {
    sleep(Duration::from_millis(20)).await;
}

async fn serve(outside: &Adapter) -> String {
    let app = router(adapter(Arc::clone(outside.store())));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await });
    url
}
