//! `pyairtable chat` as a process, against an orchestrator that says what it is told to.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use crate::process::{Ports, only_key, pyairtable, until_ready};
use crate::support::client::Client;
use crate::support::orchestrator::{Orchestrator, Reply, asks, end, happened, says, text};

const PATIENCE: Duration = Duration::from_secs(30);
const KEY: &str = "pya_live_not-a-real-key";

struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

fn command(folder: &Path, url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pyairtable"));
    command
        .arg("chat")
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("DATA_DIR", folder.join("data"))
        .env("LLM_ORCHESTRATOR_URL", url)
        .env("PYAIRTABLE_API_KEY", KEY)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn ended(mut command: Command, input: &str) -> Ended {
    command.stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Whoever does not read its input closes it.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let done = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("ends").unwrap();
    Ended {
        code: done.status.code(),
        out: String::from_utf8(done.stdout).unwrap(),
        err: String::from_utf8(done.stderr).unwrap(),
    }
}

async fn chat(
    replies: impl IntoIterator<Item = Reply>,
    arguments: &[&str],
    input: &str,
) -> (Ended, Orchestrator) {
    let server = Orchestrator::start(replies).await;
    let folder = TempDir::new().unwrap();
    (ended(command(folder.path(), &server.url, arguments), input).await, server)
}

fn with_tools() -> Reply {
    let [last, usage] = end();
    Reply::stream(&[
        text(""),
        happened(
            json!({"type": "tool_started", "id": "c1", "name": "aggregate_records", "arguments": {"table": "Tasks"}}),
        ),
        happened(
            json!({"type": "tool_finished", "id": "c1", "name": "aggregate_records", "status": "ok", "duration_ms": 12,
            "preview": "3 groups\nAda: 4"}),
        ),
        text("Ada has "),
        text("4."),
        last,
        usage,
    ])
}

#[tokio::test]
async fn a_question_is_answered_on_standard_output_and_told_about_on_standard_error() {
    let (done, server) = chat([with_tools()], &["how", "many?"], "").await;
    assert_eq!((done.code, done.out.as_str()), (Some(0), "Ada has 4.\n"), "{}", done.err);
    assert_eq!(
        done.err,
        "· aggregate_records {\"table\":\"Tasks\"}\n  ok aggregate_records, 12 ms: 3 groups Ada: 4\n\
         1,210 tokens in, 86 out · $0.0005388 list price; nothing was charged · gemini-3.8-flash · emulated · session s1\n"
    );
    let head = server.head().to_lowercase();
    assert!(head.starts_with("post /v1/chat/completions http/1.1\r\n"));
    assert!(head.contains(&format!("authorization: bearer {}", KEY.to_lowercase())));
    assert_eq!(
        server.seen(),
        [json!({"messages": [{"role": "user", "content": "how many?"}], "stream": true,
            "stream_options": {"include_usage": true}, "include_run_events": true})]
    );
}

#[tokio::test]
async fn machines_get_a_line_of_json_for_each_event() {
    let (done, server) =
        chat([with_tools()], &["--json", "--model", "gemini-4-argon", "--session", "s9", "x"], "").await;
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
    let lines: Vec<Value> = done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["tool_started", "tool_finished", "text", "text", "done"]);
    assert_eq!((&lines[4]["session_id"], &lines[4]["emulated"]), (&json!("s1"), &json!(true)));
    assert_eq!(
        (&lines[4]["usage"]["prompt_tokens"], &lines[4]["cost"]["total"]),
        (&json!(1210), &json!("0.0005388"))
    );
    assert_eq!(
        (&server.seen()[0]["model"], &server.seen()[0]["session_id"]),
        (&json!("gemini-4-argon"), &json!("s9"))
    );
}

