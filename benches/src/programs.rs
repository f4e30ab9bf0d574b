//! The databases' programs. Where one is not here, the script that provides them for the tests does so.

use std::env;
use std::path::Path;
use std::process::{Command, ExitCode};

use testkit::servers::{Release, mongod_program, postgres_programs, program};

use crate::result::Result;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Database {
    Memory,
    Sqlite,
    Redis,
    Postgres,
    Mongo,
}

impl Database {
    pub(crate) const WITH_SERVERS: [Self; 3] = [Self::Redis, Self::Postgres, Self::Mongo];

    fn is_here(self) -> bool {
        match self {
            Self::Memory | Self::Sqlite => true,
            Self::Redis => program(Release::Current).is_ok(),
            Self::Postgres => postgres_programs().is_ok(),
            Self::Mongo => mongod_program().is_ok(),
        }
    }
}

/// Tells this program that the script was run already.
const PROVIDED: &str = "SESSION_STORE_BENCHES_PROVIDED";

/// With the program and its arguments.
const AGAIN: &str = r#"settings=$(scripts/databases programs) && eval "$settings" && exec "$0" "$@""#;

/// Runs this program again, where databases are missing, with those that the script provides. How it ended then.
pub(crate) fn provide(databases: &[Database], arguments: &[String]) -> Result<Option<ExitCode>> {
    if databases.iter().all(|database| database.is_here()) || env::var_os(PROVIDED).is_some() {
        return Ok(None);
    }
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("the package is in no workspace")?;
    let mut again = Command::new("bash");
    again.arg("-c").arg(AGAIN).arg(env::current_exe()?).args(arguments).current_dir(workspace).env(PROVIDED, "yes");
    let code = again.status()?.code().and_then(|code| u8::try_from(code).ok());
    Ok(Some(code.map_or(ExitCode::FAILURE, ExitCode::from)))
}
