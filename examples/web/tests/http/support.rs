//! A shop that runs, and browsers of its visitors.

use std::sync::{Arc, Mutex};

use reqwest::header::{HeaderMap, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use session_store::memory::{ManualClock, MemoryStore};
use session_store::{SessionStore, Timestamp};
use tokio::net::TcpListener;

pub(crate) const COOKIE: &str = "__Host-session";

/// As a browser says of a form on a page of the shop.
pub(crate) const OWN_PAGE: [(&str, &str); 1] = [("sec-fetch-site", "same-origin")];

pub(crate) const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// It listens on a port of its own, and ends with the test's runtime.
pub(crate) struct Shop {
    pub(crate) store: Arc<dyn SessionStore>,
    pub(crate) host: String,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::open_on(Arc::new(MemoryStore::new()), "memory").await
    }

    /// A shop whose clock a test moves on.
    pub(crate) async fn open_with_clock() -> (Self, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000)));
        let store = MemoryStore::builder().clock(Arc::<ManualClock>::clone(&clock)).build().unwrap();
        (Self::open_on(Arc::new(store), "memory").await, clock)
    }

    pub(crate) async fn open_on(store: Arc<dyn SessionStore>, name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let app = web_demo::app(Arc::clone(&store), name).unwrap();
        tokio::spawn(web_demo::serve(listener, app, std::future::pending()));
        Self { store, host }
    }

    pub(crate) fn browser(&self) -> Browser {
        self.browser_named(FIREFOX)
    }

    pub(crate) fn browser_named(&self, user_agent: &str) -> Browser {
        let client = Client::builder().redirect(Policy::none()).user_agent(user_agent).no_proxy().build().unwrap();
        Browser { client, url: format!("http://{}", self.host), cookie: Mutex::default() }
    }

    /// A browser in which this user has just logged in.
    pub(crate) async fn browser_of(&self, user: &str) -> Browser {
        let browser = self.browser();
        browser.log_in(user).await;
        browser
    }

    pub(crate) async fn sessions(&self) -> u64 {
        self.store.count().await.unwrap()
    }
}

/// It keeps the shop's cookie, follows no redirect, and sends nothing of its own accord.
pub(crate) struct Browser {
    client: Client,
    url: String,
    cookie: Mutex<Option<String>>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Browser {
    pub(crate) async fn get(&self, path: &str) -> Page {
        self.send("GET", path, &[], &[]).await
    }

    /// Sends a form as a page of the shop does: with its token.
    pub(crate) async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let token = self.token().await;
        let fields: Vec<_> = fields.iter().copied().chain([("token", token.as_str())]).collect();
        self.send("POST", path, &fields, &OWN_PAGE).await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Page {
        let mut request = self.client.request(method.parse().unwrap(), format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(cookie) = self.cookie() {
            request = request.header("cookie", format!("{COOKIE}={cookie}"));
        }
        if method == "POST" {
            let form = serde_urlencoded::to_string(fields).unwrap();
            request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let page = Page { status, headers, body: answer.text().await.unwrap() };
        self.keep(&page);
        page
    }

    /// As browsers do with what the shop sets.
    fn keep(&self, page: &Page) {
        if let Some(line) = page.set_cookie() {
            let value = line.split(';').next().unwrap().strip_prefix(&format!("{COOKIE}=")).unwrap().to_owned();
            self.set_cookie((!line.contains("Max-Age=0")).then_some(value));
        }
    }

    pub(crate) fn cookie(&self) -> Option<String> {
        self.cookie.lock().unwrap().clone()
    }

    pub(crate) fn set_cookie(&self, value: Option<String>) {
        *self.cookie.lock().unwrap() = value;
    }

    /// What the forms have on the page that this visitor sees; nothing where he has no session.
    pub(crate) async fn token(&self) -> String {
        self.get("/").await.value_of("token").unwrap_or_default()
    }

    pub(crate) async fn log_in(&self, user: &str) -> Page {
        let page = self.submit("/login", &[("user", user), ("password", password(user)), ("next", "/")]).await;
        assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/"), "{}", page.body);
        page
    }

    pub(crate) async fn add(&self, product: &str) {
        assert_eq!(self.submit("/cart/add", &[("product", product)]).await.location(), "/");
    }

    /// Whether it is sent to the login with the message that its session has ended.
    pub(crate) async fn is_told_that_it_ended(&self) -> bool {
        let page = self.get("/devices").await;
        let is_sent = page.location() == "/login?notice=ended&next=%2Fdevices" && self.cookie().is_none();
        is_sent && self.get(page.location()).await.body.contains("Your session has ended")
    }
}

impl Page {
    pub(crate) fn location(&self) -> &str {
        self.headers.get(LOCATION).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn set_cookie(&self) -> Option<&str> {
        self.headers.get(SET_COOKIE).map(|value| value.to_str().unwrap())
    }

    /// The value of the first field of this name.
    pub(crate) fn value_of(&self, field: &str) -> Option<String> {
        self.values_of(field).first().cloned()
    }

    pub(crate) fn values_of(&self, field: &str) -> Vec<String> {
        let before = format!("name=\"{field}\" value=\"");
        let rests = self.body.split(&before).skip(1);
        rests.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    }

    /// What stands in the element with this id.
    pub(crate) fn text_of(&self, id: &str) -> &str {
        let (_, rest) = self.body.split_once(&format!("id=\"{id}\">")).unwrap();
        rest.split('<').next().unwrap()
    }

    /// How many lines the first list of devices has, and how many of them say that they are this one.
    pub(crate) fn devices(&self) -> (usize, usize) {
        (self.body.matches("scope=\"row\"").count(), self.body.matches("\"badge\"").count())
    }
}

pub(crate) fn password(user: &str) -> &'static str {
    match user {
        "ann" => "apple-tree",
        "ben" => "blue-bicycle",
        _ => "red-lighthouse",
    }
}
