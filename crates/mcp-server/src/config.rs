//! The server's settings.

use std::net::SocketAddr;
use std::path::PathBuf;

use airtable_api::Origin;
use service_kit::InternalKey;
use service_kit::auth::OperatorKey;
use service_kit::config::{Reader, Secret};
use service_kit::serve::Shutdown;
use service_kit::stores::{StoreSettings, Stores};
use service_kit::telemetry::LogSettings;

/// The name of the setting that says where to listen.
pub const LISTEN: &str = "MCP_SERVER_LISTEN";

/// Where the gateway is, unless `AIRTABLE_GATEWAY_URL` says otherwise.
const GATEWAY: &str = "http://127.0.0.1:8002";

/// The key that a start on this machine mints for its owner, under `DATA_DIR`.
const LOCAL_KEY_FILE: &str = "local-api-key";

/// Hosts by which a browser or a client on this machine names it.
const LOOPBACK_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Pages served from this machine, on any port.
const LOOPBACK_ORIGINS: [&str; 3] = ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"];

/// Everything that the server can be told.
#[derive(Clone, Debug)]
pub struct Config {
    /// `MCP_SERVER_LISTEN`, default 127.0.0.1:8001.
    pub listen: SocketAddr,
    /// `AIRTABLE_GATEWAY_URL`, default <http://127.0.0.1:8002>.
    pub gateway: Origin,
    /// `DATA_DIR`, default `./data`.
    pub data_dir: PathBuf,
    /// `DATABASE_URL`, `REDIS_URL`: where keys are, and which confirmations were used.
    pub stores: StoreSettings,
    /// What principals, cursors and confirmations are signed with: `INTERNAL_API_KEY`, or a file under `DATA_DIR`.
    pub internal_key: InternalKey,
    /// `OPERATOR_API_KEY`: a key with all rights that is in no database.
    pub operator_key: Option<OperatorKey>,
    /// `PYAIRTABLE_API_KEY`: whose rights a server on standard input and output has; without it, the local key's file.
    pub api_key: Option<Secret>,
    /// `MCP_ALLOWED_HOSTS`: values of `Host` that are answered, default loopback names.
    pub allowed_hosts: Vec<String>,
    /// `MCP_ALLOWED_ORIGINS`: pages that may call from a browser, default those of this machine.
    pub allowed_origins: Vec<String>,
    /// `MCP_MODE`: `http` (default) or `stdio`.
    pub transport: Transport,
    /// `LOG_LEVEL` and `LOG_FORMAT`.
    pub log: LogSettings,
    /// Not a setting: once asked for, `/ready` says so.
    pub shutdown: Shutdown,
    /// Not a setting: the stores that this process has opened already; without them the server opens its own.
    pub opened: Option<Stores>,
}

/// How clients reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Streamable HTTP on a port.
    Http,
    /// Standard input and output of this process.
    Stdio,
}

/// The text names no transport.
#[derive(Debug, thiserror::Error)]
#[error("must be http or stdio")]
pub struct UnknownTransport;

impl std::str::FromStr for Transport {
    type Err = UnknownTransport;

    fn from_str(text: &str) -> Result<Self, UnknownTransport> {
        match text.to_ascii_lowercase().as_str() {
            "http" | "streamable-http" | "streamable_http" => Ok(Self::Http),
            "stdio" => Ok(Self::Stdio),
            _ => Err(UnknownTransport),
        }
    }
}

impl Config {
    /// Reads all settings; notes every problem, then `None` if something indispensable is missing.
    pub fn read(settings: &mut Reader<'_>) -> Option<Self> {
        let listen = settings.optional(LISTEN);
        let url = settings.optional::<String>("AIRTABLE_GATEWAY_URL");
        let data_dir = settings.optional("DATA_DIR").unwrap_or_else(|| PathBuf::from("./data"));
        let stores = StoreSettings::read(settings);
        let internal_key = InternalKey::read(settings, &data_dir);
        let operator_key = OperatorKey::read(settings);
        let api_key = settings.optional_secret("PYAIRTABLE_API_KEY");
        let hosts = settings.optional::<String>("MCP_ALLOWED_HOSTS");
        let origins = settings.optional::<String>("MCP_ALLOWED_ORIGINS");
        let transport = settings.optional::<Transport>("MCP_MODE");
        let log = LogSettings::read(settings);

        let gateway = Origin::parse(url.as_deref().unwrap_or(GATEWAY))
            .map_err(|problem| settings.problem("AIRTABLE_GATEWAY_URL", problem.to_string()))
            .ok();
        let origins = origins.as_deref().map(list);
        if let Some(wrong) = origins.iter().flatten().find(|origin| !has_scheme_and_port(origin)) {
            settings.problem(
                "MCP_ALLOWED_ORIGINS",
                format!("{wrong} is no origin with a port, such as https://app.example.com:443 or http://localhost:*"),
            );
        }
        Some(Self {
            listen: listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8001))),
            gateway: gateway?,
            data_dir,
            stores: stores?,
            internal_key,
            operator_key,
            api_key,
            allowed_hosts: hosts.as_deref().map_or_else(|| LOOPBACK_HOSTS.map(str::to_owned).to_vec(), list),
            allowed_origins: origins.unwrap_or_else(|| LOOPBACK_ORIGINS.map(str::to_owned).to_vec()),
            transport: transport.unwrap_or(Transport::Http),
            log: log?,
            shutdown: Shutdown::manual(),
            opened: None,
        })
    }

    /// Where the key of this machine's owner is, if an earlier start minted one.
    pub(crate) fn local_key_file(&self) -> PathBuf {
        self.data_dir.join(LOCAL_KEY_FILE)
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// An origin without a port would match every port.
fn has_scheme_and_port(origin: &str) -> bool {
    let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    rest.and_then(|rest| rest.rsplit_once(':')).is_some_and(|(host, port)| {
        !host.is_empty() && !port.is_empty() && (port == "*" || port.bytes().all(|b| b.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &str)]) -> Result<Config, String> {
        let source = |name: &str| settings.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let mut reader = Reader::new(&source);
        let config = Config::read(&mut reader);
        reader.finish(config).map_err(|error| error.to_string())
    }

    #[test]
    fn without_settings_it_serves_this_machine_alone() {
        let config = read(&[]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8001");
        assert_eq!(config.gateway.authority(), "127.0.0.1:8002");
        assert_eq!(config.allowed_hosts, LOOPBACK_HOSTS);
        assert_eq!(config.transport, Transport::Http);
    }

    #[test]
    fn an_origin_without_scheme_or_port_is_a_problem() {
        assert!(read(&[("MCP_ALLOWED_ORIGINS", "https://a.example:443, http://localhost:*")]).is_ok());
        for wrong in ["a.example", "https://a.example", "*", "http://a.example:x"] {
            let problems = read(&[("MCP_ALLOWED_ORIGINS", wrong)]).unwrap_err();
            assert!(problems.contains("MCP_ALLOWED_ORIGINS"), "{problems}");
        }
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let problems = read(&[
            ("MCP_MODE", "carrier-pigeon"),
            ("AIRTABLE_GATEWAY_URL", "nowhere"),
            ("MCP_SERVER_LISTEN", "8001"),
        ])
        .unwrap_err();
        for name in ["MCP_MODE", "AIRTABLE_GATEWAY_URL", "MCP_SERVER_LISTEN"] {
            assert!(problems.contains(name), "{problems}");
        }
    }
}
