//! The shop: a counter and a cart, for whoever comes.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use session_store::Session;

use super::layout::{Frame, drawing, token};
use super::see;
use crate::cookie::{self, Kept};
use crate::post::{Button, Form, Post};
use crate::refusal::Refusal;
use crate::shop::{PRODUCTS, Product, Shop, price, product};
use crate::state::App;
use crate::visit::Visit;

/// A mere visit begins no session.
pub(super) async fn show(visit: Visit) -> Markup {
    let session = visit.session.as_ref();
    let frame = Frame { title: "Shop", here: "/", session, notice: None };
    frame.around(&html! {
        div.intro {
            h1 { "Things for the desk" }
            p { "Whatever you do here stays in your session: also before you log in, and after." }
        }
        div.columns {
            (products(session))
            div.side {
                (cart(session))
                (counter(session))
            }
        }
    })
}

fn products(session: Option<&Session<Shop>>) -> Markup {
    html! {
        section aria-labelledby="products" {
            h2 #products { "Products" }
            ul.products {
                @for product in &PRODUCTS {
                    li.card {
                        div.picture { (drawing(product.drawing)) }
                        h3 { (product.name) }
                        p.about { (product.about) }
                        div.buy {
                            span.price { (price(product.cents)) }
                            (change(session, "/cart/add", product, &html! {
                                button { "Add" span.unseen { " " (product.name) " to the cart" } }
                            }))
                        }
                    }
                }
            }
        }
    }
}

fn cart(session: Option<&Session<Shop>>) -> Markup {
    let lines: Vec<_> = session.iter().flat_map(|session| session.data.lines()).collect();
    html! {
        section.card aria-labelledby="cart" {
            h2 #cart { "Your cart" }
            @if lines.is_empty() { p.empty { "It is empty so far." } } @else {
                table.cart {
                    caption.unseen { "What is in your cart" }
                    thead { tr {
                        th scope="col" { "Product" }
                        th scope="col" { "Number" }
                        th scope="col" { "Price" }
                        th scope="col" { span.unseen { "Change" } }
                    } }
                    tbody {
                        @for (product, count) in &lines {
                            tr {
                                th scope="row" { (product.name) }
                                td { (count) }
                                td { (price(product.cents * u64::from(*count))) }
                                td { (change(session, "/cart/remove", product, &html! {
                                    button.quiet { "Remove" span.unseen { " one " (product.name) } }
                                })) }
                            }
                        }
                    }
                    tfoot { tr {
                        th scope="row" colspan="2" { "Total" }
                        td #total { (price(session.map_or(0, |session| session.data.total()))) }
                        td {}
                    } }
                }
            }
        }
    }
}

fn counter(session: Option<&Session<Shop>>) -> Markup {
    html! {
        section.card.counter aria-labelledby="counter" {
            div {
                h2 #counter { "Counter" }
                p { "Clicks at once are all counted." }
            }
            output #clicks { (session.map_or(0, |session| session.data.clicks)) }
            form method="post" action="/counter" {
                (token(session))
                button { "Click" span.unseen { " to count" } }
            }
        }
    }
}

/// A form that is one button for one product.
fn change(session: Option<&Session<Shop>>, action: &str, product: &Product, button: &Markup) -> Markup {
    html! {
        form method="post" action=(action) {
            (token(session))
            input type="hidden" name="product" value=(product.id);
            (button)
        }
    }
}

pub(super) async fn click(State(app): State<App>, post: Post<Button>) -> Result<Response, Refusal> {
    changed(&app, post.session.as_ref(), Shop::click).await
}

pub(super) async fn add(State(app): State<App>, post: Post<Chosen>) -> Result<Response, Refusal> {
    let product = post.form.product()?;
    changed(&app, post.session.as_ref(), |shop| shop.add(product)).await
}

pub(super) async fn remove(State(app): State<App>, post: Post<Chosen>) -> Result<Response, Refusal> {
    let product = post.form.product()?;
    if post.session.is_none() {
        return Ok(see("/")); // there is nothing to take away, and no reason to begin a session
    }
    changed(&app, post.session.as_ref(), |shop| shop.remove(product)).await
}

async fn changed(
    app: &App,
    session: Option<&Session<Shop>>,
    change: impl FnMut(&mut Shop) + Send,
) -> Result<Response, Refusal> {
    let begun = app.change(session, change).await??;
    let mut answer = see("/");
    if let Some(session) = begun {
        cookie::set(&mut answer, &session, Kept::ForNow);
    }
    Ok(answer)
}

#[derive(Deserialize)]
pub(super) struct Chosen {
    product: String,
}

impl Form for Chosen {}

impl Chosen {
    fn product(&self) -> Result<&'static Product, Refusal> {
        product(&self.product).ok_or_else(Refusal::unreadable)
    }
}
