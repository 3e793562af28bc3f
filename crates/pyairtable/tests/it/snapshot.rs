//! `pyairtable snapshot`: a base behind the gateway, or elsewhere, as a seed that a second emulator takes.

use std::path::Path;

use emulators::airtable::Seed;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::pyairtable;
use crate::support::client::Call;
use crate::support::seeds::{self, TOKEN};
use crate::support::system::{Emulator, System};

const BASE: &str = "appPyAirtableDemo";

struct Said {
    code: Option<i32>,
    out: Vec<u8>,
    err: String,
}

async fn snapshot(dir: &Path, system: &System, arguments: &[&str]) -> Said {
    let settings = [
        ("AIRTABLE_GATEWAY_URL", format!("http://{}", system.gateway.address)),
        ("PYAIRTABLE_API_KEY", system.gateway.full_key.clone()),
    ];
    run(dir, &[&["snapshot"], arguments].concat(), &settings).await
}

async fn run(dir: &Path, arguments: &[&str], settings: &[(&str, String)]) -> Said {
    let done = pyairtable(dir, arguments, settings).output().await.unwrap();
    Said {
        code: done.status.code(),
        out: done.stdout,
        err: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

/// The sample base with tokens for tests.
fn sample() -> Value {
    let mut bytes = Vec::new();
    Seed::sample().write_json(&mut bytes).unwrap();
    with_token(&bytes)
}

fn with_token(bytes: &[u8]) -> Value {
    let mut seed: Value = serde_json::from_slice(bytes).unwrap();
    if seed["users"].as_array().is_none_or(Vec::is_empty) {
        seed["users"] = json!([{"id": "usrSystem00000001"}]);
    }
    seed["tokens"] = seeds::seed(Vec::new(), Value::Null)["tokens"].clone();
    let scopes = seed["tokens"][0]["scopes"].as_array_mut().unwrap();
    scopes.extend([json!("data.recordComments:read"), json!("data.recordComments:write")]);
    seed["tokens"][0].as_object_mut().unwrap().remove("user");
    seed["limits"] = seeds::no_limits();
    seed
}

/// All that can be listed of a base: its structure, and each table by each grid view and by none.
async fn listed(emulator: &Emulator, base: &str) -> Vec<Value> {
    let target = format!("/v0/meta/bases/{base}/tables?include=visibleFieldIds");
    let structure = emulator.client().get(target).await.ok().json();
    let mut all = Vec::new();
    for table in structure["tables"].as_array().unwrap() {
        let views = table["views"].as_array().unwrap().iter().filter(|view| view["type"] == "grid");
        let views = views.map(|view| format!("&view={}", view["id"].as_str().unwrap()));
        for view in std::iter::once(String::new()).chain(views) {
            let table = table["id"].as_str().unwrap();
            let mut offset = String::new();
            loop {
                let target = format!("/v0/{base}/{table}?returnFieldsByFieldId=true{view}{offset}");
                let mut page = emulator.client().get(target).await.ok().json();
                let next = page.as_object_mut().unwrap().remove("offset");
                all.extend(page["records"].as_array().unwrap().iter().cloned());
                match next {
                    Some(next) => offset = format!("&offset={}", next.as_str().unwrap()),
                    None => break,
                }
            }
        }
    }
    all.push(structure);
    all
}

#[track_caller]
fn same(one: &[Value], other: &[Value]) {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).for_each(|(one, other)| assert_eq!(one, other));
}

#[tokio::test]
async fn a_base_behind_the_gateway_is_the_same_in_a_second_emulator() {
    let dir = TempDir::new().unwrap();
    let system = System::start(sample(), &[]).await;
    let comments = format!("/v0/{BASE}/Tasks/recDemoTask000003/comments");
    for text in ["first", "second"] {
        system.emulator.client().send(Call::post(&comments, json!({"text": text}))).await.ok();
    }
    let said = snapshot(dir.path(), &system, &[BASE, "--with-comments"]).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    let file = dir.path().join(format!("{BASE}.seed.json"));
    let second = Emulator::start(with_token(&std::fs::read(&file).unwrap())).await;
    same(&listed(&second, BASE).await, &listed(&system.emulator, BASE).await);
    let told = |answer: Value| {
        let comments = answer["comments"].as_array().unwrap().clone();
        comments
            .iter()
            .map(|comment| (comment["text"].clone(), comment["createdTime"].clone()))
            .collect::<Vec<_>>()
    };
    let one = system.emulator.client().get(comments.clone()).await.ok().json();
    let other = second.client().get(comments.clone()).await.ok().json();
    assert_eq!(told(one), told(other));
    second.stop().await;
    system.stop().await;
}

/// A base with a canary in each kind of field that holds any, shown by fields of another table.
fn canaries() -> Value {
    let id = |n: usize| format!("fldCanary{n:08}");
    let field = |n: usize, name: &str, kind: &str, options: Value| {
        let mut field = json!({"id": id(n), "name": name, "type": kind});
        if !options.is_null() {
            field["options"] = options;
        }
        field
    };
    let choices = |names: [&str; 2]| json!({"choices": [{"name": names[0]}, {"name": names[1]}]});
    let through = |target: usize| json!({"recordLinkFieldId": id(41), "fieldIdInLinkedTable": id(target)});
    let mut base = json!({"id": "appCanary00000001", "name": "Birds", "permissionLevel": "create", "tables": [
        {"id": "tblCanary00000001", "name": "Birds", "fields": [
            field(1, "Name", "singleLineText", Value::Null),
            field(2, "Story", "multilineText", Value::Null),
            field(3, "Mail", "email", Value::Null),
            field(4, "Web", "url", Value::Null),
            field(5, "Phone", "phoneNumber", Value::Null),
            field(6, "Weight", "number", json!({"precision": 3})),
            field(7, "Price", "currency", json!({"precision": 2, "symbol": "$"})),
            field(8, "Cage", "singleSelect", choices(["CanaryCage", "Other"])),
            field(9, "Songs", "multipleSelects", choices(["CanarySong", "Another"])),
            field(10, "Born", "date", json!({"dateFormat": {"name": "iso"}})),
            field(11, "Seen", "dateTime", json!({"timeZone": "utc"})),
            field(12, "Files", "multipleAttachments", Value::Null),
            field(13, "Keeper", "singleCollaborator", Value::Null),
            field(14, "Code", "barcode", Value::Null),
            field(15, "Caption", "formula", json!({"formula": "{Name} & {Mail}"})),
            field(16, "Open", "button", Value::Null),
            field(17, "Told", "aiText", json!({"prompt": ["Tell of ", {"field": {"fieldId": id(2)}}]})),
            field(18, "Length", "duration", json!({"durationFormat": "h:mm:ss"})),
            field(19, "Stars", "rating", json!({"max": 5})),
            field(20, "Owners", "multipleRecordLinks", json!({"linkedTableId": "tblCanary00000002", "inverseLinkFieldId": id(41)})),
            field(21, "Maker", "createdBy", Value::Null),
            field(22, "Made", "createdTime", Value::Null),
            field(23, "Rich", "richText", Value::Null),
            field(24, "Strange", "formula", json!({"formula": "NOBODY_KNOWS({Name})", "referencedFieldIds": [id(1)], "asSeeded": true})),
        ], "records": [{
            "id": "recCanary00000001", "createdTime": "2019-08-07T06:05:04.000Z",
            "fields": {
                "Name": "Canary Bird", "Story": "The canary sang\nand sang canary songs.", "Mail": "canary@corp.test",
                "Web": "https://canary.test/sings", "Phone": "+41 79 777 55 33", "Weight": 1234.567, "Price": 98765.43,
                "Cage": "CanaryCage", "Songs": ["CanarySong"], "Born": "2011-02-03", "Seen": "2012-03-04T05:06:07.000Z",
                "Files": [{"url": "https://canary.test/file.png", "filename": "canary.png", "size": 7654321}],
                "Keeper": {"id": "usrCanary00000001", "email": "keeper-canary@corp.test", "name": "Keeper Canary"},
                "Code": {"text": "CANARY-4711"}, "Open": {"label": "Open", "url": "https://canary.test/open"},
                "Told": {"state": "generated", "isStale": false, "value": "a canary that was told of"},
                "Length": 86399, "Stars": 4, "Maker": {"id": "usrCanary00000002", "email": "maker-canary@corp.test"},
                "Rich": "**Canary** [here](https://canary.test)", "Strange": "a strange canary",
            },
            "comments": [{"author": "usrCanary00000002", "text": "who wakes the canary?"}],
        }]},
        {"id": "tblCanary00000002", "name": "Owners", "fields": [
            field(40, "Owner", "singleLineText", Value::Null),
            field(41, "Birds", "multipleRecordLinks", json!({"linkedTableId": "tblCanary00000001", "inverseLinkFieldId": id(20)})),
            field(42, "Their names", "multipleLookupValues", through(1)),
            field(43, "Cages", "multipleLookupValues", through(8)),
            field(44, "All stories", "rollup", through(2)),
            field(45, "Kept", "singleLineText", Value::Null),
        ], "records": [{"id": "recCanary00000002", "fields": {
            "Owner": "Somebody", "Birds": ["recCanary00000001"], "All stories": "The canary sang, they say", "Kept": "stays as it is",
        }}]},
    ]});
    base["tables"][0]["description"] = "Said of birds".into();
    let users =
        json!([{"id": "usrSystem00000001"}, {"id": "usrCanary00000002", "email": "maker-canary@corp.test"}]);
    let mut seed = with_token(json!({"bases": [base], "users": users}).to_string().as_bytes());
    seed["limits"] = seeds::no_limits();
    seed
}

const SECRETS: [&str; 14] = [
    "canary",
    "corp.test",
    "777 55 33",
    "1234.567",
    "98765.43",
    "2011-02-03",
    "2012-03-04",
    "7654321",
    "4711",
    "86399",
    "2019-08-07",
    "usrcanary00000001",
    "usrcanary00000002",
    "sang",
];

#[tokio::test]
async fn nothing_of_what_is_masked_is_in_the_file_and_the_file_loads() {
    let dir = TempDir::new().unwrap();
    let system = System::start(canaries(), &[]).await;
    std::fs::write(dir.path().join("rules"), "# everything\n*=fake\n").unwrap();
    for how in [
        &["--mask", "*=fake"][..],
        &["--mask-file", "rules"],
        &["--mask", "*=hash"],
        &["--mask", "*=blank"],
        &["--mask", "Birds.*=fake"],
    ] {
        let said =
            snapshot(dir.path(), &system, &[&["Birds", "--out", "-", "--with-comments"], how].concat()).await;
        assert_eq!(said.code, Some(0), "{how:?}: {}", said.err);
        let text = String::from_utf8(said.out).unwrap();
        // Ids of the base, its tables, fields and records are no secret, and here called after what they hide.
        let bare = text.to_lowercase();
        let bare = ["appcanary", "tblcanary", "fldcanary", "reccanary"]
            .iter()
            .fold(bare, |text, id| text.replace(id, ""));
        for secret in SECRETS {
            assert!(!bare.contains(secret), "{how:?}: {secret}\n{text}");
        }
        assert!(text.contains("Said of birds"));
        assert_eq!(text.contains("stays as it is"), how == ["--mask", "Birds.*=fake"]);
        let seed: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(seed["bases"][0]["tables"][0]["records"].as_array().unwrap().len(), 1);
    }
    let kept = snapshot(dir.path(), &system, &["Birds", "--out", "-", "--with-comments"]).await;
    assert_eq!(kept.code, Some(0), "{}", kept.err);
    let second = Emulator::start(with_token(&kept.out)).await;
    same(&listed(&second, "appCanary00000001").await, &listed(&system.emulator, "appCanary00000001").await);
    second.stop().await;
    system.stop().await;
}

#[tokio::test]
async fn equal_values_stay_equal_and_one_secret_gives_the_same_masks_again() {
    let dir = TempDir::new().unwrap();
    let system = System::start(sample(), &[]).await;
    std::fs::write(dir.path().join("key"), "a secret of some length").unwrap();
    std::fs::set_permissions(dir.path().join("key"), std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .unwrap();
    let arguments = [BASE, "--out", "-", "--mask", "*=fake", "--mask-key-file", "key"];
    let (one, other) =
        (snapshot(dir.path(), &system, &arguments).await, snapshot(dir.path(), &system, &arguments).await);
    assert_eq!(one.code, Some(0), "{}", one.err);
    assert_eq!(one.out, other.out);
    let random = snapshot(dir.path(), &system, &arguments[..5]).await;
    assert_ne!(random.out, one.out);
    // As many people, projects and states as there were, and each with as many tasks.
    let second = Emulator::start(with_token(&one.out)).await;
    let groups = async |emulator: &Emulator, field: &str| {
        let mut counts = std::collections::BTreeMap::new();
        for record in emulator.records(BASE, "tblDemoTasks00000").await {
            *counts.entry(record["fields"][field].to_string()).or_insert(0) += 1;
        }
        let mut sizes: Vec<usize> = counts.into_values().collect();
        sizes.sort_unstable();
        sizes
    };
    for field in ["Task", "Status", "Project", "Due", "Hours", "Project status"] {
        assert_eq!(groups(&second, field).await, groups(&system.emulator, field).await, "{field}");
    }
    second.stop().await;
    system.stop().await;
}

#[tokio::test]
async fn it_reads_elsewhere_with_a_token_from_a_file_and_keeps_airtables_pace() {
    let dir = TempDir::new().unwrap();
    let mut seed = sample();
    seed["limits"] = seeds::airtables_limits();
    let emulator = Emulator::start(seed).await;
    let token = dir.path().join("token");
    std::fs::write(&token, TOKEN).unwrap();
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let url = format!("http://{}", emulator.address);
    let arguments = [
        "snapshot",
        BASE,
        "--from",
        &url,
        "--token-file",
        "token",
        "--table",
        "People",
        "--out",
        "seed.json",
    ];
    let said = run(dir.path(), &arguments, &[]).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(emulator.violations().await, 0);
    let seed: Value = serde_json::from_slice(&std::fs::read(dir.path().join("seed.json")).unwrap()).unwrap();
    let sizes: Vec<_> = seed["bases"][0]["tables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|table| table["records"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [24, 0, 0], "the tables that are linked are there without records");

    let again = run(dir.path(), &arguments, &[]).await;
    assert_eq!(again.code, Some(1));
    assert!(again.err.contains("--force"), "{}", again.err);
    let forced = [&arguments[..], &["--force", "--no-records"]].concat();
    assert_eq!(run(dir.path(), &forced, &[]).await.code, Some(0));
    emulator.stop().await;
}

#[tokio::test]
async fn what_cannot_be_done_is_told() {
    let dir = TempDir::new().unwrap();
    let system = System::start(sample(), &[]).await;
    for (arguments, told) in [
        (&["appPyAirtableDem0"][..], "does not reach the base appPyAirtableDem0"),
        (&["Studio (sampel)"], "did you mean \"Studio (sample)\"?"),
        (&[BASE, "--mask", "Poeple.Name=fake"], "did you mean \"People\"?"),
        (&[BASE, "--mask", "People.Nmae=fake", "--mask", "x=y"], "did you mean \"Name\"?"),
        (
            &[BASE, "--mask", "Projects.Lead email=fake", "--mask", "Tasks.Summary=fake"],
            "Projects.Lead email cannot be masked by itself: it shows People.Email, kept as it is\nTasks.Summary",
        ),
        (&[BASE, "--table", "Task"], "did you mean \"Tasks\"?"),
        (&[BASE, "--mask-file", "nowhere"], "cannot read nowhere"),
        (&[BASE, "--from", "http://127.0.0.1:9"], "AIRTABLE_TOKEN"),
    ] {
        let said = snapshot(dir.path(), &system, arguments).await;
        assert_eq!(said.code, Some(1), "{arguments:?}: {}", said.err);
        assert!(said.err.contains(told), "{arguments:?}: {}", said.err);
    }
    assert_eq!(
        std::fs::read_dir(dir.path())
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name() != "data")
            .count(),
        0
    );
    system.stop().await;
}

/// A base made over the API, with every type of field that can be, and values that are none too friendly.
async fn make_base(emulator: &Emulator, random: &mut impl rand::RngExt) -> String {
    const TEXTS: [&str; 8] = [
        "plain",
        "Ünï, \"quoted\"\n\u{7f}line",
        "'=1+1",
        "日本語 👩‍👩‍👧",
        "  spaces  ",
        "\\u0000 {\"a\":1}",
        "a@b.test",
        "Some Body",
    ];
    let choices = json!({"choices": [{"name": "one, two"}, {"name": "\"three\""}, {"name": "四"}]});
    let date = json!({"name": "iso"});
    let types = [
        ("singleLineText", Value::Null),
        ("multilineText", Value::Null),
        ("richText", Value::Null),
        ("email", Value::Null),
        ("url", Value::Null),
        ("phoneNumber", Value::Null),
        ("number", json!({"precision": 8})),
        ("percent", json!({"precision": 1})),
        ("currency", json!({"precision": 2, "symbol": "€"})),
        ("duration", json!({"durationFormat": "h:mm:ss.SSS"})),
        ("rating", json!({"icon": "star", "color": "redBright", "max": 7})),
        ("checkbox", json!({"icon": "check", "color": "redBright"})),
        ("singleSelect", choices.clone()),
        ("multipleSelects", choices),
        ("date", json!({"dateFormat": date})),
        (
            "dateTime",
            json!({"dateFormat": date, "timeFormat": {"name": "24hour"}, "timeZone": "Europe/Zurich"}),
        ),
        ("multipleAttachments", Value::Null),
        ("barcode", Value::Null),
        ("singleCollaborator", Value::Null),
        ("multipleCollaborators", Value::Null),
    ];
    let fields: Vec<Value> = types
        .iter()
        .enumerate()
        .map(|(n, (kind, options))| {
            let mut field =
                json!({"name": format!("{kind}. {n} = \"{}\"", TEXTS[n % 4].trim()), "type": kind});
            if !options.is_null() {
                field["options"] = options.clone();
            }
            field
        })
        .collect();
    let table = |name: &str| json!({"name": name, "fields": fields});
    let base = json!({"name": "Made", "workspaceId": "wsp00000000000001", "tables": [table("One.=fake"), table("Two")]});
    let made = emulator.client().send(Call::post("/v0/meta/bases", base)).await.ok().json();
    let id = made["id"].as_str().unwrap().to_owned();
    let tables: Vec<String> = (0..2).map(|n| made["tables"][n]["id"].as_str().unwrap().to_owned()).collect();
    for (own, linked) in [(0, 1), (0, 0)] {
        let link = json!({"name": format!("To {linked}"), "type": "multipleRecordLinks", "options": {"linkedTableId": tables[linked]}});
        let target = format!("/v0/meta/bases/{id}/tables/{}/fields", tables[own]);
        emulator.client().send(Call::post(&target, link)).await.ok();
        let formula = json!({"name": format!("F {linked}"), "type": "formula", "options": {"formula": format!("{{To {linked}}} & CREATED_TIME()")}});
        emulator.client().send(Call::post(&target, formula)).await.ok();
    }
    let mut known: [Vec<String>; 2] = Default::default();
    for _ in 0..30 {
        let table = random.random_range(0..2);
        let mut cells = serde_json::Map::new();
        for (field, (kind, _)) in made["tables"][table]["fields"].as_array().unwrap().iter().zip(&types) {
            if random.random_range(0..2) == 0 {
                continue;
            }
            let text = TEXTS[random.random_range(0..TEXTS.len())];
            let value = match *kind {
                "number" | "percent" | "currency" => {
                    json!(random.random_range(-1e9..1e9_f64) / 10_f64.powi(random.random_range(0..12)))
                }
                "duration" => json!(random.random_range(0..100_000)),
                "rating" => json!(random.random_range(0..8)),
                "checkbox" => json!(true),
                "singleSelect" => json!(format!("new {}", random.random_range(0..3))),
                "multipleSelects" => json!(["四", text]),
                "date" => json!(format!("{:04}-02-28", random.random_range(1..9999))),
                "dateTime" => json!(format!("{:04}-12-31T23:59:59.999Z", random.random_range(1..9999))),
                "multipleAttachments" => json!([{"url": "https://files.test/a?b=c#d", "filename": text}]),
                "barcode" => json!({"text": text}),
                "singleCollaborator" => json!({"id": "usrSystem00000001"}),
                "multipleCollaborators" => json!([{"id": "usrSystem00000001"}]),
                _ => json!(text),
            };
            cells.insert(field["id"].as_str().unwrap().to_owned(), value);
        }
        if table == 0 {
            for to in 0..2 {
                let links: Vec<&String> =
                    known[1 - to].iter().filter(|_| random.random_range(0..3) == 0).collect();
                cells.insert(format!("To {}", 1 - to), json!(links));
            }
        }
        let body = json!({"typecast": true, "fields": cells});
        let record =
            emulator.client().send(Call::post(format!("/v0/{id}/{}", tables[table]), body)).await.ok().json();
        known[table].push(record["id"].as_str().unwrap().to_owned());
    }
    id
}

#[tokio::test]
async fn any_base_that_can_be_made_over_the_api_makes_a_seed_masked_or_not() {
    let dir = TempDir::new().unwrap();
    let seed = seeds::seed(Vec::new(), seeds::no_limits());
    let system = System::start(seed, &[]).await;
    let mut random: rand::rngs::StdRng = rand::SeedableRng::seed_from_u64(7);
    for _ in 0..4 {
        let base = make_base(&system.emulator, &mut random).await;
        let said = snapshot(dir.path(), &system, &[&base, "--out", "-"]).await;
        assert_eq!(said.code, Some(0), "{}", said.err);
        let second = Emulator::start(with_token(&said.out)).await;
        same(&listed(&second, &base).await, &listed(&system.emulator, &base).await);
        for how in ["fake", "hash", "blank"] {
            let rule = format!("*={how}");
            let masked = snapshot(
                dir.path(),
                &system,
                &[&base, "--out", "-", "--mask", &rule, "--mask", "One.=fake.*=fake"],
            )
            .await;
            assert_eq!(masked.code, Some(0), "{how}: {}", masked.err);
            let text = String::from_utf8(masked.out).unwrap();
            // Names of fields, which stay, have some of them, too.
            for record in text.lines().filter(|line| line.starts_with("{\"id\":\"rec")) {
                for said in ["files.test", "日本語", "👩", "a@b.test", "Some Body", "quoted"] {
                    assert!(!record.contains(said), "{record}");
                }
            }
        }
        second.stop().await;
    }
    system.stop().await;
}
