//! What all pages have in common.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use session_store::Session;

use crate::accounts::is_admin;
use crate::shop::Shop;

/// What surrounds a page.
pub(crate) struct Frame<'a> {
    pub(crate) title: &'a str,
    /// The page's own path.
    pub(crate) here: &'a str,
    pub(crate) session: Option<&'a Session<Shop>>,
    pub(crate) notice: Option<Notice>,
}

/// What has just happened.
pub(crate) enum Notice {
    Done(Markup),
    Wrong(Markup),
}

impl Frame<'_> {
    pub(crate) fn around(&self, main: &Markup) -> Markup {
        document(
            self.title,
            &self.navigation(),
            &html! {
                (notice(self.notice.as_ref()))
                (main)
            },
        )
    }

    fn navigation(&self) -> Markup {
        let user = self.session.and_then(Session::user);
        html! {
            nav aria-label="Pages" {
                (self.link("/", "Shop"))
                @if let Some(user) = user {
                    (self.link("/devices", "Devices"))
                    @if is_admin(user) { (self.link("/admin", "Admin")) }
                }
            }
            div.account {
                @if let Some(user) = user {
                    span.who { span.unseen { "Logged in as " } (user.as_str()) }
                    form method="post" action="/logout" {
                        (token(self.session))
                        button.quiet { "Log out" }
                    }
                } @else {
                    (self.link("/login", "Log in"))
                }
            }
        }
    }

    fn link(&self, path: &str, text: &str) -> Markup {
        html! { a href=(path) aria-current=[(self.here == path).then_some("page")] { (text) } }
    }
}

/// The field by which a form is known for this session's own. Who has no session yet needs none.
pub(crate) fn token(session: Option<&Session<Shop>>) -> Markup {
    html! {
        @if let Some(session) = session { input type="hidden" name="token" value=(session.data.token.expose()); }
    }
}

/// A drawing that says nothing which the text beside it does not.
pub(crate) fn drawing(paths: &'static str) -> Markup {
    html! {
        svg viewBox="0 0 48 48" width="48" height="48" fill="none" stroke="currentColor" stroke-width="2"
            stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false" { (PreEscaped(paths)) }
    }
}

/// A page that needs no session: none may be to be had.
pub(crate) fn plain(title: &str, text: &str) -> Markup {
    document(
        title,
        &html! {},
        &html! {
            section.card.narrow {
                h1 { (title) }
                p { (text) }
                p { a.button href="/" { "To the shop" } }
            }
        },
    )
}

fn notice(notice: Option<&Notice>) -> Markup {
    html! {
        @match notice {
            Some(Notice::Done(text)) => p.notice role="status" { (text) },
            Some(Notice::Wrong(text)) => p.notice.wrong role="alert" { (text) },
            None => {},
        }
    }
}

fn document(title: &str, navigation: &Markup, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Session Shop" }
                link rel="icon" href="/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/style.css";
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header {
                    div.bar {
                        a.brand href="/" { (BRAND) span { "Session Shop" } }
                        (navigation)
                    }
                }
                main #main tabindex="-1" { (main) }
                footer { p { "A demo of " code { "session-store" } ": nothing here is for sale." } }
            }
        }
    }
}

const BRAND: PreEscaped<&str> = PreEscaped(
    r#"<svg viewBox="0 0 24 24" width="28" height="28" aria-hidden="true" focusable="false"><rect width="24" height="24" rx="7" fill="currentColor"/><path d="M7 9h10l-1 9H8zM9.5 9a2.5 2.5 0 0 1 5 0" fill="none" class="mark" stroke-width="1.6" stroke-linejoin="round" stroke-linecap="round"/></svg>"#,
);
