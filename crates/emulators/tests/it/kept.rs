//! Bases in a file: what was acknowledged is there after a kill.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::process::{Running, begin_with, run, start, start_without_room};
use super::snapshot::seen;
use super::support::{BASE, TestApp, rec, seed};

fn begin(dir: &Path) -> (Running, TestApp) {
    begin_with(dir, &seed(), &[])
}

#[tokio::test]
async fn a_killed_emulator_comes_back_with_every_acknowledged_change() {
    let dir = tempfile::tempdir().unwrap();
    let (child, app) = begin(dir.path());
    let others = format!("/v0/{BASE}/tblOthers00000002");
    let things = format!("/v0/{BASE}/Things");
    let other = app.post(&others, json!({"fields": {"Name": "one"}})).await.ok()["id"].clone();
    let thing = app.create(
        "Things",
        json!({"Name": "Ünï", "Number": 0.1, "Price": 1e15, "Length": 61, "Done": true, "Status": "Doing",
            "Tags": ["red", "a, b"], "Day": "2026-02-28", "When": "2026-02-28T12:00:00.123Z", "Others": [other],
            "Person": {"id": "usrGrace000000002"}, "People": [{"id": "usrAda00000000001"}], "Code": {"text": "42"}}),
    );
    let thing = thing.await;
    let deleted = app.create("Things", json!({"Name": "gone", "Others": [other]})).await;
    app.delete(&format!("{things}/{deleted}")).await.ok();
    let typecast = json!({"typecast": true, "records": [{"fields": {"Name": "new", "Status": "Unheard of", "Others": ["two"]}}]});
    app.post(&things, typecast).await.ok();
    app.patch(&format!("{things}/{thing}"), json!({"fields": {"Number": 7, "Notes": "changed"}})).await.ok();
    let before = seen(&app, BASE).await;
    assert!(before.last().unwrap().to_string().contains("Unheard of"));

    drop(child); // kills it
    let (child, app) = begin(dir.path());
    assert_eq!(seen(&app, BASE).await, before);
    // And it goes on as if nothing had happened: numbers, links on both sides, choices.
    let number = |record: &Value| record["fields"]["Auto"].as_u64().unwrap();
    let next = app.post(&things, json!({"fields": {"Name": "next", "Status": "Unheard of"}})).await.ok();
    let highest = before[1]["records"].as_array().unwrap().iter().map(number).max().unwrap();
    assert_eq!(number(&next), highest + 1);
    app.delete(&format!("{others}/{}", other.as_str().unwrap())).await.ok();
    assert_eq!(app.cells("Things", &thing).await["Others"], Value::Null);
    let before = seen(&app, BASE).await;
    assert_eq!(child.stop(), Some(0));
    let (_child, app) = begin(dir.path());
    assert_eq!(seen(&app, BASE).await, before, "also when it ended in order");
}

#[tokio::test]
async fn a_disk_that_was_full_loses_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("seed.json"), seed().to_string()).unwrap();
    let options = ["--data", "bases.sqlite", "--seed", "seed.json"];
    let (child, address, _) = start_without_room(dir.path(), &options, 1 << 20);
    let app = TestApp::at(address.parse().unwrap());
    let things = format!("/v0/{BASE}/Things");
    let mut acknowledged = Vec::new();
    let mut write = async |name: usize, length: usize| {
        let fields = json!({"Name": format!("write {name}"), "Notes": "x".repeat(length)});
        let status = app.post(&things, json!({"fields": fields})).await.status;
        if status == 200 {
            acknowledged.push(format!("write {name}"));
        }
        status
    };
    let mut count = 0;
    while write(count, 20_000).await == 200 {
        count += 1;
        assert!(count < 200, "there is always room");
    }
    for _ in 0..5 {
        count += 1;
        write(count, 1).await;
    }
    child.has_room();
    for _ in 0..3 {
        count += 1;
        assert_eq!(write(count, 20_000).await, 200);
    }
    drop(child); // kills it
    let (_child, app) = begin(dir.path());
    let kept = app.text("GET", "/__emulator/snapshot", "").await;
    for name in acknowledged {
        assert!(kept.contains(&format!("\"{name}\"")), "{name} was acknowledged");
    }
}

