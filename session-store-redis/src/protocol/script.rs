//! The scripts, and how they are sent.

use std::sync::LazyLock;

use redis::Cmd;

/// One operation in Lua.
#[derive(Debug)]
pub(crate) struct Script {
    text: &'static str,
    hash: LazyLock<String>,
}

macro_rules! scripts {
    ($($name:ident: $($file:literal),+;)+) => {$(
        pub(crate) static $name: Script = Script {
            text: concat!($(include_str!(concat!("../scripts/", $file, ".lua"))),+),
            hash: LazyLock::new(|| hash($name.text)),
        };
    )+};
}

fn hash(text: &str) -> String {
    redis::Script::new(text).get_hash().to_owned()
}

scripts! {
    READ: "prelude", "read";
    CHANGE: "prelude", "index", "change";
    DESTROY: "prelude", "record", "index", "destroy";
    ROTATE: "prelude", "record", "index", "rotate";
    LIST_BY_USER: "prelude", "record", "list_by_user";
    DESTROY_BY_USER: "prelude", "record", "destroy_by_user";
    PRUNE: "prelude", "record", "prune";
}

#[cfg(feature = "cluster")]
pub(crate) mod cluster {
    use super::{LazyLock, Script, hash};

    scripts! {
        MARK: "prelude", "cluster/mark";
        SET: "prelude", "record", "cluster/set";
        DESTROY: "prelude", "record", "cluster/destroy";
        COMMIT: "prelude", "record", "cluster/commit";
        UNLIST: "cluster/unlist";
        INDEX: "prelude", "cluster/index";
    }
}

impl Script {
    /// Returns the call of the script by its hash, still without its ARGV.
    pub(crate) fn on<K: AsRef<[u8]>>(&self, keys: impl IntoIterator<Item = K, IntoIter: ExactSizeIterator>) -> Cmd {
        let keys = keys.into_iter();
        let mut call = self.of(keys.len(), 0);
        for key in keys {
            call.arg(key.as_ref());
        }
        call
    }

    /// Returns the beginning of a call on so many keys, with room for so many bytes. The keys come next.
    pub(crate) fn of(&self, keys: usize, bytes: usize) -> Cmd {
        let mut call = Cmd::with_capacity(5 + 3 * keys, bytes);
        call.arg("EVALSHA").arg(self.hash.as_str()).arg(keys);
        call
    }

    /// Returns the same call with the whole text, for a server that does not know the hash. It will from now on.
    pub(crate) fn in_full(&self, call: &Cmd) -> Cmd {
        let mut full = redis::cmd("EVAL");
        full.arg(self.text);
        for argument in call.args_iter().skip(2) {
            if let redis::Arg::Simple(argument) = argument {
                full.arg(argument);
            }
        }
        full
    }
}
