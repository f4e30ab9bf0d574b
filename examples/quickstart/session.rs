//! What the shop keeps in a session, field by field as Express wrote it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Session {
    pub(crate) cookie: Cookie,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) permissions: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) authenticated: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ip_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) login_count: Option<u32>,
    pub(crate) visited_pages: Vec<PageView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) flash: Option<BTreeMap<String, Vec<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) page_views: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_activity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cart: Option<Vec<CartItem>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) theme: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) preferences: Option<Preferences>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cookie {
    pub(crate) original_max_age: u64,
    pub(crate) expires: String,
    pub(crate) http_only: bool,
    pub(crate) path: String,
    pub(crate) same_site: String,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct PageView {
    pub(crate) path: String,
    pub(crate) method: String,
    pub(crate) timestamp: String,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct CartItem {
    pub(crate) sku: String,
    pub(crate) title: String,
    pub(crate) qty: u32,
    #[serde(serialize_with = "number")]
    pub(crate) price: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gift: Option<bool>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Preferences {
    pub(crate) newsletter: bool,
    pub(crate) timezone: String,
    #[serde(serialize_with = "number")]
    pub(crate) font_scale: f64,
}

/// A number of JavaScript, which writes 25.0 as 25.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn number<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    #[allow(clippy::cast_possible_truncation, reason = "checked by the way back")]
    let whole = *value as i32;
    #[allow(clippy::float_cmp, reason = "whether nothing was cut off")]
    if f64::from(whole) == *value { serializer.serialize_i32(whole) } else { serializer.serialize_f64(*value) }
}

impl Session {
    /// What every request does to the session.
    pub(crate) fn visit(&mut self, path: &str) {
        self.visited_pages.push(PageView {
            path: path.to_owned(),
            method: "GET".to_owned(),
            timestamp: "2026-11-21T09:00:00.000Z".to_owned(),
        });
        self.page_views = Some(self.page_views.unwrap_or(0) + 1);
    }

    pub(crate) fn has_visited(&self, path: &str) -> bool {
        self.visited_pages.iter().any(|page| page.path == path)
    }

    pub(crate) fn log_in(&mut self, username: &str) {
        self.username = Some(username.to_owned());
        self.authenticated = Some(true);
    }
}