#[tokio::test]
async fn limits_of_the_command_line_are_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut seed = seed();
    seed["limits"]["requestsPerSecondPerBase"] = json!(3);
    std::fs::write(dir.path().join("seed.json"), seed.to_string()).unwrap();
    let rate = async |options: &[&str]| {
        let (_child, address, _) = start(dir.path(), &[&["--data", "bases.sqlite"], options].concat());
        let app = TestApp::at(address.parse().unwrap());
        app.get("/__emulator/limits").await.ok()["requestsPerSecondPerBase"].clone()
    };
    assert_eq!(rate(&["--seed", "seed.json", "--rate-per-base", "0"]).await, Value::Null);
    assert_eq!(rate(&[]).await, 3);
    assert_eq!(rate(&["--rate-per-base", "7"]).await, 7);
}

#[tokio::test]
async fn without_a_seed_a_file_has_the_tokens_and_people_of_the_one_that_it_was_made_from() {
    let dir = tempfile::tempdir().unwrap();
    let (child, app) = begin(dir.path());
    let before = app.text("GET", "/__emulator/snapshot", "").await;
    drop(child);
    let (child, address, _) = start(dir.path(), &["--data", "bases.sqlite"]);
    let app = TestApp::at(address.parse().unwrap());
    assert_eq!(app.text("GET", "/__emulator/snapshot", "").await, before);
    drop(child);
    let (_child, app) = begin(dir.path());
    assert_eq!(
        app.text("GET", "/__emulator/snapshot", "").await,
        before,
        "nor did that leave anything behind"
    );
}

#[tokio::test]
async fn new_bases_tables_and_fields_survive_a_kill_with_their_records() {
    let dir = tempfile::tempdir().unwrap();
    let (child, app) = begin(dir.path());
    let field = json!({"name": "Twice", "type": "formula", "options": {"formula": "{Number} * 2"}});
    app.post(&format!("/v0/meta/bases/{BASE}/tables/Things/fields"), field).await.ok();
    let fields = json!([{"name": "Name", "type": "singleLineText"}]);
    let table = json!({"name": "Late", "fields": fields});
    app.post(&format!("/v0/meta/bases/{BASE}/tables"), table.clone()).await.ok();
    let late = app.create("Late", json!({"Name": "kept"})).await;
    let base = json!({"name": "Made", "workspaceId": "wsp00000000000001", "tables": [table]});
    let made = app.post("/v0/meta/bases", base).await.ok();
    let made = format!("/v0/{}/Late", made["id"].as_str().unwrap());
    app.post(&made, json!({"fields": {"Name": "there"}})).await.ok();
    let (before, there) = (seen(&app, BASE).await, app.get(&made).await.ok());

    drop(child); // kills it
    let (_child, app) = begin(dir.path());
    assert_eq!(seen(&app, BASE).await, before);
    assert_eq!(app.cells("Late", &late).await, json!({"Name": "kept"}));
    assert_eq!(app.get(&made).await.ok(), there);
    assert_eq!(there["records"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_snapshot_takes_the_place_of_all_that_is_kept_and_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let (child, app) = begin(dir.path());
    app.create("Things", json!({"Name": "before"})).await;
    let snapshot = app.text("GET", "/__emulator/snapshot", "").await;
    let (before, users) = (seen(&app, BASE).await, app.get("/v0/meta/whoami").await.ok());
    let base = json!({"name": "Made", "workspaceId": "wsp00000000000001",
        "tables": [{"name": "T", "fields": [{"name": "Name", "type": "singleLineText"}]}]});
    app.post("/v0/meta/bases", base).await.ok();
    app.create("Things", json!({"Name": "after", "Others": [rec(1001)]})).await;
    let mut other: Value = serde_json::from_str(&snapshot).unwrap();
    other["bases"].as_array_mut().unwrap().reverse();
    other["users"].as_array_mut().unwrap().reverse();
    other["tokens"].as_array_mut().unwrap().retain(|token| token["token"] != "patReadOnly");
    other["limits"]["penaltySeconds"] = json!(7);
    app.text("PUT", "/__emulator/snapshot", &other.to_string()).await;
    let late = app.create("Things", json!({"Name": "late"})).await;
    let reversed = app.text("GET", "/__emulator/snapshot", "").await;

    drop(child); // kills it
    let (child, app) = begin(dir.path());
    assert_eq!(app.text("GET", "/__emulator/snapshot", "").await, reversed);
    assert_eq!(app.cells("Things", &late).await["Name"], "late");
    assert_eq!(app.call_as("patReadOnly", "GET", "/v0/meta/whoami", None).await.status, 401);
    app.text("PUT", "/__emulator/snapshot", &snapshot).await;
    drop(child);
    let (_child, app) = begin(dir.path());
    assert_eq!(app.text("GET", "/__emulator/snapshot", "").await, snapshot);
    assert_eq!((seen(&app, BASE).await, app.get("/v0/meta/whoami").await.ok()), (before, users));
}

#[tokio::test]
async fn a_kill_in_the_middle_of_many_writes_loses_none_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let (child, app) = begin(dir.path());
    let address = app.address;
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            tokio::spawn(async move {
                let app = TestApp::at(address);
                let mut acknowledged = Vec::new();
                for n in 0.. {
                    let body = json!({"fields": {"Name": format!("{writer}-{n}")}});
                    match app.try_call("POST", &format!("/v0/{BASE}/Things"), Some(body)).await {
                        Some(answer) if answer.status == 200 => acknowledged.push(answer.body["id"].clone()),
                        _ => return acknowledged,
                    }
                }
                acknowledged
            })
        })
        .collect();
    while app.get(&format!("/v0/{BASE}/Things?maxRecords=40&fields[]=Name")).await.ok()["records"]
        .as_array()
        .unwrap()
        .len()
        < 40
    {}
    drop(child);
    let (_child, app) = begin(dir.path());
    for writer in writers {
        for id in writer.await.unwrap() {
            app.get(&format!("/v0/{BASE}/Things/{}", id.as_str().unwrap())).await.ok();
        }
    }
}

