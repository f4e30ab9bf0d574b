//! chromedriver, and the browsers that it starts.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::{ParseError, Url};

/// Quiet, and with nothing that reaches out of this machine.
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];

/// How long a browser may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// It ends with the test, and its browsers with it.
pub(crate) struct Driver {
    child: Child,
    port: u16,
    browsers: Mutex<Vec<(String, TempDir)>>,
}

impl Driver {
    pub(crate) fn start() -> Self {
        let program = program("SESSION_STORE_TEST_CHROMEDRIVER", "chromedriver");
        let spawned = Command::new(&program).arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{}", missing(&program, &error)));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port =
            lines.find_map(|line| line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok());
        // So that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let Some(port) = port else {
            let _ = child.kill();
            panic!("{program} did not say on which port it is; run scripts/test, which installs one that does");
        };
        Self { child, port, browsers: Mutex::default() }
    }

    /// A new browser, with a profile that is its own and empty.
    pub(crate) async fn browser(&self, more_flags: &[String]) -> Client {
        let profile = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut flags: Vec<_> = FLAGS.iter().map(ToString::to_string).chain(more_flags.iter().cloned()).collect();
        flags.push(format!("--user-data-dir={}", profile.path().display()));
        let options = json!({ "args": flags, "binary": program("SESSION_STORE_TEST_CHROMIUM", "chromium") });
        let capabilities = json!({ "goog:chromeOptions": options }).as_object().unwrap().clone();
        let url = format!("http://127.0.0.1:{}", self.port);
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let connected = builder.capabilities(capabilities).connect(&url).await;
        let client = connected.unwrap_or_else(|error| panic!("{}", missing("chromium", &error)));
        let id = client.session_id().await.unwrap().unwrap();
        self.browsers.lock().unwrap().push((id, profile));
        client
    }

    /// Ends a browser, whatever has become of the test.
    fn end(&self, id: &str) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "DELETE /session/{id} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")?;
        // The beginning of the answer is enough: it keeps the connection open.
        stream.read(&mut [0; 64]).map(drop)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        for (id, _profile) in self.browsers.lock().unwrap().drain(..).collect::<Vec<_>>() {
            let _ = self.end(&id);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program that a variable names, or the one on the path.
fn program(variable: &str, name: &str) -> String {
    let on_path = || {
        let directories = std::env::var_os("PATH").unwrap_or_default();
        let found =
            std::env::split_paths(&directories).map(|directory| directory.join(name)).find(|path| path.is_file());
        found.map_or_else(|| name.to_owned(), |path| path.display().to_string())
    };
    std::env::var(variable).unwrap_or_else(|_| on_path())
}

fn missing(program: &str, error: &dyn std::fmt::Display) -> String {
    format!(
        "{program} cannot be started ({error}): run scripts/test, which installs Chromium and chromedriver, or name them \
         by SESSION_STORE_TEST_CHROMIUM and SESSION_STORE_TEST_CHROMEDRIVER"
    )
}

/// A command of the protocol that Chrome's own tools speak.
#[derive(Debug)]
struct DevTools(Value);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.0.to_string()))
    }
}

async fn tell(browser: &Client, command: &str, parameters: Value) {
    browser.issue_cmd(DevTools(json!({ "cmd": command, "params": parameters }))).await.unwrap();
}

/// As on a screen of so many pixels.
pub(crate) async fn set_screen(browser: &Client, (width, height): (u32, u32)) {
    let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
    tell(browser, "Emulation.setDeviceMetricsOverride", metrics).await;
    tell(browser, "Emulation.setScrollbarsHidden", json!({ "hidden": true })).await;
}

/// As where the user prefers this scheme: `light` or `dark`.
pub(crate) async fn set_scheme(browser: &Client, scheme: &str) {
    let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
    tell(browser, "Emulation.setEmulatedMedia", json!({ "features": [feature] })).await;
}
