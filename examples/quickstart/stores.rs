//! The one place that knows which store it is.

use std::ffi::OsString;
use std::sync::Arc;

use session_store::{SessionId, SessionKey, SessionStore, connect};

use crate::check::Result;

const USAGE: &str = "give none, for the embedded store, or one, the URL of a store";

/// The stores on databases: the feature of each, with which the schemes of its URLs begin, its name, and whether it is on.
const DATABASES: [(&str, &str, bool); 4] = [
    ("mongo", "MongoDB", cfg!(feature = "mongo")),
    ("postgres", "PostgreSQL", cfg!(feature = "postgres")),
    ("redis", "Redis", cfg!(feature = "redis")),
    ("sqlite", "SQLite", cfg!(feature = "sqlite")),
];

/// An empty store, for this run alone.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn SessionStore>,
    /// What the report calls it.
    pub(crate) name: &'static str,
    #[cfg_attr(
        not(any(feature = "mongo", feature = "postgres", feature = "sqlite")),
        allow(dead_code, reason = "nothing has to be dropped")
    )]
    place: Place,
}

/// Where the sessions are.
struct Place {
    url: String,
    namespace: String,
}

/// The URL of the store, which is the program's one argument, if there is one.
pub(crate) fn argument(arguments: impl IntoIterator<Item = OsString>) -> Result<String> {
    let mut arguments = arguments.into_iter();
    match (arguments.next(), arguments.next()) {
        (None, _) => Ok("memory:".to_owned()),
        (Some(url), None) => url.into_string().map_err(|_| format!("the argument is not text; {USAGE}").into()),
        _ => Err(format!("there is more than one argument; {USAGE}").into()),
    }
}

/// The store at a URL, of which nothing is shown in errors: it may hold a password.
pub(crate) async fn open(url: &str) -> Result<Opened> {
    let lowered = url.to_ascii_lowercase();
    let place = Place { url: url.to_owned(), namespace: namespace()? };
    let Some((feature, name, is_on)) = DATABASES.into_iter().find(|(feature, ..)| lowered.starts_with(feature)) else {
        return Ok(Opened { store: connect(url).await?, name: "the embedded store", place });
    };
    if !is_on {
        let command = format!("cargo run --example quickstart --features {feature} -- URL");
        return Err(format!("a store on {name} needs the feature `{feature}` of `examples`: {command}").into());
    }
    if ["session_namespace", "session_schema"].into_iter().any(|name| lowered.contains(name)) {
        return Err("leave session_namespace and session_schema out of the URL: each run has a place of its own".into());
    }
    Ok(Opened { store: connect(&place.namespaced()).await?, name, place })
}

impl Opened {
    /// Removes all sessions, and what was made to keep them.
    pub(crate) async fn remove(&self) -> Result {
        self.store.clear().await?;
        while self.store.prune(1_000).await?.more {}
        match self.name {
            #[cfg(feature = "postgres")]
            "PostgreSQL" => self.place.drop_table().await,
            #[cfg(feature = "sqlite")]
            "SQLite" => self.place.drop_sqlite_table().await,
            #[cfg(feature = "mongo")]
            "MongoDB" => self.place.drop_collection().await,
            _ => Ok(()),
        }
    }
}

impl Place {
    /// The URL with the namespace as one more parameter.
    fn namespaced(&self) -> String {
        let (url, fragment) = self.url.split_at(self.url.find('#').unwrap_or(self.url.len()));
        let mark = if url.contains('?') { '&' } else { '?' };
        format!("{url}{mark}session_namespace={}{fragment}", self.namespace)
    }

    /// The URL as a driver takes it, which knows no parameters of `connect`.
    #[cfg(any(feature = "mongo", feature = "postgres", feature = "sqlite"))]
    fn for_driver(&self) -> String {
        let (address, query) = self.url.split_once('?').unwrap_or((&self.url, ""));
        let query: Vec<_> = query.split('&').filter(|parameter| !parameter.starts_with("session_")).collect();
        format!("{address}?{}", query.join("&"))
    }

    #[cfg(feature = "postgres")]
    async fn drop_table(&self) -> Result {
        use session_store::postgres::sqlx::{AssertSqlSafe, Connection as _, PgConnection, raw_sql};

        let mut connection = PgConnection::connect(&self.for_driver()).await?;
        raw_sql(AssertSqlSafe(format!("DROP TABLE public.\"{}\"", self.namespace))).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }

    #[cfg(feature = "sqlite")]
    async fn drop_sqlite_table(&self) -> Result {
        use session_store::sqlite::sqlx::sqlite::SqliteConnection;
        use session_store::sqlite::sqlx::{AssertSqlSafe, Connection as _, raw_sql};

        let mut connection = SqliteConnection::connect(self.for_driver().trim_end_matches('?')).await?;
        // A database in memory is another one for each connection.
        let drop_table = format!("DROP TABLE IF EXISTS \"{}\"", self.namespace);
        raw_sql(AssertSqlSafe(drop_table)).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }

