//! What axum-login alone does not have: the user's sessions, and an end to any of them.

use std::cmp::Reverse;

use axum::Form;
use axum::extract::State;
use axum::response::Redirect;
use axum_messages::Messages;
use maud::{Markup, html};
use serde::Deserialize;
use session_store::{Page, SessionKey, Timestamp};
use session_store_middleware::Adapter;

use crate::page;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

/// The most that are shown.
const SHOWN: u32 = 100;

pub(crate) async fn show(
    State(adapter): State<Adapter>,
    messages: Messages,
    visitor: Visitor,
) -> Result<Markup, Refusal> {
    let mut listing = adapter.list(&visitor.owner, &Page::first(SHOWN)?).await?;
    listing.sessions.sort_by_key(|listed| (listed.key != visitor.key, Reverse(listed.meta.last_seen_at)));
    let main = html! {
        table {
            thead { tr { th { "Created" } th { "Last seen" } th {} th {} } }
            tbody {
                @for listed in &listing.sessions {
                    tr {
                        td { (time(listed.meta.created_at)) }
                        td { (time(listed.meta.last_seen_at)) }
                        td { @if listed.key == visitor.key { "this one" } }
                        td { (end_button(&listed.key)) }
                    }
                }
            }
        }
        @if listing.next.is_some() { p { "There are more of them." } }
        form method="post" action="/sessions/end-others" { button { "End all others" } }
        p { a href="/" { "Home" } }
    };
    Ok(page::with(messages, "Your sessions", &main))
}

/// A key is no secret: it is a hash of the session's ID, and ends the session for its own user only.
fn end_button(key: &SessionKey) -> Markup {
    html! {
        form method="post" action="/sessions/end" {
            input name="key" type="hidden" value=(key.to_text());
            button { "End" }
        }
    }
}

fn time(time: Timestamp) -> Markup {
    let text = jiff::Timestamp::from_millisecond(time.as_millis());
    html! { @if let Ok(time) = text { time datetime=(time) { (time.strftime("%Y-%m-%d %H:%M:%S UTC")) } } }
}

#[derive(Deserialize)]
pub(crate) struct Chosen {
    key: String,
}

pub(crate) async fn end(
    State(adapter): State<Adapter>,
    mut visitor: Visitor,
    messages: Messages,
    Form(chosen): Form<Chosen>,
) -> Result<Redirect, Refusal> {
    let key = chosen.key.parse().ok();
    if key == Some(visitor.key) {
        visitor.auth.logout().await?;
        return Ok(Redirect::to("/login"));
    }
    // Only if it is this user's: a form can be sent with any key.
    let was_ended = match key {
        Some(key) => adapter.end(&visitor.owner, &key).await?,
        None => false,
    };
    messages.info(if was_ended { "The session is ended." } else { "There is no such session any more." });
    Ok(Redirect::to("/sessions"))
}

/// After a change of the password, which this example does not have, the call is `adapter.destroy_all(&user)`. This
/// browser then gets a session anew, by `auth.logout()` and `auth.login(&user)`.
pub(crate) async fn end_others(
    State(adapter): State<Adapter>,
    visitor: Visitor,
    messages: Messages,
) -> Result<Redirect, Refusal> {
    let count = adapter.destroy_others(&visitor.owner, &visitor.key).await?;
    messages.info(format!("Other sessions that are ended: {count}."));
    Ok(Redirect::to("/sessions"))
}
