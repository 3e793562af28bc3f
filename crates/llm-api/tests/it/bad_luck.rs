//! What goes wrong, and what a caller is told.

use std::time::Duration;

use futures_util::StreamExt as _;
use llm_api::{BaseUrl, Key, Limits, LlmError, Provider, StreamEvent, gemini};

use crate::support::{
    Answer, KEY, Server, Then, chunks, events, gemini, http, question, run, streamed, unfinished, whole,
};

const FIRST: &str = r#"{"candidates":[{"content":{"parts":[{"text":"Ada has "}]}}],"usageMetadata":{"promptTokenCount":400,"candidatesTokenCount":3}}"#;
const LAST: &str = r#"{"candidates":[{"content":{"parts":[{"text":"4."}]},"finishReason":"STOP"}],"usageMetadata":{"candidatesTokenCount":8}}"#;

fn impatient(url: &str) -> Provider {
    let limits = Limits { head: Duration::from_millis(30), idle: Duration::from_millis(30) };
    Provider::Gemini(
        gemini::Client::new(http(), BaseUrl::parse(url).unwrap(), Key::fixed(KEY.into())).with_limits(limits),
    )
}

#[tokio::test]
async fn an_error_in_the_middle_keeps_what_was_used_before_it() {
    let error = r#"{"error":{"code":503,"message":"high demand","status":"UNAVAILABLE","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.5s"}]}}"#;
    for error in [error.to_owned(), format!("[{error}]")] {
        let (events, reply) = streamed(events(&[FIRST, &error])).await;
        assert_eq!(events, [StreamEvent::Text("Ada has ".to_owned())]);
        let error = reply.unwrap_err();
        assert!(matches!(error.cause(), LlmError::Overloaded { .. }), "{error:?}");
        assert_eq!((error.usage().total(), error.retry_after()), (403, Some(Duration::from_millis(1500))));
        assert!(error.is_retryable());
    }
}

#[tokio::test]
async fn an_answer_that_ends_early_is_cut_with_what_was_used() {
    let event = format!("data: {FIRST}\r\n\r\n");
    let half = format!("data: {FIRST}\r\n\r\ndata: {}", &LAST[..40]);
    let cuts: [Answer; 4] = [
        chunks([event.as_bytes()]),
        unfinished([event.as_bytes()]),
        chunks([half.as_bytes()]),
        unfinished([half.as_bytes()]),
    ];
    for answer in cuts {
        let (events, reply) = streamed(answer).await;
        assert_eq!(events, [StreamEvent::Text("Ada has ".to_owned())]);
        let error = reply.unwrap_err();
        assert!(matches!(&error, LlmError::CutStream { usage } if usage.total() == 403), "{error:?}");
        assert!(error.is_retryable());
    }
}

#[tokio::test]
async fn an_answer_cut_before_its_first_word_has_an_estimate() {
    for answer in [chunks([]), unfinished([])] {
        let (_, reply) = streamed(answer).await;
        let error = reply.unwrap_err();
        assert!(
            matches!(&error, LlmError::CutStream { usage } if usage.estimated && usage.input() > 10),
            "{error:?}"
        );
    }
    let mut short = whole("200 OK", LAST);
    short.pieces[1].truncate(20);
    let server = Server::start([short.then(Then::Close)]).await;
    let error = gemini(&server.url).generate(&question()).await.unwrap_err();
    assert!(matches!(error, LlmError::CutStream { .. }), "{error:?}");
}

#[tokio::test]
async fn a_cut_after_the_last_word_loses_nothing() {
    let stream = format!("data: {FIRST}\r\n\r\ndata: {LAST}\r\n\r\n");
    let (_, reply) = streamed(unfinished([stream.as_bytes()])).await;
    assert_eq!(reply.unwrap().turn.text(), "Ada has 4.");

    let server = Server::start([unfinished([stream.as_bytes()]).then(Then::Hang)]).await;
    let (_, reply) = run(&impatient(&server.url), &question()).await;
    assert_eq!(reply.unwrap().usage.output_text, 8);
}

#[tokio::test]
async fn a_stream_without_end_is_given_up() {
    let line = format!(": {}\n", "x".repeat(1 << 20));
    let endless = unfinished((0..40).map(|_| line.as_bytes()));
    let (_, reply) = streamed(endless.then(Then::Hang)).await;
    assert!(matches!(reply.unwrap_err().cause(), LlmError::Protocol { .. }));
}

#[tokio::test]
async fn silence_is_an_error_that_says_how_long() {
    let event = format!("data: {FIRST}\r\n\r\n");
    let nothing = Answer { pieces: vec![], then: Then::Hang };
    for (answer, used) in [(nothing, 0), (unfinished([event.as_bytes()]).then(Then::Hang), 403)] {
        let server = Server::start([answer]).await;
        let (_, reply) = run(&impatient(&server.url), &question()).await;
        let error = reply.unwrap_err();
        assert!(matches!(error.cause(), LlmError::Timeout(limit) if limit.as_millis() == 30), "{error:?}");
        assert_eq!(error.usage().total(), used);
    }
}

