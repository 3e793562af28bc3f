use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use serde_json::{Value, json};
use service_kit::edge::{RouteLabel, Subtree, with_shared_layers};
use service_kit::extract::{ApiJson, ApiPath, ApiQuery};
use service_kit::{ApiError, Dialect, ErrorCode};

use crate::wire::{Answer, Service};

const LIMIT: usize = 1000;
const V0: Subtree = Subtree {
    prefix: "/v0",
    dialect: Dialect::Airtable,
    body_limit: LIMIT,
    deadline: Duration::from_secs(40),
};
const OWN: Subtree = Subtree { body_limit: LIMIT, deadline: Duration::from_secs(40), ..Subtree::OWN };

fn routes() -> Router {
    Router::new()
        .route("/hello", get(async || "hello"))
        .route("/length", post(async |body: Bytes| body.len().to_string()).put(async || "unread"))
        .route("/json", post(async |ApiJson(_): ApiJson<Value>| "read"))
        .route(
            "/number/{number}",
            get(async |ApiPath(_): ApiPath<u32>, ApiQuery(_): ApiQuery<[u8; 0]>| "read"),
        )
        .route("/panic", get(async || -> &'static str { panic!("a secret reason") }))
        .route("/slow", get(async || tokio::time::sleep(Duration::from_secs(3600)).await))
        .route("/busy", get(async || busy()))
        .route("/unavailable", get(async || ApiError::new(ErrorCode::Unavailable, "not now")))
        .route("/unsafe", get(async || ApiError::new(ErrorCode::Unavailable, "not now").retryable(false)))
        .route("/denied", get(async || ApiError::new(ErrorCode::Forbidden, "no")))
        .route("/who", get(async || ApiError::new(ErrorCode::AuthenticationRequired, "who?")))
        .route("/wrong", get(async || wrong()))
        .route("/bare", get(async || http::StatusCode::CONFLICT))
}

fn busy() -> ApiError {
    ApiError::new(ErrorCode::RateLimited, "too many").retry_after(Duration::from_millis(1200))
}

fn wrong() -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, "Unknown field name: \"x\"")
        .airtable_type("UNKNOWN_FIELD_NAME")
        .field("/fields/x", "unknown", "there is no such field")
        .caused_by("SELECT * FROM secrets")
}

async fn service() -> Service {
    let router = Router::new().nest("/v0", routes()).nest("/own", routes());
    Service::start(with_shared_layers(router, [V0, OWN], "test")).await
}

/// One bad request, and what each dialect answers. `PATH` stands for the subtree.
struct Case {
    name: &'static str,
    request: String,
    airtable: (u16, Value),
    problem: (u16, &'static str),
    closes: bool,
}

fn case(name: &'static str, request: &str, airtable: (u16, Value), problem: (u16, &'static str)) -> Case {
    Case { name, request: request.replace('\n', "\r\n"), airtable, problem, closes: false }
}

fn closing(case: Case) -> Case {
    Case { closes: true, ..case }
}

fn typed(kind: &str, message: &str) -> Value {
    json!({"error": {"type": kind, "message": message}})
}

