//! An emulator with a small base in it, and a client that sends exactly the bytes it is given.

use std::net::SocketAddr;

use emulators::airtable::{Emulator, Seed, app};
use serde_json::{Value, json};
use service_kit::serve::{Limits, Shutdown, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const BASE: &str = "appTest0000000001";
pub(crate) const THINGS: &str = "tblThings00000001";
pub(crate) const FULL: &str = "patFull.secret";

/// `rec00000000000007`
pub(crate) fn id(prefix: &str, number: usize) -> String {
    format!("{prefix}{number:014}")
}

pub(crate) fn rec(number: usize) -> String {
    id("rec", number)
}

/// A running emulator, stopped when dropped.
pub(crate) struct TestApp {
    pub(crate) address: SocketAddr,
    shutdown: Shutdown,
    emulator: Option<Emulator>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl TestApp {
    /// With the base of [`seed`].
    pub(crate) async fn spawn() -> Self {
        Self::with_seed(&seed()).await
    }

    pub(crate) async fn with_seed(seed: &Value) -> Self {
        Self::serve(Seed::from_json(seed.to_string().as_bytes()).unwrap_or_else(|error| panic!("{error}")))
            .await
    }

    async fn serve(seed: Seed) -> Self {
        let emulator = Emulator::new(seed);
        emulator.ping_webhooks(true);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::manual();
        let router = app(&emulator, shutdown.clone());
        tokio::spawn(serve(listener, router, Limits::default(), shutdown.clone()));
        Self { address, shutdown, emulator: Some(emulator) }
    }

    pub(crate) const OPERATOR: &str = "patOperator.secret";

    /// With the base of [`seed`], and a token that belongs to whoever runs it.
    pub(crate) async fn with_full_token() -> Self {
        let seed = Seed::from_json(seed().to_string().as_bytes()).unwrap();
        Self::serve(seed.with_full_token(Self::OPERATOR)).await
    }

    /// A client of an emulator that runs elsewhere.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self { address, shutdown: Shutdown::manual(), emulator: None }
    }

    /// To be turned; of one that runs in this process.
    pub(crate) fn emulator(&self) -> &Emulator {
        self.emulator.as_ref().expect("it runs elsewhere")
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.call("GET", target, None).await
    }

    pub(crate) async fn post(&self, target: &str, body: Value) -> Answer {
        self.call("POST", target, Some(body)).await
    }

    pub(crate) async fn patch(&self, target: &str, body: Value) -> Answer {
        self.call("PATCH", target, Some(body)).await
    }

    pub(crate) async fn put(&self, target: &str, body: Value) -> Answer {
        self.call("PUT", target, Some(body)).await
    }

    pub(crate) async fn delete(&self, target: &str) -> Answer {
        self.call("DELETE", target, None).await
    }

    /// A call with the full token.
    pub(crate) async fn call(&self, method: &str, target: &str, body: Option<Value>) -> Answer {
        self.call_as(FULL, method, target, body).await
    }

    pub(crate) async fn call_as(
        &self,
        token: &str,
        method: &str,
        target: &str,
        body: Option<Value>,
    ) -> Answer {
        let headers = match body {
            Some(_) => format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"),
            None => format!("Authorization: Bearer {token}\r\n"),
        };
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        self.raw(method, target, &headers, body.as_bytes()).await
    }

    /// A call with the full token; `None`: there was no whole answer.
    pub(crate) async fn try_call(&self, method: &str, target: &str, body: Option<Value>) -> Option<Answer> {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let headers = format!("Authorization: Bearer {FULL}\r\nContent-Type: application/json\r\n");
        self.try_raw(method, target, &headers, body.as_bytes()).await
    }

    /// Sends the request line, these headers and this body byte for byte.
    pub(crate) async fn raw(&self, method: &str, target: &str, headers: &str, body: &[u8]) -> Answer {
        let answer = self.try_raw(method, target, headers, body).await;
        answer.unwrap_or_else(|| panic!("no answer to {method} {target}"))
    }

    /// The body of a success as it came.
    pub(crate) async fn text(&self, method: &str, target: &str, body: &str) -> String {
        let text = self
            .try_text(method, target, "Content-Type: application/json\r\n", body.as_bytes())
            .await
            .unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{text}");
        match head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
            true => unchunked(body),
            false => body.to_owned(),
        }
    }

    async fn try_raw(&self, method: &str, target: &str, headers: &str, body: &[u8]) -> Option<Answer> {
        let text = self.try_text(method, target, headers, body).await?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let head = head.to_ascii_lowercase();
        let body = match body {
            "" => Value::Null,
            page if head.contains("\r\ncontent-type: text/html") => page.into(),
            json => serde_json::from_str(json).ok()?,
        };
        Some(Answer { status, head, body })
    }

    /// Everything that came back until the connection ended.
    pub(crate) async fn try_text(
        &self,
        method: &str,
        target: &str,
        headers: &str,
        body: &[u8],
    ) -> Option<String> {
        let mut stream = TcpStream::connect(self.address).await.ok()?;
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.ok()?;
        stream.write_all(body).await.ok()?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.ok()?;
        String::from_utf8(bytes).ok()
    }

    /// Creates one record and gives its id.
    pub(crate) async fn create(&self, table: &str, fields: Value) -> String {
        let answer = self.post(&format!("/v0/{BASE}/{table}"), json!({"fields": fields})).await.ok();
        answer["id"].as_str().unwrap().to_owned()
    }

    /// The `fields` of a record.
    pub(crate) async fn cells(&self, table: &str, record: &str) -> Value {
        self.get(&format!("/v0/{BASE}/{table}/{record}")).await.ok()["fields"].clone()
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.shutdown.request();
    }
}

