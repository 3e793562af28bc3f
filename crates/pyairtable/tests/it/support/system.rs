//! Starts emulator and gateway inside the test, on ports of their own, as their libraries offer it.

use super::client::Client;
use super::seeds::TOKEN;
use emulators::airtable::{self, Seed};
use serde_json::Value;
use service_kit::auth::{Bases, Scope, Scopes};
use service_kit::config::Reader;
use service_kit::keys::ApiKey;
use service_kit::serve::{Limits, Shutdown, serve};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::SystemTime;
use storage::{ApiKeyStore as _, SqliteStore};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) struct System {
    pub(crate) emulator: Emulator,
    pub(crate) gateway: Gateway,
}

pub(crate) struct Emulator {
    pub(crate) address: SocketAddr,
    running: Running,
}

pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    /// May do everything.
    pub(crate) full_key: String,
    data: TempDir,
    running: Running,
}

/// A service that runs in this process.
pub(crate) struct Running {
    shutdown: Shutdown,
    server: JoinHandle<()>,
}

impl System {
    pub(crate) async fn start(seed: Value, settings: &[(&str, &str)]) -> Self {
        let emulator = Emulator::start(seed).await;
        let gateway = Gateway::start(emulator.address, settings).await;
        Self { emulator, gateway }
    }

    pub(crate) async fn stop(self) {
        self.gateway.stop().await;
        self.emulator.stop().await;
    }
}

impl Emulator {
    pub(crate) async fn start(seed: Value) -> Self {
        Self::start_at(anywhere(), seed).await
    }

    pub(crate) async fn start_at(address: SocketAddr, seed: Value) -> Self {
        let seed = Seed::from_json(seed.to_string().as_bytes()).expect("the seed is right");
        let shutdown = Shutdown::manual();
        let router = airtable::app(&airtable::Emulator::new(seed), shutdown.clone());
        let (address, running) = run(address, router, shutdown).await;
        Self { address, running }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.address, TOKEN)
    }

    /// The targets that arrived, oldest first, exactly as they came.
    pub(crate) async fn seen(&self) -> Vec<Vec<u8>> {
        let log = self.client().get("/__emulator/requests").await.ok().json();
        let requests = log["requests"].as_array().unwrap_or_else(|| panic!("no list of requests: {log}"));
        requests
            .iter()
            .map(|request| request["target"].as_str().expect("a target").as_bytes().to_vec())
            .collect()
    }

    /// A record's cells by field name, as Airtable has them.
    pub(crate) async fn cells(&self, base: &str, table: &str, record: &str) -> Value {
        let found = self.client().get(format!("/v0/{base}/{table}/{record}")).await.ok().json();
        found["fields"].clone()
    }

    /// All records of a table.
    pub(crate) async fn records(&self, base: &str, table: &str) -> Vec<Value> {
        let mut records = Vec::new();
        let mut target = format!("/v0/{base}/{table}");
        loop {
            let page = self.client().get(&target).await.ok().json();
            records.extend(page["records"].as_array().expect("records").iter().cloned());
            match page["offset"].as_str() {
                Some(offset) => target = format!("/v0/{base}/{table}?offset={offset}"),
                None => return records,
            }
        }
    }

    pub(crate) async fn count(&self, base: &str, table: &str) -> usize {
        self.records(base, table).await.len()
    }

    pub(crate) async fn violations(&self) -> u64 {
        let counters = self.client().get("/__emulator/counters").await.ok().json();
        let (found, sum) = sum_of(&counters, "violations");
        assert!(found, "no counter of violations in {counters}");
        sum
    }

    pub(crate) async fn lift_limits(&self) {
        let limits = super::seeds::no_limits();
        let call = super::client::Call::new(http::Method::PUT, "/__emulator/limits").json(limits);
        self.client().send(call).await.ok();
    }

    pub(crate) async fn stop(self) {
        self.running.stop().await;
    }
}

