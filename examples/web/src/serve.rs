//! Answering, until it is told to end.

use std::io;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::numbers;

/// How long requests that are under way may take when it is told to end.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// Answers at this address until `stop` is ready, and then finishes the requests that are under way.
///
/// # Errors
///
/// Those of the listener.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let mut tasks = JoinSet::new(); // they end with it
    tasks.spawn(numbers::keep_up());
    let (told, stopping) = oneshot::channel();
    let server = axum::serve(listener, app).with_graceful_shutdown(async move {
        stop.await;
        let _ = told.send(());
    });
    let too_long = async {
        if stopping.await.is_ok() {
            sleep(LAST_REQUESTS).await;
        }
    };
    tokio::select! {
        biased;
        served = async { server.await } => served,
        () = too_long => Ok(()),
    }
}
