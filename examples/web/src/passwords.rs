//! Looking whether a password is right.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::PasswordVerifier;
use session_store::{Error, ErrorKind, Result};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::accounts::{self, Account, NOBODY};

/// How many are looked at together: each takes 19 MiB.
const AT_ONCE: usize = 4;

#[derive(Clone)]
pub(crate) struct Passwords(Arc<Semaphore>);

impl Passwords {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }

    /// The account with this name and this password. How long it takes tells neither whether there is such a name, nor how
    /// much of the password is right.
    pub(crate) async fn check(&self, name: &str, password: String) -> Result<Option<&'static Account>> {
        let account = accounts::named(name);
        let hash = account.map_or(NOBODY, |account| account.hash);
        // It is never closed.
        let _permit = self.0.acquire().await.map_err(failed)?;
        let is_right = spawn_blocking(move || is_of(hash, &password)).await.map_err(failed)?;
        Ok(account.filter(|_| is_right))
    }
}

fn is_of(hash: &str, password: &str) -> bool {
    let verified: Result<(), _> = Argon2::default().verify_password(password.as_bytes(), hash);
    verified.is_ok()
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Internal, "the password could not be looked at").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::ACCOUNTS;

    #[tokio::test]
    async fn each_account_has_the_password_that_the_page_shows_and_no_other() {
        let passwords = Passwords::new();
        for account in &ACCOUNTS {
            let found = passwords.check(account.name, account.password.to_owned()).await.unwrap();
            assert_eq!(found.map(|found| found.name), Some(account.name));
            for other in ["", "x", "apple-tre"] {
                assert!(passwords.check(account.name, other.to_owned()).await.unwrap().is_none());
            }
        }
        assert!(passwords.check("nobody", "apple-tree".to_owned()).await.unwrap().is_none());
    }

    #[test]
    fn a_name_that_is_not_there_costs_as_much() {
        let parameters = |hash: &'static str| hash.split('$').take(4).collect::<Vec<_>>();
        for account in &ACCOUNTS {
            assert_eq!(parameters(account.hash), parameters(NOBODY));
        }
    }
}
