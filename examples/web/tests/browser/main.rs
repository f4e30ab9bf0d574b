//! The shop in real browsers: two of them, each with a profile of its own.
//!
//! It needs Chromium and chromedriver, which `scripts/test` installs. `WEB_DEMO_SCREENSHOTS` names a folder for the
//! screenshots, besides the one in the target folder.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod driver;
mod visitor;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use fantoccini::cookies::Cookie;
use session_store::memory::{ManualClock, MemoryStore};
use session_store::{SessionStore, Timestamp, connect};
use tokio::net::TcpListener;

use crate::driver::{Driver, set_scheme, set_screen};
use crate::visitor::{DESKTOP, PHONE, Visitor};

const AS_A_PHONE: &str = "--user-agent=Mozilla/5.0 (Linux; Android 16; K) AppleWebKit/537.36 (KHTML, like Gecko) \
                          Chrome/140.0.0.0 Mobile Safari/537.36";

/// On 21 November 2026, by UTC.
const NINE_O_CLOCK: Timestamp = Timestamp::from_millis(1_795_251_600_000);

/// A shop with no visitors yet; its address.
async fn shop() -> String {
    shop_on(connect("memory:").await.unwrap()).await
}

async fn shop_on(store: Arc<dyn SessionStore>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = web_demo::app(store, "memory").unwrap();
    tokio::spawn(web_demo::serve(listener, app, std::future::pending()));
    format!("http://{address}")
}

async fn visitor(driver: &Driver, shop: &str) -> Visitor {
    visitor_with(driver, shop, &[]).await
}

async fn visitor_with(driver: &Driver, shop: &str, flags: &[String]) -> Visitor {
    let browser = driver.browser(flags).await;
    set_screen(&browser, DESKTOP).await;
    set_scheme(&browser, "light").await;
    Visitor { browser, shop: shop.to_owned() }
}

async fn cookie_of(visitor: &Visitor) -> Cookie<'static> {
    visitor.browser.get_named_cookie("__Host-session").await.unwrap()
}

#[tokio::test]
async fn of_two_browsers_one_ends_the_session_of_the_other_which_is_told_so() {
    let (driver, shop) = (Driver::start(), shop().await);
    let here = visitor(&driver, &shop).await;
    let there = visitor_with(&driver, &shop, &[AS_A_PHONE.to_owned()]).await;
    for (visitor, device) in [(&here, "Chrome on Linux"), (&there, "Chrome on Android")] {
        visitor.log_in("ann", "apple-tree", false).await;
        visitor.go("/devices").await;
        assert_eq!(visitor.text(".cards .this th").await, format!("{device} this one"));
    }
    for visitor in [&here, &there] {
        visitor.go("/devices").await;
        assert_eq!((visitor.count(".cards tbody tr").await, visitor.count(".badge").await), (2, 1));
        assert_eq!(visitor.count("form[action='/devices/end']").await, 1);
    }

    here.click("form[action='/devices/end'] button").await;
    assert_eq!(here.text("[role=status]").await, "That session is ended.");
    assert_eq!(here.count(".cards tbody tr").await, 1);

    there.click("nav a[href='/']").await; // its next click
    assert!(there.text("[role=alert]").await.starts_with("Your session has ended."));
    assert_eq!(there.path().await, "/login");
    assert!(there.browser.get_all_cookies().await.unwrap().is_empty());
    there.click("nav a[href='/']").await;
    assert_eq!(there.text("h1").await, "Things for the desk");
    assert_eq!(there.count(".who").await, 0);
}

#[tokio::test]
async fn a_cart_goes_along_into_a_login_that_is_remembered() {
    let (driver, shop) = (Driver::start(), shop().await);
    let visitor = visitor(&driver, &shop).await;
    visitor.go("/").await;
    assert!(visitor.browser.get_all_cookies().await.unwrap().is_empty(), "for a mere visit");
    for product in ["lamp", "notebook"] {
        visitor.add(product).await;
    }
    visitor.click("form[action='/counter'] button").await;
    let before = cookie_of(&visitor).await;
    assert_eq!((before.secure(), before.http_only(), before.path()), (Some(true), Some(true), Some("/")));
    assert!(before.expires().is_none());
    let seen_by_scripts = visitor.browser.execute("return document.cookie", Vec::new()).await.unwrap();
    assert_eq!(seen_by_scripts, "");

    visitor.log_in("ben", "blue-bicycle", true).await;
    assert_eq!((visitor.text("#total").await, visitor.text("#clicks").await), ("€58.50".into(), "1".into()));
    let after = cookie_of(&visitor).await;
    assert!(after.value() != before.value() && after.expires().is_some());

    visitor.click("form[action='/logout'] button").await;
    assert_eq!(visitor.text("[role=status]").await, "You are logged out.");
    assert!(visitor.browser.get_all_cookies().await.unwrap().is_empty());
}

