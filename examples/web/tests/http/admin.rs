//! What an admin sees, and nobody else.

use std::sync::Arc;

use reqwest::StatusCode;
use session_store::memory::MemoryStore;

use crate::support::{Page, Shop};

#[tokio::test]
async fn the_admins_page_is_for_admins() {
    let shop = Shop::open().await;
    let (stranger, ann) = (shop.browser(), shop.browser_of("ann").await);
    assert_eq!(stranger.get("/admin").await.location(), "/login?notice=login-first&next=%2Fadmin");
    assert_eq!(ann.get("/admin").await.status, StatusCode::FORBIDDEN);
    assert!(!ann.get("/").await.body.contains("href=\"/admin\""));

    // A stranger with a session, who knows the form.
    stranger.add("mug").await;
    assert!(stranger.submit("/admin/end", &[("user", "ann")]).await.location().starts_with("/login?"));
    assert_eq!(ann.submit("/admin/end", &[("user", "ann")]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(ann.get("/devices").await.devices(), (1, 1));

    let root = shop.browser_of("root").await;
    assert_eq!(root.get("/admin").await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_admin_ends_all_sessions_of_a_user() {
    let shop = Shop::open().await;
    let (one, other, ben) = (shop.browser_of("ann").await, shop.browser_of("ann").await, shop.browser_of("ben").await);
    let root = shop.browser_of("root").await;
    let ended = root.submit("/admin/end", &[("user", "ann")]).await;
    let page = root.get(ended.location()).await;
    assert!(page.body.contains("2 sessions of <strong>ann</strong> are ended."), "{}", page.body);
    assert!(one.is_told_that_it_ended().await && other.is_told_that_it_ended().await);
    assert_eq!(ben.get("/devices").await.status, StatusCode::OK);

    let hostile = root.submit("/admin/end", &[("user", "<script>alert(1)</script>")]).await;
    let page = root.get(hostile.location()).await;
    assert!(page.body.contains("&lt;script&gt;") && !page.body.contains("<script"), "{}", page.body);
    assert_eq!(root.submit("/admin/end", &[("user", "")]).await.status, StatusCode::BAD_REQUEST);
}

/// The number under this name.
fn figure(page: &Page, name: &str) -> u64 {
    let (_, rest) = page.body.split_once(&format!("<dt>{name}</dt><dd>")).unwrap();
    rest.split('<').next().unwrap().parse().unwrap()
}

/// The cells of the line with this heading.
fn line<'a>(page: &'a Page, heading: &str) -> Vec<&'a str> {
    let (_, rest) = page.body.split_once(&format!("scope=\"row\">{heading}</th>")).unwrap();
    let (line, _) = rest.split_once("</tr>").unwrap();
    line.split("<td class=\"number\">").skip(1).map(|cell| cell.split('<').next().unwrap()).collect()
}

#[tokio::test]
async fn the_admin_sees_what_was_counted() {
    // Under a name of its own: the numbers are the process's, and other tests count as well.
    let shop = Shop::open_on(Arc::new(MemoryStore::new()), "counted").await;
    let root = shop.browser();
    root.add("mug").await; // whose session the login replaces
    root.log_in("root").await;
    for _ in 0..3 {
        shop.browser_of("ann").await;
    }
    shop.browser_of("ben").await.submit("/logout", &[]).await;
    root.submit("/admin/end", &[("user", "ann")]).await;
    shop.browser().add("lamp").await;

    let page = root.get("/admin").await;
    assert_eq!((figure(&page, "Live sessions"), figure(&page, "Logins")), (2, 5));
    assert_eq!(figure(&page, "Sessions ended"), 5);
    for (cause, count) in [("Logged out", "1"), ("Replaced by a login", "1"), ("All of a user, by an admin", "3")] {
        assert_eq!(line(&page, cause), [count], "{cause}");
    }
    let counted = line(&page, "<code>set</code>");
    assert_eq!(counted[0], "7");
    assert!(counted[1].ends_with(" ms") && counted[1] != "0.000 ms", "{counted:?}");

    let (before, after) = (figure(&page, "Requests"), figure(&root.get("/admin").await, "Requests"));
    assert!(before > 15 && after > before, "{before} {after}");
}
