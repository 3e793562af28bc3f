//! The process's metrics: one recorder, however many services run in it.

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::process;

/// OpenTelemetry's buckets for HTTP durations, in seconds.
const DURATION_BUCKETS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// How often histograms are folded together, so that they do not grow between two scrapes.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// The recorder's handle. The first call installs the recorder for the whole process.
pub fn handle() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &DURATION_BUCKETS)
            .expect("the list of buckets is not empty")
            .build_recorder();
        let handle = recorder.handle();
        // Where a test installed another recorder, ours renders nothing and does no harm.
        let _ = metrics::set_global_recorder(recorder);
        describe();
        handle
    })
}

/// Names a service of this process. The revision is known if the build says it in `PYAIRTABLE_REVISION`.
pub(crate) fn announce(service: &'static str) {
    handle();
    let (version, revision) =
        (env!("CARGO_PKG_VERSION"), option_env!("PYAIRTABLE_REVISION").unwrap_or("unknown"));
    metrics::gauge!("build_info", "service" => service, "version" => version, "revision" => revision)
        .set(1.0);
}

/// Everything measured so far, in Prometheus' text format.
pub fn render() -> String {
    let handle = handle();
    process::measure();
    handle.render()
}

/// Folds histograms until it is dropped or aborted.
pub(crate) async fn upkeep() {
    let mut ticks = tokio::time::interval(UPKEEP_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        handle().run_upkeep();
    }
}

fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_histogram!(
        "http_server_request_duration_seconds",
        Unit::Seconds,
        "Time from a request's head to the head of its answer"
    );
    describe_gauge!("http_server_active_requests", "Requests whose answer has not begun");
    describe_counter!(
        "http_server_client_aborts_total",
        "Requests whose client went away before the answer began"
    );
    describe_counter!("config_reload_failures_total", "Secret files that could not be read again");
    describe_gauge!("build_info", "1, labelled with what runs");
}
