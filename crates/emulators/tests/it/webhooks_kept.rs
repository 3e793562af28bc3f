//! Webhooks that last: in the file of bases, in seeds, and as long as the clock says.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use emulators::airtable::Seed;
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::process::{Running, begin_with};
use super::support::{BASE, TestApp, id, seed};

fn with_hooks_allowed() -> Value {
    let mut seed = seed();
    seed["tokens"][0]["scopes"] = json!([
        "data.records:read",
        "data.records:write",
        "schema.bases:read",
        "schema.bases:write",
        "workspacesAndBases:write",
        "webhook:manage"
    ]);
    seed
}

fn hooks() -> String {
    format!("/v0/bases/{BASE}/webhooks")
}

fn data() -> Value {
    json!({"specification": {"options": {"filters": {"dataTypes": ["tableData"]}}}})
}

fn begin(dir: &Path) -> (Running, TestApp) {
    begin_with(dir, &with_hooks_allowed(), &["--webhook-pings"])
}

/// All hooks of the base as they are listed, each with all that it was told.
async fn seen(app: &TestApp) -> Vec<Value> {
    let mut seen = Vec::new();
    for hook in app.get(&hooks()).await.ok()["webhooks"].as_array().unwrap() {
        let target = format!("{}/{}/payloads", hooks(), hook["id"].as_str().unwrap());
        let mut hook = hook.clone();
        hook["expirationTime"].take(); // which reading payloads puts off
        seen.push(json!([hook, app.get(&target).await.ok()]));
    }
    seen
}

#[tokio::test]
async fn a_killed_emulator_comes_back_with_its_hooks_and_what_they_were_told() {
    let dir = tempfile::tempdir().unwrap();
    let (child, app) = begin(dir.path());
    let things = format!("/v0/{BASE}/Things");
    let made = async |body: Value| app.post(&hooks(), body).await.ok()["id"].as_str().unwrap().to_owned();
    let mut body = data();
    body["notificationUrl"] = "https://example.com/hook".into();
    let first = made(body).await;
    let second = made(data()).await;
    let mut view = data();
    view["specification"]["options"]["filters"]["recordChangeScope"] = "viwThings00000002".into();
    made(view).await;
    let deleted = made(data()).await;
    let record = app.create("Things", json!({"Name": "a"})).await;
    app.patch(&format!("{things}/{record}"), json!({"fields": {"Number": 0.1, "Tags": ["red"]}})).await.ok();
    app.post(&format!("{}/{first}/enableNotifications", hooks()), json!({"enable": false})).await.ok();
    app.post(&format!("{}/{second}/refresh", hooks()), json!({})).await.ok();
    app.delete(&format!("{}/{deleted}", hooks())).await.ok();
    app.delete("/v0/meta/bases/appTest0000000001/views/viwThings00000002").await.ok();
    let before = seen(&app).await;
    assert_eq!(before.len(), 3);
    assert_eq!(
        (&before[0][0]["areNotificationsEnabled"], &before[0][0]["cursorForNextPayload"]),
        (&json!(false), &json!(3))
    );
    let last = &before[2][1]["payloads"][2];
    assert_eq!((&last["error"], &before[2][0]["isHookEnabled"]), (&json!(true), &json!(false)), "{last}");

    drop(child); // kills it
    let (child, app) = begin(dir.path());
    assert_eq!(seen(&app).await, before);
    app.delete(&format!("{things}/{record}")).await.ok();
    let page = app.get(&format!("{}/{second}/payloads?cursor=3", hooks())).await.ok();
    assert_eq!((page["payloads"].as_array().unwrap().len(), &page["cursor"]), (1, &json!(4)));
    assert_eq!(
        page["payloads"][0]["baseTransactionNumber"].as_u64(),
        last["baseTransactionNumber"].as_u64().map(|number| number + 1),
        "numbers go on"
    );
    app.delete(&format!("{}/{first}", hooks())).await.ok();
    let before = seen(&app).await;
    drop(child);
    let (_child, app) = begin(dir.path());
    assert_eq!(seen(&app).await, before);
    assert_eq!(before.len(), 2);
}