#[tokio::test]
async fn a_vendor_that_is_not_there_is_told_from_one_that_hangs_up() {
    let gone = Server::start([]).await.url.clone();
    let error = gemini(&gone).generate(&question()).await.unwrap_err();
    assert!(matches!(error, LlmError::Unreachable(_)), "{error:?}");

    let server = Server::start([Answer { pieces: vec![], then: Then::Close }]).await;
    let error = gemini(&server.url).generate(&question()).await.unwrap_err();
    assert!(matches!(error, LlmError::Broken(_)), "{error:?}");
    assert!(error.is_retryable() && error.usage().is_empty());
}

#[tokio::test]
async fn what_is_not_the_api_is_said_not_to_be() {
    for (status, body, expected) in [
        ("200 OK", "<html>Sign in</html>", "not understood"),
        ("404 Not Found", "<!doctype html><title>nginx</title>", "status 404 Not Found: a web page: nginx"),
        ("302 Found", "", "status 302 Found"),
        (
            "502 Bad Gateway",
            "<html><title>Bad gateway</title></html>",
            "failed (502 Bad Gateway): a web page: Bad gateway",
        ),
        ("503 Service Unavailable", "[{\"error\":{\"message\":\"in a list\"}}]", "overloaded: in a list"),
    ] {
        let server = Server::start([whole(status, body)]).await;
        let error = gemini(&server.url).generate(&question()).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let (_, reply) = streamed(chunks([b"<html>\n\n".as_slice()])).await;
    assert!(matches!(reply, Err(LlmError::CutStream { .. })));
    let (_, reply) = streamed(events(&["not json"])).await;
    assert!(matches!(reply.unwrap_err().cause(), LlmError::Protocol { .. }));
}

#[tokio::test]
async fn a_refusal_is_typed_with_its_retry_hint() {
    let quota = r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"You exceeded your current quota.","details":[
        {"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerMinutePerProjectPerModel-FreeTier","quotaValue":"10"}]},
        {"@type":"type.googleapis.com/google.rpc.Help","links":[]},
        {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"26s"}]}}"#;
    let (_, reply) = streamed(whole("429 Too Many Requests", quota)).await;
    let error = reply.unwrap_err();
    assert!(matches!(error, LlmError::RateLimited { .. }), "{error:?}");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(26)));
}

#[tokio::test]
async fn the_key_is_in_no_error_and_no_debug_output() {
    let body = format!(r#"{{"error":{{"code":400,"message":"API key not valid: {KEY}"}}}}"#);
    let server = Server::start([whole("400 Bad Request", &body)]).await;
    let client = gemini(&server.url);
    let error = client.generate(&question()).await.unwrap_err();
    assert!(matches!(error, LlmError::Unauthorized { .. }));
    let shown = format!("{error} {error:?} {client:?} {:?}", client.stream(&question()));
    assert!(!shown.contains(KEY), "{shown}");
}

#[tokio::test]
async fn dropping_a_stream_closes_its_connection() {
    let event = format!("data: {FIRST}\r\n\r\n");
    let server = Server::start([unfinished([event.as_bytes()]).then(Then::Hang)]).await;
    let mut stream = gemini(&server.url).stream(&question());
    assert!(matches!(stream.next().await, Some(Ok(StreamEvent::Text(_)))));
    let usage = stream.so_far().usage;
    assert_eq!((usage.input(), usage.output(), usage.estimated), (400, 3, false), "it has to be paid for");
    drop(stream);
    server.hung_up.notified().await;
}

#[tokio::test]
async fn dropping_a_stream_before_the_answer_closes_its_connection() {
    let server = Server::start([Answer { pieces: vec![], then: Then::Hang }]).await;
    let mut stream = gemini(&server.url).stream(&question());
    tokio::select! {
        event = stream.next() => panic!("{event:?}"),
        () = async { while server.seen().is_empty() { tokio::task::yield_now().await } } => {}
    }
    drop(stream);
    server.hung_up.notified().await;
}

#[tokio::test]
async fn calls_one_after_the_other_share_a_connection() {
    let refused = r#"{"error":{"code":400,"message":"no"}}"#;
    let answers = (0..30).map(|number| match number % 3 {
        0 => events(&[FIRST, LAST]),
        1 => whole("200 OK", LAST),
        _ => whole("400 Bad Request", refused),
    });
    let server = Server::start(answers).await;
    let provider = Provider::Gemini(gemini(&server.url));
    for _ in 0..10 {
        run(&provider, &question()).await.1.unwrap();
        provider.generate(&question()).await.unwrap();
        provider.generate(&question()).await.unwrap_err();
    }
    assert_eq!(server.connections(), 1);
}
