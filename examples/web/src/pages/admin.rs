//! What an admin sees, and may end.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use session_store::UserId;

use super::layout::{Frame, Notice, token};
use super::see;
use crate::numbers::{Summary, summary};
use crate::post::{Form, Post};
use crate::query::{Query, address};
use crate::refusal::Refusal;
use crate::state::App;
use crate::visit::{Admin, LoggedIn};

pub(super) async fn show(State(app): State<App>, Admin(visitor): Admin, query: Query) -> Result<Markup, Refusal> {
    let live = app.sessions.store().count().await?;
    let summary = summary(app.store);
    let main = html! {
        div.intro {
            h1 { "Admin" }
            p { "What this process has counted since it began; the same numbers are at " code { "/metrics" } "." }
        }
        (figures(live, &summary))
        div.columns.even {
            (ended(&summary))
            (operations(&summary))
        }
        (end_form(&visitor))
    };
    Ok(Frame { title: "Admin", here: "/admin", session: Some(&visitor.session), notice: told(&query) }.around(&main))
}

fn told(query: &Query) -> Option<Notice> {
    let (count, user) = (query.number("count")?, query.get("user")?);
    Some(Notice::Done(html! {
        (count) @if count == 1 { " session of " } @else { " sessions of " } strong { (user) }
        @if count == 1 { " is ended." } @else { " are ended." }
    }))
}

fn figures(live: u64, summary: &Summary) -> Markup {
    let ended: f64 = summary.ended.values().sum();
    html! {
        dl.figures {
            @for (name, value) in [
                ("Live sessions", live.to_string()),
                ("Requests", whole(summary.requests)),
                ("Logins", whole(summary.logins)),
                ("Sessions ended", whole(ended)),
            ] {
                div.card { dt { (name) } dd { (value) } }
            }
        }
    }
}

fn whole(count: f64) -> String {
    format!("{count:.0}")
}

fn ended(summary: &Summary) -> Markup {
    html! {
        section.card aria-labelledby="ended" {
            h2 #ended { "Ended sessions" }
            @if summary.ended.is_empty() { p.empty { "None so far." } } @else {
                div.scroll tabindex="0" role="region" aria-labelledby="ended" {
                    table {
                        caption.unseen { "Ended sessions by their cause" }
                        thead { tr { th scope="col" { "Cause" } th.number scope="col" { "Number" } } }
                        tbody {
                            @for (reason, count) in &summary.ended {
                                tr { th scope="row" { (cause(reason)) } td.number { (whole(*count)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The words for a reason of an event. One that is not known here is said as it is.
fn cause(reason: &str) -> &str {
    match reason {
        "destroyed" => "Logged out",
        "ended_by_user" => "Ended from the list of devices",
        "replaced" => "Replaced by a login",
        "surplus" => "More than a user may have",
        "abandoned" => "Logins that came to nothing",
        "others_of_user" => "All others, by the user",
        "all_of_user" => "All of a user, by an admin",
        "cleared" => "All there were",
        other => other,
    }
}

fn operations(summary: &Summary) -> Markup {
    html! {
        section.card aria-labelledby="operations" {
            h2 #operations { "Operations of the store" }
            div.scroll tabindex="0" role="region" aria-labelledby="operations" {
                table {
                    caption.unseen { "How many operations, and how long they took on average" }
                    thead { tr {
                        th scope="col" { "Operation" }
                        th.number scope="col" { "Number" }
                        th.number scope="col" { "Mean time" }
                    } }
                    tbody {
                        @for (name, (count, seconds)) in &summary.operations {
                            tr {
                                th scope="row" { code { (name) } }
                                td.number { (whole(*count)) }
                                td.number { (format!("{:.3} ms", 1000.0 * seconds / count.max(1.0))) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn end_form(visitor: &LoggedIn) -> Markup {
    html! {
        section.card.row aria-labelledby="end" {
            div {
                h2 #end { "End all sessions of a user" }
                p { "After a change of password, or of rights." }
            }
            form.line method="post" action="/admin/end" {
                (token(Some(&visitor.session)))
                label for="user" { "User name" }
                input #user name="user" autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="256" required;
                button.danger { "End them" }
            }
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Named {
    user: String,
}

impl Form for Named {}

pub(super) async fn end(State(app): State<App>, post: Post<Named>) -> Result<Response, Refusal> {
    let (_, form) = post.admin()?;
    let user = UserId::new(form.user).map_err(|_| Refusal::unreadable())?;
    let count = app.sessions.destroy_all(&user).await?;
    Ok(see(&address("/admin", &[("count", &count.to_string()), ("user", user.as_str())])))
}