#[tokio::test]
async fn every_page_can_be_read_by_everyone_on_any_screen() {
    let clock = Arc::new(ManualClock::new(NINE_O_CLOCK));
    let store = MemoryStore::builder().clock(Arc::<ManualClock>::clone(&clock)).build().unwrap();
    let (driver, shop) = (Driver::start(), shop_on(Arc::new(store)).await);
    let here = visitor(&driver, &shop).await;
    let phone = visitor_with(&driver, &shop, &[AS_A_PHONE.to_owned()]).await;
    for path in ["/login?notice=ended", "/nowhere"] {
        here.go(path).await;
        check(&here).await;
    }

    phone.log_in("root", "red-lighthouse", true).await;
    clock.advance(Duration::from_hours(30));
    here.go("/").await;
    for product in ["mug", "lamp", "plant"] {
        here.add(product).await;
    }
    here.click("form[action='/counter'] button").await;
    here.log_in("root", "red-lighthouse", false).await;
    check(&here).await;
    here.take_screenshot("shop").await;

    clock.advance(Duration::from_mins(25));
    here.go("/devices").await;
    check(&here).await;
    here.take_screenshot("devices").await;
    set_screen(&here.browser, PHONE).await;
    here.take_screenshot("devices-on-a-phone").await;
    set_screen(&here.browser, DESKTOP).await;

    here.click("form[action='/devices/end'] button").await;
    phone.log_in("ann", "apple-tree", false).await;
    here.go("/admin").await;
    here.see("#user").await.send_keys("ann").await.unwrap();
    here.click("form[action='/admin/end'] button").await;
    assert_eq!(here.text("[role=status]").await, "1 session of ann is ended.");
    check(&here).await;
    here.take_screenshot("admin").await;
    here.go("/").await;
    set_scheme(&here.browser, "dark").await;
    here.take_screenshot("shop-in-the-dark").await;
}

/// In both schemes, on a screen and on a phone.
async fn check(visitor: &Visitor) {
    for scheme in ["dark", "light"] {
        set_scheme(&visitor.browser, scheme).await;
        for screen in [PHONE, DESKTOP] {
            set_screen(&visitor.browser, screen).await;
            visitor.check_accessibility(&format!("{scheme}, {} wide", screen.0)).await;
        }
    }
}

#[tokio::test]
async fn with_the_keyboard_alone_one_gets_past_the_navigation_and_sees_where_one_is() {
    const FOCUS: &str = "const at = document.activeElement, style = getComputedStyle(at);
        return [at.textContent, at.getBoundingClientRect().top >= 0, style.outlineStyle, style.outlineWidth]";
    let (driver, shop) = (Driver::start(), shop().await);
    let visitor = visitor(&driver, &shop).await;
    visitor.go("/login").await;
    let press = async |key: char| visitor.see("body").await.send_keys(&key.to_string()).await.unwrap();
    press('\u{e004}').await; // Tab
    let focus = visitor.browser.execute(FOCUS, Vec::new()).await.unwrap();
    assert_eq!(focus, serde_json::json!(["Skip to the content", true, "solid", "3px"]));
    visitor.browser.active_element().await.unwrap().send_keys("\u{e007}").await.unwrap(); // Enter
    visitor.browser.active_element().await.unwrap().send_keys("\u{e004}").await.unwrap();
    let focused = visitor.browser.active_element().await.unwrap();
    assert_eq!(focused.attr("id").await.unwrap().as_deref(), Some("user"));

    focused.send_keys("ann\u{e004}apple-tree\u{e007}").await.unwrap();
    assert!(visitor.text(".who").await.ends_with("ann"));
}

/// The program, which ends with the test.
struct Running {
    program: Child,
    address: String,
}

impl Running {
    fn start(url: &str, listen: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_web-demo"));
        let mut program = command.args([url, "--listen", listen]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(program.stdout.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.find_map(|line| Some(line.strip_prefix("open:     http://")?.to_owned())).unwrap();
        Self { program, address: address.trim_end_matches('/').to_owned() }
    }

    /// `kill -9`.
    fn kill(&mut self) {
        self.program.kill().unwrap();
        self.program.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

#[tokio::test]
async fn in_a_sqlite_file_a_login_and_the_cart_survive_that_the_program_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("sessions.db").display());
    let (driver, mut first) = (Driver::start(), Running::start(&url, "127.0.0.1:0"));
    let visitor = visitor(&driver, &format!("http://{}", first.address)).await;
    visitor.log_in("ann", "apple-tree", false).await;
    visitor.go("/").await;
    visitor.add("mug").await;
    let cookie = cookie_of(&visitor).await;

    first.kill();
    let second = Running::start(&url, &first.address);
    assert_eq!(second.address, first.address);
    visitor.go("/").await;
    assert!(visitor.text(".who").await.ends_with("ann"));
    assert_eq!(visitor.count(".cart tbody tr").await, 1);
    visitor.go("/devices").await;
    assert_eq!(visitor.count(".cards tbody tr").await, 1);
    assert_eq!(cookie_of(&visitor).await.value(), cookie.value());
}
