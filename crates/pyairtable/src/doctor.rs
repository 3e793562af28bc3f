use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use http::StatusCode;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use service_kit::config::environment;
use service_kit::error::chain;
use service_kit::stores::StoreSettings;
use storage::SqliteStore;

use crate::banner::mcp_client_configuration;
use crate::local_key;
use crate::probe::{self, Answer};
use crate::settings::{Settings, program};

/// What one check found, in words, and what to do about it.
enum Finding {
    Fine(String),
    Wrong { what: String, advice: String },
}

impl Finding {
    fn wrong(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::Wrong { what: what.into(), advice: advice.into() }
    }
}

/// Checks the data directory, the store, the key, the services and, through the gateway, Airtable. Prints a line for each as it goes.
pub(crate) async fn run() -> anyhow::Result<ExitCode> {
    let source = environment()?;
    let settings = Settings::from_source(&source)?;
    let mut report = Report::default();

    // With stores and a key elsewhere nothing of ours is in it.
    if settings.stores.database.is_none() || settings.api_key.is_none() {
        report.add("data directory", data_directory(&settings.data_dir));
    }
    report.add("store", store(&settings.stores).await);
    if let Some(finding) = redis(&settings.stores).await {
        report.add("Redis", finding);
    }
    let (key, finding) = api_key(&settings);
    report.add("API key", finding);
    for (name, address, advice) in [
        ("airtable-emulator", settings.airtable_emulator, AIRTABLE_EMULATOR_ADVICE),
        ("gemini-emulator", settings.gemini_emulator, GEMINI_EMULATOR_ADVICE),
    ] {
        if let Some(address) = address {
            report.add(name, service(name, &format!("http://{address}"), advice).await);
        }
    }
    let gateway = service("airtable-gateway", &settings.gateway_url, GATEWAY_ADVICE).await;
    let reachable = matches!(gateway, Finding::Fine(_));
    report.add("airtable-gateway", gateway);
    report.add(
        "Airtable",
        match (reachable, key) {
            (true, Some(key)) => upstream(&settings.gateway_url, &key).await,
            (false, _) => {
                Finding::wrong("not checked: it is reached through the gateway", "mend the gateway first")
            }
            (true, None) => Finding::wrong("not checked: that needs an API key", "mend the API key first"),
        },
    );
    report.add("mcp-server", service("mcp-server", &settings.mcp_url, MCP_ADVICE).await);
    report.add("llm-orchestrator", service("llm-orchestrator", &settings.chat_url, CHAT_ADVICE).await);
    Ok(report.finish(&settings))
}

#[derive(Default)]
struct Report {
    wrong: usize,
}

impl Report {
    fn add(&mut self, subject: &str, finding: Finding) {
        match finding {
            Finding::Fine(what) => println!("ok     {subject}: {what}"),
            Finding::Wrong { what, advice } => {
                self.wrong += 1;
                println!("WRONG  {subject}: {what}\n       -> {advice}");
            }
        }
    }

    fn finish(self, settings: &Settings) -> ExitCode {
        if self.wrong > 0 {
            println!("\n{} of the checks found something wrong.", self.wrong);
            return ExitCode::FAILURE;
        }
        let (gateway_url, program) = (&settings.gateway_url, program());
        let mcp =
            mcp_client_configuration(&format!("{}/mcp", settings.mcp_url.trim_end_matches('/')), "$KEY");
        println!("\nEverything is in order. For your clients, at the addresses used here:");
        match settings.api_key {
            Some(_) => println!("  export KEY=…    # the key that PYAIRTABLE_API_KEY gave"),
            None => println!("  export KEY=$({program} keys show-local)"),
        }
        println!(
            "  export AIRTABLE_API_KEY=$KEY AIRTABLE_ENDPOINT_URL={gateway_url}    # airtable.js reads both"
        );
        println!("  Api(os.environ[\"KEY\"], endpoint_url=\"{gateway_url}\")    # pyairtable in Python");
        println!(
            "  OpenAI(api_key=os.environ[\"KEY\"], base_url=\"{}/v1\")    # openai in Python",
            settings.chat_url
        );
        println!("  {mcp}    # MCP clients, with the key in place of $KEY");
        ExitCode::SUCCESS
    }
}

fn data_directory(path: &Path) -> Finding {
    let shown = path.display();
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Finding::wrong(
            format!("{shown} does not exist"),
            "start once with `pyairtable up`, or set DATA_DIR to where it is",
        ),
        Err(error) => {
            Finding::wrong(format!("{shown}: {error}"), "make it readable for this user, or set DATA_DIR")
        }
        Ok(meta) if !meta.is_dir() => {
            Finding::wrong(format!("{shown} is not a directory"), "set DATA_DIR to a directory")
        }
        Ok(meta) if meta.permissions().mode() & 0o077 != 0 => Finding::wrong(
            format!("{shown} is open to other users (mode {:o})", meta.permissions().mode() & 0o777),
            format!("it holds keys: chmod 700 {shown}"),
        ),
        Ok(_) => Finding::Fine(shown.to_string()),
    }
}

