//! What the texts of parameters mean.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use session_store_core::Namespace;

/// A value that is written as a text.
pub(crate) trait Value: Sized {
    /// `None` where the text means no such value.
    fn read(text: &str) -> Option<Self>;
}

impl Value for Namespace {
    fn read(text: &str) -> Option<Self> {
        Self::new(text).ok()
    }
}

impl Value for String {
    fn read(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| text.to_owned())
    }
}

impl Value for bool {
    fn read(text: &str) -> Option<Self> {
        match text {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }
}

impl Value for u32 {
    fn read(text: &str) -> Option<Self> {
        number(text)
    }
}

impl Value for NonZeroU32 {
    fn read(text: &str) -> Option<Self> {
        number(text)
    }
}

#[cfg(feature = "sqlite")]
impl Value for session_store_sqlite::Synchronous {
    fn read(text: &str) -> Option<Self> {
        match text {
            "full" => Some(Self::Full),
            "normal" => Some(Self::Normal),
            "off" => Some(Self::Off),
            _ => None,
        }
    }
}

/// A number and its unit. The bounds are those of a store's timeouts.
impl Value for Duration {
    fn read(text: &str) -> Option<Self> {
        let digits = text.trim_end_matches(|character: char| character.is_ascii_lowercase());
        let count: u64 = number(digits)?;
        let millis = match text.strip_prefix(digits)? {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            _ => return None,
        };
        let time = Self::from_millis(count.checked_mul(millis)?);
        (Self::from_millis(1)..=Self::from_hours(24)).contains(&time).then_some(time)
    }
}

/// Digits alone: Rust's own numbers may have a sign.
fn number<N: FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_a_number_and_a_unit() {
        let good = [("500ms", 500), ("5s", 5_000), ("2m", 120_000), ("1ms", 1), ("1440m", 86_400_000), ("007s", 7_000)];
        for (text, millis) in good {
            assert_eq!(Duration::read(text), Some(Duration::from_millis(millis)), "{text}");
        }
        let huge = format!("{}m", u64::MAX);
        let bad =
            ["", "5", "s", "ms", "0s", "0ms", "5 s", " 5s", "-5s", "+5s", "1.5s", "5S", "5h", "5sm", "s5", "1441m"];
        for text in bad.into_iter().chain(["86400001ms", "5s5", "٥s", &huge]) {
            assert_eq!(Duration::read(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_digits() {
        assert_eq!(u32::read("0"), Some(0));
        assert_eq!(NonZeroU32::read("16").map(NonZeroU32::get), Some(16));
        for text in ["", "-1", "+1", "1e3", "0x10", "1_000", " 1", "4294967296"] {
            assert_eq!((u32::read(text), NonZeroU32::read(text)), (None, None), "{text}");
        }
        assert_eq!(NonZeroU32::read("0"), None);
    }

    #[test]
    fn flags_and_names_are_exact() {
        assert_eq!((bool::read("true"), bool::read("false")), (Some(true), Some(false)));
        for text in ["", "1", "0", "yes", "True", "on"] {
            assert_eq!(bool::read(text), None, "{text}");
        }
        assert_eq!(Namespace::read("a*b").unwrap().as_str(), "a*b");
        for text in ["", "a\0b", &"x".repeat(41)] {
            assert!(Namespace::read(text).is_none());
        }
        assert_eq!((String::read(""), String::read(" ")), (None, Some(" ".to_owned())));
    }
}