impl Answer {
    /// The body of a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    /// Checks status and type of an error in the usual form, and gives its message.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, kind: &str) -> String {
        assert_eq!((self.status, self.body["error"]["type"].as_str()), (status, Some(kind)), "{}", self.body);
        self.body["error"]["message"].as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    pub(crate) fn is(&self, status: u16, body: Value) {
        assert_eq!((self.status, &self.body), (status, &body));
    }
}

/// A body that was sent in pieces.
fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return whole;
        }
        whole.push_str(&rest[..size]);
        body = rest[size..].strip_prefix("\r\n").unwrap();
    }
    panic!("the body was cut off after {} bytes", whole.len());
}

/// The values of one field in the records of an answer.
pub(crate) fn column(answer: &Value, field: &str) -> Vec<Value> {
    let records = answer["records"].as_array().unwrap();
    records.iter().map(|record| record["fields"][field].clone()).collect()
}

/// Limits off, one user, and these tokens: `patFull` may do all, the others what their names say.
pub(crate) fn seed() -> Value {
    json!({
        "limits": {"requestsPerSecondPerBase": null, "requestsPerSecondPerUser": null},
        "users": [
            {"id": "usrAda00000000001", "email": "ada@example.com", "name": "Ada"},
            {"id": "usrGrace000000002", "email": "grace@example.com", "name": "Grace"},
        ],
        "tokens": [
            {"token": FULL, "bases": "*", "user": "usrAda00000000001",
             "scopes": ["data.records:read", "data.records:write", "schema.bases:read", "schema.bases:write", "workspacesAndBases:read", "user.email:read"]},
            {"token": "patSchemaOnly", "bases": "*", "scopes": ["schema.bases:read"], "user": "grace@example.com"},
            {"token": "patReadOnly", "bases": "*", "scopes": ["data.records:read"], "user": "usrAda00000000001"},
            {"token": "patOtherBase", "bases": ["appRead0000000002"],
             "scopes": ["data.records:read", "data.records:write", "schema.bases:read"]},
        ],
        "bases": [
            {"id": BASE, "name": "Test base", "permissionLevel": "create", "tables": [things(), others()]},
            {"id": "appRead0000000002", "name": "Read only", "permissionLevel": "read", "tables": [{
                "id": "tblRead0000000002", "name": "Notes",
                "fields": [{"id": "fldRead0000000001", "name": "Name", "type": "singleLineText"}],
                "records": [{"id": "recRead0000000001", "fields": {"Name": "kept"}}],
            }]},
            {"id": "appEdit0000000003", "name": "Edit", "permissionLevel": "edit", "tables": [{
                "id": "tblEdit0000000003", "name": "Notes",
                "fields": [
                    {"id": "fldEdit0000000001", "name": "Name", "type": "singleLineText"},
                    {"id": "fldEdit0000000002", "name": "Kind", "type": "singleSelect", "options": {"choices": [{"name": "a"}]}},
                ],
            }]},
            {"id": "appNone0000000004", "name": "None", "permissionLevel": "none", "tables": [{
                "name": "Notes", "fields": [{"name": "Name", "type": "singleLineText"}],
            }]},
        ],
    })
}

fn field(number: usize, name: &str, kind: &str, options: Value) -> Value {
    let mut field = json!({"id": id("fld", number), "name": name, "type": kind});
    if !options.is_null() {
        field["options"] = options;
    }
    field
}

