//! Whether the server is supported.

use session_store_core::{Error, ErrorKind, Result};

use crate::connection::Connections;
use crate::error;
use crate::protocol::parse;

/// The oldest release: the first with `PXAT`.
const OLDEST: (u32, u32) = (6, 2);

/// Reads INFO of every server that holds keys; of none, with a warning, if the user may not see it.
pub(crate) async fn infos(connections: &Connections) -> Result<Vec<Info>, error::Error> {
    match connections.ask_all(&redis::cmd("INFO")).await {
        Ok(answers) => answers.into_iter().map(|(_, answer)| parse(answer).map(Info)).collect(),
        Err(error) if error.lacks_rights() => {
            tracing::warn!("the Redis user may not see INFO, so version, role and `maxmemory-policy` are not checked");
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

/// The text of INFO: lines of `name:value`.
pub(crate) struct Info(pub(crate) String);

impl Info {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    }

    fn version(&self) -> Option<(u32, u32)> {
        let mut numbers = self.get("redis_version")?.split('.').map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    }
}

/// Refuses a server that is not supported, or not reached by the right kind of client.
pub(crate) fn check(info: &Info, is_cluster: bool, allow_eviction: bool) -> Result<()> {
    // The latter is Valkey's.
    let mode = info.get("redis_mode").or_else(|| info.get("server_mode"));
    if mode == Some("sentinel") {
        return Err(Error::config("this is a Sentinel; use `RedisEndpoint::sentinel` with the feature `sentinel`"));
    }
    if mode == Some("cluster") && !is_cluster {
        return Err(Error::config(
            "this is a node of a Redis Cluster; use `RedisEndpoint::cluster` with the feature `cluster`",
        ));
    }
    if let Some((major, minor)) = info.version().filter(|version| *version < OLDEST) {
        return Err(Error::config(format!("the Redis server is {major}.{minor}; the store needs 6.2 or newer")));
    }
    if info.get("role") == Some("slave") && !is_cluster {
        return Err(Error::new(
            ErrorKind::Unavailable,
            "the Redis server is a replica; give the address of its master",
        ));
    }
    match info.get("maxmemory_policy") {
        Some(policy) if policy != "noeviction" && !allow_eviction => Err(Error::config(format!(
            "the Redis server's `maxmemory-policy` is {policy}, which may drop sessions and the lists of users' \
             sessions; set it to noeviction, or accept that by `allow_eviction()`"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(version: &str, mode: &str, role: &str, policy: &str) -> Info {
        Info(format!(
            "# Server\r\nredis_version:{version}\r\nredis_mode:{mode}\r\nrole:{role}\r\nmaxmemory_policy:{policy}\r\n"
        ))
    }

    #[test]
    fn a_server_is_refused_with_what_to_do() {
        let refused = [
            (info("6.0.16", "standalone", "master", "noeviction"), "6.2 or newer"),
            (info("5.0.0", "standalone", "master", "noeviction"), "6.2 or newer"),
            (info("7.0.15", "cluster", "master", "noeviction"), "feature `cluster`"),
            (info("7.0.15", "sentinel", "", ""), "feature `sentinel`"),
            (info("7.0.15", "standalone", "slave", "noeviction"), "its master"),
            (info("7.0.15", "standalone", "master", "volatile-lru"), "allow_eviction()"),
        ];
        let valkey = Info("redis_version:7.2.4\r\nserver_mode:cluster\r\n".to_owned());
        for (info, advice) in refused.into_iter().chain([(valkey, "feature `cluster`")]) {
            let error = check(&info, false, false).unwrap_err();
            assert!(error.to_string().contains(advice), "{error}");
        }
    }

    #[test]
    fn a_good_server_is_accepted() {
        for version in ["6.2.0", "7.0.15", "8.0.2", "10.1.0"] {
            check(&info(version, "standalone", "master", "noeviction"), false, false).unwrap();
        }
        check(&info("7.0.15", "standalone", "master", "allkeys-lru"), false, true).unwrap();
        check(&info("7.0.15", "cluster", "master", "noeviction"), true, false).unwrap();
        check(&Info("# a proxy that says little\r\n".to_owned()), false, false).unwrap();
    }
}
