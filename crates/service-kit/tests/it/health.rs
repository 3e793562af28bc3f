use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use serde_json::Value;
use service_kit::command;
use service_kit::edge::{Subtree, with_shared_layers};
use service_kit::health::{Check, Health, Impact};
use service_kit::serve::{Limits, Shutdown};
use std::process::ExitCode;

use crate::wire::Service;

#[utoipa::path(get, path = "/things", tag = "things", responses((status = 200, description = "all things")))]
#[expect(dead_code, reason = "only its documentation is used")]
async fn things() {}

#[derive(utoipa::OpenApi)]
#[openapi(paths(things))]
struct Documentation;

async fn service(checks: impl IntoIterator<Item = Check>) -> Service {
    let shutdown = Shutdown::manual();
    let health = Health::new("example", "1.2.3", shutdown.clone())
        .fact("emulated", true)
        .openapi(<Documentation as utoipa::OpenApi>::openapi());
    let health = checks.into_iter().fold(health, Health::check);
    let router = Router::new().merge(health.router());
    Service::start_with(with_shared_layers(router, [Subtree::OWN], "example"), Limits::default(), shutdown)
        .await
}

/// A check that passes while the switch is on, and the number of times it was asked.
fn switchable(name: &'static str, impact: Impact) -> (Check, Arc<AtomicBool>, Arc<AtomicUsize>) {
    let (on, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (is_on, count) = (on.clone(), asked.clone());
    let check = Check::new(name, impact, move || {
        count.fetch_add(1, Ordering::Relaxed);
        let result =
            if is_on.load(Ordering::Relaxed) { Ok(()) } else { Err("the reason, for the log alone") };
        async move { result }
    });
    (check, on, asked)
}

async fn health(service: &Service, path: &str) -> (u16, Value) {
    let answer = service.get(path).await;
    (answer.status, answer.json())
}

const WHILE: Duration = Duration::from_secs(3);

#[tokio::test(start_paused = true)]
async fn a_failing_requirement_is_not_ready_and_a_failing_extra_only_degrades() {
    let (database, database_on, _) = switchable("database", Impact::Required);
    let (redis, redis_on, _) = switchable("redis", Impact::Degrades);
    let service = service([database, redis]).await;
    let states = async || {
        tokio::time::sleep(WHILE).await;
        let ready = health(&service, "/ready").await.0;
        let (status, body) = health(&service, "/health").await;
        (ready, status, body["status"].as_str().unwrap().to_owned())
    };
    assert_eq!(states().await, (200, 200, "healthy".to_owned()));
    redis_on.store(false, Ordering::Relaxed);
    assert_eq!(states().await, (200, 200, "degraded".to_owned()));
    database_on.store(false, Ordering::Relaxed);
    assert_eq!(states().await, (503, 200, "degraded".to_owned()));
    database_on.store(true, Ordering::Relaxed);
    redis_on.store(true, Ordering::Relaxed);
    assert_eq!(states().await, (200, 200, "healthy".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_body_has_names_and_states_and_no_reasons() {
    let (database, on, _) = switchable("database", Impact::Required);
    on.store(false, Ordering::Relaxed);
    let service = service([database]).await;
    health(&service, "/ready").await;
    let answer = service.get("/health").await;
    let body = answer.json();
    assert_eq!((&body["service"], &body["version"]), (&"example".into(), &"1.2.3".into()));
    assert_eq!(body["emulated"], true);
    for target in ["/health", "/ready"] {
        let timestamp = service.get(target).await.json()["timestamp"].as_str().unwrap().to_owned();
        let age = jiff::Timestamp::now().duration_since(timestamp.parse().unwrap());
        assert!(age.as_secs().abs() < 60 && timestamp.ends_with('Z'), "{target}: {timestamp}");
    }
    assert_eq!(body["checks"]["database"]["status"], "unhealthy");
    assert!(
        body["checks"]["database"]["since"].is_string()
            && body["checks"]["database"]["latency_ms"].is_number()
    );
    assert!(!answer.text().contains("reason"));
}

#[tokio::test(start_paused = true)]
async fn a_result_is_good_for_two_seconds() {
    let (check, _, asked) = switchable("database", Impact::Required);
    let service = service([check]).await;
    for _ in 0..10 {
        health(&service, "/ready").await;
        health(&service, "/health").await;
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    tokio::time::sleep(WHILE).await;
    health(&service, "/ready").await;
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_there_is_looked_for_again_soon() {
    let (check, on, _) = switchable("database", Impact::Required);
    on.store(false, Ordering::Relaxed);
    let service = service([check]).await;
    assert_eq!(health(&service, "/ready").await.0, 503);
    on.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(health(&service, "/ready").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn health_does_not_wait_for_a_check_and_ready_waits_a_second() {
    let hanging = Check::new("database", Impact::Required, || async {
        std::future::pending::<()>().await;
        Ok::<_, &str>(())
    });
    let service = service([hanging]).await;
    let (status, body) = health(&service, "/health").await;
    assert_eq!((status, &body["checks"]["database"]["status"]), (200, &"unknown".into()));
    assert_eq!(health(&service, "/ready").await.0, 503);
}

#[tokio::test]
async fn a_stopping_service_is_not_ready() {
    let shutdown = Shutdown::manual();
    let router = Health::new("example", "1", shutdown.clone()).router();
    // Served under another stop, so that it still answers.
    let service = Service::start(with_shared_layers(router, [Subtree::OWN], "example")).await;
    assert_eq!(health(&service, "/ready").await.0, 200);
    shutdown.request();
    let (status, body) = health(&service, "/ready").await;
    assert_eq!((status, &body["status"]), (503, &"stopping".into()));
    assert_eq!(health(&service, "/health").await.0, 200);
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let service = service([]).await;
    service.get("/health").await;
    let answer = service.get("/metrics").await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(answer.text().contains(r#"build_info{service="example""#), "{}", answer.text());
}

#[tokio::test]
async fn the_document_names_the_service_and_the_page_asks_nobody_else() {
    let service = service([]).await;
    let document = service.get("/openapi.json").await.json();
    assert_eq!(
        (&document["info"]["title"], &document["info"]["version"]),
        (&"example".into(), &"1.2.3".into())
    );
    assert!(document["paths"]["/things"]["get"].is_object());

    let page = service.get("/docs").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("connect-src 'self'"));
    for outside in ["http://", "https://", "src=", "@import", " url("] {
        assert!(!page.text().contains(outside), "the page refers to {outside}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_healthcheck_command_tells_ready_from_not_ready() {
    let (check, on, _) = switchable("database", Impact::Required);
    let service = service([check]).await;
    let address = service.address;
    let exit = async || tokio::task::spawn_blocking(move || command::healthcheck(address)).await.unwrap();
    assert_eq!(exit().await, ExitCode::SUCCESS);
    on.store(false, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(2100)).await; // the command asks in real time
    assert_eq!(exit().await, ExitCode::FAILURE);
    service.shutdown.request();
    service.task.await.unwrap();
    assert_eq!(
        tokio::task::spawn_blocking(move || command::healthcheck(address)).await.unwrap(),
        ExitCode::FAILURE
    );
}
