//! Where the user is logged in, and how to end that.

use std::cmp::Reverse;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use session_store::sessions::Listed;
use session_store::{Page, SessionKey};

use super::layout::{Frame, Notice, token};
use super::login::logged_out;
use super::see;
use crate::post::{Button, Form, Post};
use crate::query::{Query, address};
use crate::refusal::Refusal;
use crate::shop::Shop;
use crate::state::App;
use crate::times::{future, past};
use crate::visit::LoggedIn;

/// How many are shown on a page.
const PER_PAGE: u32 = 20;

pub(super) async fn show(State(app): State<App>, visitor: LoggedIn, query: Query) -> Result<Markup, Refusal> {
    let first = Page::first(PER_PAGE)?;
    let after = query.get("after").and_then(|text| text.parse().ok());
    let page = after.map_or(first, |key| first.following(key));
    let mut listing = app.sessions.list(&visitor.user, &page).await?;
    // Their keys are in no order that a person would look for. This one is first, then those that were used last.
    listing.sessions.sort_by_key(|listed| (listed.key != *visitor.session.key(), Reverse(listed.meta.last_seen_at)));
    let main = html! {
        div.intro {
            h1 { "Your devices" }
            p { "Each line is a session in which you are logged in. End the ones that you do not know." }
        }
        (table(&visitor, &listing.sessions))
        @if let Some(next) = listing.next.as_ref().and_then(Page::after) {
            p { a.button.quiet href=(address("/devices", &[("after", &next.to_text())])) { "More devices" } }
        }
        (end_all(&visitor))
    };
    let notice = told(&query);
    Ok(Frame { title: "Your devices", here: "/devices", session: Some(&visitor.session), notice }.around(&main))
}

fn told(query: &Query) -> Option<Notice> {
    let text = match (query.get("notice")?, query.number("count")) {
        ("ended", None) => html! { "That session is ended." },
        ("gone", None) => html! { "That session was gone already." },
        ("ended", Some(0)) => html! { "There was no other session." },
        ("ended", Some(1)) => html! { "1 other session is ended." },
        ("ended", Some(count)) => html! { (count) " other sessions are ended." },
        _ => return None,
    };
    Some(Notice::Done(text))
}

/// Roles are said again, as some browsers forget them where a table is laid out as cards.
fn table(visitor: &LoggedIn, sessions: &[Listed<Shop>]) -> Markup {
    html! {
        table.cards role="table" {
            caption.unseen { "Your sessions" }
            thead role="rowgroup" { tr role="row" {
                @for column in ["Device", "Logged in", "Last seen", "Expires"] {
                    th role="columnheader" scope="col" { (column) }
                }
                th role="columnheader" scope="col" { span.unseen { "End" } }
            } }
            tbody role="rowgroup" { @for listed in sessions { (line(visitor, listed)) } }
        }
    }
}

fn line(visitor: &LoggedIn, listed: &Listed<Shop>) -> Markup {
    let is_this_one = listed.key == *visitor.session.key();
    let device = device(listed);
    html! {
        tr role="row" class=[is_this_one.then_some("this")] {
            th role="rowheader" scope="row" {
                (device)
                @if is_this_one { " " span.badge { "this one" } }
            }
            td role="cell" data-label="Logged in" { div { (past(listed.meta.created_at, listed.read_at)) } }
            td role="cell" data-label="Last seen" { div { (past(listed.meta.last_seen_at, listed.read_at)) } }
            td role="cell" data-label="Expires" { div { (future(listed.meta.expires_at, listed.read_at)) } }
            td.action role="cell" {
                @if !is_this_one {
                    form method="post" action="/devices/end" {
                        (token(Some(&visitor.session)))
                        input type="hidden" name="key" value=(listed.key.to_text());
                        button.danger { "End" span.unseen { " the session of " (device) } }
                    }
                }
            }
        }
    }
}

/// What cannot be read can be ended all the same.
fn device(listed: &Listed<Shop>) -> &str {
    match &listed.data {
        Ok(shop) => shop.device.as_deref().unwrap_or("Unknown device"),
        Err(_) => "Unreadable session",
    }
}

fn end_all(visitor: &LoggedIn) -> Markup {
    html! {
        section.card.row aria-labelledby="everywhere" {
            div {
                h2 #everywhere { "Everywhere else" }
                p { "Ends every session of yours but this one. A device that was lost has nothing then." }
            }
            form method="post" action="/devices/end-others" {
                (token(Some(&visitor.session)))
                button.danger { "End all others" }
            }
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Chosen {
    key: String,
}

impl Form for Chosen {}

pub(super) async fn end(State(app): State<App>, post: Post<Chosen>) -> Result<Response, Refusal> {
    let (visitor, form) = post.logged_in()?;
    let key: SessionKey = form.key.parse().map_err(|_| Refusal::unreadable())?;
    // Only if it is this user's: a form can be sent with any key.
    let was_there = app.sessions.end(&visitor.user, &key).await?;
    if key == *visitor.session.key() {
        return Ok(logged_out());
    }
    Ok(see(if was_there { "/devices?notice=ended" } else { "/devices?notice=gone" }))
}

pub(super) async fn end_others(State(app): State<App>, post: Post<Button>) -> Result<Response, Refusal> {
    let (visitor, _) = post.logged_in()?;
    let count = app.sessions.destroy_others(&visitor.session).await?;
    Ok(see(&address("/devices", &[("notice", "ended"), ("count", &count.to_string())])))
}