async fn store(stores: &StoreSettings) -> Finding {
    let path = SqliteStore::path_in(&stores.data_dir);
    if stores.database.is_none() && !path.exists() {
        return Finding::wrong(format!("{} does not exist", path.display()), "`pyairtable up` creates it");
    }
    let place = stores.database_place();
    let listed = match stores.open_keys().await {
        Ok(store) => store.list().await,
        Err(error) => Err(error),
    };
    match listed {
        Ok(keys) => Finding::Fine(format!("{place}, {} API keys", keys.len())),
        Err(error) if stores.database.is_some() => Finding::wrong(
            format!("{place}: {}", chain(&error)),
            "start it, and check user, password and database in DATABASE_URL",
        ),
        Err(error) => Finding::wrong(
            chain(&error),
            "check that the disk is neither full nor read-only; if the file is damaged, restore it from a backup",
        ),
    }
}

/// `None`: it is not used.
async fn redis(stores: &StoreSettings) -> Option<Finding> {
    let place = stores.redis.as_ref()?;
    Some(match stores.try_redis().await? {
        Ok(()) => Finding::Fine(place.to_string()),
        Err(error) => Finding::wrong(
            format!("{place}: {}", chain(&error)),
            "start it, and check user and password in REDIS_URL; until then everything is slower",
        ),
    })
}

/// The key that the tools present: the setting's, else the local one.
fn api_key(settings: &Settings) -> (Option<String>, Finding) {
    if let Some(secret) = &settings.api_key {
        return (
            Some(secret.current().expose_secret().to_owned()),
            Finding::Fine("from PYAIRTABLE_API_KEY".to_owned()),
        );
    }
    match local_key::read(&settings.data_dir) {
        Ok(Some(key)) => {
            let shown = format!("{}, from {}", key.id(), local_key::path_in(&settings.data_dir).display());
            (Some(key.expose().to_owned()), Finding::Fine(shown))
        }
        Ok(None) => (
            None,
            Finding::wrong(
                "neither PYAIRTABLE_API_KEY nor a local key is there",
                "start once with `pyairtable up`, or set PYAIRTABLE_API_KEY",
            ),
        ),
        Err(error) => (
            None,
            Finding::wrong(format!("{error:#}"), "make the file readable, or delete it to get a new key"),
        ),
    }
}

const AIRTABLE_EMULATOR_ADVICE: &str = "start it (`pyairtable up`), or set AIRTABLE_EMULATOR_LISTEN to where it runs, or AIRTABLE_TOKEN to use Airtable itself";
const GEMINI_EMULATOR_ADVICE: &str = "start it (`pyairtable up`), or set GEMINI_EMULATOR_LISTEN to where it runs, or GEMINI_API_KEY to use Gemini itself";
const MCP_ADVICE: &str = "start it (`pyairtable up`), or set MCP_SERVER_URL to where it runs";
const CHAT_ADVICE: &str = "start it (`pyairtable up`), or set LLM_ORCHESTRATOR_URL to where it runs";
const GATEWAY_ADVICE: &str = "start it (`pyairtable up`), or set AIRTABLE_GATEWAY_URL to where it runs";

/// Asks a service whether it is well. `advice` is for when nothing, or something else, answers there.
async fn service(name: &str, url: &str, advice: &str) -> Finding {
    let answer = match probe::get(url, "/health", None).await {
        Ok(answer) => answer,
        Err(error) => return Finding::wrong(format!("{url}: {error}"), advice),
    };
    let text = |name: &str| answer.body[name].as_str().unwrap_or_default().to_owned();
    if text("service") != name {
        return Finding::wrong(format!("something else answers on {url}"), advice);
    }
    match (answer.status, text("status").as_str()) {
        (StatusCode::OK, "healthy") => Finding::Fine(format!("{url}, version {}", text("version"))),
        (_, status) => Finding::wrong(
            format!("{url} says that it is {status}: {}", failing_checks(&answer.body)),
            "its log says more; the parts that it names need care",
        ),
    }
}

/// The names of the checks of a health answer that are not well.
fn failing_checks(body: &Value) -> String {
    let failing: Vec<&str> = body["checks"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, check)| check["status"] != "healthy")
        .map(|(name, _)| name.as_str())
        .collect();
    if failing.is_empty() { "it names no part".to_owned() } else { failing.join(", ") }
}

/// Asks the gateway for a real call to Airtable, so that token, network and pacing are checked as callers meet them.
async fn upstream(url: &str, key: &str) -> Finding {
    let answer = match probe::get(url, "/api/v1/airtable/test", Some(key)).await {
        Ok(answer) => answer,
        Err(error) => {
            return Finding::wrong(
                format!("the gateway did not tell: {error}"),
                "look into the gateway's log",
            );
        }
    };
    match answer.status {
        StatusCode::OK => Finding::Fine(message(&answer)),
        StatusCode::UNAUTHORIZED => Finding::wrong(
            "the gateway does not accept the API key",
            "the key must stand in the gateway's own store: use the same DATA_DIR for both, or set PYAIRTABLE_API_KEY",
        ),
        StatusCode::FORBIDDEN => Finding::wrong(
            message(&answer),
            "give the API key schema:read, or check the scopes of AIRTABLE_TOKEN",
        ),
        StatusCode::TOO_MANY_REQUESTS => Finding::wrong(
            message(&answer),
            "another program uses up Airtable's limits with the same token: route it through the gateway",
        ),
        _ => Finding::wrong(message(&answer), "check AIRTABLE_TOKEN, AIRTABLE_API_URL and the network"),
    }
}

fn message(answer: &Answer) -> String {
    let said = ["message", "detail", "title"].into_iter().find_map(|name| answer.body[name].as_str());
    said.map_or_else(|| format!("status {}", answer.status), str::to_owned)
}
