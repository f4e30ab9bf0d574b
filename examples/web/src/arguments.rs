//! What stands on the command line.

use std::ffi::OsString;
use std::fmt;

/// How the program is called.
pub const USAGE: &str = "\
usage: web-demo [URL] [--listen ADDRESS:PORT]

  URL      where the sessions are kept: memory: (unless given), redis://..., postgres://..., mongodb://...
  --listen where to answer; 127.0.0.1:3000 unless given, and port 0 takes one that is free";

/// What is asked for.
#[derive(Debug, Eq, PartialEq)]
pub enum Asked {
    /// How the program is called.
    ForHelp,
    /// The shop.
    ToRun(Arguments),
}

/// Where the shop keeps its sessions, and where it answers.
#[derive(Eq, PartialEq)]
pub struct Arguments {
    /// The URL of the store. It may hold a password.
    pub url: String,
    /// An address and a port.
    pub listen: String,
}

impl Arguments {
    /// Reads what comes after the program's name.
    ///
    /// # Errors
    ///
    /// Says what is wrong. No argument is shown that may be a URL.
    pub fn read(given: impl IntoIterator<Item = OsString>) -> Result<Asked, String> {
        let (mut url, mut listen) = (None, None);
        let mut given = given.into_iter();
        while let Some(argument) = given.next() {
            match text(argument)?.as_str() {
                "--help" | "-h" => return Ok(Asked::ForHelp),
                "--listen" => once(&mut listen, address(given.next())?, "--listen")?,
                option if option.starts_with("--listen=") => {
                    let value = option.trim_start_matches("--listen=");
                    once(&mut listen, address(Some(value.into()))?, "--listen")?;
                }
                // No URL begins with a dash, and no option holds a secret.
                option if option.starts_with('-') => return Err(format!("there is no option {option}")),
                other => once(&mut url, other.to_owned(), "the URL")?,
            }
        }
        Ok(Asked::ToRun(Self {
            url: url.unwrap_or_else(|| "memory:".to_owned()),
            listen: listen.unwrap_or_else(|| "127.0.0.1:3000".to_owned()),
        }))
    }

    /// What metrics call the store.
    #[must_use]
    pub fn store_name(&self) -> &'static str {
        let url = self.url.to_ascii_lowercase();
        let names = ["memory", "sqlite", "redis", "postgres", "mongo"];
        names.into_iter().find(|name| url.starts_with(name)).unwrap_or("store")
    }
}

fn text(argument: OsString) -> Result<String, String> {
    argument.into_string().map_err(|_| "an argument is not text".to_owned())
}

/// An address with its port, as far as that can be told without asking the system.
fn address(argument: Option<OsString>) -> Result<String, String> {
    let given = text(argument.ok_or("--listen needs an address and a port")?)?;
    match given.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(given),
        _ => Err(format!("--listen takes an address and a port, such as 127.0.0.1:3000, and not {given}")),
    }
}

fn once(place: &mut Option<String>, value: String, what: &str) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{what} is given twice")),
    }
}

impl fmt::Debug for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arguments").field("listen", &self.listen).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(given: &[&str]) -> Result<Asked, String> {
        Arguments::read(given.iter().map(OsString::from))
    }

    fn run(url: &str, listen: &str) -> Asked {
        Asked::ToRun(Arguments { url: url.to_owned(), listen: listen.to_owned() })
    }

    #[test]
    fn unless_told_it_keeps_sessions_in_memory_and_answers_this_machine_only() {
        assert_eq!(read(&[]), Ok(run("memory:", "127.0.0.1:3000")));
    }

    #[test]
    fn url_and_address_may_stand_in_any_order() {
        let expected = Ok(run("redis://h/", "[::1]:0"));
        assert_eq!(read(&["redis://h/", "--listen", "[::1]:0"]), expected);
        assert_eq!(read(&["--listen=[::1]:0", "redis://h/"]), expected);
        assert_eq!(read(&["redis://h/", "-h"]), Ok(Asked::ForHelp));
    }

    #[test]
    fn a_mistake_is_named_without_showing_a_url() {
        for (given, named) in [
            (&["redis://:secret@h/", "secret"][..], "the URL is given twice"),
            (&["--listen"], "needs an address"),
            (&["--listen", "3000"], "127.0.0.1:3000"),
            (&["--listen", "localhost:many"], "127.0.0.1:3000"),
            (&["--listen", "h:1", "--listen", "h:2"], "--listen is given twice"),
            (&["--port"], "no option --port"),
        ] {
            let mistake = read(given).unwrap_err();
            assert!(mistake.contains(named) && !mistake.contains("secret"), "{mistake}");
        }
    }

    #[test]
    fn metrics_know_the_store_by_its_scheme() {
        for (url, name) in [
            ("memory:", "memory"),
            ("sqlite:x.db", "sqlite"),
            ("rediss://h", "redis"),
            ("PostgreSQL://h", "postgres"),
            ("x", "store"),
        ] {
            assert_eq!(Arguments { url: url.to_owned(), listen: String::new() }.store_name(), name);
        }
    }
}
