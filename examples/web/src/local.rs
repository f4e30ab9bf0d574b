//! Where a visitor goes after a login.

use axum::http::request::Parts;
use axum::http::{Method, Uri};

/// A path of this site: never another site, whatever a link says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Local(String);

impl Local {
    /// The first page.
    pub(crate) fn start() -> Self {
        Self("/".to_owned())
    }

    /// The path, if it is one. A browser takes `//` and `/\` for the beginning of another site's address, and leaves out
    /// tabs and line ends before it looks.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let is_local = text.starts_with('/')
            && !text.starts_with("//")
            && !text.contains('\\')
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_local.then(|| Self(text.to_owned()))
    }

    /// Where a visitor wanted to go who has to log in first. What was a form cannot be sent again.
    pub(crate) fn wanted(parts: &Parts) -> Self {
        let path = if parts.method == Method::GET { parts.uri.path_and_query() } else { None };
        path.and_then(|path| Self::new(path.as_str())).unwrap_or_else(Self::start)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the page itself that would lead here.
    pub(crate) fn is_login(&self) -> bool {
        self.0.parse::<Uri>().is_ok_and(|uri| uri.path() == "/login")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_of_this_site_is_local() {
        for local in ["/", "/devices", "/devices?after=k1_00", "/a//b"] {
            assert_eq!(Local::new(local).unwrap().as_str(), local);
        }
        for other in ["", "devices", "//evil.example", "/\\evil.example", "\\/evil.example", "/\t/evil.example", "/a b"]
        {
            assert_eq!(Local::new(other), None, "{other:?}");
        }
        for other in ["https://evil.example", "javascript:alert(1)", "/a\\b", "/\r\nSet-Cookie:x", "/é"] {
            assert_eq!(Local::new(other), None, "{other:?}");
        }
    }
}
