//! The binary as users and their clients start it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::support::{BASE, MODERN, Server, World, job_id};

fn binary(dir: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-server"));
    command.args(arguments).current_dir(dir).env_clear().envs(settings.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A server on standard input and output, which ends with the test even if that fails half-way.
struct Piped {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Piped {
    fn start(server: &Server, arguments: &[&str], more: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("http://{}", server.gateway.address);
        let mut settings =
            vec![("AIRTABLE_GATEWAY_URL", url.as_str()), ("PYAIRTABLE_API_KEY", server.key.as_str())];
        settings.extend(more);
        let mut child = binary(dir.path(), arguments, &settings).spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.input.as_mut().unwrap(), "{message}").unwrap();
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("no message: {line:?}"))
    }

    fn ask(&mut self, method: &str, mut params: Value, is_modern: bool) -> Value {
        if is_modern {
            params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(MODERN);
            params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
        }
        self.send(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}));
        self.next()
    }

    /// Closes its input, and gives its exit code and what it logged.
    fn close(mut self) -> (Option<i32>, String) {
        drop(self.input.take());
        let code = self.child.wait().unwrap().code();
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "nothing but messages on standard output");
        (code, log)
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_revision_is_served_on_standard_input_and_output() {
    let server = World::new(3, 1).server().await;
    for (version, arguments, more) in [
        (Some("2025-11-25"), &["--stdio"][..], &[][..]),
        (Some("2025-06-18"), &["--transport", "stdio"], &[("LOG_FORMAT", "json")]),
        (Some("2025-03-26"), &[], &[("MCP_MODE", "stdio")]),
        (None, &["--stdio"], &[("LOG_LEVEL", "debug")]),
    ] {
        let mut client = Piped::start(&server, arguments, more);
        let is_modern = version.is_none();
        match version {
            Some(version) => {
                let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
                let initialized = client.ask("initialize", params, false);
                assert_eq!(initialized["result"]["protocolVersion"], version, "{initialized}");
                client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
            }
            None => {
                let discovered = client.ask("server/discover", json!({}), true);
                assert!(discovered["result"]["supportedVersions"].is_array(), "{discovered}");
            }
        }
        let listed = client.ask("tools/list", json!({}), is_modern);
        assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 11, "{version:?}");
        let call = json!({"name": "aggregate_records", "arguments": {"base": BASE, "table": "Aufträge"}});
        let called = client.ask("tools/call", call, is_modern);
        assert_eq!(called["result"]["structuredContent"]["rows"], 3, "{called}");
        assert_eq!(called["result"].get("resultType").is_some(), is_modern);
        let (code, log) = client.close();
        assert_eq!(code, Some(0), "{log}");
        assert!(!log.contains(&server.key), "no key in the log");
    }
    let key_id = &server.key[9..17];
    assert!(
        server.gateway.seen().iter().all(|seen| *seen.principal.key_id == *key_id),
        "with the key's own rights"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_on_standard_input_and_output_is_asked_too() {
    let server = World::new(3, 1).server().await;
    let mut client = Piped::start(&server, &["--stdio"], &[]);
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}}, "clientInfo": {"name": "t", "version": "1"}});
    client.ask("initialize", params, false);
    client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    let arguments = json!({"base": BASE, "table": "Aufträge", "record_ids": [job_id(1)]});
    let question = client.ask("tools/call", json!({"name": "delete_records", "arguments": arguments}), false);
    assert_eq!(question["method"], "elicitation/create", "{question}");
    client.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept", "content": {"confirm": true}}}));
    let done = client.next();
    assert_eq!(done["result"]["structuredContent"]["deleted"], json!([job_id(1)]), "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_once_on_standard_input_and_output_too() {
    let server = World::new(3, 1).server().await;
    let mut client = Piped::start(&server, &["--stdio"], &[]);
    let mut arguments = json!({"base": BASE, "table": "Aufträge", "record_ids": [job_id(1)]});
    let call = |arguments: &Value| json!({"name": "delete_records", "arguments": arguments});
    let preview = client.ask("tools/call", call(&arguments), true);
    arguments["confirm"] = preview["result"]["structuredContent"]["confirm"].clone();
    assert_eq!(
        client.ask("tools/call", call(&arguments), true)["result"]["structuredContent"]["status"],
        "done"
    );
    let again = client.ask("tools/call", call(&arguments), true);
    assert_eq!(again["result"]["_meta"]["pyairtable/error"]["code"], "confirmation_invalid", "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_key_is_used_where_none_is_set_and_missed_aloud_where_there_is_none() {
    let server = World::new(1, 1).server().await;
    let dir = tempfile::tempdir().unwrap();
    let missing = binary(dir.path(), &["--stdio"], &[]).output().unwrap();
    assert_eq!(missing.status.code(), Some(1));
    let complaint = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(complaint.contains("PYAIRTABLE_API_KEY"), "{complaint}");
    assert!(missing.stdout.is_empty());

    std::fs::create_dir(dir.path().join("data")).unwrap();
    std::fs::write(dir.path().join("data/local-api-key"), format!("{}\n", server.key)).unwrap();
    let url = format!("http://{}", server.gateway.address);
    let mut child = binary(dir.path(), &["--stdio"], &[("AIRTABLE_GATEWAY_URL", &url)]).spawn().unwrap();
    let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
    let mut client = Piped { child, input, output };
    let called = client.ask("tools/call", json!({"name": "list_bases", "arguments": {}}), true);
    assert_eq!(called["result"]["isError"], false, "{called}");
}

#[test]
fn wrong_settings_are_told_all_at_once_with_code_78() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [&[][..], &["check-config"], &["--stdio"]] {
        let settings =
            [("MCP_MODE", "pigeon"), ("MCP_SERVER_LISTEN", "nowhere"), ("AIRTABLE_GATEWAY_URL", "ftp://x")];
        let output = binary(dir.path(), arguments, &settings).output().unwrap();
        assert_eq!(output.status.code(), Some(78));
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        for name in ["MCP_MODE", "MCP_SERVER_LISTEN", "AIRTABLE_GATEWAY_URL"] {
            assert!(complaint.contains(name), "{name} in {complaint}");
        }
    }
    assert_eq!(binary(dir.path(), &["check-config"], &[]).output().unwrap().status.code(), Some(0));
}

#[test]
fn over_http_it_starts_answers_its_probe_and_ends_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = binary(dir.path(), &["--http"], &[("MCP_SERVER_LISTEN", "127.0.0.1:0")]).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = loop {
        let line = lines.next().expect("it says where it listens").unwrap();
        if let Some((_, address)) = line.split_once("http://") {
            break address.split_whitespace().next().unwrap().to_owned();
        }
    };
    let listen = [("MCP_SERVER_LISTEN", address.as_str())];
    let probe = binary(dir.path(), &["healthcheck"], &listen).output().unwrap();
    assert_eq!(probe.status.code(), Some(0), "{probe:?}");
    // The shell's own `kill`: the program is not everywhere.
    Command::new("sh").args(["-c", &format!("kill {}", child.id())]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
