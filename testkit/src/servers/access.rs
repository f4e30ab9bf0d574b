//! Who may connect to a PostgreSQL server, and how.

use session_store_core::Result;

use super::PostgresServer;

/// Whose members need a password. A membership counts at once; rules are only read after a while.
const WITH_PASSWORD: &str = "with_password";

/// The text of `pg_hba.conf`, where `host` is the kind of connection by TCP. Tests' own means go by the socket.
pub(super) fn rules(host: &str) -> String {
    format!(
        "local all all trust\n\
         local replication all trust\n\
         {host} all +{WITH_PASSWORD} 127.0.0.1/32 scram-sha-256\n\
         {host} all all 127.0.0.1/32 trust\n"
    )
}

impl PostgresServer {
    /// From now on a role connects only with this password (SCRAM-SHA-256). The role is made where there is none.
    ///
    /// # Errors
    ///
    /// `Unavailable` where the server does not do it.
    pub async fn require_password(&self, role: &str, password: &str) -> Result<()> {
        for role in [WITH_PASSWORD, role] {
            let count = format!("SELECT count(*) FROM pg_roles WHERE rolname = {}", literal(role));
            if self.ask::<i64>(&count).await? == 0 {
                self.execute(&format!("CREATE ROLE {}", name(role))).await?;
            }
        }
        let (role, password) = (name(role), literal(password));
        self.execute(&format!("ALTER ROLE {role} LOGIN PASSWORD {password}; GRANT {WITH_PASSWORD} TO {role}")).await
    }
}

/// As in SQL, and in PostgreSQL's files.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn name(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}
