//! Logging in and out.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};
use serde::Deserialize;
use session_store::{Login, Session, UserId};

use super::layout::{Frame, Notice, token};
use super::see;
use crate::accounts::ACCOUNTS;
use crate::cookie::{self, Kept};
use crate::device;
use crate::local::Local;
use crate::post::{Button, Form, Post};
use crate::query::Query;
use crate::refusal::Refusal;
use crate::shop::Shop;
use crate::state::App;
use crate::visit::Visit;

pub(super) async fn show(visit: Result<Visit, Refusal>, query: Query) -> Result<Response, Refusal> {
    let next = query.get("next").and_then(Local::new).unwrap_or_else(Local::start);
    let (session, has_ended) = match visit {
        Ok(visit) => (visit.session, false),
        // Here the visitor is where he would be sent.
        Err(Refusal::Ended(_)) => (None, true),
        Err(refusal) => return Err(refusal),
    };
    if session.as_ref().is_some_and(|session| session.user().is_some()) {
        return Ok(see(next.as_str()));
    }
    let notice = if has_ended { Some("ended") } else { query.get("notice") };
    let page = Page { session: session.as_ref(), notice: notice.and_then(told), user: "", next: &next };
    let mut answer = page.markup().into_response();
    if has_ended {
        cookie::remove(&mut answer);
    }
    Ok(answer)
}

/// Why the visitor is here.
fn told(notice: &str) -> Option<Notice> {
    match notice {
        "ended" => Some(Notice::Wrong(html! {
            strong { "Your session has ended." } " It has expired, or it was ended from another device. Log in again, or go on "
            "without."
        })),
        "login-first" => Some(Notice::Done(html! { "Please log in to see that page." })),
        "logged-out" => Some(Notice::Done(html! { "You are logged out." })),
        _ => None,
    }
}

struct Page<'a> {
    session: Option<&'a Session<Shop>>,
    notice: Option<Notice>,
    /// What was entered before.
    user: &'a str,
    next: &'a Local,
}

impl Page<'_> {
    fn markup(self) -> Markup {
        let main = html! {
            div.narrow {
                section.card {
                    h1 { "Log in" }
                    (self.form())
                }
                (demo_users())
            }
        };
        Frame { title: "Log in", here: "/login", session: self.session, notice: self.notice }.around(&main)
    }

    fn form(&self) -> Markup {
        html! {
            form.fields method="post" action="/login" {
                (token(self.session))
                input type="hidden" name="next" value=(self.next.as_str());
                label for="user" { "User name" }
                input #user name="user" value=(self.user) autocomplete="username" autocapitalize="none" spellcheck="false"
                    maxlength="256" required;
                label for="password" { "Password" }
                input #password name="password" type="password" autocomplete="current-password" maxlength="256" required;
                div.check {
                    input #remember name="remember" type="checkbox" value="yes";
                    label for="remember" { "Remember me for 90 days" }
                }
                button { "Log in" }
            }
        }
    }
}

fn demo_users() -> Markup {
    html! {
        section.card.hint aria-labelledby="users" {
            h2 #users { "Users of this demo" }
            table {
                caption.unseen { "Names and passwords of the demo" }
                thead { tr { th scope="col" { "Name" } th scope="col" { "Password" } } }
                tbody {
                    @for account in &ACCOUNTS {
                        tr { th scope="row" { code { (account.name) } } td { code { (account.password) } } }
                    }
                }
            }
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Entered {
    user: String,
    password: String,
    #[serde(default)]
    next: String,
    remember: Option<String>,
}

impl Form for Entered {
    // Whoever has let his cart expire on this page may log in all the same.
    const OUTLIVES_SESSION: bool = true;
}

pub(super) async fn log_in(
    State(app): State<App>,
    headers: HeaderMap,
    Post { session, form }: Post<Entered>,
) -> Result<Response, Refusal> {
    let next = Local::new(&form.next).filter(|next| !next.is_login()).unwrap_or_else(Local::start);
    let Some(account) = app.passwords.check(&form.user, form.password).await? else {
        // Which of the two is wrong is nobody's business.
        let notice = Some(Notice::Wrong(html! { "The user name or the password is wrong." }));
        let page = Page { session: session.as_ref(), notice, user: &form.user, next: &next };
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page.markup()).into_response());
    };
    let login = login_of(UserId::new(account.name)?, session, device::of(&headers))?;
    let (login, kept) = match form.remember {
        Some(_) => (login.policy(app.remember_me), Kept::Remembered),
        None => (login, Kept::ForNow),
    };
    let session = app.sessions.login(login).await?;
    let mut answer = see(next.as_str());
    cookie::set(&mut answer, &session, kept);
    Ok(answer)
}

/// The visitor's cart goes along, and his former session ends. What another user has left in this browser does not go
/// along.
fn login_of(user: UserId, session: Option<Session<Shop>>, device: String) -> session_store::Result<Login<Shop>> {
    Ok(match session {
        Some(mut session) if session.user().is_none_or(|before| *before == user) => {
            session.data = session.data.logged_in(device)?;
            Login::from_session(user, session)
        }
        other => Login::new(user, Shop::new()?.logged_in(device)?).replacing(other.as_ref().map(Session::id)),
    })
}

pub(super) async fn log_out(State(app): State<App>, post: Post<Button>) -> Result<Response, Refusal> {
    if let Some(session) = &post.session {
        app.sessions.destroy(session.id()).await?;
    }
    Ok(logged_out())
}

/// Where those go whose session has just ended by their own will.
pub(super) fn logged_out() -> Response {
    let mut answer = see("/login?notice=logged-out");
    cookie::remove(&mut answer);
    answer
}