fn cases() -> Vec<Case> {
    let not_found = || (404, json!({"error": "NOT_FOUND"}));
    let large = "x".repeat(LIMIT + 1);
    let too_large = || (413, typed("REQUEST_TOO_LARGE", "a body has at most 1000 bytes here"));
    let one_host = || (400, typed("INVALID_REQUEST", "a request has exactly one `Host`"));
    let one_length =
        || (400, typed("INVALID_REQUEST", "a request has either `Content-Length` or `Transfer-Encoding`"));
    vec![
        case("no route", "GET PATH/nothing HTTP/1.1\nHost: a\n\n", not_found(), (404, "no_such_route")),
        case(
            "wrong method",
            "DELETE PATH/length HTTP/1.1\nHost: a\n\n",
            not_found(),
            (405, "method_not_allowed"),
        ),
        closing(case(
            "body too large by its length",
            &format!("POST PATH/length HTTP/1.1\nHost: a\nContent-Length: {}\n\n{large}", LIMIT + 1),
            too_large(),
            (413, "body_too_large"),
        )),
        closing(case(
            "body too large in chunks",
            &format!(
                "POST PATH/length HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n{:x}\n{large}\n0\n\n",
                LIMIT + 1
            ),
            too_large(),
            (413, "body_too_large"),
        )),
        closing(case(
            "slow body",
            "POST PATH/length HTTP/1.1\nHost: a\nContent-Length: 10\n\nhalf",
            (408, typed("REQUEST_TIMEOUT", "the request's body did not arrive in time")),
            (408, "request_timeout"),
        )),
        case(
            "panic",
            "GET PATH/panic HTTP/1.1\nHost: a\n\n",
            (
                500,
                typed(
                    "SERVER_ERROR",
                    "something went wrong on our side; the log knows more under this request id",
                ),
            ),
            (500, "internal"),
        ),
        case(
            "deadline of the route",
            "GET PATH/slow HTTP/1.1\nHost: a\n\n",
            (504, typed("TIMEOUT", "the time allowed for this request is over")),
            (504, "deadline_exceeded"),
        ),
        case(
            "deadline of the caller, too near to begin",
            "GET PATH/hello HTTP/1.1\nHost: a\nX-Request-Deadline-Ms: 19\n\n",
            (504, typed("TIMEOUT", "the time allowed for this request is over")),
            (504, "deadline_exceeded"),
        ),
        closing(case("no Host", "GET PATH/hello HTTP/1.1\n\n", one_host(), (400, "malformed"))),
        closing(case(
            "two Hosts",
            "GET PATH/hello HTTP/1.1\nHost: a\nHost: a\n\n",
            one_host(),
            (400, "malformed"),
        )),
        closing(case(
            "length and chunks",
            "POST PATH/length HTTP/1.1\nHost: a\nContent-Length: 5\nTransfer-Encoding: chunked\n\n0\n\n",
            one_length(),
            (400, "malformed"),
        )),
        closing(case(
            "chunks and length",
            "POST PATH/length HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nContent-Length: 5\n\n0\n\n",
            one_length(),
            (400, "malformed"),
        )),
        case(
            "429",
            "GET PATH/busy HTTP/1.1\nHost: a\n\n",
            (
                429,
                json!({"errors": [{"error": "RATE_LIMIT_REACHED", "message": "Rate limit exceeded. Please try again later"}]}),
            ),
            (429, "rate_limited"),
        ),
        case(
            "503 that may be repeated",
            "GET PATH/unavailable HTTP/1.1\nHost: a\n\n",
            (
                503,
                typed(
                    "RETRIABLE_ERROR",
                    "Server encountered an error while processing your request, and it is safe to retry the request",
                ),
            ),
            (503, "unavailable"),
        ),
        case(
            "503 that must not be repeated",
            "GET PATH/unsafe HTTP/1.1\nHost: a\n\n",
            (503, typed("SERVER_ERROR", "not now")),
            (503, "unavailable"),
        ),
        case(
            "403",
            "GET PATH/denied HTTP/1.1\nHost: a\n\n",
            (
                403,
                typed(
                    "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND",
                    "Invalid permissions, or the requested model was not found. Check that both your user and your token have the required permissions, and that the model names and/or ids are correct.",
                ),
            ),
            (403, "forbidden"),
        ),
        case(
            "401",
            "GET PATH/who HTTP/1.1\nHost: a\n\n",
            (401, typed("AUTHENTICATION_REQUIRED", "Authentication required")),
            (401, "authentication_required"),
        ),
        case(
            "422",
            "GET PATH/wrong HTTP/1.1\nHost: a\n\n",
            (422, typed("UNKNOWN_FIELD_NAME", "Unknown field name: \"x\"")),
            (422, "invalid_request"),
        ),
        case(
            "not JSON",
            "POST PATH/json HTTP/1.1\nHost: a\nContent-Type: application/json\nContent-Length: 1\n\n{",
            (
                400,
                typed(
                    "INVALID_REQUEST",
                    "the body is not JSON: EOF while parsing an object at line 1 column 1",
                ),
            ),
            (400, "malformed"),
        ),
        case(
            "another content type",
            "POST PATH/json HTTP/1.1\nHost: a\nContent-Type: text/plain\nContent-Length: 2\n\n{}",
            (415, typed("INVALID_REQUEST_BODY", "send the body as `application/json`")),
            (415, "unsupported_media_type"),
        ),
        case(
            "a path that does not fit",
            "GET PATH/number/x HTTP/1.1\nHost: a\n\n",
            not_found(),
            (404, "not_found"),
        ),
    ]
}

fn assert_problem(name: &str, answer: &Answer, status: u16, code: &str) {
    let body = answer.json();
    assert_eq!(answer.status, status, "{name}: {body}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{name}");
    assert_eq!((&body["code"], &body["status"]), (&json!(code), &json!(status)), "{name}");
    for member in ["type", "title", "detail", "instance", "request_id", "retryable"] {
        assert!(!body[member].is_null(), "{name}: {member} is missing in {body}");
    }
    let id = answer.header("x-request-id").unwrap();
    assert_eq!(body["request_id"], id, "{name}");
    assert_eq!(body["instance"], format!("urn:uuid:{id}"), "{name}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{name}");
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{name}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{name}");
}

