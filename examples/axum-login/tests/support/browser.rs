//! What sends requests, and keeps the cookie.

use std::sync::{Arc, Mutex};

use reqwest::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response};

/// What follows no redirect by itself.
#[derive(Clone)]
pub(crate) struct Browser {
    client: Client,
    url: String,
    cookie: Arc<Mutex<Option<String>>>,
}

/// The answer to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Where it sends the browser, or nothing.
    pub(crate) location: String,
    pub(crate) text: String,
    /// The line that sets a cookie, or nothing.
    pub(crate) set_cookie: String,
}

impl Browser {
    pub(crate) fn new(url: &str) -> Self {
        let client = Client::builder().redirect(Policy::none()).build().unwrap();
        Self { client, url: url.to_owned(), cookie: Arc::default() }
    }

    /// Another that has the same cookie, and does not share those to come.
    pub(crate) fn with_cookie(&self, cookie: Option<String>) -> Self {
        Self { cookie: Arc::new(Mutex::new(cookie)), ..self.clone() }
    }

    /// The session's ID.
    pub(crate) fn cookie(&self) -> Option<String> {
        self.cookie.lock().unwrap().clone()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    /// Sends a form, as one does that a page of the application has shown.
    pub(crate) async fn submit(&self, path: &str, form: &str) -> Answer {
        let origin = self.url.clone();
        self.send(Method::POST, path, &[("origin", &origin)], form).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], form: &str) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(cookie) = self.cookie() {
            request = request.header(COOKIE, format!("id={cookie}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !form.is_empty() {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.to_owned());
        }
        let answer = request.send().await.unwrap();
        let set_cookie = header(&answer, SET_COOKIE.as_str());
        self.keep(&set_cookie);
        let (status, location) = (answer.status().as_u16(), header(&answer, LOCATION.as_str()));
        Answer { status, location, set_cookie, text: answer.text().await.unwrap() }
    }

    fn keep(&self, line: &str) {
        let Some((value, _)) = line.strip_prefix("id=").and_then(|rest| rest.split_once(';')) else { return };
        *self.cookie.lock().unwrap() = Some(value.to_owned()).filter(|value| !value.is_empty());
    }

    pub(crate) async fn try_to_log_in(&self, name: &str, password: &str) -> Answer {
        self.submit("/login", &format!("name={name}&password={password}&next=/")).await
    }

    pub(crate) async fn log_in(&self, name: &str) {
        let password = if name == "ann" { "apple-tree" } else { "blue-bicycle" };
        let answer = self.try_to_log_in(name, password).await;
        assert_eq!((answer.status, answer.location.as_str()), (303, "/"), "{answer:?}");
    }

    /// Whom the first page greets. `None` when it sends to the login.
    pub(crate) async fn greeted(&self) -> Option<String> {
        let answer = self.get("/").await;
        if answer.status == 307 {
            assert_eq!(answer.location, "/login?next=%2F");
            return None;
        }
        assert_eq!(answer.status, 200, "{answer:?}");
        Some(between(&answer.text, "Hello, <strong>", "</strong>").unwrap().to_owned())
    }

    /// The sessions that the page shows: their keys, and whether one is said to be this.
    pub(crate) async fn listed(&self) -> Vec<(String, bool)> {
        let answer = self.get("/sessions").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let (_, body) = answer.text.split_once("<tbody>").unwrap();
        let rows = body.split("<tr>").skip(1);
        let key = |row| between(row, "name=\"key\" type=\"hidden\" value=\"", "\"").unwrap().to_owned();
        rows.map(|row| (key(row), row.contains("this one"))).collect()
    }
}

fn header(answer: &Response, name: &str) -> String {
    answer.headers().get(name).map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    Some(text.split_once(before)?.1.split_once(after)?.0)
}
