//! What sends requests, and keeps cookies.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Client, Method};

/// Clones share their cookies.
#[derive(Clone)]
pub(crate) struct Browser {
    client: Client,
    url: String,
    cookies: Arc<Mutex<BTreeMap<String, String>>>,
}

/// The answer to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Browser {
    pub(crate) fn new(url: &str) -> Self {
        Self { client: Client::new(), url: url.to_owned(), cookies: Arc::default() }
    }

    /// Another with the same cookies, which does not share those to come. On another node, if one is named.
    pub(crate) fn copy(&self, url: Option<&str>) -> Self {
        let cookies = Arc::new(Mutex::new(self.cookies()));
        let url = url.unwrap_or(&self.url).to_owned();
        Self { client: Client::new(), url, cookies }
    }

    pub(crate) fn cookies(&self) -> BTreeMap<String, String> {
        self.cookies.lock().unwrap().clone()
    }

    pub(crate) fn set_cookies(&self, cookies: BTreeMap<String, String>) {
        *self.cookies.lock().unwrap() = cookies;
    }

    /// The answer's text, which is there.
    pub(crate) async fn get(&self, path: &str) -> String {
        self.ok(Method::GET, path).await
    }

    /// As [`get`](Self::get).
    pub(crate) async fn post(&self, path: &str) -> String {
        self.ok(Method::POST, path).await
    }

    async fn ok(&self, method: Method, path: &str) -> String {
        let answer = self.send(method, path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.text
    }

    pub(crate) async fn send(&self, method: Method, path: &str) -> Answer {
        let cookies: Vec<_> = self.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies.join("; "));
        }
        let answer = request.send().await.unwrap();
        for line in answer.headers().get_all(SET_COOKIE) {
            self.keep(line.to_str().unwrap());
        }
        Answer { status: answer.status().as_u16(), text: answer.text().await.unwrap() }
    }

    fn keep(&self, line: &str) {
        let mut parts = line.split(';').map(str::trim);
        let (name, value) = parts.next().unwrap().split_once('=').unwrap();
        let is_removed = parts.map(str::to_ascii_lowercase).any(|attribute| {
            attribute == "max-age=0" || (attribute.starts_with("expires=") && attribute.contains("1970"))
        });
        let mut cookies = self.cookies.lock().unwrap();
        if is_removed || value.is_empty() {
            cookies.remove(name);
        } else {
            cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}
