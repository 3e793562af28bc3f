use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use service_kit::edge::{Subtree, with_shared_layers};
use service_kit::serve::{BindError, Limits, Shutdown, bind, serve};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::wire::Service;

const SECOND: Duration = Duration::from_secs(1);

fn router() -> Router {
    let routes = Router::new()
        .route("/hello", get(async || "hello"))
        .route("/three-seconds", get(async || after(3).await))
        .route("/an-hour", get(async || after(3600).await))
        .route("/huge", get(async || Body::from(vec![0; 64 * 1024 * 1024])));
    let subtree = Subtree { deadline: Duration::from_secs(7200), ..Subtree::OWN };
    with_shared_layers(routes, [subtree], "test")
}

async fn after(seconds: u64) -> &'static str {
    sleep(SECOND * u32::try_from(seconds).unwrap()).await;
    "done"
}

const HELLO: &str = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_closed_after_five_seconds() {
    let service = Service::start(router()).await;
    let mut client = service.connect().await;
    let begun = Instant::now();
    assert!(client.is_closed().await);
    assert_eq!(begun.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_in_drips_is_cut_off_after_five_seconds() {
    let service = Service::start(router()).await;
    let mut client = service.connect().await;
    let begun = Instant::now();
    for drip in
        ["GET /hello HTTP/1.1\r\n", "Host: a\r\n", "X-A: 1\r\n", "X-B: 1\r\n", "X-C: 1\r\n", "X-D: 1\r\n"]
    {
        if !client.try_send(drip).await {
            break;
        }
        sleep(SECOND).await;
    }
    assert!(client.is_closed().await);
    assert!(begun.elapsed() < SECOND * 8, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_second_head_that_comes_in_drips_is_cut_off_too() {
    let service = Service::start(router()).await;
    let mut client = service.connect().await;
    client.send(HELLO).await;
    client.answer().await.unwrap();
    sleep(SECOND * 20).await;
    client.send("GET /hello HTTP/1.1\r\n").await;
    let begun = Instant::now();
    assert!(client.is_closed().await);
    assert_eq!(begun.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_connection_between_requests_stays_open_longer_than_clients_keep_it() {
    let service = Service::start(router()).await;
    let mut client = service.connect().await;
    for _ in 0..3 {
        client.send(HELLO).await;
        assert_eq!(client.answer().await.unwrap().text(), "hello");
        sleep(SECOND * 70).await;
    }
    let begun = Instant::now();
    assert!(client.is_closed().await);
    assert_eq!(begun.elapsed().as_secs(), 5, "75 s after the last answer");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_no_byte_of_its_answer_is_cut_off() {
    let service = Service::start(router()).await;
    let mut client = service.connect().await;
    client.send("GET /huge HTTP/1.1\r\nHost: a\r\n\r\n").await;
    sleep(SECOND * 70).await;
    service.shutdown.request();
    let begun = Instant::now();
    service.task.await.unwrap();
    assert!(begun.elapsed() < SECOND, "the connection was closed already");
}

#[tokio::test(start_paused = true)]
async fn requests_in_one_packet_are_answered_in_order() {
    let service = Service::start(router()).await;
    let mut client = service.connect().await;
    client.send(&HELLO.repeat(3)).await;
    for _ in 0..3 {
        assert_eq!(client.answer().await.unwrap().text(), "hello");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_finishes_the_request_in_flight_and_refuses_new_connections() {
    let service = Service::start(router()).await;
    let mut client = service.connect().await;
    client.send("GET /three-seconds HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut idle = service.connect().await;
    idle.send(HELLO).await;
    idle.answer().await.unwrap();
    sleep(SECOND).await;

    service.shutdown.request();
    assert!(idle.is_closed().await);
    let answer = client.answer().await.unwrap();
    assert_eq!((answer.text(), answer.header("connection")), ("done", Some("close")));
    service.task.await.unwrap();
    assert!(tokio::net::TcpStream::connect(service.address).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_twenty_seconds_at_most() {
    let service = Service::start(router()).await;
    let mut client = service.connect().await;
    client.send("GET /an-hour HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut silent = service.connect().await;
    sleep(SECOND).await;
    service.shutdown.request();
    let begun = Instant::now();
    service.task.await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 20);
    assert!(client.is_closed().await && silent.is_closed().await);
}

#[tokio::test]
async fn several_servers_stop_together() {
    let shutdown = Shutdown::manual();
    let one = Service::start_with(router(), Limits::default(), shutdown.clone()).await;
    let two = Service::start_with(router(), Limits::default(), shutdown.clone()).await;
    assert_eq!(one.get("/hello").await.status, 200);
    shutdown.request();
    one.task.await.unwrap();
    two.task.await.unwrap();
}

#[tokio::test]
async fn a_head_may_be_long_but_not_endless() {
    let service = Service::start(router()).await;
    let long = service.get(&format!("/hello?{}", "x".repeat(16_000))).await;
    assert_eq!(long.status, 200);
    let mut client = service.connect().await;
    client.try_send(&format!("GET /hello HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(70_000))).await;
    assert_eq!(client.answer().await.unwrap().status, 431);
    let many = "X: 1\r\n".repeat(101);
    assert_eq!(service.get_with("/hello", &many).await.status, 431);
}

#[tokio::test]
async fn a_taken_port_is_named_with_its_setting() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind(address, "AIRTABLE_GATEWAY_LISTEN").await.unwrap_err();
    assert!(matches!(error, BindError::Taken { .. }));
    let text = error.to_string();
    assert!(text.contains(&address.to_string()) && text.contains("AIRTABLE_GATEWAY_LISTEN"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_work_whose_caller_has_left() {
    let shutdown = Shutdown::manual();
    let done = Arc::new(AtomicBool::new(false));
    let begun = Arc::new(Notify::new());
    let (stop, finished, beginning) = (shutdown.clone(), done.clone(), begun.clone());
    let routes = Router::new().route(
        "/write",
        get(async move || {
            let work = stop.spawn_detached(async move {
                beginning.notify_one();
                sleep(SECOND * 10).await;
                finished.store(true, Ordering::Relaxed);
            });
            work.await.unwrap();
        }),
    );
    let listener = bind(([127, 0, 0, 1], 0).into(), "TEST_LISTEN").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(serve(listener, routes, Limits::default(), shutdown.clone()));
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /write HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    begun.notified().await;
    drop(client);
    shutdown.request();
    serving.await.unwrap();
    assert!(done.load(Ordering::Relaxed), "the work came to its end before the server returned");
}
