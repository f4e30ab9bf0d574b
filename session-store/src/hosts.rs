//! Redis URLs with several hosts: the nodes of a Cluster, or Sentinels.

use session_store_core::{Error, Result};
use session_store_redis::RedisEndpoint;

use crate::known::{CLUSTER, SENTINEL, SENTINEL_PASSWORD, SENTINEL_USER};
use crate::parameters::Parameters;

/// The server or servers of a URL whose parameters of ours have been taken out.
pub(crate) fn server(url: &str, given: &Parameters) -> Result<RedisEndpoint> {
    let is_cluster = given.read::<bool>(&CLUSTER)?.unwrap_or(false);
    let master = given.read::<String>(&SENTINEL)?;
    let (user, password) = (given.read::<String>(&SENTINEL_USER)?, given.read::<String>(&SENTINEL_PASSWORD)?);
    let urls = one_by_one(url);
    match (is_cluster, master) {
        (true, Some(_)) => {
            Err(Error::config("`session_cluster` and `session_sentinel` are both given; give one of them"))
        }
        (_, None) if user.is_some() || password.is_some() => Err(Error::config(
            "`session_sentinel_user` and `session_sentinel_password` are for Sentinels; add `session_sentinel`, which \
             takes the name of a master",
        )),
        (true, None) => cluster(urls),
        (false, Some(master)) => sentinel(&urls, &master, user.as_deref(), password.as_deref()),
        (false, None) if urls.len() > 1 => Err(Error::config(
            "a redis: URL with several hosts needs `session_cluster=true`, or `session_sentinel`, which takes the name of a \
             master",
        )),
        (false, None) => Ok(url.into()),
    }
}

/// A URL for each of the hosts that commas separate; the rest is the same in all.
fn one_by_one(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else { return vec![url.to_owned()] };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    // A password may have commas.
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    };
    hosts.split(',').map(|host| format!("{scheme}://{user}{host}{path}")).collect()
}

#[cfg(feature = "redis-cluster")]
#[allow(clippy::unnecessary_wraps, reason = "without the feature it fails")]
fn cluster(urls: Vec<String>) -> Result<RedisEndpoint> {
    Ok(RedisEndpoint::cluster(urls))
}

#[cfg(not(feature = "redis-cluster"))]
fn cluster(_urls: Vec<String>) -> Result<RedisEndpoint> {
    Err(crate::scheme::lacks("`session_cluster=true`", "redis-cluster"))
}

/// The URLs lead to the Sentinels, but what they say of a user, a password and a database is for the master.
#[cfg(feature = "redis-sentinel")]
fn sentinel(urls: &[String], master: &str, user: Option<&str>, password: Option<&str>) -> Result<RedisEndpoint> {
    use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
    use redis::{ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo, TlsMode};

    let mut login = RedisConnectionInfo::default();
    if let Some(user) = user {
        login = login.set_username(user);
    }
    if let Some(password) = password {
        login = login.set_password(password);
    }
    let mut of_master = SentinelNodeConnectionInfo::default();
    let mut sentinels = Vec::with_capacity(urls.len());
    for url in urls {
        // The driver's error may quote the URL.
        let info = url.as_str().into_connection_info().map_err(|_| no_address())?;
        if let ConnectionAddr::TcpTls { insecure, .. } = info.addr() {
            of_master = of_master.set_tls_mode(if *insecure { TlsMode::Insecure } else { TlsMode::Secure });
        }
        of_master = of_master.set_redis_connection_info(info.redis_settings().clone());
        sentinels.push(info.set_redis_settings(login.clone()));
    }
    let client = SentinelClient::build(sentinels, master, Some(of_master), SentinelServerType::Master);
    Ok(client.map_err(|_| no_address())?.into())
}

#[cfg(feature = "redis-sentinel")]
fn no_address() -> Error {
    Error::config(
        "the address of a Sentinel is not valid; with `session_sentinel` a URL looks like \
         redis://user:password@sentinel1:26379,sentinel2:26379/0",
    )
}

#[cfg(not(feature = "redis-sentinel"))]
fn sentinel(_urls: &[String], _master: &str, _user: Option<&str>, _password: Option<&str>) -> Result<RedisEndpoint> {
    Err(crate::scheme::lacks("`session_sentinel`", "redis-sentinel"))
}

#[cfg(test)]
mod tests {
    use session_store_core::ErrorKind;

    use super::*;
    use crate::scheme::Backend;

    fn server_of(url: &str) -> Result<RedisEndpoint> {
        let (rest, given) = Parameters::take(url, Backend::Redis)?;
        server(&rest, &given)
    }

    #[test]
    fn each_host_has_a_url_of_its_own() {
        let table: [(&str, &[&str]); 6] = [
            ("redis://h", &["redis://h"]),
            ("redis://a:1,b:2/3?protocol=resp3", &["redis://a:1/3?protocol=resp3", "redis://b:2/3?protocol=resp3"]),
            ("rediss://u:p,@q@a,[::1]:2#insecure", &["rediss://u:p,@q@a#insecure", "rediss://u:p,@q@[::1]:2#insecure"]),
            ("redis://:p@a,b?x=@c,d", &["redis://:p@a?x=@c,d", "redis://:p@b?x=@c,d"]),
            ("redis:a,b", &["redis:a,b"]),
            ("redis://", &["redis://"]),
        ];
        for (url, each) in table {
            assert_eq!(one_by_one(url), each);
        }
    }

    #[test]
    fn a_url_leads_to_one_kind_of_servers() {
        assert_eq!(format!("{:?}", server_of("redis://a").unwrap()), "RedisEndpoint(one)");
        assert_eq!(format!("{:?}", server_of("redis://a?session_cluster=false").unwrap()), "RedisEndpoint(one)");
        let refused = [
            ("redis://:hunter2@a,b", "several hosts"),
            ("redis://:hunter2@a,b?session_cluster=false", "several hosts"),
            ("redis://:hunter2@a?session_cluster=true&session_sentinel=m", "one of them"),
            ("redis://a?session_sentinel_password=hunter2", "add `session_sentinel`"),
            ("redis://a?session_sentinel_user=hunter2&session_cluster=true", "add `session_sentinel`"),
        ];
        for (url, text) in refused {
            let error = server_of(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(text) && !format!("{error:?}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn clusters_and_sentinels_have_features() {
        let (cluster, sentinel) = ("redis://a,b?session_cluster=true", "redis://:p@a,b/1?session_sentinel=m");
        if cfg!(feature = "redis-cluster") {
            assert_eq!(format!("{:?}", server_of(cluster).unwrap()), "RedisEndpoint(Cluster)");
        } else {
            let error = server_of(cluster).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("the feature `redis-cluster`"), "{error}");
        }
        if cfg!(feature = "redis-sentinel") {
            assert_eq!(format!("{:?}", server_of(sentinel).unwrap()), "RedisEndpoint(Sentinel)");
            let error = server_of("redis://:hunter2@a,:x/1?session_sentinel=m").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains("Sentinel is not valid"), "{error}");
        } else {
            let error = server_of(sentinel).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("the feature `redis-sentinel`"), "{error}");
        }
    }
}
