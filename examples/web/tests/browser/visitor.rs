//! What visitors do in their browsers.

use std::path::Path;
use std::time::Duration;

use fantoccini::elements::Element;
use fantoccini::{Client, Locator};
use serde_json::Value;

pub(crate) const DESKTOP: (u32, u32) = (1200, 860);
pub(crate) const PHONE: (u32, u32) = (390, 844);

const PATIENCE: Duration = Duration::from_secs(20);

/// A browser at the shop with this address.
pub(crate) struct Visitor {
    pub(crate) browser: Client,
    pub(crate) shop: String,
}

impl Visitor {
    pub(crate) async fn go(&self, path: &str) {
        self.browser.goto(&format!("{}{path}", self.shop)).await.unwrap();
    }

    /// The element, once it is there.
    pub(crate) async fn see(&self, css: &str) -> Element {
        let found = self.browser.wait().at_most(PATIENCE).for_element(Locator::Css(css)).await;
        match found {
            Ok(element) => element,
            Err(error) => panic!("{css} is not on {}: {error}", self.browser.current_url().await.unwrap()),
        }
    }

    pub(crate) async fn text(&self, css: &str) -> String {
        self.see(css).await.text().await.unwrap()
    }

    pub(crate) async fn count(&self, css: &str) -> usize {
        self.browser.find_all(Locator::Css(css)).await.unwrap().len()
    }

    pub(crate) async fn click(&self, css: &str) {
        self.see(css).await.click().await.unwrap();
    }

    pub(crate) async fn path(&self) -> String {
        self.browser.current_url().await.unwrap().path().to_owned()
    }

    pub(crate) async fn log_in(&self, user: &str, password: &str, is_to_be_remembered: bool) {
        self.go("/login").await;
        self.see("#user").await.send_keys(user).await.unwrap();
        self.see("#password").await.send_keys(password).await.unwrap();
        if is_to_be_remembered {
            self.click("label[for=remember]").await;
        }
        self.click(".fields button").await;
        assert_eq!(self.text(".who").await.split_whitespace().last(), Some(user));
    }

    pub(crate) async fn add(&self, product: &str) {
        let before = self.count(".cart tbody tr").await;
        self.click(&format!("form[action='/cart/add']:has([value={product}]) button")).await;
        self.see(&format!(".cart tbody tr:nth-child({})", before + 1)).await;
    }

    /// Panics with a list of what is wrong with the page.
    pub(crate) async fn check_accessibility(&self, when: &str) {
        let found = self.browser.execute(include_str!("accessible.js"), Vec::new()).await.unwrap();
        assert_eq!(found, Value::Array(Vec::new()), "{when}, {}", self.path().await);
    }

    /// Into this build's own folder, and into that which `WEB_DEMO_SCREENSHOTS` names.
    pub(crate) async fn take_screenshot(&self, name: &str) {
        let image = self.browser.screenshot().await.unwrap();
        let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
        let kept = std::env::var_os("WEB_DEMO_SCREENSHOTS").map(Into::into);
        for folder in [Some(built), kept].into_iter().flatten() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(name).with_extension("png"), &image).unwrap();
        }
    }
}
