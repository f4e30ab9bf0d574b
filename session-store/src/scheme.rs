//! The beginning of a URL, which says what store it is for.

use session_store_core::{Error, ErrorKind, Result};

/// The stores.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Backend {
    Memory,
    Sqlite,
    Redis,
    Postgres,
    Mongo,
}

/// The schemes. The first one of a store stands for it in texts.
const SCHEMES: [(&str, Backend); 8] = [
    ("memory", Backend::Memory),
    ("sqlite", Backend::Sqlite),
    ("redis", Backend::Redis),
    ("rediss", Backend::Redis),
    ("postgres", Backend::Postgres),
    ("postgresql", Backend::Postgres),
    ("mongodb", Backend::Mongo),
    ("mongodb+srv", Backend::Mongo),
];

const KNOWN: &str = "memory:, sqlite:, redis:, rediss:, postgres:, postgresql:, mongodb: and mongodb+srv:";

impl Backend {
    /// The store that a URL is for, and the URL with its scheme in lower case, as not all drivers take it otherwise.
    pub(crate) fn of(url: &str) -> Result<(Self, String)> {
        let (scheme, rest) = url.split_once(':').filter(|(scheme, _)| is_scheme(scheme)).ok_or_else(no_scheme)?;
        let known = SCHEMES.into_iter().find(|(known, _)| scheme.eq_ignore_ascii_case(known));
        let (scheme, backend) = known.ok_or_else(unknown_scheme)?;
        Ok((backend, format!("{scheme}:{rest}")))
    }

    /// What its URLs begin with.
    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Self::Memory => "memory:",
            Self::Sqlite => "sqlite:",
            Self::Redis => "redis:",
            Self::Postgres => "postgres:",
            Self::Mongo => "mongodb:",
        }
    }

    /// The feature that brings it.
    pub(crate) fn feature(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::Redis => "redis",
            Self::Postgres => "postgres",
            Self::Mongo => "mongo",
        }
    }
}

/// As RFC 3986 has it. Without this, what stands before the colon of a password would be taken for one.
fn is_scheme(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(fits)
}

fn no_scheme() -> Error {
    Error::config(format!("the URL of a store begins with a scheme, and this one has none; known are {KNOWN}"))
}

fn unknown_scheme() -> Error {
    Error::config(format!("there is no store for the scheme of this URL; known are {KNOWN}"))
}

/// The refusal of what this build of the crate lacks.
pub(crate) fn lacks(what: &str, feature: &str) -> Error {
    let version = env!("CARGO_PKG_VERSION");
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "{what} needs the feature `{feature}` of session-store; switch it on in Cargo.toml: \
             session-store = {{ version = \"{version}\", features = [\"{feature}\"] }}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_names_a_store_in_any_case() {
        let table = [
            ("memory:", Backend::Memory, "memory:"),
            ("SQLite:Shop.db", Backend::Sqlite, "sqlite:Shop.db"),
            ("REDIS://Host/", Backend::Redis, "redis://Host/"),
            ("rediss://a:B@c", Backend::Redis, "rediss://a:B@c"),
            ("Postgres://", Backend::Postgres, "postgres://"),
            ("postgresql:x", Backend::Postgres, "postgresql:x"),
            ("mongodb://a,b/?x", Backend::Mongo, "mongodb://a,b/?x"),
            ("MongoDB+SRV://a", Backend::Mongo, "mongodb+srv://a"),
        ];
        for (url, backend, same) in table {
            assert_eq!(Backend::of(url).unwrap(), (backend, same.to_owned()));
        }
    }

    #[test]
    fn other_urls_are_refused_with_those_that_are_known() {
        let none = ["", ":", "secret", "//secret@host/", "127.0.0.1:6379", " redis://host", "a/b:c", "1a:b", "+:x"];
        let unknown =
            ["secret:password@host", "http://secret@host", "localhost:6379", "redis+unix:///secret", "mysql:"];
        for (urls, text) in [(&none[..], "has none"), (&unknown[..], "no store for the scheme")] {
            for url in urls {
                let error = Backend::of(url).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Config);
                assert!(error.to_string().contains(text) && !error.to_string().contains("secret"), "{url}: {error}");
                for (scheme, _) in SCHEMES {
                    assert!(error.to_string().contains(&format!("{scheme}:")), "{error}");
                }
            }
        }
    }

    #[test]
    fn what_is_lacking_is_named_with_how_to_get_it() {
        let error = lacks("a redis: URL", Backend::Redis.feature());
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("the feature `redis`"), "{error}");
        assert!(error.to_string().ends_with("features = [\"redis\"] }"), "{error}");
    }
}