impl Gateway {
    pub(crate) async fn start(upstream: SocketAddr, settings: &[(&str, &str)]) -> Self {
        let data = TempDir::new().expect("a folder for the data");
        let full_key = mint(data.path(), &Scope::ALL.map(Scope::as_str), None).await;
        let url = format!("http://{upstream}");
        let own = [("AIRTABLE_API_URL", url.as_str()), ("AIRTABLE_TOKEN", TOKEN)];
        let given = settings_of(data.path(), &own, settings);
        let router = airtable_gateway::app(configuration(&given)).await.expect("the gateway starts");
        let (address, running) = run(anywhere(), router, Shutdown::manual()).await;
        Self { address, full_key, data, running }
    }

    pub(crate) fn client(&self) -> Client {
        self.client_with(&self.full_key)
    }

    pub(crate) fn client_with(&self, key: &str) -> Client {
        Client::new(self.address, key)
    }

    /// The settings of another service on the same data, the latter winning.
    pub(crate) fn settings<'a>(
        &self,
        first: &[(&'a str, &str)],
        second: &[(&'a str, &str)],
    ) -> HashMap<&'a str, String> {
        settings_of(self.data.path(), first, second)
    }

    /// A new key; `bases` of `None` means every base.
    pub(crate) async fn key(&self, scopes: &[&str], bases: Option<&[&str]>) -> String {
        mint(self.data.path(), scopes, bases).await
    }

    pub(crate) async fn stop(self) {
        drop(self.stop_and_keep_data().await);
    }

    /// Stops, where others still use the data.
    pub(crate) async fn stop_and_keep_data(self) -> TempDir {
        self.running.stop().await;
        self.data
    }
}

fn settings_of<'a>(
    data: &Path,
    first: &[(&'a str, &str)],
    second: &[(&'a str, &str)],
) -> HashMap<&'a str, String> {
    let mut given = HashMap::from([("DATA_DIR", data.display().to_string())]);
    given.extend(first.iter().chain(second).map(|(name, value)| (*name, (*value).to_owned())));
    given
}

/// A port of this machine that is free.
pub(crate) fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn configuration(given: &HashMap<&str, String>) -> airtable_gateway::Config {
    let source = |name: &str| given.get(name).cloned();
    let mut reader = Reader::new(&source);
    let config = airtable_gateway::Config::read(&mut reader);
    reader.finish(config).expect("the settings are right")
}

impl Running {
    pub(crate) async fn stop(self) {
        self.shutdown.request();
        self.server.await.expect("the server ends in order");
    }
}

pub(crate) async fn run(
    address: SocketAddr,
    router: axum::Router,
    shutdown: Shutdown,
) -> (SocketAddr, Running) {
    let listener = TcpListener::bind(address).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(serve(listener, router, Limits::default(), shutdown.clone()));
    (address, Running { shutdown, server })
}

async fn mint(data: &Path, scopes: &[&str], bases: Option<&[&str]>) -> String {
    let key = ApiKey::mint().expect("randomness");
    let scopes = scopes.iter().fold(Scopes::NONE, |all, name| all.with(name.parse().expect("a scope")));
    let bases = bases.map_or(Bases::All, |ids| Bases::only(ids.iter().copied()));
    let store = SqliteStore::open(&data.join("pyairtable.sqlite")).await.expect("the store opens");
    store
        .insert(&key.record("test", scopes, &bases, SystemTime::now(), None))
        .await
        .expect("the key is kept");
    store.close().await;
    key.expose().to_owned()
}

/// Whether there is a member of this name, and the sum of all of them.
fn sum_of(value: &Value, name: &str) -> (bool, u64) {
    let inner = match value {
        Value::Object(members) => members
            .iter()
            .map(
                |(key, value)| {
                    if key == name { (true, value.as_u64().unwrap_or(0)) } else { sum_of(value, name) }
                },
            )
            .collect(),
        Value::Array(elements) => elements.iter().map(|element| sum_of(element, name)).collect(),
        _ => Vec::new(),
    };
    inner.into_iter().fold((false, 0), |(found, sum), (here, count)| (found | here, sum + count))
}
