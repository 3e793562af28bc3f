//! The binary as a user starts it, and as a machine kills it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::json;
use storage::{SessionStore as _, UsageFilter};

use crate::support::*;

fn orchestrator(arguments: &[&str], settings: &[(&str, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_llm-orchestrator"));
    command.args(arguments).env_clear().stdin(Stdio::null()).current_dir(std::env::temp_dir());
    command.envs(settings.iter().map(|(name, value)| (*name, value.as_str())));
    command
}

/// A started process, which ends with the test even if that fails half-way.
struct Running {
    child: Child,
    address: String,
}

impl Running {
    /// Waits until it says where it listens.
    fn start(settings: &[(&str, String)]) -> Self {
        let mut child = orchestrator(&[], settings).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("it says where it listens").unwrap();
            if let Some((_, address)) = line.split_once("listening on http://") {
                break address.split_whitespace().next().unwrap().to_owned();
            }
        };
        // Read on, so that it can write on.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails if it has ended already, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn settings_are_checked_without_starting() {
    let bad = orchestrator(&["check-config"], &[("LLM_MAX_STEPS", "none".to_owned())]).output().unwrap();
    let text = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert_eq!(bad.status.code(), Some(78));
    assert!(text.contains("GEMINI_API_KEY") && text.contains("LLM_MAX_STEPS"), "{text}");
    assert_eq!(
        orchestrator(&[], &[]).output().unwrap().status.code(),
        Some(78),
        "it does not start without a model"
    );
}

/// `kill -9` in the middle of a change, and ask again.
#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_a_change_it_goes_on_without_doing_it_twice() {
    let turns = json!([
        calls(json!([{"name": "list_tables"}, {"name": "slow_update"}, {"name": "list_tables"}])),
        {"times": "always", "reply": {"text": "I looked."}},
    ]);
    let chat = Orchestrator::start(turns).await;
    let mut settings = chat.environment();
    settings.push(("LLM_ORCHESTRATOR_LISTEN", "127.0.0.1:0".to_owned()));

    let first = Running::start(&settings);
    let chat = chat.at(first.address.parse().unwrap());
    let body = json!({"session_id": "s1", "messages": [{"role": "user", "content": "Go"}], "include_run_events": true});
    let mut stream = chat.stream(body).await;
    eventually("the change is sent", async || {
        chat.tools.names().last().is_some_and(|name| name == "slow_update")
    })
    .await;
    assert_eq!(stream.status, 200);
    drop(first); // `Child::kill` is SIGKILL
    while stream.next().await.is_some() {}
    chat.tools.go_on();
    eventually("the change is made all the same", async || chat.tools.changes() == 1).await;

    let second = Running::start(&settings);
    let listen = [("LLM_ORCHESTRATOR_LISTEN", second.address.clone())];
    let mut probe = chat.environment();
    probe.extend(listen);
    assert_eq!(orchestrator(&["healthcheck"], &probe).status().unwrap().code(), Some(0));
    let chat = chat.at(second.address.parse().unwrap());
    let started = std::time::Instant::now();
    let answer = chat.ask_in("s1", "Well?").await.ok();
    assert!(
        started.elapsed() < std::time::Duration::from_secs(5),
        "the dead process's lease is not waited for"
    );
    assert!(
        answer.text().contains("slow_update was interrupted") && answer.text().ends_with("I looked."),
        "{}",
        answer.text()
    );
    assert_eq!(
        (chat.tools.changes(), chat.tools.names()),
        (1, vec!["list_tables".to_owned(), "slow_update".to_owned()])
    );
    let results = chat.results();
    assert!(results[0]["output"].is_object());
    assert!(
        results[1]["error"].to_string().contains("NOT KNOWN")
            && results[2]["error"].to_string().contains("not run")
    );
    let filter = UsageFilter { session: Some("s1".to_owned()), ..UsageFilter::default() };
    assert_eq!(
        chat.store().await.usage(&filter).await.unwrap().steps,
        2,
        "each call of the model is counted once"
    );
}