#[tokio::test]
async fn no_write_is_acknowledged_without_its_payload() {
    let dir = tempfile::tempdir().unwrap();
    let (child, app) = begin(dir.path());
    let made = app.post(&hooks(), data()).await.ok();
    let payloads = format!("{}/{}/payloads", hooks(), made["id"].as_str().unwrap());
    let address = app.address;
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            tokio::spawn(async move {
                let app = TestApp::at(address);
                let mut acknowledged = Vec::new();
                for n in 0.. {
                    let body = json!({"fields": {"Name": format!("{writer}-{n}")}});
                    match app.try_call("POST", &format!("/v0/{BASE}/Things"), Some(body)).await {
                        Some(answer) if answer.status == 200 => {
                            acknowledged.push(answer.body["id"].as_str().unwrap().to_owned())
                        }
                        _ => return acknowledged,
                    }
                }
                acknowledged
            })
        })
        .collect();
    while app.get(&payloads).await.ok()["payloads"].as_array().unwrap().len() < 40 {}
    drop(child);
    let (_child, app) = begin(dir.path());
    let (mut told, mut cursor) = (Vec::new(), 1);
    loop {
        let page = app.get(&format!("{payloads}?cursor={cursor}")).await.ok();
        for payload in page["payloads"].as_array().unwrap() {
            let created = &payload["changedTablesById"]["tblThings00000001"]["createdRecordsById"];
            told.extend(created.as_object().unwrap().keys().cloned());
        }
        cursor = page["cursor"].as_u64().unwrap();
        if page["mightHaveMore"] == false {
            break;
        }
    }
    assert_eq!(told.len() as u64 + 1, cursor, "without gaps");
    let there = app.get(&format!("/v0/{BASE}/Things?fields[]=Name&pageSize=100")).await.ok();
    for record in there["records"].as_array().unwrap() {
        assert!(told.iter().any(|id| *id == record["id"]), "what is there was told: {record}");
    }
    for writer in writers {
        for id in writer.await.unwrap() {
            assert!(told.contains(&id), "{id} was acknowledged");
        }
    }
}

#[tokio::test]
async fn a_hook_that_was_made_before_a_kill_is_pinged_with_the_secret_that_it_was_made_with() {
    let dir = tempfile::tempdir().unwrap();
    let (child, app) = begin(dir.path());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut body = data();
    body["notificationUrl"] = format!("http://{}/", listener.local_addr().unwrap()).into();
    let made = app.post(&hooks(), body).await.ok();
    drop(child);
    let (_child, app) = begin(dir.path());
    app.create("Things", json!({"Name": "a"})).await;
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut text = String::new();
    while !text.ends_with('}') {
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).await.unwrap();
        assert!(count > 0, "it ended early: {text}");
        text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    let (head, sent) = text.split_once("\r\n\r\n").unwrap();
    let secret = STANDARD.decode(made["macSecretBase64"].as_str().unwrap()).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
    mac.update(sent.as_bytes());
    let mac: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(head.contains(&format!("hmac-sha256={mac}\r\n")), "{head}");
}

#[tokio::test]
async fn transactions_are_counted_on_after_a_kill_also_if_nobody_was_told_of_the_last_one() {
    let dir = tempfile::tempdir().unwrap();
    let (child, app) = begin(dir.path());
    let mut body = data();
    body["specification"]["options"]["filters"]["recordChangeScope"] = "tblThings00000001".into();
    app.post(&hooks(), body).await.ok();
    app.create("Things", json!({"Name": "told"})).await;
    app.create("tblOthers00000002", json!({"Name": "not told"})).await;
    let before = app.text("GET", "/__emulator/snapshot", "").await;
    drop(child); // kills it
    let (_child, app) = begin(dir.path());
    assert_eq!(app.text("GET", "/__emulator/snapshot", "").await, before);
}

#[tokio::test]
async fn a_hook_lives_a_week_by_the_clock_and_can_be_read_for_another_one() {
    let app = TestApp::with_seed(&with_hooks_allowed()).await;
    let day = 24 * 60 * 60;
    let wait = async |days: i64, seconds: i64| {
        app.put("/__emulator/clock", json!({"advanceSeconds": days * day + seconds})).await.ok();
    };
    app.put("/__emulator/clock", json!({"time": "2026-01-01T00:00:00.000Z", "stopped": true})).await.ok();
    let made = app.post(&hooks(), data()).await.ok();
    assert_eq!(made["expirationTime"], "2026-01-08T00:00:00.000Z");
    let hook = format!("{}/{}", hooks(), made["id"].as_str().unwrap());
    let payloads = format!("{hook}/payloads");
    let shown = async || app.get(&hooks()).await.ok()["webhooks"][0].clone();
    wait(6, 0).await;
    app.create("Things", json!({"Name": "a"})).await;
    let refreshed = app.post(&format!("{hook}/refresh"), json!({})).await.ok();
    assert_eq!(refreshed["expirationTime"], "2026-01-14T00:00:00.000Z");
    wait(1, 0).await;
    let page = app.get(&payloads).await.ok();
    assert_eq!(page["payloads"][0]["timestamp"], "2026-01-07T00:00:00.000Z");
    assert_eq!(shown().await["expirationTime"], "2026-01-15T00:00:00.000Z", "reading makes it live longer");
    wait(6, 1).await;
    app.create("Things", json!({"Name": "b"})).await;
    let page = app.get(&payloads).await.ok();
    assert_eq!(
        (page["payloads"].as_array().unwrap().len(), &page["cursor"]),
        (1, &json!(3)),
        "the first one is old"
    );
    assert_eq!(page["payloads"][0]["baseTransactionNumber"], 2);
    wait(7, 0).await;
    assert_eq!(shown().await["isHookEnabled"], false);
    app.create("Things", json!({"Name": "c"})).await;
    let page = app.get(&payloads).await.ok();
    assert_eq!((&page["payloads"][0]["baseTransactionNumber"], &page["cursor"]), (&json!(2), &json!(3)));
    assert_eq!(shown().await["isHookEnabled"], false, "reading does not bring it back");
    let refreshed = app.post(&format!("{hook}/refresh"), json!({})).await.ok();
    assert_eq!(refreshed["expirationTime"], shown().await["expirationTime"], "nor does a refresh");
    wait(1, 0).await;
    let page = app.get(&format!("{payloads}?cursor=1")).await.ok();
    let end = json!({"payloads": [], "cursor": 1, "mightHaveMore": false});
    assert_eq!(page, end, "all are old, and there is nothing to come back for");
    wait(6, 0).await;
    app.get(&payloads).await.refused(404, "MODEL_ID_NOT_FOUND");
    assert_eq!(app.get(&hooks()).await.ok(), json!({"webhooks": []}));
}