fn things() -> Value {
    json!({
        "id": THINGS,
        "name": "Things",
        "description": "One field of each type",
        "primaryFieldId": id("fld", 1),
        "fields": [
            field(1, "Name", "singleLineText", Value::Null),
            field(2, "Notes", "multilineText", Value::Null),
            field(3, "Email", "email", Value::Null),
            field(4, "Number", "number", json!({"precision": 2})),
            field(5, "Percent", "percent", json!({"precision": 1})),
            field(6, "Price", "currency", json!({"precision": 2, "symbol": "$"})),
            field(7, "Length", "duration", json!({"durationFormat": "h:mm:ss"})),
            field(8, "Stars", "rating", json!({"icon": "star", "color": "yellowBright", "max": 5})),
            field(9, "Done", "checkbox", json!({"icon": "check", "color": "greenBright"})),
            field(10, "Status", "singleSelect", json!({"choices": [
                {"id": id("sel", 1), "name": "Todo", "color": "blueLight2"},
                {"id": id("sel", 2), "name": "Doing"},
                {"id": id("sel", 3), "name": "Done"},
            ]})),
            field(11, "Tags", "multipleSelects", json!({"choices": [{"name": "red"}, {"name": "green"}, {"name": "a, b"}]})),
            field(12, "Day", "date", json!({"dateFormat": {"name": "us"}})),
            field(13, "When", "dateTime", json!({"dateFormat": {"name": "iso"}, "timeFormat": {"name": "24hour"}, "timeZone": "utc"})),
            field(14, "Local", "dateTime", json!({"dateFormat": {"name": "iso"}, "timeFormat": {"name": "12hour"}, "timeZone": "Europe/Zurich"})),
            field(15, "Files", "multipleAttachments", Value::Null),
            field(16, "Others", "multipleRecordLinks", json!({"linkedTableId": "tblOthers00000002", "inverseLinkFieldId": id("fld", 102)})),
            field(17, "Person", "singleCollaborator", Value::Null),
            field(18, "People", "multipleCollaborators", Value::Null),
            field(19, "Code", "barcode", Value::Null),
            field(20, "Double", "formula", json!({"formula": "{Number} * 2"})),
            field(21, "Other names", "multipleLookupValues", json!({"recordLinkFieldId": id("fld", 16), "fieldIdInLinkedTable": id("fld", 101)})),
            field(22, "Other count", "count", json!({"recordLinkFieldId": id("fld", 16)})),
            field(23, "Weight", "rollup", json!({"recordLinkFieldId": id("fld", 16), "fieldIdInLinkedTable": id("fld", 103), "formula": "SUM(values)"})),
            field(24, "Auto", "autoNumber", Value::Null),
            field(25, "Created", "createdTime", Value::Null),
            field(26, "Changed", "lastModifiedTime", Value::Null),
            field(27, "Number changed", "lastModifiedTime", json!({"referencedFieldIds": [id("fld", 4)]})),
            field(28, "Creator", "createdBy", Value::Null),
            field(29, "Changer", "lastModifiedBy", Value::Null),
            field(30, "Ratio", "formula", json!({"formula": "{Number} / 0"})),
            field(31, "Broken", "formula", json!({"formula": "ERROR()"})),
            field(32, "Note on AI", "aiText", json!({"prompt": ["Say something"]})),
        ],
        "views": [
            {"id": "viwThings00000001", "name": "All things", "type": "grid"},
            {"id": "viwThings00000002", "name": "Board", "type": "kanban"},
        ],
    })
}

fn others() -> Value {
    json!({
        "id": "tblOthers00000002",
        "name": "Test/Table 2 (100%)",
        "fields": [
            field(101, "Name", "singleLineText", Value::Null),
            field(102, "Things", "multipleRecordLinks", json!({"linkedTableId": THINGS, "inverseLinkFieldId": id("fld", 16)})),
            field(103, "Weight", "number", json!({"precision": 0})),
            field(104, "Parent", "multipleRecordLinks", json!({"linkedTableId": "tblOthers00000002"})),
            field(105, "Ratios", "multipleLookupValues", json!({"recordLinkFieldId": id("fld", 102), "fieldIdInLinkedTable": id("fld", 31)})),
        ],
        "views": [{"id": "viwOthers00000003", "name": "All", "type": "grid"}],
        "records": (1..=3).map(|n| json!({
            "id": rec(1000 + n),
            "createdTime": "2024-05-06T07:08:09.000Z",
            "fields": {"Name": format!("Other {n}"), "Weight": n},
        })).collect::<Vec<_>>(),
    })
}
