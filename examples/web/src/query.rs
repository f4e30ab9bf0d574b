//! What stands after the question mark.

use std::collections::HashMap;
use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

/// The parameters of an address, each the last of its name. One that cannot be read is not there: no address is a mistake
/// of the visitor's.
pub(crate) struct Query(HashMap<String, String>);

impl Query {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let read = serde_urlencoded::from_str(parts.uri.query().unwrap_or_default());
        Ok(Self(read.unwrap_or_default()))
    }
}

/// A path with parameters.
pub(crate) fn address(path: &str, parameters: &[(&str, &str)]) -> String {
    // Pairs of texts can always be written.
    let query = serde_urlencoded::to_string(parameters).unwrap_or_default();
    format!("{path}?{query}")
}
