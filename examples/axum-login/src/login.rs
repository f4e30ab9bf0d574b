//! Login and logout.

use axum::Form;
use axum::extract::Query;
use axum::response::Redirect;
use axum_messages::Messages;
use maud::{Markup, html};
use serde::Deserialize;

use crate::page;
use crate::refusal::Refusal;
use crate::users::{AuthSession, Credentials};

#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    next: String,
}

pub(crate) async fn show(messages: Messages, Query(asked): Query<Asked>) -> Markup {
    let form = html! {
        form method="post" {
            p { label { "Name " input name="name" autocomplete="username" required autofocus; } }
            p { label { "Password " input name="password" type="password" autocomplete="current-password" required; } }
            input name="next" type="hidden" value=(page_after(&asked.next));
            button { "Log in" }
        }
        p { "There are ann, whose password is apple-tree, and ben, whose password is blue-bicycle." }
    };
    page::with(messages, "Log in", &form)
}

pub(crate) async fn log_in(
    mut auth: AuthSession,
    messages: Messages,
    Form(credentials): Form<Credentials>,
) -> Result<Redirect, Refusal> {
    let next = page_after(&credentials.next);
    let Some(user) = auth.authenticate(credentials).await? else {
        messages.error("The name or the password is wrong.");
        return Ok(Redirect::to(&format!("/login?next={next}")));
    };
    // axum-login gives a session a new ID only when nobody is logged in with it. Somebody who is may be somebody else,
    // and neither his session nor what is in it is for this user.
    if auth.user.is_some() {
        auth.logout().await?;
    }
    auth.login(&user).await?;
    messages.success("You are logged in.");
    Ok(Redirect::to(next))
}

pub(crate) async fn log_out(mut auth: AuthSession) -> Result<Redirect, Refusal> {
    auth.logout().await?;
    Ok(Redirect::to("/login"))
}

/// One of the pages here: a login leads to no other site, whatever the link to it said.
fn page_after(asked: &str) -> &'static str {
    if asked == "/sessions" { "/sessions" } else { "/" }
}
