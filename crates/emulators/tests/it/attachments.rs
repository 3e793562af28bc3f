//! Files of attachments: uploaded, fetched from this machine, kept as long as a cell holds them, and read.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use emulators::airtable::{FileSettings, Sources};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::process::{Running, begin_with};
use super::support::{Answer, BASE, FULL, TestApp, id, seed};

/// `hello`
const HELLO: &str = "aGVsbG8=";

/// What stands at a URL.
struct Read {
    status: u16,
    head: String,
    content: Vec<u8>,
}

async fn read_with(method: &str, url: &str, headers: &str) -> Read {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!("{method} /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Read { status, head, content: bytes[end + 4..].to_vec() }
}

async fn read(file: &Value) -> Read {
    read_with("GET", file["url"].as_str().unwrap(), "").await
}

fn upload_to(record: &str, field: &str) -> String {
    format!("/v0/{BASE}/{record}/{field}/uploadAttachment")
}

fn text_file(name: &str) -> Value {
    json!({"contentType": "text/plain", "filename": name, "file": HELLO})
}

/// Asks as a client of this emulator does, so that URLs lead to it.
async fn ask(app: &TestApp, method: &str, target: &str, body: Option<Value>) -> Answer {
    app.call(method, &format!("http://{}{target}", app.address), body).await
}

/// Uploads into a cell and gives the files of the cell.
async fn upload(app: &TestApp, record: &str, body: Value) -> Vec<Value> {
    let answer = ask(app, "POST", &upload_to(record, "Files"), Some(body)).await.ok();
    answer["fields"][id("fld", 15)].as_array().unwrap().clone()
}

async fn files(app: &TestApp, record: &str) -> Vec<Value> {
    let record = ask(app, "GET", &format!("/v0/{BASE}/Things/{record}"), None).await.ok();
    record["fields"]["Files"].as_array().cloned().unwrap_or_default()
}

/// The files of a cell once they are as wanted; something in the background makes them so.
async fn files_once(app: &TestApp, record: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let started = Instant::now();
    loop {
        let files = files(app, record).await;
        if wanted(&files) {
            return files;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{files:?}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_upload_is_appended_to_its_cell_and_read_back_byte_for_byte() {
    let app = TestApp::spawn().await;
    let record = app.create("Things", json!({"Name": "one"})).await;
    let first = upload(&app, &record, text_file("a b.txt")).await;
    assert_eq!(first.len(), 1);
    let keys: Vec<_> = first[0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["id", "url", "filename", "size", "type"]);
    let gif = "R0lGODlhLAHIAAAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw==";
    let body = json!({"contentType": "image/gif", "filename": "ü.gif", "file": format!("{gif}\n")});
    let answer = ask(&app, "POST", &upload_to(&record, &id("fld", 15)), Some(body)).await.ok();
    assert_eq!(answer["fields"].as_object().unwrap().len(), 1);
    assert!(answer["createdTime"].is_string() && answer["id"] == *record);
    let both = files(&app, &record).await;
    assert_eq!((both.len(), &both[0]["id"]), (2, &first[0]["id"]));
    assert_eq!((&both[1]["width"], &both[1]["height"]), (&json!(300), &json!(200)));
    assert_eq!(both[1]["thumbnails"]["small"]["height"], 36);

    let hello = read(&both[0]).await;
    assert_eq!((hello.status, hello.content.as_slice()), (200, &b"hello"[..]));
    for line in [
        "content-type: text/plain\r\n",
        "content-disposition: inline; filename=\"a b.txt\"\r\n",
        "x-content-type-options: nosniff",
        "content-security-policy: sandbox",
        "x-pyairtable-emulated: true",
    ] {
        assert!(hello.head.contains(line), "{line} {}", hello.head);
    }
    let thumbnail = read(&both[1]["thumbnails"]["large"]).await;
    assert!(thumbnail.content.starts_with(b"GIF89a"), "the image itself stands in for its thumbnails");
}

#[tokio::test]
async fn a_file_is_read_in_parts_and_its_head_alone() {
    let app = TestApp::spawn().await;
    let record = app.create("Things", json!({})).await;
    let file = upload(&app, &record, text_file("a.txt")).await.remove(0);
    let url = file["url"].as_str().unwrap();
    let head = read_with("HEAD", url, "").await;
    assert!(head.status == 200 && head.content.is_empty() && head.head.contains("content-length: 5"));
    let part = read_with("GET", url, "Range: bytes=1-2\r\n").await;
    assert_eq!((part.status, part.content.as_slice()), (206, &b"el"[..]));
    assert!(part.head.contains("content-range: bytes 1-2/5"), "{}", part.head);
    let stale = read_with("GET", url, "Range: bytes=1-2\r\nIf-Range: \"other\"\r\n").await;
    assert_eq!((stale.status, stale.content.as_slice()), (200, &b"hello"[..]));
    let beyond = read_with("GET", url, "Range: bytes=5-\r\n").await;
    assert!(beyond.status == 416 && beyond.head.contains("content-range: bytes */5"), "{}", beyond.head);
    assert_eq!(read_with("POST", url, "Content-Length: 0\r\n").await.status, 405);
}

#[tokio::test]
async fn a_url_is_good_for_two_hours_of_the_emulators_clock() {
    let app = TestApp::spawn().await;
    let record = app.create("Things", json!({})).await;
    app.put("/__emulator/clock", json!({"stopped": true})).await.ok();
    let file = upload(&app, &record, text_file("a.txt")).await.remove(0);
    app.put("/__emulator/clock", json!({"advanceSeconds": 7199.999})).await.ok();
    assert_eq!(read(&file).await.status, 200);
    app.put("/__emulator/clock", json!({"advanceSeconds": 0.001})).await.ok();
    let late = read(&file).await;
    assert!(late.status == 410 && late.content.starts_with(b"This URL has expired"));
    assert_eq!(read(&files(&app, &record).await[0]).await.status, 200, "the next answer has a new one");
    app.put("/__emulator/limits", json!({"attachmentUrlLifeSeconds": 1})).await.ok();
    let brief = files(&app, &record).await.remove(0);
    app.put("/__emulator/clock", json!({"advanceSeconds": 1})).await.ok();
    assert_eq!(read(&brief).await.status, 410);
    let url = brief["url"].as_str().unwrap();
    for forged in
        [url.replace("/file/", "/full/"), format!("{url}A"), url.replace("/attachments/", "/attachments/9")]
    {
        assert_eq!(read_with("GET", &forged, "").await.status, 403, "{forged}");
    }
}

#[tokio::test]
async fn urls_lead_to_where_the_request_was_sent() {
    let app = TestApp::spawn().await;
    let record = app.create("Things", json!({})).await;
    let target = upload_to(&record, "Files");
    let own = format!("http://{}/attachments/", app.address);
    let expected = [
        (target.clone(), "http://localhost/attachments/"), // the Host of these tests
        (format!("http://emulator:8902{target}"), "http://emulator:8902/attachments/"),
        (format!("http://content.airtable.com{target}"), own.as_str()),
    ];
    app.emulator().listens_on(app.address);
    for (count, (target, start)) in expected.iter().enumerate() {
        let answer = app.post(target, text_file("a.txt")).await.ok();
        let url = answer["fields"][id("fld", 15)][count]["url"].as_str().unwrap();
        assert!(url.starts_with(start), "{target} {url}");
    }
    let public_url = Some("https://files.test".parse().unwrap());
    app.emulator().set_files(FileSettings { public_url, ..FileSettings::default() });
    let files = files(&app, &record).await;
    assert!(files[0]["url"].as_str().unwrap().starts_with("https://files.test/attachments/"));
}

#[tokio::test]
async fn uploads_are_refused_in_airtables_order_of_checks() {
    let app = TestApp::spawn().await;
    let record = app.create("Things", json!({})).await;
    let good = text_file("a.txt");
    let to = |field: &str| upload_to(&record, field);
    app.post(&to("Files"), json!({"contentType": "text/plain"}))
        .await
        .refused(422, "INVALID_REQUEST_UNKNOWN");
    app.post(&to("Nothing"), good.clone()).await.refused(422, "UNKNOWN_FIELD_NAME");
    app.post(&to("Notes"), good.clone()).await.refused(422, "INVALID_VALUE_FOR_COLUMN");
    let computed = app.post(&to("Double"), good.clone()).await.refused(422, "INVALID_VALUE_FOR_COLUMN");
    assert!(computed.contains("computed"), "{computed}");
    app.post(&upload_to(&id("rec", 77), "Files"), good.clone()).await.refused(404, "MODEL_ID_NOT_FOUND");
    let elsewhere = "/v0/appRead0000000002/recRead0000000001/Name/uploadAttachment";
    app.post(elsewhere, good.clone()).await.refused(403, "INVALID_PERMISSIONS");
    let hidden = "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND";
    for token in ["patReadOnly", "patOtherBase"] {
        app.call_as(token, "POST", &to("Files"), Some(good.clone())).await.refused(403, hidden);
    }
    app.raw("POST", &to("Files"), "", b"{}").await.refused(401, "AUTHENTICATION_REQUIRED");
    app.put("/__emulator/limits", json!({"maxUploadBytes": 4})).await.ok();
    app.post(&to("Files"), good).await.refused(413, "REQUEST_TOO_LARGE");
    assert!(files(&app, &record).await.is_empty());
}

#[tokio::test]
async fn files_are_freed_with_the_last_cell_that_holds_them_and_memory_is_bounded() {
    let app = TestApp::spawn().await;
    app.emulator().set_files(FileSettings { max_bytes: 12, ..FileSettings::default() });
    let record = app.create("Things", json!({})).await;
    upload(&app, &record, text_file("1")).await;
    let two = upload(&app, &record, text_file("2")).await;
    let full = app.post(&upload_to(&record, "Files"), text_file("3")).await;
    let said = full.refused(507, "EMULATOR_OUT_OF_SPACE");
    assert!(said.contains("12 bytes") && said.contains("--attachment-memory"), "{said}");
    // Whole objects are written back, as clients do: the files stay.
    let one = format!("/v0/{BASE}/Things/{record}");
    app.patch(&one, json!({"fields": {"Files": two}})).await.ok();
    assert_eq!(read(&two[0]).await.content, b"hello");
    app.patch(&one, json!({"fields": {"Files": [{"id": two[1]["id"]}]}})).await.ok();
    assert_eq!(read(&two[0]).await.status, 404);
    assert_eq!(read(&two[1]).await.content, b"hello");
    assert_eq!(upload(&app, &record, text_file("3")).await.len(), 2);
    app.delete(&one).await.ok();
    assert_eq!(read(&two[1]).await.status, 404);
    let other = app.create("Things", json!({})).await;
    upload(&app, &other, text_file("4")).await;
    upload(&app, &other, text_file("5")).await;
}

#[tokio::test]
async fn seeded_files_are_served_and_come_back_with_a_reset() {
    let mut seed = seed();
    let cells = json!({"Name": "seeded", "Files": [
        {"id": id("att", 1), "filename": "hello.txt"},
        {"id": id("att", 2), "url": "https://example.com/b.pdf", "size": 3},
    ]});
    seed["bases"][0]["tables"][0]["records"] = json!([{"id": id("rec", 1), "fields": cells}]);
    seed["files"] =
        json!([{"attachment": id("att", 1), "type": "text/plain; charset=utf-8", "content": HELLO}]);
    let app = TestApp::with_seed(&seed).await;
    let both = files(&app, &id("rec", 1)).await;
    assert_eq!((&both[0]["type"], &both[0]["size"]), (&json!("text/plain"), &json!(5)));
    let (url, b) = (&both[1]["url"], &both[1]["filename"]);
    assert_eq!((url, b, &both[1]["size"]), (&json!("https://example.com/b.pdf"), &json!("b.pdf"), &json!(3)));
    let hello = read(&both[0]).await;
    assert!(hello.content == b"hello" && hello.head.contains("content-type: text/plain; charset=utf-8"));
    app.delete(&format!("/v0/{BASE}/Things/{}", id("rec", 1))).await.ok();
    assert_eq!(read(&both[0]).await.status, 200, "a reset may want it back");
    app.post("/__emulator/reset", json!({"data": true})).await.ok();
    assert_eq!(read(&files(&app, &id("rec", 1)).await[0]).await.content, b"hello");
}

#[tokio::test]
async fn texts_and_payloads_have_urls_that_can_be_read() {
    let mut seed = seed();
    seed["bases"][0]["tables"][0]["fields"].as_array_mut().unwrap().push(
        json!({"id": id("fld", 40), "name": "Text", "type": "formula", "options": {"formula": "{Files} & ''"}}),
    );
    seed["tokens"][0]["scopes"] = json!(["data.records:read", "data.records:write", "webhook:manage"]);
    let app = TestApp::with_seed(&seed).await;
    let hooks = format!("/v0/bases/{BASE}/webhooks");
    let specification = json!({"specification": {"options": {"filters": {"dataTypes": ["tableData"]}}}});
    let hook = app.post(&hooks, specification).await.ok();
    let record = app.create("Things", json!({"Name": "one"})).await;
    upload(&app, &record, text_file("a.txt")).await;

    let text_url = |text: &Value| {
        let text = text.as_str().unwrap();
        json!({"url": text.strip_prefix("a.txt (").unwrap().strip_suffix(')').unwrap()})
    };
    let target = format!("/v0/{BASE}/Things/{record}");
    let cells = ask(&app, "GET", &target, None).await.ok()["fields"].clone();
    assert_eq!(read(&text_url(&cells["Text"])).await.content, b"hello");
    assert!(cells["Changed"].is_string());
    let strings = format!("{target}?cellFormat=string&timeZone=utc&userLocale=en");
    let cells = ask(&app, "GET", &strings, None).await.ok()["fields"].clone();
    assert_eq!(read(&text_url(&cells["Files"])).await.content, b"hello");

    // A payload is read long after it was made; its URLs are of the time when it is read.
    app.put("/__emulator/clock", json!({"advanceSeconds": 86400})).await.ok();
    let payloads = format!("{hooks}/{}/payloads", hook["id"].as_str().unwrap());
    let payloads = ask(&app, "GET", &payloads, None).await.ok()["payloads"].clone();
    assert_eq!(payloads.as_array().unwrap().len(), 2);
    let changed = payloads[1]["changedTablesById"].as_object().unwrap().values().next().unwrap();
    let told = &changed["changedRecordsById"][&record]["current"]["cellValuesByFieldId"][id("fld", 15)][0];
    assert_eq!((&told["filename"], &told["size"]), (&json!("a.txt"), &json!(5)));
    assert_eq!(read(told).await.content, b"hello");
}

/// A server that gives its answers by path, and counts its requests.
struct Source {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Source {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, own) = (Arc::<AtomicUsize>::default(), url.clone());
        let counter = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                let own = own.clone();
                tokio::spawn(async move {
                    let mut head = vec![0; 4096];
                    let length = stream.read(&mut head).await.unwrap_or_default();
                    let head = String::from_utf8_lossy(&head[..length]).into_owned();
                    let path = head.split(' ').nth(1).unwrap_or_default();
                    let redirect = |to: String| {
                        format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
                    };
                    let answer = match path {
                        "/hello" => "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n\r\nhello".to_owned(),
                        "/chunks" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n".to_owned(),
                        "/short" => "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello".to_owned(),
                        "/junk" => "hello\r\n\r\n".to_owned(),
                        "/away" => redirect("http://example.com/".to_owned()),
                        "/admin" => redirect("/__emulator/requests".to_owned()),
                        "/3" => redirect(format!("{own}/2")),
                        "/4" => redirect("3".to_owned()),
                        "/2" => redirect("/1?from=http://example.com/".to_owned()),
                        "/1?from=http://example.com/" => redirect("hello".to_owned()),
                        _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
                    };
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        Self { url, asked }
    }
}

fn fetching() -> FileSettings {
    FileSettings { sources: Sources::Loopback, ..FileSettings::default() }
}

fn has_files(files: &[Value]) -> bool {
    files.iter().all(|file| file.get("size").is_some())
}

#[tokio::test]
async fn files_of_this_machine_are_fetched_once_that_is_allowed() {
    let (app, source) = (TestApp::spawn().await, Source::start().await);
    let written = |path: &str| json!({"url": format!("{}{path}", source.url)});
    let untouched = app.create("Things", json!({"Files": [written("/hello")]})).await;
    app.emulator().set_files(fetching());
    let paths = ["/hello", "/chunks", "/3"];
    let body = json!({"fields": {"Files": paths.map(written)}});
    let answer = app.post(&format!("/v0/{BASE}/Things"), body).await.ok();
    assert!(answer.get("details").is_none());
    for (file, path) in answer["fields"]["Files"].as_array().unwrap().iter().zip(paths) {
        assert_eq!((file["url"].clone(), file.as_object().unwrap().len()), (written(path)["url"].clone(), 3));
    }
    let record = answer["id"].as_str().unwrap();
    let changed = app.cells("Things", record).await["Changed"].clone();
    let fetched = files_once(&app, record, |files| files.len() == 3 && has_files(files)).await;
    for file in &fetched {
        assert_eq!(read(file).await.content, b"hello");
    }
    let types: Vec<_> = fetched.iter().map(|file| file["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["text/plain", "application/octet-stream", "text/plain"]);
    assert!(read(&fetched[0]).await.head.contains("content-type: text/plain; charset=utf-8\r\n"));
    assert_eq!(app.cells("Things", record).await["Changed"], changed, "no edit");
    assert_eq!(source.asked.load(Ordering::Relaxed), 1 + 1 + 4, "nothing was fetched before");
    assert_eq!(files(&app, &untouched).await[0]["url"], written("/hello")["url"]);
}

#[tokio::test]
async fn what_cannot_be_fetched_disappears_and_the_rest_of_the_cell_stays() {
    let (app, source) = (TestApp::spawn().await, Source::start().await);
    app.emulator().set_files(FileSettings { max_bytes: 14, ..fetching() });
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut urls: Vec<String> = ["/missing", "/short", "/junk", "/away", "/4", "/admin"]
        .map(|path| format!("{}{path}", source.url))
        .into();
    urls.extend([format!("http://{nobody}/"), "https://example.com/stays.png".to_owned()]);
    let list: Vec<_> = urls.iter().map(|url| json!({"url": url})).collect();
    let record = app.create("Things", json!({"Files": list})).await;
    let left = files_once(&app, &record, |files| files.len() == 1).await;
    assert_eq!(left[0]["url"], "https://example.com/stays.png", "nobody beyond this machine is asked");

    // Room for two files of five bytes, and no third.
    let list = vec![json!({"url": format!("{}/hello", source.url)}); 3];
    let record = app.create("Things", json!({"Files": list})).await;
    files_once(&app, &record, |files| files.len() == 2 && has_files(files)).await;

    let details = json!({"message": "partialSuccess", "reasons": ["attachmentsFailedUploading"]});
    for bad in [format!("http://{}/__emulator/requests", app.address), format!("https://{nobody}/")] {
        let body = json!({"records": [{"fields": {"Files": [{"url": bad}]}}]});
        let answer = app.post(&format!("/v0/{BASE}/Things"), body).await.ok();
        assert_eq!(
            (&answer["details"], &answer["records"][0]["fields"]["Files"][0]["url"]),
            (&details, &json!(bad))
        );
        files_once(&app, answer["records"][0]["id"].as_str().unwrap(), <[Value]>::is_empty).await;
    }
}

#[tokio::test]
async fn the_url_of_another_attachment_copies_its_file_without_a_fetch() {
    let app = TestApp::spawn().await;
    let record = app.create("Things", json!({})).await;
    let file = upload(&app, &record, text_file("a.txt")).await.remove(0);
    let list = json!([{"url": file["url"]}, {"url": file["url"], "filename": "b.txt"}]);
    let other = app.create("Things", json!({"Files": list})).await;
    let copies = files_once(&app, &other, |files| files.len() == 2 && has_files(files)).await;
    assert_eq!((&copies[0]["filename"], &copies[1]["filename"]), (&json!("a.txt"), &json!("b.txt")));
    app.delete(&format!("/v0/{BASE}/Things/{record}")).await.ok();
    assert_eq!(read(&copies[0]).await.content, b"hello");
    let late =
        app.post(&format!("/v0/{BASE}/Things"), json!({"fields": {"Files": [{"url": file["url"]}]}})).await;
    assert_eq!(late.ok()["details"]["reasons"], json!(["attachmentsFailedUploading"]), "it is gone");
}

#[tokio::test]
async fn what_is_known_at_once_of_a_write_is_settled_in_one_go() {
    let app = TestApp::spawn().await;
    app.emulator().set_files(fetching());
    let record = app.create("Things", json!({})).await;
    let file = upload(&app, &record, text_file("a.txt")).await.remove(0);
    let list: Vec<_> = (0..1000)
        .map(|n| match n % 100 {
            0 => json!({"url": file["url"]}),
            _ => json!({"url": "http://127.0.0.1/__emulator"}),
        })
        .collect();
    let other = app.create("Things", json!({"Files": list})).await;
    let is_settled = |files: &[Value]| {
        assert!([10, 1000].contains(&files.len()), "{} are left", files.len());
        files.len() == 10
    };
    assert!(has_files(&files_once(&app, &other, is_settled).await));

    let list = vec![json!({"url": "https://example.com/a"}); 1001];
    let body = json!({"fields": {"Files": list}});
    app.post(&format!("/v0/{BASE}/Things"), body).await.refused(422, "INVALID_VALUE_FOR_COLUMN");
    let full = app.create("Things", json!({"Files": list[1..]})).await;
    let upload = app.post(&upload_to(&full, "Files"), text_file("a.txt")).await;
    upload.refused(422, "INVALID_VALUE_FOR_COLUMN");
}

fn begin(dir: &Path) -> (Running, TestApp) {
    let mut seed = seed();
    seed["bases"][0]["tables"][0]["records"] = json!([{"id": id("rec", 1), "fields": {"Files": [{"id": id("att", 1)}, {"id": id("att", 2), "url": "https://x/2"}]}}]);
    seed["files"] = json!([{"attachment": id("att", 1), "content": HELLO}]);
    begin_with(dir, &seed, &[])
}

/// How many files there are in the file of bases.
fn rows(dir: &Path) -> usize {
    let script = "import sqlite3; print(sqlite3.connect('bases.sqlite').execute('SELECT count(*) FROM files').fetchone()[0])";
    let output =
        std::process::Command::new("python3").args(["-c", script]).current_dir(dir).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn a_killed_emulator_comes_back_with_every_file_and_their_urls_stay_good() {
    let dir = tempfile::tempdir().unwrap();
    let (child, app) = begin(dir.path());
    let record = app.create("Things", json!({})).await;
    let mut uploaded = Vec::new();
    for n in 0..4 {
        uploaded = upload(&app, &record, text_file(&format!("{n}"))).await;
    }
    let kept: Vec<_> = uploaded[1..].iter().map(|file| json!({"id": file["id"]})).collect();
    app.patch(&format!("/v0/{BASE}/Things/{record}"), json!({"fields": {"Files": kept}})).await.ok();
    let path = uploaded[1]["url"].as_str().unwrap().split_once("/attachments/").unwrap().1.to_owned();

    drop(child); // kills it
    let (child, app) = begin(dir.path());
    let found = files(&app, &record).await;
    assert_eq!(found.len(), 3);
    for file in &found {
        assert_eq!(read(file).await.content, b"hello");
    }
    assert_eq!((&found[0]["type"], &found[0]["size"]), (&json!("text/plain"), &json!(5)));
    let again = json!({"url": format!("http://{}/attachments/{path}", app.address)});
    assert_eq!(read(&again).await.content, b"hello", "a URL from before");
    let seeded = files(&app, &id("rec", 1)).await;
    assert_eq!(
        (read(&seeded[0]).await.content, &seeded[1]["url"]),
        (b"hello".to_vec(), &json!("https://x/2"))
    );
    app.delete(&format!("/v0/{BASE}/Things/{record}")).await.ok();
    assert_eq!(child.stop(), Some(0));
    let (child, app) = begin(dir.path());
    app.create("Things", json!({})).await; // is written after all that came before
    assert_eq!(child.stop(), Some(0));
    assert_eq!(rows(dir.path()), 1, "the seeded one; the others are in no cell any more");
}

#[test]
fn wrong_files_of_a_seed_are_told_with_their_paths() {
    let mut seed = seed();
    seed["bases"][0]["tables"][0]["records"] = json!([{"fields": {"Files": [{"id": id("att", 1)}]}}]);
    seed["attachmentSources"] = json!("everywhere");
    seed["files"] = json!([
        {"attachment": id("att", 2), "content": HELLO},
        {"attachment": "att1", "content": HELLO},
        {"attachment": id("att", 3), "content": "#"},
        {"attachment": id("att", 4), "type": "a\nb", "content": ""},
        {"attachment": id("att", 5), "more": 1},
    ]);
    let error = emulators::airtable::Seed::from_json(seed.to_string().as_bytes()).unwrap_err().to_string();
    for problem in [
        "bases[0].tables[0].records[0].fields[\"Files\"]: must be an array of objects",
        "files[0].attachment: att00000000000002 stands in no cell",
        "files[1].attachment: \"att1\" is not att and 14 letters or digits",
        "files[2].content: must be in base64",
        "files[3].type: must be a media type",
        "files[4].more: is not known here",
        "files[4].content: is missing",
        "attachmentSources: must be none or loopback",
    ] {
        assert!(error.contains(problem), "{problem}: {error}");
    }
}

#[tokio::test]
async fn the_token_stays_out_of_urls() {
    let app = TestApp::spawn().await;
    let record = app.create("Things", json!({})).await;
    let file = upload(&app, &record, text_file("a.txt")).await.remove(0);
    assert!(!file.to_string().contains(FULL));
}