#[tokio::test]
async fn a_reset_is_kept_too() {
    let dir = tempfile::tempdir().unwrap();
    let (child, app) = begin(dir.path());
    let before = seen(&app, BASE).await;
    app.post(
        &format!("/v0/{BASE}/Things"),
        json!({"typecast": true, "records": [{"fields": {"Status": "x"}}]}),
    )
    .await
    .ok();
    app.post("/__emulator/reset", json!({"data": true})).await.ok();
    drop(child);
    let (_child, app) = begin(dir.path());
    assert_eq!(seen(&app, BASE).await, before);
    app.get(&format!("/v0/{BASE}/Things/{}", rec(99_999)))
        .await
        .refused(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND");
}

#[test]
fn a_file_that_is_in_use_or_of_something_else_is_refused_with_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let (_child, _app) = begin(dir.path());
    let refusal = |file: &str| {
        let output = run(dir.path(), &["--listen", "127.0.0.1:0", "--data", file]);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = refusal("bases.sqlite");
    assert!(said.contains("bases.sqlite is in use by another emulator"), "{said}");
    std::fs::write(dir.path().join("notes.txt"), "this is no database ".repeat(100)).unwrap();
    let said = refusal("notes.txt");
    assert!(said.contains("notes.txt is not a file of bases"), "{said}");
    assert!(std::fs::read_to_string(dir.path().join("notes.txt")).unwrap().starts_with("this is no"));
    let made = Command::new("python3")
        .args(["-c", "import sqlite3; c = sqlite3.connect('other.sqlite'); c.execute('CREATE TABLE t (a)'); c.commit()"])
        .current_dir(dir.path())
        .status();
    assert!(made.unwrap().success());
    let said = refusal("other.sqlite");
    assert!(said.contains("other.sqlite is not a file of bases"), "{said}");
    assert!(!said.contains("token"), "of which nothing is wrong: {said}");
    std::fs::write(dir.path().join("data/airtable-emulator-token"), [0xff]).unwrap();
    let said = refusal("another.sqlite");
    assert!(said.contains("airtable-emulator-token") && !said.contains("another.sqlite"), "{said}");
}

#[tokio::test]
async fn snapshots_that_are_put_back_while_many_write_keep_nobody_waiting_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let (_child, app) = begin(dir.path());
    let address = app.address;
    let until = Instant::now() + Duration::from_secs(3);
    let writers = (0..8).map(|number| {
        tokio::spawn(async move {
            let app = TestApp::at(address);
            while Instant::now() < until {
                let body = json!({"fields": {"Name": number.to_string()}});
                app.post(&format!("/v0/{BASE}/Things"), body).await.ok();
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let all = async {
        while Instant::now() < until {
            let snapshot = app.text("GET", "/__emulator/snapshot", "").await;
            app.text("PUT", "/__emulator/snapshot", &snapshot).await;
            app.post("/__emulator/reset", json!({"data": true})).await.ok();
        }
        for writer in writers {
            writer.await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("everybody was answered");
}
