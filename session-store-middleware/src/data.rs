//! What a session holds, as it is stored and as an application sees it.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::loaded::{LOADED, Loaded};

/// A text that is stored with a session whose expiry is its own, and not what the middleware gives to all.
pub(crate) const HAS_EXPIRY: &str = "session-store.has-expiry";

/// The values of a session, by their names.
///
/// `Debug` shows their number only.
#[derive(Clone, PartialEq)]
pub struct Data {
    values: BTreeMap<String, Value>,
    form: Form,
}

/// How a middleware's data are stored. JSON stays the text it is, because MessagePack does not carry all numbers of JSON
/// exactly, and keeps no order.
#[derive(Clone, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Form {
    /// Named values, as the text of one JSON object.
    Json(String),
    /// Named texts, each of which is JSON.
    Texts(BTreeMap<String, String>),
    /// What only the middleware knows to read.
    Whole([String; 1]),
}

impl Data {
    /// The value of this name, if there is one of this type.
    #[must_use]
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        T::deserialize(self.value(name)?.clone()).ok()
    }

    /// The value of this name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// All names, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    pub(crate) fn into_values(self) -> impl Iterator<Item = (String, Value)> {
        self.values.into_iter()
    }

    /// What is at this JSON Pointer, if it is a text or a number.
    pub(crate) fn text_at(&self, pointer: &str) -> Option<String> {
        let (first, rest) =
            pointer.strip_prefix('/').map(|path| path.split_at(path.find('/').unwrap_or(path.len())))?;
        // As RFC 6901 writes `/` and `~` within a name.
        let name = first.replace("~1", "/").replace("~0", "~");
        match self.value(&name)?.pointer(rest)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }
}

impl Form {
    /// Of named values, and the note that was among them.
    pub(crate) fn from_values<'a>(
        values: impl IntoIterator<Item = (&'a String, &'a Value)>,
    ) -> serde_json::Result<(Self, Option<Loaded>)> {
        // By name, so that the same values always give the same text.
        let mut sorted: BTreeMap<_, _> = values.into_iter().map(|(name, value)| (name.as_str(), value)).collect();
        let loaded = sorted.remove(LOADED).and_then(Value::as_str).and_then(Loaded::from_text);
        Ok((Self::Json(serde_json::to_string(&sorted)?), loaded))
    }

    /// Of named texts, and the note that was among them.
    pub(crate) fn from_texts(mut texts: BTreeMap<String, String>) -> (Self, Option<Loaded>) {
        let loaded = texts.remove(LOADED).and_then(|note| Loaded::from_text(&note));
        (Self::Texts(texts), loaded)
    }

    /// Tells whether two forms are the same.
    pub(crate) fn print(&self) -> [u8; 16] {
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update(text.len().to_le_bytes());
            hash.update(text);
        };
        match self {
            Self::Json(text) => add(text),
            Self::Texts(texts) => add_all(&mut add, texts),
            Self::Whole([text]) => match serde_json::from_str(text) {
                Ok(Nested { data, longterm }) => {
                    add(&longterm.to_string());
                    add_all(&mut add, &data);
                }
                Err(_) => add(text),
            },
        }
        let mut print = [0; 16];
        print.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
        print
    }

    /// Named texts. Of another middleware's values, their JSON.
    pub(crate) fn into_texts(self) -> Result<BTreeMap<String, String>, NoJson> {
        match self {
            Self::Texts(texts) => Ok(texts),
            other => Ok(other
                .values()
                .map_err(|_| NoJson)?
                .into_iter()
                .map(|(name, value)| (name, value.to_string()))
                .collect()),
        }
    }

    fn values(&self) -> serde_json::Result<BTreeMap<String, Value>> {
        let parsed = |texts: &BTreeMap<String, String>| {
            // What is no JSON was put there as raw text, and is nobody's name.
            let value = |text: &String| serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()));
            let names = texts.iter().filter(|(name, _)| *name != HAS_EXPIRY);
            names.map(|(name, text)| (name.clone(), value(text))).collect()
        };
        match self {
            Self::Json(text) => serde_json::from_str(text),
            Self::Texts(texts) => Ok(parsed(texts)),
            // What is encrypted has no names.
            Self::Whole([text]) => {
                let nested = serde_json::from_str(text);
                Ok(nested.map(|Nested { data, .. }| parsed(&data)).unwrap_or_default())
            }
        }
    }
}

/// As `axum_session` writes a session, in any order of its texts, unless it encrypts it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nested {
    data: BTreeMap<String, String>,
    longterm: bool,
}

fn add_all(add: &mut impl FnMut(&str), texts: &BTreeMap<String, String>) {
    for (name, text) in texts {
        add(name);
        add(text);
    }
}

/// What is stored is no JSON object, or nested deeper than `serde_json` reads. It shows nothing of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoJson;

impl fmt::Display for NoJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the data of the session are no JSON object of at most 127 levels")
    }
}

impl std::error::Error for NoJson {}

impl TryFrom<Form> for Data {
    type Error = NoJson;

    fn try_from(form: Form) -> Result<Self, NoJson> {
        let values = form.values().map_err(|_| NoJson)?;
        Ok(Self { values, form })
    }
}

impl From<Data> for Form {
    fn from(data: Data) -> Self {
        data.form
    }
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.form.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(Form::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Data").field("values", &self.values.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn data(value: &Value) -> Data {
        Data::try_from(Form::Json(value.to_string())).unwrap()
    }

    #[test]
    fn a_user_is_a_text_or_a_number_at_a_pointer() {
        let data = data(&json!({ "user": { "id": 7, "name": "ann", "admin": true }, "a/b": "c", "~": "d" }));
        let at = |pointer| data.text_at(pointer);
        assert_eq!(at("/user/id").as_deref(), Some("7"));
        assert_eq!(at("/user/name").as_deref(), Some("ann"));
        assert_eq!((at("/a~1b").as_deref(), at("/~0").as_deref()), (Some("c"), Some("d")));
        for nothing in ["/user", "/user/admin", "/user/none", "/none", "user", ""] {
            assert_eq!(at(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn values_have_one_text_whatever_their_order() {
        let values = |names: [&str; 2]| names.map(|name| (name.to_owned(), json!(name)));
        let (one, other) = (values(["a", "b"]), values(["b", "a"]));
        let form =
            |values: &[(String, Value)]| Form::from_values(values.iter().map(|(name, value)| (name, value))).unwrap().0;
        assert_eq!(form(&one).print(), form(&other).print());
        assert_ne!(form(&one).print(), form(&one[..1]).print());
    }

    #[test]
    fn texts_that_are_no_json_are_values_nevertheless() {
        let texts = [("raw".to_owned(), "not json".to_owned()), ("user".to_owned(), "\"ann\"".to_owned())];
        let data = Data::try_from(Form::Texts(texts.into())).unwrap();
        assert_eq!(data.get::<String>("raw").as_deref(), Some("not json"));
        assert_eq!(data.text_at("/user").as_deref(), Some("ann"));
        assert_eq!(data.names().collect::<Vec<_>>(), ["raw", "user"]);
    }

    #[test]
    fn what_is_no_object_is_no_data() {
        assert!(Data::try_from(Form::Json("[]".to_owned())).is_err());
        assert!(Data::try_from(Form::Json("{".to_owned())).is_err());
    }
}
