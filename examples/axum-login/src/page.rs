//! What all pages have in common, and the first one.

use axum_messages::Messages;
use maud::{DOCTYPE, Markup, html};

use crate::visitor::Visitor;

pub(crate) async fn home(messages: Messages, visitor: Visitor) -> Markup {
    let main = html! {
        p { "Hello, " strong { (visitor.user.name) } "!" }
        p { a href="/sessions" { "Your sessions" } }
        form method="post" action="/logout" { button { "Log out" } }
    };
    with(messages, "Home", &main)
}

/// A page, with what earlier requests have left to say.
pub(crate) fn with(messages: Messages, title: &str, main: &Markup) -> Markup {
    let main = html! {
        @for message in messages { p role="status" { strong { (message.message) } } }
        (main)
    };
    document(title, &main)
}

/// A page of one sentence, which needs no session: there may be none.
pub(crate) fn plain(title: &str, text: &str) -> Markup {
    document(title, &html! { p { (text) } p { a href="/" { "Home" } } })
}

fn document(title: &str, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · axum-login with session-store" }
                style { "body { max-width: 44rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui } \
                         td, th { padding: .3rem 1rem .3rem 0; text-align: left }" }
            }
            body { main { h1 { (title) } (main) } }
        }
    }
}