/// Two hooks as a seed has them, the second with a past.
fn seeded() -> Value {
    let mut seed = with_hooks_allowed();
    let options = data()["specification"]["options"].clone();
    seed["bases"][0]["webhooks"] = json!([
        {"specification": {"options": options}},
        {"id": id("ach", 7), "macSecretBase64": STANDARD.encode([7; 32]), "notificationUrl": "https://example.com/a",
         "areNotificationsEnabled": false, "isHookEnabled": true, "expirationTime": "2999-01-01T00:00:00.000Z",
         "lastSuccessfulNotificationTime": "2026-01-01T00:00:00.000Z",
         "lastNotificationResult": {"success": true, "completionTimestamp": "2026-01-01T00:00:00.000Z", "durationMs": 3, "retryNumber": 0},
         "specification": {"options": options}, "baseTransactionNumber": 9, "cursorForNextPayload": 5,
         "payloads": [
            {"timestamp": "2998-12-31T00:00:00.001Z", "baseTransactionNumber": 7, "payloadFormat": "v0"},
            {"timestamp": "2998-12-31T00:00:00.002Z", "baseTransactionNumber": 8, "payloadFormat": "v0",
             "changedTablesById": {"tblThings00000001": {"destroyedRecordIds": [id("rec", 1)]}}},
         ]},
    ]);
    seed
}

#[tokio::test]
async fn a_seed_may_have_hooks_with_a_past() {
    let app = TestApp::with_seed(&seeded()).await;
    let before = seen(&app).await;
    assert_eq!(before[0][0]["cursorForNextPayload"], 1);
    assert_eq!(before[1][0]["id"], id("ach", 7));
    let told = before[1][1]["payloads"].as_array().unwrap();
    assert_eq!((told.len(), &told[1]["baseTransactionNumber"]), (2, &json!(8)));
    app.create("Things", json!({"Name": "a"})).await;
    let page = app.get(&format!("{}/{}/payloads?cursor=5", hooks(), id("ach", 7))).await.ok();
    assert_eq!((&page["payloads"][0]["baseTransactionNumber"], &page["cursor"]), (&json!(10), &json!(6)));
    app.post("/__emulator/reset", json!({"data": true})).await.ok();
    assert_eq!(seen(&app).await, before, "a reset brings back what was there at the start");
}

#[test]
fn hooks_of_a_seed_are_written_the_same_again() {
    let written = |seed: &Seed| {
        let mut bytes = Vec::new();
        seed.write_json(&mut bytes).unwrap();
        bytes
    };
    let first = written(&Seed::from_json(seeded().to_string().as_bytes()).unwrap());
    let again = written(&Seed::from_json(&first).unwrap_or_else(|error| panic!("{error}")));
    assert_eq!(String::from_utf8(again).unwrap(), String::from_utf8(first).unwrap());
}

#[test]
fn what_is_wrong_in_a_seeded_hook_is_told_with_its_path() {
    let mut seed = seeded();
    let hooks = &mut seed["bases"][0]["webhooks"];
    let mut bad = hooks[1].clone();
    bad["id"] = "ach7".into();
    bad["macSecretBase64"] = "c2hvcnQ=".into();
    bad["expirationTime"] = "soon".into();
    bad["isHookEnabled"] = "yes".into();
    bad["more"] = json!(1);
    bad["specification"]["options"]["filters"]["recordChangeScope"] = "viwNowhere0000001".into();
    bad["payloads"][0]["timestamp"].take();
    bad["cursorForNextPayload"] = json!(1);
    hooks[0] = bad;
    hooks.as_array_mut().unwrap().push(
        json!({"id": id("ach", 7), "specification": {"options": {"filters": {"dataTypes": ["tableData"]}}}}),
    );
    hooks.as_array_mut().unwrap().push(json!("hook"));
    let error = Seed::from_json(seed.to_string().as_bytes()).unwrap_err();
    let paths: Vec<_> = error.problems().iter().map(|problem| problem.path.as_str()).collect();
    let at = |rest: &str| format!("bases[0].webhooks{rest}");
    assert_eq!(
        paths,
        [
            at("[0].more"),
            at("[0].id"),
            at("[0].macSecretBase64"),
            at("[0].isHookEnabled"),
            at("[0].expirationTime"),
            at("[0].specification"),
            at("[0].payloads[0].timestamp"),
            at("[0].cursorForNextPayload"),
            at("[2]"),
            at("[3]"),
        ]
    );
}
