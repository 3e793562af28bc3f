//! A key limited to one base reaches no other, by no route, no spelling, no cached answer.

use crate::support::client::{Call, Client};
use crate::support::scripted::Scripted;
use crate::support::seeds::{TOKEN, no_limits, plain_base, seed};
use crate::support::system::{Gateway, System};
use http::Method;
use serde_json::{Value, json};

const OURS: &str = "appOurs0000000001";
const THEIRS: &str = "appTheirs00000001";
const THEIR_RECORD: &str = "recrs000000010000";
/// Stands in every record, in the name and in a table of the other base.
const SECRET: &str = "their secret";
const ALL_SCOPES: [&str; 4] = ["records:read", "records:write", "schema:read", "schema:write"];

async fn two_bases() -> System {
    let mut theirs = plain_base(THEIRS, SECRET, SECRET, 3);
    theirs["tables"][0]["description"] = json!(SECRET);
    System::start(
        seed(vec![plain_base(OURS, "Ours", "our row", 3), theirs], no_limits()),
        &[("PACING", "off")],
    )
    .await
}

/// Every way to name the other base that a request has.
fn attempts() -> Vec<Call> {
    let table = format!("tbl{}", &THEIRS[3..]);
    let row = json!({"fields": {"Name": "intruder"}});
    let rows = json!({"records": [{"fields": {"Name": "intruder"}}]});
    let mut calls = Vec::new();
    for base in [THEIRS.to_owned(), THEIRS.replacen('T', "%54", 1), THEIRS.replacen("app", "%61pp", 1)] {
        for table in [table.as_str(), "Rows", "rows", "%52ows"] {
            let path = format!("/v0/{base}/{table}");
            calls.push(Call::get(path.clone()));
            calls.push(Call::get(format!("{path}/")));
            calls.push(Call::get(format!("{path}?view=Grid%20view")));
            calls.push(Call::get(format!("{path}?offset=itr00000000000000/{THEIR_RECORD}")));
            calls.push(Call::get(format!("{path}/{THEIR_RECORD}")));
            calls.push(Call::get(format!("{path}/{THEIR_RECORD}/comments")));
            calls.push(Call::post(format!("{path}/listRecords"), json!({})));
            calls.push(Call::post(path.clone(), row.clone()));
            calls.push(Call::post(path.clone(), rows.clone()));
            calls.push(
                Call::new(Method::PATCH, path.clone())
                    .json(json!({"records": [{"id": THEIR_RECORD, "fields": {"Name": "intruder"}}]})),
            );
            calls.push(Call::new(Method::PUT, format!("{path}/{THEIR_RECORD}")).json(row.clone()));
            calls.push(Call::new(Method::PATCH, format!("{path}/{THEIR_RECORD}")).json(row.clone()));
            calls.push(Call::new(Method::DELETE, format!("{path}/{THEIR_RECORD}")));
            calls.push(Call::new(Method::DELETE, format!("{path}?records[]={THEIR_RECORD}")));
            calls.push(Call::post(format!("{path}/sync/x"), json!({})));
        }
        calls.push(Call::post(format!("/v0/{base}/{THEIR_RECORD}/Name/uploadAttachment"), json!({})));
        calls.push(Call::get(format!("/v0/meta/bases/{base}/tables")));
        calls.push(Call::get(format!("/v0/meta/bases/{base}/tables?include=visibleFieldIds")));
        calls.push(Call::get(format!("/v0/meta/bases/{base}/views")));
        calls.push(Call::get(format!("/v0/meta/bases/{base}")));
        calls.push(Call::post(format!("/v0/meta/bases/{base}/tables"), json!({"name": "x", "fields": []})));
        calls.push(Call::get(format!("/v0/bases/{base}/webhooks")));
        calls.push(Call::post(format!("/v0/bases/{base}/webhooks"), json!({})));
        let own = format!("/api/v1/airtable/bases/{base}");
        calls.push(Call::get(format!("{own}/schema")));
        calls.push(Call::get(format!("{own}/tables")));
        let records = format!("{own}/tables/{table}/records");
        calls.push(Call::get(records.clone()));
        calls.push(Call::get(format!("{own}/tables/Rows/records")));
        calls.push(Call::get(format!("{records}/{THEIR_RECORD}")));
        calls.push(Call::post(records.clone(), json!([{"Name": "intruder"}])));
        calls.push(
            Call::new(Method::PATCH, records.clone()).json(json!([{"id": THEIR_RECORD, "Name": "intruder"}])),
        );
        calls.push(
            Call::new(Method::PUT, records.clone()).json(json!([{"id": THEIR_RECORD, "Name": "intruder"}])),
        );
        calls.push(Call::new(Method::DELETE, format!("{records}?record_ids={THEIR_RECORD}")));
    }
    // Through our own base: other bases' records, dots, double slashes.
    for path in [
        format!("/v0/{OURS}/Rows/{THEIR_RECORD}"),
        format!("/v0/{OURS}/{table}"),
        format!("/v0/{OURS}/../{THEIRS}/Rows"),
        format!("/v0/{OURS}/%2e%2e/{THEIRS}/Rows"),
        format!("/v0/{OURS}/..%2f{THEIRS}/Rows"),
        format!("/v0/{OURS}%2f..%2f{THEIRS}/Rows"),
        format!("/v0//{THEIRS}/Rows"),
        format!("/v0/{OURS}//{THEIRS}/Rows"),
        format!("/v0/meta/bases/{OURS}/../{THEIRS}/tables"),
        format!("/v0/meta//bases/{THEIRS}/tables"),
        format!("/v0/meta/bases/{THEIRS}/tables/"),
        format!("/api/v1/airtable/bases/{OURS}/../{THEIRS}/tables"),
        format!("/api/v1/airtable/bases/{OURS}%2F..%2F{THEIRS}/tables"),
        format!("/api/v1/airtable/bases/{OURS}/tables/..%2F..%2F{THEIRS}%2FRows/records"),
        format!("/api/v1/airtable/bases/{OURS}/tables/Rows/records/..%2F..%2F..%2F{THEIRS}%2FRows"),
        format!("/api/v1/airtable/bases/{OURS}/tables/Rows/records/{THEIR_RECORD}"),
        "/v0/meta/bases/".to_owned(),
        "/v0/meta/whoami/..".to_owned(),
    ] {
        calls.push(Call::get(path));
    }
    calls
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_limited_to_a_base_reaches_no_other_by_any_route() {
    let system = two_bases().await;
    let limited = limited_client(&system).await;

    // A key with all rights warms the cache with the same requests first.
    let full = system.gateway.client();
    let reads = |call: &Call| call.method == Method::GET || call.target.ends_with("listRecords");
    for call in attempts().into_iter().filter(reads) {
        full.send(call).await;
    }
    let before = system.emulator.seen().await.len();
    for call in attempts() {
        let shown = format!("{} {}", call.method, call.target);
        let answer = limited.send(call).await;
        let own_listing = answer.status == 200 && shown.ends_with("/v0/meta/bases/");
        assert!(
            (400..500).contains(&answer.status) || own_listing,
            "{shown}: {} {}",
            answer.status,
            answer.text()
        );
        assert!(!answer.text().contains(SECRET), "{shown}: {}", answer.text());
        let tagged = !answer.header("etag").is_empty();
        assert!(!(tagged && decoded(&shown).contains(THEIRS)), "{shown} has a tag of what it must not see");
    }
    // Nothing of it reached Airtable under the other base's name.
    let seen = system.emulator.seen().await.split_off(before);
    let reached: Vec<String> = seen
        .iter()
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .filter(|line| decoded(line).contains(THEIRS))
        .collect();
    assert!(reached.is_empty(), "{reached:?}");
    let untouched =
        system.emulator.client().get(format!("/v0/{THEIRS}/Rows?view=Grid%20view")).await.ok().json();
    assert_eq!(untouched["records"].as_array().unwrap().len(), 3);
    assert!(!untouched.to_string().contains("intruder"));
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_limited_to_a_base_sees_only_that_base_in_listings() {
    let system = two_bases().await;
    let (full, limited) = (system.gateway.client(), limited_client(&system).await);
    let ids = |bases: &Value| -> Vec<String> {
        bases.as_array().expect("a list").iter().map(|base| base["id"].as_str().unwrap().to_owned()).collect()
    };
    for _ in 0..2 {
        assert_eq!(ids(&full.get("/v0/meta/bases").await.ok().json()["bases"]), [OURS, THEIRS]);
        let answer = limited.get("/v0/meta/bases").await.ok();
        assert_eq!(ids(&answer.json()["bases"]), [OURS]);
        assert!(!answer.text().contains(SECRET));
        assert_eq!(ids(&full.get("/api/v1/airtable/bases").await.ok().json()), [OURS, THEIRS]);
        assert_eq!(ids(&limited.get("/api/v1/airtable/bases").await.ok().json()), [OURS]);
        let envelope = limited.get("/api/v1/airtable/bases?envelope=true").await.ok().json();
        assert_eq!((ids(&envelope["bases"]), &envelope["total"]), (vec![OURS.to_owned()], &json!(1)));
    }
    // Its own base it can use in full.
    limited.get(format!("/v0/meta/bases/{OURS}/tables")).await.ok();
    limited.post(format!("/v0/{OURS}/Rows"), json!({"fields": {"Name": "mine"}})).await.ok();
    assert_eq!(
        limited.get(format!("/v0/{OURS}/Rows")).await.ok().json()["records"].as_array().unwrap().len(),
        4
    );
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tags_and_conditions_of_one_key_tell_another_nothing() {
    let system = two_bases().await;
    let (full, limited) = (system.gateway.client(), limited_client(&system).await);
    let listing = format!("/v0/{THEIRS}/Rows?view=Grid%20view");
    let etag = full.get(&listing).await.ok().header("etag").to_owned();
    assert!(!etag.is_empty());
    for condition in
        [("if-none-match", etag.as_str()), ("if-none-match", "*"), ("cache-control", "only-if-cached")]
    {
        let answer = limited.send(Call::get(&listing).header(condition.0, condition.1)).await;
        assert_eq!(answer.status, 403, "{condition:?}: {}", answer.text());
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scopes_are_asked_for_by_both_dialects() {
    let system = two_bases().await;
    let reader = system.gateway.client_with(&system.gateway.key(&["records:read"], None).await);
    let schema = system.gateway.client_with(&system.gateway.key(&["schema:read"], None).await);
    let own = format!("/api/v1/airtable/bases/{OURS}/tables/Rows/records");
    let row = "rec00000000010000".to_owned();
    let writes = |path: &str| {
        vec![
            Call::post(path, json!([{"Name": "x"}])),
            Call::new(Method::PATCH, path).json(json!([{"id": row, "Name": "x"}])),
            Call::new(Method::PUT, path).json(json!([{"id": row, "Name": "x"}])),
            Call::new(Method::DELETE, format!("{path}?record_ids={row}")),
        ]
    };
    reader.get(&own).await.ok();
    reader.get(format!("/v0/{OURS}/Rows")).await.ok();
    for call in writes(&own) {
        assert_eq!(reader.send(call).await.status, 403);
    }
    for call in [
        Call::get(format!("/v0/{OURS}/Rows")),
        Call::get(own.clone()),
        Call::post(format!("/v0/{OURS}/Rows/listRecords"), json!({})),
    ] {
        assert_eq!(schema.send(call).await.status, 403);
    }
    schema.get(format!("/v0/meta/bases/{OURS}/tables")).await.ok();
    schema.get(format!("/api/v1/airtable/bases/{OURS}/schema")).await.ok();
    assert_eq!(reader.get(format!("/v0/meta/bases/{OURS}/tables")).await.status, 403);
    for path in [own, format!("/v0/{OURS}/Rows")] {
        assert_eq!(Client::new(system.gateway.address, "").get(&path).await.status, 401, "{path}");
        assert_eq!(
            system.gateway.client_with("pya_live_00000000_wrong").get(&path).await.status,
            401,
            "{path}"
        );
    }
    let untouched = system.emulator.client().get(format!("/v0/{OURS}/Rows")).await.ok().json();
    assert_eq!(untouched["records"].as_array().unwrap().len(), 3);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_caller_shows_as_credential_never_leaves_the_gateway() {
    let upstream = Scripted::start().await;
    let gateway = Gateway::start(upstream.address, &[("PACING", "off")]).await;
    upstream.answers_json("200 OK", r#"{"records":[]}"#);
    let nobody = Client::new(gateway.address, "");
    for call in [
        Call::get(format!("/v0/{OURS}/Rows?pageSize=1")),
        Call::post(format!("/v0/{OURS}/Rows/listRecords"), json!({"pageSize": 2})),
        Call::post(format!("/v0/{OURS}/Rows"), json!({"fields": {}})),
        Call::get(format!("/v0/{OURS}/Rows/{THEIR_RECORD}/comments")),
        Call::get(format!("/api/v1/airtable/bases/{OURS}/tables/Rows/records?page_size=3")),
    ] {
        for header in ["authorization", "x-api-key"] {
            let key = gateway.full_key.clone();
            let value = if header == "authorization" { format!("Bearer {key}") } else { key };
            let call = call
                .clone()
                .header(header, value)
                .header("cache-control", "no-cache")
                .header("x-hop", "for this hop only")
                .header("connection", "x-hop")
                .header("cookie", "session=secret");
            upstream.seen();
            nobody.send(call).await;
            let heads = upstream.seen();
            assert!(!heads.is_empty());
            for head in heads.iter().map(|head| head.to_ascii_lowercase()) {
                assert!(
                    head.contains(&format!("authorization: bearer {}", TOKEN.to_ascii_lowercase())),
                    "{head}"
                );
                for unwanted in ["pya_live", "x-api-key", "x-pyairtable-principal", "x-hop", "proxy-"] {
                    assert!(!head.contains(unwanted), "{unwanted}: {head}");
                }
            }
        }
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_principal_gives_no_right() {
    let system = two_bases().await;
    let nobody = Client::new(system.gateway.address, "");
    let path = format!("/v0/{THEIRS}/Rows");
    for forged in ["x", "e30.e30", r#"{"key_id":"a","scopes":["records:read"],"bases":null}"#] {
        let alone = nobody.send(Call::get(&path).header("x-pyairtable-principal", forged)).await;
        assert_eq!(alone.status, 401, "{}", alone.text());
        let limited = limited_client(&system).await;
        let beside_a_key = limited.send(Call::get(&path).header("x-pyairtable-principal", forged)).await;
        assert!(matches!(beside_a_key.status, 400 | 401 | 403), "{}", beside_a_key.text());
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_airtable_are_passed_through_only_when_that_is_switched_on() {
    const LIMITED: &str = "patLimited0000001.limited";
    let mut seeds = seed(
        vec![plain_base(OURS, "Ours", "our row", 3), plain_base(THEIRS, SECRET, SECRET, 3)],
        no_limits(),
    );
    let token = json!({"token": LIMITED, "scopes": ["data.records:read", "schema.bases:read"], "bases": [OURS], "user": "usrSystem00000001"});
    seeds["tokens"].as_array_mut().unwrap().push(token);
    let system = System::start(seeds.clone(), &[("PACING", "off")]).await;
    assert_eq!(system.gateway.client_with(LIMITED).get(format!("/v0/{OURS}/Rows")).await.status, 401);
    system.stop().await;

    let system = System::start(seeds, &[("PACING", "off"), ("GATEWAY_PASSTHROUGH", "true")]).await;
    let (full, limited) = (system.gateway.client_with(TOKEN), system.gateway.client_with(LIMITED));
    for _ in 0..2 {
        for path in [format!("/v0/{THEIRS}/Rows"), format!("/v0/{THEIRS}/Rows/{THEIR_RECORD}")] {
            full.get(&path).await.ok();
            system.gateway.client().get(&path).await.ok();
            let hidden = limited.get(&path).await;
            assert_eq!(hidden.status, 403, "{path}: {}", hidden.text());
            assert!(!hidden.text().contains(SECRET));
        }
        limited.get(format!("/v0/{OURS}/Rows")).await.ok();
        let bases = limited.get("/v0/meta/bases").await.ok().text();
        assert!(bases.contains(OURS) && !bases.contains(THEIRS), "{bases}");
        assert!(full.get("/v0/meta/bases").await.ok().text().contains(THEIRS));
    }
    assert!(limited.get(format!("/v0/{OURS}/Rows")).await.ok().is_cache_hit());
    // A write with one credential shows to the other.
    full.post(format!("/v0/{OURS}/Rows"), json!({"fields": {"Name": "new"}})).await.ok();
    assert!(limited.get(format!("/v0/{OURS}/Rows")).await.ok().text().contains("\"new\""));
    assert_eq!(
        system.gateway.client_with("patNobody00000001.nobody").get("/v0/meta/whoami").await.status,
        401
    );
    system.stop().await;
}

async fn limited_client(system: &System) -> Client {
    system.gateway.client_with(&system.gateway.key(&ALL_SCOPES, Some(&[OURS])).await)
}

/// Percent-decoded as often as it changes anything.
fn decoded(text: &str) -> String {
    let mut text = text.to_owned();
    loop {
        let mut once = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let [first, tail @ ..] = rest {
            let escaped = (*first == b'%' && tail.len() >= 2)
                .then(|| u8::from_str_radix(std::str::from_utf8(&tail[..2]).ok()?, 16).ok())
                .flatten();
            once.push(escaped.unwrap_or(*first));
            rest = if escaped.is_some() { &tail[2..] } else { tail };
        }
        let once = String::from_utf8_lossy(&once).into_owned();
        if once == text {
            return text;
        }
        text = once;
    }
}
