use std::fmt::{self, Display};
use std::net::SocketAddr;
use std::path::Path;

use emulators::airtable::Seed;
use serde_json::json;

/// What a start prints: what runs where, the key, and lines to paste.
pub(crate) struct Banner<'a> {
    pub(crate) gateway: SocketAddr,
    pub(crate) mcp: SocketAddr,
    pub(crate) chat: SocketAddr,
    /// The emulated Airtable of this process and what it holds; `None`: Airtable is elsewhere.
    pub(crate) airtable_emulator: Option<(SocketAddr, Option<&'a Sample>)>,
    /// The emulated model of this process; `None`: the model is elsewhere.
    pub(crate) gemini_emulator: Option<SocketAddr>,
    /// The host that the gateway calls.
    pub(crate) airtable: &'a str,
    /// The model's name and the host that it is asked at.
    pub(crate) model: (&'a str, &'a str),
    pub(crate) key: &'a str,
    pub(crate) key_file: &'a Path,
    /// How this program is called.
    pub(crate) program: &'a str,
}

/// A base of the emulator to try things on.
pub(crate) struct Sample {
    base_id: String,
    base_name: String,
    table_name: String,
    /// The sample base that comes with us, on which the questions that we suggest make sense.
    is_ours: bool,
}

impl Sample {
    /// The seed's largest table.
    pub(crate) fn of(seed: &Seed, is_ours: bool) -> Option<Self> {
        let table = seed.tables().max_by_key(|table| table.record_count)?;
        Some(Self {
            base_id: table.base_id,
            base_name: table.base_name.to_owned(),
            table_name: table.name.to_owned(),
            is_ours,
        })
    }
}

impl Banner<'_> {
    fn addresses(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, address: SocketAddr, what: &str| {
            writeln!(f, "  {name:<17}  http://{address}   {what}")
        };
        line("airtable-gateway", self.gateway, "Airtable's API under /v0, ours described at /docs")?;
        line("mcp-server", self.mcp, "tools for assistants at /mcp")?;
        line("llm-orchestrator", self.chat, "chat: OpenAI's API under /v1, ours described at /docs")?;
        if let Some((address, _)) = self.airtable_emulator {
            line("airtable-emulator", address, "stands in for Airtable")?;
        }
        if let Some(address) = self.gemini_emulator {
            line("gemini-emulator", address, "stands in for Gemini")?;
        }
        Ok(())
    }

    /// Nobody may take what is emulated for real.
    fn origins(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.airtable_emulator {
            Some((_, sample)) => {
                writeln!(
                    f,
                    "Airtable is EMULATED: AIRTABLE_TOKEN is not set. Changes live until this stops, unless AIRTABLE_EMULATOR_DATA keeps them."
                )?;
                if let Some(Sample { base_id, base_name, .. }) = sample {
                    writeln!(f, "It holds the base {base_id} \"{base_name}\".")?;
                }
            }
            None => writeln!(f, "Airtable is {}.", self.airtable)?,
        }
        let (model, host) = self.model;
        match self.gemini_emulator {
            Some(_) => {
                writeln!(f, "The model is EMULATED: GEMINI_API_KEY is not set. It follows fixed rules.")
            }
            None => writeln!(f, "The model is {model} at {host}."),
        }
    }

    fn lines_to_paste(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gateway, mcp, key, program, .. } = self;
        let sample = self.airtable_emulator.as_ref().and_then(|(_, sample)| *sample);
        let question = match sample {
            Some(sample) if sample.is_ours => "how many open tasks does each person have?".to_owned(),
            Some(sample) => format!("how many records does {} have?", sample.table_name),
            None => "which bases and tables are there?".to_owned(),
        };
        writeln!(f, "\nAsk your base:\n  {program} chat {question:?}")?;
        writeln!(
            f,
            "\nFor assistants (Claude, Cursor and other MCP clients):\n  {}",
            mcp_client_configuration(&format!("http://{mcp}/mcp"), key)
        )?;
        let path = match sample {
            Some(sample) => format!("{}/{}?maxRecords=3", sample.base_id, encoded(&sample.table_name)),
            None => "meta/bases".to_owned(),
        };
        writeln!(f, "\nBy hand:\n  curl -H 'Authorization: Bearer {key}' 'http://{gateway}/v0/{path}'")?;
        writeln!(f, "\nIn Python (pip install pyairtable):\n  from pyairtable import Api")?;
        writeln!(f, "  api = Api(\"{key}\", endpoint_url=\"http://{gateway}\")")?;
        match sample {
            Some(Sample { base_id, table_name, .. }) => {
                writeln!(f, "  print(api.table({base_id:?}, {table_name:?}).all(max_records=3))")
            }
            None => writeln!(f, "  print(api.bases())"),
        }
    }
}

impl Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "PyAirtable {} is running. Ctrl-C stops it.\n", env!("CARGO_PKG_VERSION"))?;
        self.addresses(f)?;
        writeln!(f)?;
        self.origins(f)?;
        writeln!(
            f,
            "\nAPI key, kept in {} (again: {} keys show-local):\n  {}",
            self.key_file.display(),
            self.program,
            self.key
        )?;
        self.lines_to_paste(f)
    }
}

/// What MCP clients take in their configuration files, on one line.
pub(crate) fn mcp_client_configuration(url: &str, key: &str) -> String {
    let server = json!({"type": "http", "url": url, "headers": {"Authorization": format!("Bearer {key}")}});
    json!({"mcpServers": {"pyairtable": server}}).to_string()
}

/// A table's name as a path segment.
fn encoded(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}
