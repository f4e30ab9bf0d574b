//! The parameters of ours in a URL: they are taken out of it, and the rest is the driver's.

use percent_encoding::percent_decode_str;
use session_store_core::{Error, Result};

use crate::known::{Known, PREFIX, all, names_of};
use crate::scheme::Backend;
use crate::value::Value;

/// The parameters of one URL, decoded. There is no `Debug`: one of them may be a password.
pub(crate) struct Parameters(Vec<(&'static Known, String)>);

impl Parameters {
    /// Takes them out of the query of a URL.
    ///
    /// It is split by hand, because a MongoDB URL with several hosts is none to a parser of URLs.
    pub(crate) fn take(url: &str, backend: Backend) -> Result<(String, Self)> {
        let (before, fragment) = cut(url, '#');
        let (address, query) = cut(before, '?');
        let pairs = query.strip_prefix('?').into_iter().flat_map(|query| query.split('&'));
        let (ours, theirs): (Vec<_>, Vec<_>) = pairs.map(Pair::of).partition(Pair::is_ours);
        let mut taken = Self(Vec::with_capacity(ours.len()));
        for pair in &ours {
            taken.add(pair, backend)?;
        }
        let rest = if ours.is_empty() {
            url.to_owned()
        } else {
            let theirs: Vec<_> = theirs.iter().map(|pair| pair.text).collect();
            let mark = if theirs.is_empty() { "" } else { "?" };
            format!("{address}{mark}{}{fragment}", theirs.join("&"))
        };
        refuse_strays(&rest)?;
        Ok((rest, taken))
    }

    fn add(&mut self, pair: &Pair<'_>, backend: Backend) -> Result<()> {
        let known = all().find(|known| known.name == pair.name && known.of.contains(&backend));
        let known = known.ok_or_else(|| no_such(&pair.name, backend))?;
        if self.0.iter().any(|(other, _)| other.name == known.name) {
            return Err(Error::config(format!("`{}` is given more than once; it takes {}", known.name, known.takes)));
        }
        self.0.push((known, decoded(pair.value).ok_or_else(|| unreadable(known))?));
        Ok(())
    }

    /// Passes on what was given of the options that all stores have.
    pub(crate) fn pass_on<T>(&self, to: T, set: impl Fn(T, &str, &str) -> Result<T>) -> Result<T> {
        let options = self.0.iter().filter_map(|(known, text)| Some((known, known.option()?, text)));
        let mut to = to;
        for (known, option, text) in options {
            to = set(to, option, text).map_err(|_| unreadable(known))?;
        }
        Ok(to)
    }

    /// The value of a parameter, if it was given.
    pub(crate) fn read<V: Value>(&self, wanted: &'static Known) -> Result<Option<V>> {
        let given = self.0.iter().find(|(known, _)| known.name == wanted.name);
        given.map(|(known, text)| V::read(text).ok_or_else(|| unreadable(known))).transpose()
    }
}

/// One of those that a query joins by `&`.
struct Pair<'a> {
    text: &'a str,
    name: String,
    value: &'a str,
}

impl<'a> Pair<'a> {
    fn of(text: &'a str) -> Self {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        Self { text, name: percent_decode_str(name).decode_utf8_lossy().into_owned(), value }
    }

    /// In any case of its letters, so that no driver gets it and passes over it in silence.
    fn is_ours(&self) -> bool {
        self.name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
    }
}

/// What is before the first such character, and the rest with it.
fn cut(text: &str, at: char) -> (&str, &str) {
    text.find(at).and_then(|place| text.split_at_checked(place)).unwrap_or((text, ""))
}

/// The library leaves a `%` alone that begins no escape; but then nobody can tell what was meant.
fn decoded(text: &str) -> Option<String> {
    let is_escape = |part: &str| part.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    let is_sound = text.split('%').skip(1).all(is_escape);
    is_sound.then(|| percent_decode_str(text).decode_utf8().ok())?.map(Into::into)
}

/// A parameter in the fragment, or after a second `?`, would reach no store.
fn refuse_strays(rest: &str) -> Result<()> {
    let is_stray = |(place, _): (usize, &str)| {
        let start = rest.get(place..place + 1 + PREFIX.len());
        start.is_some_and(|start| start.to_ascii_lowercase().ends_with(PREFIX))
    };
    if rest.match_indices(['?', '&', '#']).any(is_stray) {
        return Err(Error::config(
            "a parameter that begins with `session_` stands outside the query of the URL; parameters follow the first \
             `?`, are joined by `&`, and come before a `#`; in a name, a password or a value these are %3F, %26 and %23",
        ));
    }
    Ok(())
}

fn unreadable(known: &Known) -> Error {
    Error::config(format!("the value of `{}` cannot be read; it takes {}", known.name, known.takes))
}

/// The name is shown if it is one; anything else may be a piece of a password that was not encoded.
fn no_such(name: &str, backend: Backend) -> Error {
    let is_name = name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let shown = if is_name { format!("`{name}`") } else { format!("what begins with `{PREFIX}`") };
    let scheme = backend.scheme();
    Error::config(format!("{shown} is no parameter of a {scheme} URL; it may have {}", names_of(backend)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use session_store_core::{ErrorKind, Namespace};

    use super::*;
    use session_store_core::backend::StoreOptions;

    use crate::known::{CONNECTIONS, NAMESPACE, PRUNE_EVERY, SCHEMA, SETUP};

    fn refusal(url: &str) -> Error {
        let (backend, url) = Backend::of(url).unwrap();
        Parameters::take(&url, backend).err().unwrap_or_else(|| panic!("{url} is to be refused"))
    }

    #[test]
    fn ours_are_taken_out_and_the_rest_is_left_as_it_is() {
        let table = [
            ("postgres://u:p%40@h/d?session_setup=false&sslmode=require", "postgres://u:p%40@h/d?sslmode=require"),
            ("postgres://h/d?sslmode=require&session_setup=false&a=%20+b", "postgres://h/d?sslmode=require&a=%20+b"),
            ("mongodb://a:1,b:2/d?session_setup=true", "mongodb://a:1,b:2/d"),
            (
                "mongodb://a:1,b:2/?w=majority&session_namespace=s&replicaSet=r",
                "mongodb://a:1,b:2/?w=majority&replicaSet=r",
            ),
            ("mongodb+srv://u:p@h/d?session_batch_size=1&w=1&session_data_limit=1", "mongodb+srv://u:p@h/d?w=1"),
            ("rediss://h/0?session_namespace=s#insecure", "rediss://h/0#insecure"),
            ("redis://h?protocol=resp3&session%5Fnamespace=s", "redis://h?protocol=resp3"),
        ];
        for (url, rest) in table {
            let (backend, url) = Backend::of(url).unwrap();
            assert_eq!(Parameters::take(&url, backend).unwrap().0, rest);
        }
        for url in ["redis://h", "redis://h/?", "postgres://h/d?&&a", "mongodb://h/session_d?x=session_", "memory:?#?"]
        {
            let (backend, url) = Backend::of(url).unwrap();
            assert_eq!(Parameters::take(&url, backend).unwrap().0, url);
        }
    }

    #[test]
    fn values_are_decoded_and_read() {
        let url = "postgres://h/?session_namespace=a%26b+%c3%a9&session_setup=false&session_operation_timeout=%35ms\
                   &session_schema=%25";
        let parameters = Parameters::take(url, Backend::Postgres).unwrap().1;
        assert_eq!(parameters.read::<Namespace>(&NAMESPACE).unwrap().unwrap().as_str(), "a&b+\u{e9}");
        assert_eq!(parameters.read::<bool>(&SETUP).unwrap(), Some(false));
        let set = |mut options: StoreOptions, name: &str, value: &str| options.set(name, value).map(|()| options);
        let options = parameters.pass_on(StoreOptions::default(), set).unwrap();
        assert_eq!(options.operation_timeout, Duration::from_millis(5));
        assert_eq!(parameters.read::<String>(&SCHEMA).unwrap().unwrap(), "%");
        assert_eq!(parameters.read::<u32>(&CONNECTIONS).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_decoded_or_read_is_refused_by_name_with_what_is_allowed() {
        for value in ["%", "%2", "%GG", "a%+1", "%FF", "%C3", "x%e9", "%\u{e9}\u{e9}"] {
            let error = refusal(&format!("redis://h/?session_namespace={value}"));
            assert_eq!(error.kind(), ErrorKind::Config);
            let text = "the value of `session_namespace` cannot be read; it takes a name of 1 to 40 bytes";
            assert_eq!(error.to_string(), text);
        }
        let parameters = Parameters::take("memory:?session_data_limit=hunter2&session_prune_every", Backend::Memory);
        let parameters = parameters.unwrap().1;
        let set = |mut options: StoreOptions, name: &str, value: &str| options.set(name, value).map(|()| options);
        let errors = [
            (parameters.pass_on(StoreOptions::default(), set).unwrap_err(), "session_data_limit", "a number of bytes"),
            (parameters.read::<Duration>(&PRUNE_EVERY).unwrap_err(), "session_prune_every", "a time such as"),
        ];
        for (error, name, takes) in errors {
            assert_eq!(error.kind(), ErrorKind::Config);
            let text = error.to_string();
            assert!(text.contains(name) && text.contains(takes) && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn a_parameter_that_is_not_there_is_refused_with_those_that_are() {
        let table = [
            ("redis://h/?session_schema=x", "`session_schema` is no parameter of a redis: URL"),
            ("memory:?session_namespace=x", "`session_namespace` is no parameter of a memory: URL"),
            ("mongodb://h/?session_namspace=x", "`session_namspace` is no parameter of a mongodb: URL"),
            ("mongodb://h/?session_=x", "`session_` is no parameter"),
            ("postgres://h/?SESSION_setup=x", "what begins with `session_` is no parameter of a postgres: URL"),
            ("postgres://h/?session_hunter2@host", "what begins with `session_` is no parameter"),
        ];
        for (url, begins) in table {
            let error = refusal(url);
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().starts_with(begins) && !error.to_string().contains("hunter2"), "{error}");
            assert!(error.to_string().contains("`session_data_limit`"), "{error}");
        }
    }

    #[test]
    fn a_parameter_that_is_given_twice_is_refused() {
        for second in ["session_setup=true", "session_setup=false", "session_setup", "session%5Fsetup=true"] {
            let error = refusal(&format!("postgres://h/?session_setup=true&sslmode=prefer&{second}"));
            assert_eq!(error.kind(), ErrorKind::Config);
            assert_eq!(error.to_string(), "`session_setup` is given more than once; it takes `true` or `false`");
        }
    }

    #[test]
    fn a_parameter_that_would_reach_no_store_is_refused() {
        let urls = [
            "rediss://h/#insecure?session_namespace=hunter2",
            "rediss://h/#session_namespace=hunter2",
            "redis://h/0&session_namespace=hunter2",
            "redis://h/?protocol=resp3?SESSION_namespace=hunter2",
            "redis://:pass#hunter2@h/?session_namespace=a",
        ];
        for url in urls {
            let error = refusal(url);
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(
                error.to_string().contains("outside the query") && !error.to_string().contains("hunter2"),
                "{error}"
            );
        }
    }
}
