//! The `pyairtable` command as a process: starts, prints, is killed, starts again.

use crate::support::client::{Call, Client};
use crate::support::eventually;
use serde_json::json;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::{Child, Command};

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Ports {
    pub(crate) gateway: SocketAddr,
    pub(crate) mcp: SocketAddr,
    pub(crate) chat: SocketAddr,
    pub(crate) emulator: SocketAddr,
    pub(crate) model: SocketAddr,
}

impl Ports {
    /// Ports that nobody takes while a service is down.
    pub(crate) fn free() -> Self {
        let mut ports = BTreeSet::new();
        while ports.len() < 5 {
            ports.insert(test_servers::free_port());
        }
        let mut ports = ports.into_iter().map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let mut next = || ports.next().expect("there are five");
        Self { gateway: next(), mcp: next(), chat: next(), emulator: next(), model: next() }
    }

    /// Where everything listens, and where the tools look for it.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        let url = |address| format!("http://{address}");
        vec![
            ("AIRTABLE_GATEWAY_LISTEN", self.gateway.to_string()),
            ("MCP_SERVER_LISTEN", self.mcp.to_string()),
            ("LLM_ORCHESTRATOR_LISTEN", self.chat.to_string()),
            ("AIRTABLE_EMULATOR_LISTEN", self.emulator.to_string()),
            ("GEMINI_EMULATOR_LISTEN", self.model.to_string()),
            ("AIRTABLE_GATEWAY_URL", url(self.gateway)),
            ("MCP_SERVER_URL", url(self.mcp)),
            ("LLM_ORCHESTRATOR_URL", url(self.chat)),
        ]
    }
}

