//! What is kept, for whom, and until when.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;

use crate::support::{Act, BASE, Gateway, Scripted, TABLE, emulator_json, free_emulator};

fn page(n: usize) -> Act {
    Act::json(200, &format!(r#"{{"records":[],"n":{n}}}"#))
}

#[tokio::test]
async fn a_second_read_is_a_hit_however_it_is_written() {
    let upstream = Scripted::start(|n, _| page(n)).await;
    let gateway = Gateway::before(upstream.address).await;
    let first = gateway.get(&format!("/v0/{BASE}/{TABLE}?view=A%20b&pageSize=100")).await;
    assert_eq!(first.cache(), "fwd=miss");
    assert!(first.header("cache-status").contains("stored; ttl=30"), "{first:?}");
    for target in [format!("/v0/{BASE}/{TABLE}?view=A+b"), format!("/v0/{BASE}/{TABLE}/?offset=&view=A%20b")]
    {
        let again = gateway.get(&target).await;
        assert_eq!((again.cache(), again.header("age")), ("hit", "0"));
        assert_eq!(again.body, first.body);
        assert_eq!(again.header("etag"), first.header("etag"));
        assert_eq!(again.header("cache-control"), "private, no-cache");
    }
    let posted = gateway.post(&format!("/v0/{BASE}/{TABLE}/listRecords"), json!({"view": "A b"})).await;
    assert_eq!(posted.cache(), "hit");
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn who_has_the_answer_is_told_so_in_short() {
    let upstream = Scripted::start(|_, _| page(0)).await;
    let gateway = Gateway::before(upstream.address).await;
    let target = format!("/v0/{BASE}/{TABLE}");
    let first = gateway.get(&target).await;
    let again = gateway.get_with(&target, &[("if-none-match", first.header("etag"))]).await;
    assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    assert_eq!(again.header("etag"), first.header("etag"));
}

#[tokio::test]
async fn requests_say_what_they_accept() {
    let upstream = Scripted::start(|n, _| page(n)).await;
    let gateway = Gateway::before(upstream.address).await;
    let target = format!("/v0/{BASE}/{TABLE}");
    let none = gateway.get_with(&target, &[("cache-control", "only-if-cached")]).await;
    assert_eq!(none.status, StatusCode::GATEWAY_TIMEOUT);
    assert!(none.json()["error"]["type"].is_string());
    gateway.get_with(&target, &[("cache-control", "no-store")]).await;
    assert_eq!(gateway.get(&target).await.cache(), "fwd=miss");
    let fresh = gateway.get_with(&target, &[("cache-control", "no-cache")]).await;
    assert_eq!((fresh.cache(), &fresh.json()["n"]), ("fwd=request", &json!(2)));
    let kept = gateway.get_with(&target, &[("cache-control", "only-if-cached, max-age=20")]).await;
    assert_eq!((kept.cache(), &kept.json()["n"]), ("hit", &json!(2)));
    assert_eq!(gateway.get_with(&target, &[("cache-control", "max-age=0")]).await.cache(), "fwd=request");
}

#[tokio::test]
async fn a_read_after_an_own_write_is_fresh_in_the_whole_base_and_only_there() {
    let upstream = Scripted::start(|n, _| page(n)).await;
    let gateway = Gateway::before(upstream.address).await;
    let (table, link) = (format!("/v0/{BASE}/{TABLE}"), format!("/v0/{BASE}/tblCCCCCCCCCCCCCC"));
    let elsewhere = format!("/v0/appBBBBBBBBBBBBBB/{TABLE}");
    for target in [&table, &link, &elsewhere] {
        gateway.get(target).await;
        assert_eq!(gateway.get(target).await.cache(), "hit");
    }
    for method in [Method::POST, Method::PATCH, Method::PUT, Method::DELETE] {
        assert_eq!(gateway.send(method, &table, &[], "{}").await.status, StatusCode::OK);
        assert_eq!(gateway.get(&table).await.cache(), "fwd=miss");
        assert_eq!(gateway.get(&link).await.cache(), "fwd=miss");
        assert_eq!(gateway.get(&elsewhere).await.cache(), "hit");
    }
}

#[tokio::test]
async fn a_read_begun_during_a_write_is_not_kept() {
    let upstream = Scripted::start(|n, request| {
        if request.starts_with("POST") { Act::After(300, Box::new(page(n))) } else { page(n) }
    })
    .await;
    let gateway = Arc::new(Gateway::before(upstream.address).await);
    let target = format!("/v0/{BASE}/{TABLE}");
    let writing = tokio::spawn({
        let (gateway, target) = (gateway.clone(), target.clone());
        async move { gateway.post(&target, json!({})).await }
    });
    upstream.wait_for(1).await;
    assert_eq!(gateway.get(&target).await.cache(), "fwd=miss");
    assert_eq!(gateway.get(&target).await.cache(), "hit", "it may be used until the write is answered");
    writing.await.unwrap();
    assert_eq!(gateway.get(&target).await.cache(), "fwd=miss");
}

#[tokio::test]
async fn a_write_whose_client_left_still_counts() {
    let upstream = Scripted::start(|n, request| {
        if request.starts_with("POST") { Act::After(200, Box::new(page(n))) } else { page(n) }
    })
    .await;
    let gateway = Arc::new(Gateway::before(upstream.address).await);
    let target = format!("/v0/{BASE}/{TABLE}");
    let writing = tokio::spawn({
        let (gateway, target) = (gateway.clone(), target.clone());
        async move { gateway.post(&target, json!({"fields": {}})).await }
    });
    upstream.wait_for(1).await;
    writing.abort();
    gateway.get(&target).await;
    assert_eq!(gateway.get(&target).await.cache(), "hit");
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(gateway.get(&target).await.cache(), "fwd=miss", "the write was answered meanwhile");
}

#[tokio::test]
async fn a_name_and_an_id_share_an_answer_once_the_name_is_known() {
    let upstream = free_emulator().await;
    let gateway = Gateway::before(upstream).await;
    let (by_name, by_id) = (format!("/v0/{BASE}/Tasks%20%2F%202026"), format!("/v0/{BASE}/{TABLE}"));
    assert_eq!(gateway.get(&by_name).await.cache(), "fwd=miss");
    assert_eq!(gateway.get(&by_name).await.cache(), "hit", "whether or not the name is known by now");
    // The schema is read beside the first read; wait for it.
    for _ in 0..1_000 {
        if gateway.get_with(&by_id, &[("cache-control", "only-if-cached")]).await.cache() == "hit" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(gateway.get(&by_id).await.cache(), "hit");
    assert_eq!(gateway.get(&by_name).await.cache(), "hit");
    assert_eq!(gateway.get(&format!("/v0/{BASE}/tasks%20%2F%202026")).await.cache(), "hit");
    let fresh = gateway.get_with(&by_id, &[("cache-control", "no-cache")]).await;
    assert_eq!(fresh.cache(), "fwd=request");
    assert_eq!(gateway.get(&by_name).await.cache(), "hit");
    let log = emulator_json(upstream, "/__emulator/requests").await;
    assert_eq!(log["requests"].as_array().unwrap().len(), 3, "two listings and a schema: {log}");
    assert_eq!(gateway.get(&format!("/v0/{BASE}/TASKS%20%2F%202026")).await.cache(), "hit");
    let schema = gateway.get(&format!("/v0/meta/bases/{BASE}/tables")).await;
    assert_eq!(schema.cache(), "hit", "it was read already");
}

#[tokio::test]
async fn tokens_do_not_see_each_others_answers() {
    let upstream = Scripted::start(|n, _| page(n)).await;
    let settings = [("PACING", "off"), ("GATEWAY_PASSTHROUGH", "true")];
    let gateway = Gateway::with(upstream.address, &settings).await;
    let target = format!("/v0/{BASE}/{TABLE}");
    let as_token = async |token: &str| {
        gateway.get_with(&target, &[("authorization", &format!("Bearer {token}"))]).await.cache().to_owned()
    };
    assert_eq!(gateway.get(&target).await.cache(), "fwd=miss");
    assert_eq!(as_token("patONE.1").await, "fwd=miss");
    assert_eq!(as_token("patTWO.2").await, "fwd=miss");
    assert_eq!(as_token("patONE.1").await, "hit");
    assert!(upstream.seen()[1].to_ascii_lowercase().contains("authorization: bearer patone.1\r\n"));
    // A write by one token is seen by the others.
    gateway.send(Method::POST, &target, &[("authorization", "Bearer patONE.1")], "{}").await;
    assert_eq!(gateway.get(&target).await.cache(), "fwd=miss");
    assert_eq!(as_token("patTWO.2").await, "fwd=miss");
}

#[tokio::test]
async fn the_same_read_at_the_same_time_is_one_call_and_survives_its_leader() {
    let upstream = Scripted::start(|n, _| Act::After(200, Box::new(page(n)))).await;
    let gateway = Arc::new(Gateway::before(upstream.address).await);
    let target = format!("/v0/{BASE}/{TABLE}");
    let read = || {
        let (gateway, target) = (gateway.clone(), target.clone());
        tokio::spawn(async move { gateway.get(&target).await })
    };
    let leader = read();
    upstream.wait_for(1).await;
    let followers = [read(), read()];
    tokio::time::sleep(Duration::from_millis(50)).await;
    leader.abort();
    for follower in followers {
        let answer = follower.await.unwrap();
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.header("cache-status").contains("collapsed"), "{answer:?}");
    }
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn who_wants_nothing_kept_does_not_decide_for_those_who_ask_at_the_same_time() {
    let upstream = Scripted::start(|n, _| Act::After(200, Box::new(page(n)))).await;
    let gateway = Arc::new(Gateway::before(upstream.address).await);
    let target = format!("/v0/{BASE}/{TABLE}");
    let discreet = tokio::spawn({
        let (gateway, target) = (gateway.clone(), target.clone());
        async move { gateway.get_with(&target, &[("cache-control", "no-store")]).await }
    });
    upstream.wait_for(1).await;
    assert!(gateway.get(&target).await.header("cache-status").contains("stored"));
    assert!(!discreet.await.unwrap().header("cache-status").contains("stored"));
    assert_eq!(gateway.get(&target).await.cache(), "hit");
}

#[tokio::test]
async fn a_read_that_nobody_waits_for_is_aborted() {
    let (gone, mut aborted) = tokio::sync::mpsc::unbounded_channel();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = Vec::new();
        // Ends when the gateway closes the connection.
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut bytes).await;
        let _ = gone.send(bytes.len());
    });
    let gateway = Arc::new(Gateway::before(address).await);
    let reading = tokio::spawn({
        let gateway = gateway.clone();
        async move { gateway.get(&format!("/v0/{BASE}/{TABLE}")).await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    reading.abort();
    let read = tokio::time::timeout(Duration::from_secs(5), aborted.recv()).await;
    assert!(read.expect("the connection is closed").unwrap() > 0);
}

#[tokio::test]
async fn not_there_is_remembered_for_a_moment_and_errors_are_not() {
    let upstream = Scripted::start(|_, request| match request.split('/').nth(3).unwrap_or_default() {
        table if table.starts_with("gone") => Act::json(404, r#"{"error":"NOT_FOUND"}"#),
        table if table.starts_with("hidden") => {
            Act::json(403, r#"{"error":{"type":"INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND","message":"m"}}"#)
        }
        table if table.starts_with("denied") => {
            Act::json(401, r#"{"error":{"type":"AUTHENTICATION_REQUIRED"}}"#)
        }
        _ => Act::json(422, r#"{"error":{"type":"INVALID_REQUEST_UNKNOWN","message":"m"}}"#),
    })
    .await;
    let gateway = Gateway::before(upstream.address).await;
    // A table id each, so that no schema is asked for beside.
    for (table, status, cached) in [
        ("gone", 404, "hit"),
        ("hidden", 403, "hit"),
        ("denied", 401, "fwd=miss"),
        ("wrong", 422, "fwd=miss"),
    ] {
        let target = format!("/v0/{BASE}/{table}/x");
        assert_eq!(gateway.get(&target).await.status, status);
        assert_eq!(gateway.get(&target).await.cache(), cached, "{table}");
    }
}

#[tokio::test]
async fn a_dead_offset_makes_the_listing_start_anew() {
    let upstream = Scripted::start(|_, request| {
        if request.contains("offset=itr") {
            Act::json(422, r#"{"error":{"type":"LIST_RECORDS_ITERATOR_NOT_AVAILABLE"}}"#)
        } else {
            Act::json(200, r#"{"records":[],"offset":"itrX/recY"}"#)
        }
    })
    .await;
    let gateway = Gateway::before(upstream.address).await;
    let first = format!("/v0/{BASE}/{TABLE}");
    gateway.get(&first).await;
    assert_eq!(gateway.get(&first).await.cache(), "hit");
    assert_eq!(gateway.get(&format!("{first}?offset=itrX%2FrecY")).await.status, 422);
    assert_eq!(gateway.get(&first).await.cache(), "fwd=miss", "not the page with the dead offset again");
}

#[tokio::test]
async fn what_is_no_pure_read_is_never_kept() {
    let upstream = Scripted::start(|n, _| page(n)).await;
    let gateway = Gateway::before(upstream.address).await;
    for target in [format!("/v0/bases/{BASE}/webhooks/achA/payloads?cursor=1"), "/v0/brand/new".to_owned()] {
        for _ in 0..2 {
            assert_eq!(gateway.get(&target).await.cache(), "fwd=bypass", "{target}");
        }
    }
    assert_eq!(upstream.seen().len(), 4);
}

#[tokio::test]
async fn a_cache_of_no_size_is_no_cache() {
    let upstream = Scripted::start(|n, _| page(n)).await;
    let gateway = Gateway::with(upstream.address, &[("PACING", "off"), ("CACHE_MAX_BYTES", "0")]).await;
    for _ in 0..2 {
        let answer = gateway.get(&format!("/v0/{BASE}/{TABLE}")).await;
        assert_eq!(answer.header("cache-status"), "pyairtable; fwd=miss; fwd-status=200");
    }
    gateway.get(&format!("/v0/{BASE}/Name")).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(upstream.seen().len(), 3, "nobody asks what a name means");
}

#[tokio::test]
async fn a_body_that_is_not_said_to_be_json_is_airtables_to_judge() {
    let upstream = Scripted::start(|n, _| page(n)).await;
    let gateway = Gateway::before(upstream.address).await;
    let target = format!("/v0/{BASE}/{TABLE}/listRecords");
    assert_eq!(gateway.post(&target, json!({})).await.cache(), "fwd=miss");
    assert_eq!(gateway.post(&target, json!({})).await.cache(), "hit");
    for header in [("content-type", "text/plain"), ("content-encoding", "gzip")] {
        assert_eq!(
            gateway.send(Method::POST, &target, &[header], "{}").await.cache(),
            "fwd=bypass",
            "{header:?}"
        );
    }
}

#[tokio::test]
async fn a_table_that_somebody_else_renamed_stays_there_by_its_id() {
    let upstream = Scripted::start(|n, request| match request.split(' ').nth(1).unwrap() {
        target if target.ends_with("/tables") => {
            Act::json(200, &format!(r#"{{"tables":[{{"id":"{TABLE}","name":"Old","primaryFieldId":"f","fields":[],"views":[]}}]}}"#))
        }
        target if target.ends_with("/Old") => {
            Act::json(403, r#"{"error":{"type":"INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND","message":"m"}}"#)
        }
        _ => page(n),
    })
    .await;
    let gateway = Gateway::before(upstream.address).await;
    let (by_name, by_id) = (format!("/v0/{BASE}/Old"), format!("/v0/{BASE}/{TABLE}"));
    gateway.get(&format!("/v0/meta/bases/{BASE}/tables")).await;
    // The name is believed to be that of the table; it is not any more.
    let gone = gateway.get(&by_name).await;
    assert_eq!(
        (gone.status, gone.header("cache-status")),
        (StatusCode::FORBIDDEN, "pyairtable; fwd=miss; fwd-status=403")
    );
    let there = gateway.get(&by_id).await;
    assert_eq!((there.status, there.cache()), (StatusCode::OK, "fwd=miss"));
    assert_eq!(gateway.get(&by_name).await.status, StatusCode::FORBIDDEN);
    assert_eq!(gateway.get(&by_id).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_name_is_learnt_after_an_outage_of_the_schema() {
    let schemas = std::sync::atomic::AtomicUsize::new(0);
    let upstream = Scripted::start(move |n, request| match request.split(' ').nth(1).unwrap() {
        target if target.ends_with("/tables") => match schemas.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => Act::json(500, "{}"),
            _ => Act::json(200, &format!(r#"{{"tables":[{{"id":"{TABLE}","name":"Tasks","primaryFieldId":"f","fields":[],"views":[]}}]}}"#)),
        },
        _ => page(n),
    })
    .await;
    let gateway = Gateway::before(upstream.address).await;
    let (by_name, by_id) = (format!("/v0/{BASE}/Tasks"), format!("/v0/{BASE}/{TABLE}"));
    let kept = [("cache-control", "only-if-cached")];
    let mut is_known = false;
    for _ in 0..500 {
        gateway.get(&by_name).await;
        is_known = gateway.get_with(&by_id, &kept).await.status == StatusCode::OK;
        if is_known {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(is_known);
    assert_eq!(upstream.seen().len(), 3, "one listing, and the schema twice");
}