#[tokio::test]
async fn a_change_waits_where_nobody_can_be_asked() {
    let (done, server) = chat([asks("K7Q3X9", "3 records of Tasks")], &["delete", "them"], "").await;
    assert_eq!((done.code, done.out.as_str()), (Some(3), "I would delete them.\n"));
    for expected in ["3 records of Tasks", "Nothing was changed", "chat --session s1 yes"] {
        assert!(done.err.contains(expected), "{expected} is not in:\n{}", done.err);
    }
    assert_eq!(server.seen().len(), 1);

    let (done, _) = chat([asks("K7Q3X9", "3 records of Tasks")], &["--json", "delete"], "").await;
    assert_eq!(done.code, Some(3));
    assert!(done.out.contains(r#""type":"approval_required""#), "{}", done.out);
}

#[tokio::test]
async fn yes_goes_ahead_unasked() {
    let (done, server) =
        chat([asks("K7Q3X9", "3 records"), says("Deleted.")], &["--yes", "delete them"], "").await;
    assert_eq!((done.code, done.out.as_str()), (Some(0), "I would delete them.\nDeleted.\n"));
    let decision = &server.seen()[1];
    assert_eq!(decision["approval"], json!({"id": "K7Q3X9", "decision": "approve"}));
    assert_eq!(decision["session_id"], "s1");
}

#[tokio::test]
async fn lines_of_a_pipe_are_questions_of_one_session() {
    let replies = [says("One."), asks("K7", "3 records"), says("Deleted.")];
    let (done, server) = chat(replies, &[], "first\n\ndelete them\nyes").await;
    assert_eq!(
        (done.code, done.out.as_str()),
        (Some(0), "One.\nI would delete them.\nDeleted.\n"),
        "{}",
        done.err
    );
    let said: Vec<_> = server.seen().iter().map(|body| body["messages"][0]["content"].clone()).collect();
    assert_eq!(said, ["first", "delete them", "yes"]);
    assert!(server.seen()[1..].iter().all(|body| body["session_id"] == "s1"));

    let (done, _) = chat([asks("K7", "3 records")], &[], "delete them\n").await;
    assert_eq!(done.code, Some(3));

    let (done, server) = chat([Reply::cut(&[])], &[], "first\nsecond\n").await;
    assert_eq!((done.code, server.seen().len()), (Some(1), 1));
}

#[tokio::test]
async fn every_failure_ends_with_its_next_step() {
    let error = |code: &str, message: &str| {
        json!({"error": {"message": message, "type": "t", "code": code, "param": null}}).to_string()
    };
    let json = "content-type: application/json";
    let cases = [
        (
            Reply::plain("401 Unauthorized", json, &error("invalid_api_key", "Incorrect API key")),
            ["Incorrect API key", "keys create"],
        ),
        (
            Reply::plain("403 Forbidden", json, &error("insufficient_scope", "needs llm:chat")),
            ["needs llm:chat", "keys list"],
        ),
        (
            Reply::plain(
                "429 Too Many Requests",
                &format!("{json}\r\nretry-after: 26"),
                &error("rate_limit_exceeded", "slow down"),
            ),
            ["slow down", "ask again in 26 s"],
        ),
        (
            Reply::plain(
                "503 Service Unavailable",
                json,
                &error("provider_unavailable", "the model cannot be reached"),
            ),
            ["the model cannot be reached", "doctor"],
        ),
        (
            Reply::plain("404 Not Found", "content-type: text/html", "<html>"),
            ["status 404", "LLM_ORCHESTRATOR_URL"],
        ),
        (
            Reply::plain("200 OK", "content-type: text/html", "<html>"),
            ["is not the orchestrator", "LLM_ORCHESTRATOR_URL"],
        ),
        (
            Reply::stream(&[
                text("ha"),
                json!({"error": {"message": "the model went away", "code": "provider_unavailable"}}),
            ]),
            ["the model went away", "ask again"],
        ),
        (Reply::cut(&[text("half")]), ["broke off", "doctor"]),
    ];
    for (reply, expected) in cases {
        let (done, _) = chat([reply], &["x"], "").await;
        assert_eq!(done.code, Some(1), "{}", done.err);
        for words in expected {
            assert!(done.err.contains(words), "{words} is not in:\n{}", done.err);
        }
    }
}

#[tokio::test]
async fn failures_are_json_too_for_machines() {
    let reply = Reply::plain(
        "429 Too Many Requests",
        "content-type: application/json\r\nretry-after: 26",
        r#"{"error":{"message":"m","code":"rate_limit_exceeded"}}"#,
    );
    let (done, _) = chat([reply], &["--json", "x"], "").await;
    let line: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(
        (&line["type"], &line["status"], &line["retry_after_seconds"]),
        (&json!("error"), &json!(429), &json!(26))
    );
    assert_eq!(done.code, Some(1));
}

#[tokio::test]
async fn a_system_that_is_not_running_is_said_to_be_so() {
    let gone = Orchestrator::start([]).await.url.clone();
    let folder = TempDir::new().unwrap();
    let done = ended(command(folder.path(), &gone, &["x"]), "").await;
    assert_eq!(done.code, Some(1));
    assert!(done.err.contains("nothing answers at") && done.err.contains(" up`"), "{}", done.err);

    let mut keyless = command(folder.path(), &gone, &["x"]);
    keyless.env_remove("PYAIRTABLE_API_KEY");
    let done = ended(keyless, "").await;
    assert!(done.err.contains("no API key") && done.err.contains("PYAIRTABLE_API_KEY"), "{}", done.err);
    assert!(!folder.path().join("data").exists(), "a chat leaves nothing behind");
}

#[tokio::test]
async fn text_of_the_model_cannot_command_the_terminal() {
    let [last, usage] = end();
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2Ja\u{9b}31m";
    let reply = Reply::stream(&[
        happened(json!({"type": "tool_started", "name": evil, "arguments": {"x": evil}})),
        happened(json!({"type": "tool_finished", "name": evil, "status": evil, "preview": evil})),
        text(evil),
        happened(json!({"type": "approval_required", "id": evil, "tool": evil, "summary": evil})),
        last,
        usage,
    ]);
    let (done, _) = chat([reply], &["x"], "").await;
    let harmless = |text: &str| text.chars().all(|c| c == '\n' || !c.is_control());
    assert!(harmless(&done.out) && harmless(&done.err), "{:?}\n{:?}", done.out, done.err);
    assert!(done.out.contains("a�31m"), "{:?}", done.out);

    let error = json!({"error": {"message": evil, "code": evil}}).to_string();
    for reply in
        [Reply::plain("500 Oh", "content-type: application/json", &error), Reply::stream(&[text(evil)])]
    {
        let (done, _) = chat([reply], &["--json", "x"], "").await;
        assert!(harmless(&done.out), "{:?}", done.out);
    }
}

#[tokio::test]
async fn an_interrupt_stops_the_run_and_hangs_up() {
    let server = Orchestrator::start([Reply::hangs(&[text("I begin")])]).await;
    let folder = TempDir::new().unwrap();
    let mut child = command(folder.path(), &server.url, &["x"]).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut begun = [0; 7];
    tokio::time::timeout(PATIENCE, out.read_exact(&mut begun)).await.expect("text streams").unwrap();
    assert_eq!(&begun, b"I begin");
    let pid = child.id().unwrap();
    // The shell's own `kill`: a bare machine has no program of that name.
    assert!(
        std::process::Command::new("sh")
            .args(["-c", &format!("kill -INT {pid}")])
            .status()
            .unwrap()
            .success()
    );
    let done = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("ends").unwrap();
    assert_eq!(done.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&done.stderr).contains("Stopped."));
    tokio::time::timeout(PATIENCE, server.hung_up()).await.expect("the connection is closed");
}

/// All records of the sample's tasks, or those that a formula holds for.
async fn tasks(client: &Client, filter: &str) -> usize {
    let (mut count, mut offset) = (0, String::new());
    loop {
        let page = client
            .get(format!("/v0/appPyAirtableDemo/Tasks?fields%5B%5D=Task&filterByFormula={filter}{offset}"))
            .await
            .ok()
            .json();
        count += page["records"].as_array().unwrap().len();
        match page["offset"].as_str() {
            Some(next) => offset = format!("&offset={next}"),
            None => return count,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_system_answers_and_deletes_after_a_yes_only() {
    let folder = TempDir::new().unwrap();
    let ports = Ports::free();
    let _system = pyairtable(folder.path(), &["up"], &ports.settings()).spawn().unwrap();
    until_ready(&ports).await;
    let shown = pyairtable(folder.path(), &["keys", "show-local"], &[]).output().await.unwrap();
    let client = Client::new(ports.gateway, &only_key(&String::from_utf8_lossy(&shown.stdout)));
    let (all, done) = (tasks(&client, "").await, tasks(&client, "%7BStatus%7D%3D'Done'").await);
    assert!(done > 10 && all > done, "{done} of {all}");
    let chat = async |arguments: &[&str]| {
        let arguments: Vec<&str> = ["chat"].iter().chain(arguments).copied().collect();
        ended(pyairtable(folder.path(), &arguments, &ports.settings()), "").await
    };

    let said = chat(&["how many tasks are there?"]).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains(&all.to_string()), "{all} is not in {}", said.out);
    assert!(
        said.err.contains("nothing was charged") && said.err.contains("aggregate_records"),
        "{}",
        said.err
    );

    let said = chat(&["delete all tasks that are done"]).await;
    assert_eq!(said.code, Some(3), "{}\n{}", said.out, said.err);
    assert!(said.out.contains(&format!("{done} records")), "{done} is not in {}", said.out);
    assert_eq!(tasks(&client, "").await, all);
    let session = said.err.split_once("--session ").and_then(|(_, rest)| rest.split(' ').next()).unwrap();

    let said = chat(&["--session", session, "yes"]).await;
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    assert_eq!(tasks(&client, "").await, all - done);
}
