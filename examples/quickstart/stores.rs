//! The one place that knows which store it is.

use std::ffi::OsString;
use std::pin::Pin;
use std::sync::Arc;

use session_store_core::SessionStore;
#[cfg(any(feature = "mongo", feature = "postgres", feature = "redis"))]
use session_store_core::{SessionId, SessionKey};
use session_store_memory::MemoryStore;

use crate::check::Result;

/// The stores that a URL can name.
const KNOWN: &str = "mongodb://, mongodb+srv://, postgres://, postgresql://, redis://, rediss://";

/// A store, and what the report calls it.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn SessionStore>,
    pub(crate) name: &'static str,
    /// Removes what is left of the store when all its sessions are.
    pub(crate) removal: Option<Removal>,
}

pub(crate) type Removal = Pin<Box<dyn Future<Output = Result> + Send>>;

/// The program's one argument, a URL, if there is one.
pub(crate) fn argument(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<String>> {
    let mut arguments = arguments.into_iter();
    let (url, surplus) = (arguments.next(), arguments.next());
    if surplus.is_some() {
        return Err(format!("there is more than one argument; give none, or the URL of a store, one of {KNOWN}").into());
    }
    url.map(|url| url.into_string().map_err(|_| no_url().into())).transpose()
}

/// The store at a URL, empty and for this run alone; without a URL, the embedded one.
pub(crate) async fn open(url: Option<&str>) -> Result<Opened> {
    let opened = match url {
        None => Opened { store: Arc::new(MemoryStore::builder().build()?), name: "the embedded store", removal: None },
        Some(url) => match scheme(url)?.as_str() {
            #[cfg(feature = "mongo")]
            "mongodb" | "mongodb+srv" => mongo(url).await?,
            #[cfg(not(feature = "mongo"))]
            scheme @ ("mongodb" | "mongodb+srv") => return Err(lacks("mongo", scheme)),
            #[cfg(feature = "postgres")]
            "postgres" | "postgresql" => postgres(url).await?,
            #[cfg(not(feature = "postgres"))]
            scheme @ ("postgres" | "postgresql") => return Err(lacks("postgres", scheme)),
            #[cfg(feature = "redis")]
            "redis" | "rediss" => redis(url).await?,
            #[cfg(not(feature = "redis"))]
            scheme @ ("redis" | "rediss") => return Err(lacks("redis", scheme)),
            other => return Err(format!("there is no store for {other}://; those known are {KNOWN}").into()),
        },
    };
    // So that a database that cannot serve is told before anything is written.
    opened.store.ping().await?;
    Ok(opened)
}

/// What the URL begins with. Only this is ever shown: the rest may hold a password.
fn scheme(url: &str) -> Result<String> {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    let fits =
        |scheme: &String| !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+');
    scheme.filter(fits).ok_or_else(|| no_url().into())
}

fn no_url() -> String {
    format!("the argument is not the URL of a store, such as redis://127.0.0.1/; those known are {KNOWN}")
}

#[cfg(not(all(feature = "mongo", feature = "postgres", feature = "redis")))]
fn lacks(feature: &str, scheme: &str) -> Box<dyn std::error::Error> {
    let command = format!("cargo run --example quickstart --features {feature} -- {scheme}://...");
    format!("a store for {scheme}:// needs the feature `{feature}` of the package `examples`: {command}").into()
}

#[cfg(feature = "redis")]
async fn redis(url: &str) -> Result<Opened> {
    let store = session_store_redis::RedisStore::builder(url).prefix(namespace()?).build().await?;
    Ok(Opened { store: Arc::new(store), name: "Redis", removal: None })
}

#[cfg(feature = "postgres")]
async fn postgres(url: &str) -> Result<Opened> {
    use session_store_postgres::PostgresStore;
    use session_store_postgres::sqlx::{AssertSqlSafe, Connection as _, PgConnection, raw_sql};

    let (url, table) = (url.to_owned(), namespace()?);
    let store = PostgresStore::builder(url.as_str()).table(&table).migrate().build().await?;
    let removal = async move {
        let mut connection = PgConnection::connect(&url).await?;
        raw_sql(AssertSqlSafe(format!("DROP TABLE public.\"{table}\""))).execute(&mut connection).await?;
        Ok(connection.close().await?)
    };
    Ok(Opened { store: Arc::new(store), name: "PostgreSQL", removal: Some(Box::pin(removal)) })
}

#[cfg(feature = "mongo")]
async fn mongo(url: &str) -> Result<Opened> {
    use session_store_mongo::MongoStore;
    use session_store_mongo::mongodb::Client;
    use session_store_mongo::mongodb::bson::Document;
    use session_store_mongo::mongodb::options::ClientOptions;

    // A URL need not name a database.
    const DATABASE: &str = "quickstart";
    let (url, collection) = (url.to_owned(), namespace()?);
    let named = ClientOptions::parse(&url).await.ok().and_then(|options| options.default_database);
    let database = named.unwrap_or_else(|| DATABASE.to_owned());
    let builder = MongoStore::builder(url.as_str()).database(&database).collection(&collection);
    let store = builder.ensure_indexes().build().await?;
    let removal = async move {
        let client = Client::with_uri_str(&url).await?;
        Ok(client.database(&database).collection::<Document>(&collection).drop().await?)
    };
    Ok(Opened { store: Arc::new(store), name: "MongoDB", removal: Some(Box::pin(removal)) })
}

/// A namespace that no application has, nor another run.
#[cfg(any(feature = "mongo", feature = "postgres", feature = "redis"))]
fn namespace() -> Result<String> {
    let random = SessionKey::from(&SessionId::generate()?).to_text();
    Ok(format!("quickstart-{}", random.chars().rev().take(12).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(given: &[&str]) -> Result<Option<String>> {
        argument(given.iter().map(OsString::from))
    }

    async fn refusal(url: &str) -> String {
        match open(Some(url)).await {
            Ok(opened) => format!("opened {}", opened.name),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn one_argument_is_the_url_and_a_second_is_refused_unseen() {
        assert_eq!(arguments(&[]).unwrap(), None);
        assert_eq!(arguments(&["redis://127.0.0.1/"]).unwrap().as_deref(), Some("redis://127.0.0.1/"));
        let error = arguments(&["redis://:secret@localhost/", "secret"]).unwrap_err().to_string();
        assert!(error.contains("more than one argument") && !error.contains("secret"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn an_argument_that_is_no_text_is_no_url() {
        use std::os::unix::ffi::OsStringExt as _;
        let error = argument([OsString::from_vec(vec![0xff])]).unwrap_err().to_string();
        assert!(error.contains("not the URL of a store"), "{error}");
    }

    #[tokio::test]
    async fn a_scheme_without_a_store_is_refused_with_those_that_have_one() {
        let error = refusal("mysql://root:secret@localhost/").await;
        assert!(error.contains("no store for mysql://") && error.contains(KNOWN), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }

    #[tokio::test]
    async fn what_is_no_url_is_refused_and_not_shown() {
        for argument in ["", "localhost", "--secret", "://secret", "root:secret@localhost://", ":secret@127.0.0.1:6379"]
        {
            let error = refusal(argument).await;
            assert!(error.contains("not the URL of a store") && error.contains(KNOWN), "{argument}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[tokio::test]
    async fn without_the_feature_the_error_names_it_and_the_command() {
        let mongo = [("mongo", "mongodb"), ("mongo", "mongodb+srv")];
        let postgres = [("postgres", "postgres"), ("postgres", "postgresql")];
        let redis = [("redis", "redis"), ("redis", "rediss")];
        let lacking = [
            (cfg!(feature = "mongo"), mongo),
            (cfg!(feature = "postgres"), postgres),
            (cfg!(feature = "redis"), redis),
        ];
        for (feature, scheme) in lacking.into_iter().filter(|(is_there, _)| !is_there).flat_map(|(_, known)| known) {
            let error = refusal(&format!("{scheme}://:secret@localhost/")).await;
            assert!(error.contains(&format!("the feature `{feature}`")), "{error}");
            let command = format!("cargo run --example quickstart --features {feature} -- {scheme}://...");
            assert!(error.ends_with(&command) && !error.contains("secret"), "{error}");
        }
    }

    #[cfg(feature = "mongo")]
    #[tokio::test]
    async fn a_mongo_server_that_is_not_there_and_a_bad_address_are_told_without_the_password() {
        for (url, text) in [
            ("mongodb://me:secret@127.0.0.1:1/?serverSelectionTimeoutMS=300", "no connection to a MongoDB primary"),
            ("mongodb://me:secret@127.0.0.1:port/", "the MongoDB address is not valid"),
        ] {
            let error = refusal(url).await;
            assert!(error.contains(text) && !error.contains("secret"), "{url}: {error}");
        }
    }

    #[cfg(feature = "postgres")]
    #[tokio::test]
    async fn a_postgres_server_that_is_not_there_and_a_bad_address_are_told_without_the_password() {
        for (url, text) in [
            ("postgres://me:secret@127.0.0.1:1/", "no connection to the PostgreSQL server"),
            ("POSTGRESQL://me:secret@127.0.0.1:1/", "no connection to the PostgreSQL server"),
            ("postgres://me:secret@127.0.0.1:port/", "the PostgreSQL address is not valid"),
        ] {
            let error = refusal(url).await;
            assert!(error.contains(text) && !error.contains("secret"), "{url}: {error}");
        }
    }

    #[cfg(feature = "redis")]
    #[tokio::test]
    async fn a_server_that_is_not_there_and_a_bad_address_are_told_without_the_password() {
        for (url, text) in [
            ("redis://:secret@127.0.0.1:1/", "no connection to the Redis server"),
            ("REDISS://:secret@127.0.0.1:1/", "no connection to the Redis server"),
            ("redis://:secret@127.0.0.1:port/", "the Redis address is not valid"),
            ("redis://:secret@/", "the Redis address is not valid"),
            ("redis://:secret@127.0.0.1/secret", "the Redis address is not valid"),
        ] {
            let error = refusal(url).await;
            assert!(error.contains(text) && !error.contains("secret"), "{url}: {error}");
        }
    }

    #[cfg(any(feature = "mongo", feature = "postgres", feature = "redis"))]
    #[test]
    fn every_run_has_a_namespace_of_its_own() {
        let (one, other) = (namespace().unwrap(), namespace().unwrap());
        assert!(one.starts_with("quickstart-") && one.len() == 23 && one != other, "{one} {other}");
    }
}