#[tokio::test(start_paused = true)]
async fn every_error_of_the_edge_speaks_the_dialect_of_its_subtree() {
    let service = service().await;
    for case in cases() {
        let name = case.name;

        let mut client = service.connect().await;
        client.send(&case.request.replace("PATH", "/v0")).await;
        let answer = client.answer().await.unwrap_or_else(|| panic!("{name}: no answer"));
        assert_eq!((answer.status, answer.json()), case.airtable, "{name}");
        assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"), "{name}");
        assert!(answer.header("x-request-id").is_some(), "{name}");
        assert!(answer.header("cache-control").is_none(), "{name}");
        assert_eq!(answer.header("connection") == Some("close"), case.closes, "{name}");
        if case.closes {
            assert!(client.is_closed().await, "{name}");
        }

        let answer = service.ask(&case.request.replace("PATH", "/own")).await;
        assert_problem(name, &answer, case.problem.0, case.problem.1);
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones_on_our_own_surface() {
    let service = service().await;
    let answer = service.ask("DELETE /own/length HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(answer.header("allow"), Some("POST,PUT"));
}

#[tokio::test]
async fn a_401_says_how_to_authenticate_on_our_own_surface_only() {
    let service = service().await;
    assert_eq!(service.get("/own/who").await.header("www-authenticate"), Some("Bearer"));
    assert_eq!(service.get("/v0/who").await.header("www-authenticate"), None);
}

#[tokio::test]
async fn a_wait_is_said_in_whole_seconds_rounded_up_and_exactly_in_the_problem() {
    let service = service().await;
    assert_eq!(service.get("/v0/busy").await.header("retry-after"), Some("2"));
    let answer = service.get("/own/busy").await;
    assert_eq!(answer.header("retry-after"), Some("2"));
    assert_eq!(answer.json()["retry_after_ms"], 1200);
    assert_eq!(answer.json()["retryable"], true);
}

#[tokio::test]
async fn a_problem_lists_wrong_places_and_never_shows_its_cause() {
    let answer = service().await.get("/own/wrong").await;
    let field = json!([{"pointer": "/fields/x", "code": "unknown", "detail": "there is no such field"}]);
    assert_eq!(answer.json()["errors"], field);
    assert!(!answer.text().contains("SELECT"));
    let answer = service().await.get("/own/panic").await;
    assert!(!answer.text().contains("secret reason"));
}

#[tokio::test]
async fn a_bare_status_becomes_a_problem_on_our_own_surface_and_stays_on_airtables() {
    let service = service().await;
    assert_problem("bare", &service.get("/own/bare").await, 409, "conflict");
    let answer = service.get("/v0/bare").await;
    assert_eq!((answer.status, answer.text()), (409, ""));
}

#[tokio::test]
async fn a_harmless_request_id_is_kept_and_another_replaced() {
    let service = service().await;
    let id_of = async |given: &str| {
        let answer = service.get_with("/own/nothing", &format!("X-Request-Id: {given}\r\n")).await;
        answer.header("x-request-id").unwrap().to_owned()
    };
    assert_eq!(id_of("job-7.a_B").await, "job-7.a_B");
    for bad in ["", "a b", "a\"b", &"x".repeat(65)] {
        let id = id_of(bad).await;
        assert_eq!(uuid::Uuid::try_parse(&id).unwrap().get_version_num(), 7, "{bad:?} became {id}");
    }
}

#[tokio::test]
async fn a_key_in_the_address_is_refused_on_our_own_surface_and_is_no_credential_on_airtables() {
    let service = service().await;
    let query = "/hello?api_key=pya_live_abcd1234_x";
    assert_problem("key", &service.get(&format!("/own{query}")).await, 400, "malformed");
    // There every text may be meant; a whole key, which would travel on, is not.
    assert_eq!(service.get(&format!("/v0{query}")).await.status, 200);
    let key = service_kit::keys::ApiKey::mint().unwrap();
    let refused = service.get(&format!("/v0/hello?a=b&api_key={}", key.expose())).await;
    assert_eq!((refused.status, &refused.json()["error"]["type"]), (400, &"INVALID_REQUEST".into()));
    assert!(!refused.text().contains(key.expose()));
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_is_refused_before_it_sends() {
    let service = service().await;
    let mut client = service.connect().await;
    client
        .send("POST /v0/length HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n\r\n")
        .await;
    assert_eq!(client.answer().await.unwrap().status, 413);
    assert!(client.is_closed().await);

    let mut client = service.connect().await;
    client
        .send("POST /v0/length HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        .await;
    assert_eq!(client.answer().await.unwrap().status, 100);
    client.send("ab").await;
    assert_eq!(client.answer().await.unwrap().text(), "2");
}

#[tokio::test]
async fn a_client_that_sends_twenty_megabytes_first_still_reads_the_answer() {
    let service = service().await;
    let megabyte = "x".repeat(1024 * 1024);
    for head in ["Content-Length: 20971520", "Transfer-Encoding: chunked"] {
        let is_chunked = head.starts_with('T');
        let mut client = service.connect().await;
        client.send(&format!("POST /v0/length HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n")).await;
        for _ in 0..20 {
            let piece = if is_chunked { format!("100000\r\n{megabyte}\r\n") } else { megabyte.clone() };
            client.send(&piece).await; // fails if the service closes early
        }
        client.send(if is_chunked { "0\r\n\r\n" } else { "" }).await;
        assert_eq!(client.answer().await.unwrap().status, 413, "{head}");
    }
}

#[tokio::test]
async fn a_body_that_no_handler_reads_does_not_spoil_the_answer() {
    let service = service().await;
    let mut client = service.connect().await;
    client.send("PUT /v0/length HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n").await;
    client.send(&"x".repeat(900)).await;
    assert_eq!(client.answer().await.unwrap().text(), "unread");
    client.send("GET /v0/hello HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer().await.unwrap().text(), "hello");
}

#[tokio::test]
async fn metrics_know_patterns_and_no_paths() {
    let router = Router::new()
        .route("/v0/{*rest}", get(async || (axum::Extension(RouteLabel("/v0/{base_id}".into())), "ok")));
    let router = router.route("/things/{id}", get(async || "thing"));
    let service = Service::start(with_shared_layers(router, [V0, OWN], "patterns")).await;
    for target in ["/v0/appSECRET", "/things/thing-7", "/nothing/thing-7"] {
        service.get(target).await;
    }
    service.ask("BREW /things/7 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let text = service_kit::telemetry::metrics::render();
    for series in [
        r#"service="patterns",method="GET",route="/v0/{base_id}",status_class="2xx""#,
        r#"service="patterns",method="GET",route="/things/{id}",status_class="2xx""#,
        r#"service="patterns",method="GET",route="(none)",status_class="4xx""#,
        r#"service="patterns",method="OTHER",route="/things/{id}",status_class="4xx""#,
    ] {
        assert!(text.contains(series), "{series} is not in\n{text}");
    }
    assert!(text.contains("http_server_request_duration_seconds_bucket"));
    assert!(!text.contains("SECRET") && !text.contains("thing-7"));
}

#[tokio::test(start_paused = true)]
async fn a_caller_says_how_long_it_waits_within_what_the_route_allows() {
    let service = service().await;
    for (said, seconds) in [("500", 0), ("39999", 39), ("59999", 59), ("3600000", 60), ("nonsense", 40)] {
        let begun = tokio::time::Instant::now();
        let answer = service.get_with("/v0/slow", &format!("X-Request-Deadline-Ms: {said}\r\n")).await;
        assert_eq!((answer.status, begun.elapsed().as_secs()), (504, seconds), "{said}");
    }
}

#[tokio::test]
async fn a_prefix_claims_whole_segments_and_http_1_0_needs_no_host() {
    let service = service().await;
    for (target, is_airtables) in
        [("/v0", true), ("/v0/", true), ("/v0x", false), ("/", false), ("/own/v0/x", false)]
    {
        let answer = service.ask(&format!("GET {target} HTTP/1.0\r\n\r\n")).await;
        assert_eq!(answer.status, 404);
        assert_eq!(answer.json()["error"] == "NOT_FOUND", is_airtables, "{target}");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_work_and_is_counted() {
    struct OnDrop(tokio::sync::mpsc::Sender<()>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            let _ = self.0.try_send(());
        }
    }
    let (ended, mut has_ended) = tokio::sync::mpsc::channel(1);
    let (begun, mut has_begun) = tokio::sync::mpsc::channel(1);
    let work = async move || {
        let _guard = OnDrop(ended.clone());
        begun.send(()).await.unwrap();
        std::future::pending::<()>().await;
    };
    let service =
        Service::start(with_shared_layers(Router::new().route("/work", get(work)), [OWN], "aborts")).await;
    let mut client = service.connect().await;
    client.send("GET /work HTTP/1.1\r\nHost: a\r\n\r\n").await;
    has_begun.recv().await.unwrap();
    drop(client);
    has_ended.recv().await.unwrap();
    tokio::task::yield_now().await;
    let text = service_kit::telemetry::metrics::render();
    assert!(text.contains(r#"http_server_client_aborts_total{service="aborts"} 1"#), "{text}");
    assert!(text.contains(r#"http_server_active_requests{service="aborts"} 0"#), "{text}");
}