    #[cfg(feature = "mongo")]
    async fn drop_collection(&self) -> Result {
        use session_store::mongo::mongodb::{Client, bson::Document};

        let client = Client::with_uri_str(self.for_driver()).await?;
        let database = client.default_database().ok_or("the URL names no database")?;
        Ok(database.collection::<Document>(&self.namespace).drop().await?)
    }
}

/// One that no application has, nor another run.
fn namespace() -> Result<String> {
    let random = SessionKey::from(&SessionId::generate()?).to_text();
    Ok(format!("quickstart_{}", random.chars().rev().take(12).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(given: &[&str]) -> Result<String> {
        argument(given.iter().map(OsString::from))
    }

    async fn refusal(url: &str) -> String {
        match open(url).await {
            Ok(opened) => format!("opened {}", opened.name),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn one_argument_is_the_url_and_a_second_is_refused_unseen() {
        assert_eq!(arguments(&[]).unwrap(), "memory:");
        assert_eq!(arguments(&["redis://127.0.0.1/"]).unwrap(), "redis://127.0.0.1/");
        let error = arguments(&["redis://:secret@localhost/", "secret"]).unwrap_err().to_string();
        assert!(error.contains("more than one argument") && !error.contains("secret"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn an_argument_that_is_no_text_is_no_url() {
        use std::os::unix::ffi::OsStringExt as _;
        let error = argument([OsString::from_vec(vec![0xff])]).unwrap_err().to_string();
        assert!(error.contains("not text"), "{error}");
    }

    #[test]
    fn every_run_has_a_namespace_of_its_own_in_any_url() {
        let (one, other) = (namespace().unwrap(), namespace().unwrap());
        assert!(one.starts_with("quickstart_") && one.len() == 23 && one != other, "{one} {other}");
        for (url, namespaced) in [
            ("redis://h/0", "redis://h/0?session_namespace=n"),
            ("rediss://h/0#insecure", "rediss://h/0?session_namespace=n#insecure"),
            ("mongodb://a,b/d?w=1", "mongodb://a,b/d?w=1&session_namespace=n"),
        ] {
            let place = Place { url: url.to_owned(), namespace: "n".to_owned() };
            assert_eq!(place.namespaced(), namespaced);
        }
    }

    #[cfg(any(feature = "mongo", feature = "postgres", feature = "sqlite"))]
    #[test]
    fn a_driver_gets_its_own_parameters_only() {
        for (url, for_driver) in [
            ("mongodb://a,b/d", "mongodb://a,b/d?"),
            ("postgres://h/d?session_setup=true&a=b&session_unlogged=true", "postgres://h/d?a=b"),
        ] {
            assert_eq!(Place { url: url.to_owned(), namespace: String::new() }.for_driver(), for_driver);
        }
    }

    #[tokio::test]
    async fn a_url_that_leads_nowhere_is_refused_and_not_shown() {
        for (url, text) in [
            ("", "known are memory:"),
            ("--secret", "known are memory:"),
            (":secret@127.0.0.1:6379", "known are memory:"),
            ("mysql://root:secret@localhost/", "known are memory:"),
            ("memory:secret", "memory: alone"),
        ] {
            let error = refusal(url).await;
            assert!(error.contains(text) && !error.contains("secret"), "{url}: {error}");
        }
    }

    #[tokio::test]
    async fn a_server_is_told_without_the_password_or_the_feature_with_the_command() {
        for (feature, url, text) in [
            ("mongo", "mongodb://me:secret@127.0.0.1:1/app?serverSelectionTimeoutMS=300", "no connection to a MongoDB"),
            ("mongo", "mongodb+srv://me:secret@127.0.0.1:1/app", "the MongoDB address is not valid"),
            ("mongo", "mongodb://me:secret@127.0.0.1:1/", "no database is named"),
            ("postgres", "postgres://me:secret@127.0.0.1:1/", "no connection to the PostgreSQL server"),
            ("postgres", "POSTGRESQL://me:secret@127.0.0.1:1/", "no connection to the PostgreSQL server"),
            ("postgres", "postgres://me:secret@127.0.0.1:port/", "the PostgreSQL address is not valid"),
            ("sqlite", "sqlite:/nowhere/secret.db", "the SQLite file cannot be opened"),
            ("sqlite", "sqlite:x.db?secret=1", "the SQLite address is not valid"),
            ("redis", "redis-secret", "known are memory:"),
            ("redis", "redis://:secret@127.0.0.1:1/", "no connection to the Redis server"),
            ("redis", "REDISS://:secret@127.0.0.1:1/", "no connection to the Redis server"),
            ("redis", "redis://:secret@127.0.0.1/secret", "the Redis address is not valid"),
            ("redis", "redis://:secret@127.0.0.1:1/?session_namespace=secret", "each run has a place of its own"),
        ] {
            let error = refusal(url).await;
            let command = format!("cargo run --example quickstart --features {feature} -- URL");
            let is_on = DATABASES.into_iter().any(|(known, _, is_on)| known == feature && is_on);
            let is_told = if is_on {
                error.contains(text)
            } else {
                error.contains(&format!("the feature `{feature}`")) && error.ends_with(&command)
            };
            assert!(is_told && !error.contains("secret"), "{url}: {error}");
        }
    }
}
