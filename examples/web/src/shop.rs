//! What a session holds, and what the shop sells.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use session_store::Result;

use crate::token::Token;

/// What each session keeps. It goes along into a login.
#[derive(Serialize, Deserialize)]
pub(crate) struct Shop {
    /// What every form of this session has to bring along.
    pub(crate) token: Token,
    #[serde(default)]
    pub(crate) clicks: u64,
    /// How many of which product.
    #[serde(default)]
    cart: BTreeMap<String, u32>,
    /// With what its user logged in, in a few words.
    #[serde(default)]
    pub(crate) device: Option<String>,
}

/// The most of one product: a cart must not grow without end.
const MOST: u32 = 99;

impl Shop {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { token: Token::generate()?, clicks: 0, cart: BTreeMap::new(), device: None })
    }

    /// The same in the hands of a user, with a token that nobody has seen before.
    pub(crate) fn logged_in(self, device: String) -> Result<Self> {
        Ok(Self { token: Token::generate()?, device: Some(device), ..self })
    }

    pub(crate) fn click(&mut self) {
        self.clicks = self.clicks.saturating_add(1);
    }

    pub(crate) fn add(&mut self, product: &Product) {
        let count = self.cart.entry(product.id.to_owned()).or_default();
        *count = count.saturating_add(1).min(MOST);
    }

    /// Takes one of these out.
    pub(crate) fn remove(&mut self, product: &Product) {
        if let Some(count) = self.cart.get_mut(product.id) {
            *count = count.saturating_sub(1);
        }
        self.cart.retain(|_, count| *count > 0);
    }

    /// In the order in which the shop shows them. What it no longer sells is left out.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&'static Product, u32)> {
        PRODUCTS.iter().filter_map(|product| Some((product, *self.cart.get(product.id)?)))
    }

    pub(crate) fn total(&self) -> u64 {
        self.lines().map(|(product, count)| product.cents * u64::from(count)).sum()
    }
}

pub(crate) struct Product {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) cents: u64,
    /// The drawing, as SVG of 48 by 48.
    pub(crate) drawing: &'static str,
}

pub(crate) const PRODUCTS: [Product; 4] = [
    Product {
        id: "mug",
        name: "Stoneware mug",
        about: "Keeps a session's worth of tea warm.",
        cents: 14_00,
        drawing: r#"<path d="M11 16h22v18a6 6 0 0 1-6 6H17a6 6 0 0 1-6-6z"/><path d="M33 20h3a5 5 0 0 1 0 10h-3"/><path d="M17 11q-2-2 0-4M22 11q-2-2 0-4M27 11q-2-2 0-4"/>"#,
    },
    Product {
        id: "lamp",
        name: "Desk lamp",
        about: "Lights up what others leave in the dark.",
        cents: 49_00,
        drawing: r#"<path d="M18 8h12l7 16H11z"/><path d="M24 24v15M16 41h16l-2-3H18zM31 24v6"/>"#,
    },
    Product {
        id: "notebook",
        name: "Dotted notebook",
        about: "For thoughts that should outlive a tab.",
        cents: 9_50,
        drawing: r#"<rect x="12" y="7" width="25" height="34" rx="3"/><path d="M18 7v34M24 16h7M24 22h7M9 14h5M9 24h5M9 34h5"/>"#,
    },
    Product {
        id: "plant",
        name: "Pothos in a pot",
        about: "Grows idle, and forgives a timeout.",
        cents: 18_00,
        drawing: r#"<path d="M15 30h18l-2.5 11h-13z"/><path d="M24 30V17"/><path d="M24 21c-8 0-11-4-11-10 7 0 11 4 11 10zM24 17c0-6 4-10 11-10 0 6-4 10-11 10z"/>"#,
    },
];

pub(crate) fn product(id: &str) -> Option<&'static Product> {
    PRODUCTS.iter().find(|product| product.id == id)
}

pub(crate) fn price(cents: u64) -> String {
    format!("€{}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cart_holds_no_more_than_there_may_be_and_nothing_below_none() {
        let mut shop = Shop::new().unwrap();
        let (mug, lamp) = (&PRODUCTS[0], &PRODUCTS[1]);
        (0..200).for_each(|_| shop.add(mug));
        shop.add(lamp);
        shop.remove(lamp);
        shop.remove(lamp);
        let lines: Vec<_> = shop.lines().map(|(product, count)| (product.id, count)).collect();
        assert_eq!(lines, [("mug", 99)]);
        assert_eq!(price(shop.total()), "€1386.00");
    }

    #[test]
    fn a_price_has_two_digits_after_the_point() {
        assert_eq!((price(5), price(950), price(0)), ("€0.05".into(), "€9.50".into(), "€0.00".into()));
    }

    #[test]
    fn a_login_gives_a_token_that_nobody_has_seen() {
        let mut before = Shop::new().unwrap();
        before.click();
        let token = before.token.clone();
        let after = before.logged_in("Firefox on Linux".into()).unwrap();
        assert!(!after.token.is(token.expose()) && after.clicks == 1);
    }
}