pub(crate) fn pyairtable(data: &Path, arguments: &[&str], settings: &[(&str, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pyairtable"));
    command
        .args(arguments)
        .current_dir(data)
        .env_clear()
        .env("DATA_DIR", data.join("data"))
        .env("LOG_LEVEL", "warn")
        .envs(settings.iter().map(|(name, value)| (*name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn output(data: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let done = tokio::time::timeout(PATIENCE, pyairtable(data, arguments, &[]).output())
        .await
        .expect("ends")
        .unwrap();
    (
        done.status.code(),
        String::from_utf8_lossy(&done.stdout).into_owned(),
        String::from_utf8_lossy(&done.stderr).into_owned(),
    )
}

fn up(data: &Path, ports: &Ports) -> Command {
    pyairtable(data, &["up"], &ports.settings())
}

pub(crate) async fn until_ready(ports: &Ports) {
    for address in [ports.gateway, ports.mcp, ports.chat, ports.emulator, ports.model] {
        eventually("ready", || async {
            let answer = Client::new(address, "").try_send(Call::get("/ready")).await.ok()?;
            (answer.status == 200).then_some(())
        })
        .await;
    }
}

pub(crate) fn only_key(printed: &str) -> String {
    let mut keys: Vec<&str> = printed
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
        .filter(|word| word.starts_with("pya_live_"))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 1, "one key in {printed:?}");
    keys[0].to_owned()
}

pub(crate) fn signal(child: &Child, name: &str) {
    let pid = child.id().expect("running");
    // The shell's own `kill`: a bare machine has no program of that name.
    let sent = std::process::Command::new("sh").args(["-c", &format!("kill {name} {pid}")]).status();
    assert!(sent.unwrap().success());
}

pub(crate) async fn ended(child: Child) -> std::process::Output {
    tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("the process ends").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_starts_on_nothing_prints_what_to_paste_and_ends_in_order() {
    let folder = TempDir::new().unwrap();
    let ports = Ports::free();
    let child = up(folder.path(), &ports).spawn().unwrap();
    until_ready(&ports).await;

    let (code, shown, problems) = output(folder.path(), &["keys", "show-local"]).await;
    assert_eq!(code, Some(0), "{problems}");
    let key = only_key(&shown);
    let client = Client::new(ports.gateway, &key);
    let bases = client.get("/v0/meta/bases").await.ok();
    assert_eq!(bases.header("x-pyairtable-emulated"), "true");
    let base = bases.json()["bases"][0]["id"].as_str().expect("the sample base").to_owned();
    let tables = client.get(format!("/v0/meta/bases/{base}/tables")).await.ok().json();
    assert!(tables["tables"].as_array().unwrap().len() >= 3, "{tables}");

    signal(&child, "-INT");
    let done = ended(child).await;
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    let printed =
        format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    for expected in [
        ports.gateway.to_string(),
        ports.mcp.to_string(),
        ports.chat.to_string(),
        ports.emulator.to_string(),
        ports.model.to_string(),
        "mcpServers".to_owned(),
        "pyairtable chat \"how many open tasks does each person have?\"".to_owned(),
        key,
        "curl".to_owned(),
        "pyairtable".to_owned(),
        "emulat".to_owned(),
    ] {
        assert!(printed.contains(&expected), "{expected} is not in:\n{printed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_survive_a_kill() {
    let folder = TempDir::new().unwrap();
    let ports = Ports::free();
    let mut child = up(folder.path(), &ports).spawn().unwrap();
    until_ready(&ports).await;
    let (_, shown, _) = output(folder.path(), &["keys", "show-local"]).await;
    let local = only_key(&shown);
    let (code, created, problems) =
        output(folder.path(), &["keys", "create", "--name", "kept", "--scopes", "records:read,schema:read"])
            .await;
    assert_eq!(code, Some(0), "{problems}");
    let created = only_key(&created);
    // Killed while clients are writing.
    let writer = Client::new(ports.gateway, &local);
    let base = writer.get("/v0/meta/bases").await.ok().json()["bases"][0]["id"].as_str().unwrap().to_owned();
    let table = writer.get(format!("/v0/meta/bases/{base}/tables")).await.ok().json()["tables"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let writes: Vec<_> = (0..10)
        .map(|_| {
            let (writer, path) = (writer.clone(), format!("/v0/{base}/{table}"));
            tokio::spawn(async move {
                writer
                    .try_send(Call::post(path, json!({"fields": {}})))
                    .await
                    .map(|answer| answer.status)
                    .ok()
            })
        })
        .collect();
    signal(&child, "-KILL");
    assert!(!child.wait().await.unwrap().success());
    for write in writes {
        assert!(matches!(write.await.unwrap(), None | Some(200)));
    }

    let child = up(folder.path(), &ports).spawn().unwrap();
    until_ready(&ports).await;
    let (_, shown, _) = output(folder.path(), &["keys", "show-local"]).await;
    assert_eq!(only_key(&shown), local, "the local key is kept");
    for key in [&local, &created] {
        Client::new(ports.gateway, key).get("/v0/meta/bases").await.ok();
    }
    let (_, listed, _) = output(folder.path(), &["keys", "list"]).await;
    assert!(listed.contains("kept"), "{listed}");
    assert!(!listed.contains(&created) && !listed.contains(&local), "a listing never shows a key");

    let id = created.strip_prefix("pya_live_").unwrap()[..8].to_owned();
    let (code, _, problems) = output(folder.path(), &["keys", "revoke", &id]).await;
    assert_eq!(code, Some(0), "{problems}");
    eventually("the revocation holds", || async {
        let answer = Client::new(ports.gateway, &created).get("/v0/meta/bases").await;
        (answer.status == 401).then_some(())
    })
    .await;
    signal(&child, "-TERM");
    assert_eq!(ended(child).await.status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_port_is_named_with_its_setting() {
    let folder = TempDir::new().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ports = Ports { gateway: taken.local_addr().unwrap(), ..Ports::free() };
    let done = ended(up(folder.path(), &ports).spawn().unwrap()).await;
    assert!(!done.status.success());
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(
        said.contains("AIRTABLE_GATEWAY_LISTEN") && said.contains(&ports.gateway.port().to_string()),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_wrong_setting_is_named_at_once_and_no_secret_is_shown() {
    let folder = TempDir::new().unwrap();
    let settings = [
        ("AIRTABLE_GATEWAY_LISTEN", "not an address".to_owned()),
        ("AIRTABLE_EMULATOR_LISTEN", "127.0.0.1:notaport".to_owned()),
        ("CACHE_MAX_BYTES", "plenty".to_owned()),
        ("PACING", "sometimes".to_owned()),
        ("REDIS_URL", "http://:hunter2@localhost".to_owned()),
        ("AIRTABLE_TOKEN", "patSecret00000001.hunter2".to_owned()),
        ("AIRTABLE_TOKEN_FILE", "/nonexistent".to_owned()),
    ];
    let done = ended(pyairtable(folder.path(), &["up"], &settings).spawn().unwrap()).await;
    assert_eq!(done.status.code(), Some(78));
    let said = String::from_utf8_lossy(&done.stderr);
    for (name, _) in &settings[..6] {
        assert!(said.contains(name), "{name} is not named in:\n{said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_says_what_is_wrong_and_when_all_is_well() {
    let folder = TempDir::new().unwrap();
    let ports = Ports::free();
    let settings = ports.settings();
    let doctor = || async { ended(pyairtable(folder.path(), &["doctor"], &settings).spawn().unwrap()).await };
    let alone = doctor().await;
    assert_ne!(alone.status.code(), Some(0), "nothing runs, yet: {}", String::from_utf8_lossy(&alone.stdout));
    let child = up(folder.path(), &ports).spawn().unwrap();
    until_ready(&ports).await;
    let well = doctor().await;
    assert_eq!(
        well.status.code(),
        Some(0),
        "{}{}",
        String::from_utf8_lossy(&well.stdout),
        String::from_utf8_lossy(&well.stderr)
    );
    signal(&child, "-INT");
    ended(child).await;
}
