//! Secrets are replaced by the project's script while processes of their own are under load: not one request fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::process::Ports;
use crate::support::client::Client;
use crate::support::credentials::Credentials;
use crate::support::eventually;
use crate::support::mcp::Tools;
use crate::support::processes::{Service, kill, until_ready};

const BASE: &str = "appPyAirtableDemo";

/// Callers of the gateway, and of the tools which call the gateway in turn, until told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    callers: JoinSet<()>,
}

impl Load {
    /// `key` is asked before every call.
    fn start<F>(ports: &Ports, key: F) -> Self
    where
        F: Fn() -> String + Clone + Send + 'static,
    {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut callers = JoinSet::new();
        for caller in 0..4 {
            let (stop, done, key) = (stop.clone(), done.clone(), key.clone());
            let (gateway, tools) = (ports.gateway, ports.mcp);
            callers.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    if caller % 2 == 0 {
                        Client::new(gateway, &key()).get(format!("/v0/{BASE}/Tasks?maxRecords=1")).await.ok();
                    } else {
                        Tools::new(tools, &key()).ok("list_bases", json!({})).await;
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Self { stop, done, callers }
    }

    /// Waits until that many calls were answered from now on.
    async fn more(&mut self, calls: usize) {
        let target = self.done.load(Ordering::Relaxed) + calls;
        eventually("calls are answered", async || {
            (self.done.load(Ordering::Relaxed) >= target || self.callers.len() < 4).then_some(())
        })
        .await;
        if let Some(failed) = self.callers.try_join_next() {
            panic!("a call failed: {failed:?}");
        }
    }

    /// Fails if one call did.
    async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.callers.join_all().await;
        self.done.load(Ordering::Relaxed)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_the_services_common_key_and_the_operators_key_are_replaced() {
    let credentials = Arc::new(Credentials::generate());
    let (folder, ports) = (TempDir::new().unwrap(), Ports::free());
    let secrets = vec![
        ("AIRTABLE_API_URL", format!("http://{}", ports.emulator)),
        credentials.setting("INTERNAL_API_KEY_FILE", "internal-api-key"),
        credentials.setting("OPERATOR_API_KEY_FILE", "operator-api-key"),
        credentials.setting("AIRTABLE_EMULATOR_TOKEN_FILE", "airtable-emulator-token"),
    ];
    let settings = [ports.settings(), secrets].concat();
    let start = |service: Service| service.start(folder.path(), &settings);
    let _emulator = start(Service::Airtable);
    let mut gateway = start(Service::Gateway);
    let _tools = start(Service::Tools);
    for address in [ports.emulator, ports.gateway, ports.mcp] {
        until_ready(address).await;
    }
    let rotate = async |name: &'static str| {
        let credentials = credentials.clone();
        tokio::task::spawn_blocking(move || credentials.run(&["--rotate", name])).await.unwrap();
    };

    // One caller has the key in a variable, the other reads the file each time.
    let (first, file) = (credentials.value("operator-api-key"), credentials.path("operator-api-key"));
    let mut loads = [
        Load::start(&ports, {
            let first = first.clone();
            move || first.clone()
        }),
        Load::start(&ports, move || std::fs::read_to_string(&file).unwrap().trim_end().to_owned()),
    ];
    // The common key twice, as fast as the script allows.
    for name in ["internal-api-key", "internal-api-key", "operator-api-key"] {
        for load in &mut loads {
            load.more(20).await;
        }
        rotate(name).await;
    }
    for load in &mut loads {
        load.more(100).await;
    }
    for load in loads {
        assert!(load.end().await > 150);
    }

    // A process that starts after the rotation knows the value before, too.
    kill(&mut gateway).await;
    let _gateway = start(Service::Gateway);
    until_ready(ports.gateway).await;
    let second = credentials.value("operator-api-key");
    assert_ne!(first, second);
    for key in [&first, &second] {
        Tools::new(ports.mcp, key).ok("list_bases", json!({})).await;
        Client::new(ports.gateway, key).get(format!("/v0/{BASE}/Tasks?maxRecords=1")).await.ok();
    }
    // Retired, it is unknown to whoever starts then; a process that saw the change forgets it within a minute.
    credentials.run(&["--retire", "operator-api-key"]);
    kill(&mut { _gateway }).await;
    let _gateway = start(Service::Gateway);
    until_ready(ports.gateway).await;
    let refused = Client::new(ports.gateway, &first).get(format!("/v0/{BASE}/Tasks?maxRecords=1")).await;
    assert_eq!(refused.status, 401, "{}", refused.text());
    Client::new(ports.gateway, &second).get(format!("/v0/{BASE}/Tasks?maxRecords=1")).await.ok();
}

#[test]
fn the_scripts_keys_are_well_formed_for_the_services() {
    let credentials = Credentials::generate();
    for _ in 0..5 {
        credentials.run(&["--force", "operator-api-key"]);
        assert!(service_kit::keys::ApiKey::parse(&credentials.value("operator-api-key")).is_ok());
    }
}
