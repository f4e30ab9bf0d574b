//! axum with `axum_session`.

use std::net::TcpListener;

use axum::extract::State;
use axum::http::Uri;
use axum::{Extension, Router, middleware};
use axum_session::{Session, SessionConfig, SessionLayer, SessionStore};
use session_store_middleware::axum_session::{Store, guard, to_the_end};
use time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::app::{App, Gate, Setup, act, session_at_once};
use crate::backend::Kind;
use crate::scenarios::{Stage, scenarios, user};

#[derive(Clone, Copy)]
pub(crate) struct AxumSession;

impl App for AxumSession {
    const TELLS_WHAT_IS_LOST: bool = false;

    fn serve(self, listener: TcpListener, setup: Setup) {
        let timeout = Duration::try_from(setup.timeout).unwrap();
        let config = SessionConfig::default()
            .with_lifetime(timeout)
            .with_memory_lifetime(Duration::ZERO)
            .with_clear_check_on_load(false);
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        tokio::spawn(async move {
            let store = SessionStore::new(Some(setup.adapter.axum_session()), config).await.unwrap();
            let router = Router::new()
                .fallback(answer)
                .layer(middleware::from_fn(guard))
                .layer(SessionLayer::new(store))
                .layer(middleware::from_fn(to_the_end))
                .with_state(setup.gate);
            axum::serve(listener, router).await
        });
    }
}

async fn answer(State(gate): State<Gate>, Extension(mut session): Extension<Session<Store>>, uri: Uri) -> String {
    let Ok(text) = act(&mut session, &gate, uri.path()).await;
    text
}

session_at_once!(Session<Store>, |session, name, value| session.set(name, value), renew, destroy);
scenarios!(super::AxumSession);

/// The middleware keeps in its memory what a request had that was dropped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_dropped_keeps_no_session_alive() {
    for is_logout in [false, true] {
        let stage = Stage::new(AxumSession, Kind::Memory).await;
        let browser = stage.logged_in("ann").await;
        let cookies: Vec<_> = browser.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut dropped = TcpStream::connect(stage.url.trim_start_matches("http://")).await.unwrap();
        let request =
            format!("POST /slow HTTP/1.1\r\nhost: here\r\ncookie: {}\r\ncontent-length: 0\r\n\r\n", cookies.join("; "));
        dropped.write_all(request.as_bytes()).await.unwrap();
        stage.gate.wait().await;
        drop(dropped);
        // Until the server has noticed.
        sleep(std::time::Duration::from_millis(300)).await;
        let other = browser.copy(None);
        if is_logout {
            stage.gate.open();
            sleep(std::time::Duration::from_millis(300)).await;
            browser.post("/logout").await;
        } else {
            assert_eq!(stage.adapter.destroy_all(&user("ann")).await.unwrap(), 1);
        }
        assert_eq!(other.get("/read").await, "nobody 0");
        assert_eq!(stage.listed("ann").await.len(), 0);
    }
}
