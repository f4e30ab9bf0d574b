//! What is counted, and read again for the admin's page.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::time::{MissedTickBehavior, interval};

/// From a memory's speed to a slow network's.
const SECONDS: [f64; 9] = [0.000_01, 0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.25, 1.0];
const BYTES: [f64; 6] = [128.0, 256.0, 512.0, 1024.0, 4096.0, 65_536.0];

/// The one recorder that a process has.
fn recorder() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let recorder = builder().build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("this process has another recorder of metrics: the numbers of this application stay at 0");
        }
        handle
    })
}

/// With buckets where a bound may be set, which are never empty here.
fn builder() -> PrometheusBuilder {
    let with_buckets = || {
        PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), &BYTES)
    };
    with_buckets().unwrap_or_default()
}

/// All numbers, as Prometheus reads them.
pub(crate) fn text() -> String {
    recorder().render()
}

/// Begins to count.
pub(crate) fn begin() {
    recorder();
}

/// Keeps what nobody asks for from piling up.
pub(crate) async fn keep_up() {
    let mut ticks = interval(Duration::from_secs(5));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        recorder().run_upkeep();
    }
}

/// Counts a request by the status of its answer.
pub(crate) async fn count(request: Request, next: Next) -> Response {
    let answer = next.run(request).await;
    metrics::counter!("web_demo_requests_total", "status" => answer.status().as_str().to_owned()).increment(1);
    answer
}

/// What the admin's page shows.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Summary {
    pub(crate) requests: f64,
    pub(crate) logins: f64,
    /// By their reason.
    pub(crate) ended: BTreeMap<String, f64>,
    /// By their name: how many, and how many seconds they took in all.
    pub(crate) operations: BTreeMap<String, (f64, f64)>,
}

/// The summary of the store that has this name.
pub(crate) fn summary(store: &str) -> Summary {
    let mut summary = Summary::default();
    for sample in text().lines().filter_map(Sample::read) {
        if sample.name == "web_demo_requests_total" {
            summary.requests += sample.value;
        } else if sample.label("store") == Some(store) {
            summary.take(&sample);
        }
    }
    summary
}

impl Summary {
    fn take(&mut self, sample: &Sample<'_>) {
        let operation = || sample.label("operation").unwrap_or_default().to_owned();
        match (sample.name, sample.label("event")) {
            ("session_store_events_total", Some("logged_in")) => self.logins += sample.value,
            ("session_store_events_total", Some("ended")) => {
                *self.ended.entry(sample.label("reason").unwrap_or_default().to_owned()).or_default() += sample.value;
            }
            ("session_store_operation_seconds_count", _) => {
                self.operations.entry(operation()).or_default().0 += sample.value;
            }
            ("session_store_operation_seconds_sum", _) => {
                self.operations.entry(operation()).or_default().1 += sample.value;
            }
            _ => {}
        }
    }
}

/// A line of the text. No value of a label that is read here has a quote or a comma in it.
struct Sample<'a> {
    name: &'a str,
    labels: &'a str,
    value: f64,
}

impl<'a> Sample<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        Some(Self { name, labels: labels.trim_end_matches('}'), value: value.parse().ok()? })
    }

    fn label(&self, name: &str) -> Option<&'a str> {
        let mut pairs = self.labels.split(',').filter_map(|pair| pair.split_once('='));
        pairs.find_map(|(key, value)| (key == name).then(|| value.trim_matches('"')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_takes_what_is_of_its_store() {
        let mut summary = Summary::default();
        for line in [
            "# TYPE session_store_events_total counter",
            r#"session_store_events_total{store="a",event="logged_in",reason=""} 3"#,
            r#"session_store_events_total{store="a",event="ended",reason="replaced"} 2"#,
            r#"session_store_operation_seconds_bucket{store="a",operation="get",le="0.1"} 9"#,
            r#"session_store_operation_seconds_sum{store="a",operation="get"} 0.5"#,
            r#"session_store_operation_seconds_count{store="a",operation="get"} 9"#,
        ] {
            if let Some(sample) = Sample::read(line) {
                summary.take(&sample);
            }
        }
        assert_eq!(
            summary,
            Summary {
                requests: 0.0,
                logins: 3.0,
                ended: BTreeMap::from([("replaced".to_owned(), 2.0)]),
                operations: BTreeMap::from([("get".to_owned(), (9.0, 0.5))]),
            }
        );
    }
}
