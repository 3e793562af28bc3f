use std::fmt::{self, Display};
use std::net::SocketAddr;
use std::path::Path;

use emulators::airtable::Seed;

/// What a start prints: what runs where, the key, and lines to paste.
pub(crate) struct Banner<'a> {
    pub(crate) gateway: SocketAddr,
    /// The emulated Airtable of this process and what it holds; `None`: Airtable is elsewhere.
    pub(crate) emulator: Option<(SocketAddr, Option<&'a Sample>)>,
    /// The host that the gateway calls.
    pub(crate) airtable: &'a str,
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
}

impl Sample {
    /// The seed's largest table.
    pub(crate) fn of(seed: &Seed) -> Option<Self> {
        let table = seed.tables().max_by_key(|table| table.record_count)?;
        Some(Self {
            base_id: table.base_id,
            base_name: table.base_name.to_owned(),
            table_name: table.name.to_owned(),
        })
    }
}

impl Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gateway, airtable, key, program, .. } = self;
        writeln!(f, "PyAirtable {} is running. Ctrl-C stops it.\n", env!("CARGO_PKG_VERSION"))?;
        writeln!(
            f,
            "  airtable-gateway   http://{gateway}   Airtable's API under /v0, ours described at /docs"
        )?;
        match &self.emulator {
            Some((address, sample)) => {
                writeln!(f, "  airtable-emulator  http://{address}   stands in for Airtable\n")?;
                writeln!(
                    f,
                    "Airtable is EMULATED: AIRTABLE_TOKEN is not set. Changes live until this stops."
                )?;
                if let Some(Sample { base_id, base_name, .. }) = sample {
                    writeln!(f, "It holds the base {base_id} \"{base_name}\".")?;
                }
            }
            None => writeln!(f, "\nAirtable is {airtable}.")?,
        }
        writeln!(
            f,
            "\nAPI key, kept in {} (again: {program} keys show-local):\n  {key}",
            self.key_file.display()
        )?;

        let sample = self.emulator.as_ref().and_then(|(_, sample)| *sample);
        let path = match sample {
            Some(sample) => format!("{}/{}?maxRecords=3", sample.base_id, encoded(&sample.table_name)),
            None => "meta/bases".to_owned(),
        };
        writeln!(f, "\nTry it:\n  curl -H 'Authorization: Bearer {key}' 'http://{gateway}/v0/{path}'")?;
        writeln!(f, "\nOr in Python (pip install pyairtable):\n  from pyairtable import Api")?;
        writeln!(f, "  api = Api(\"{key}\", endpoint_url=\"http://{gateway}\")")?;
        match sample {
            Some(Sample { base_id, table_name, .. }) => {
                writeln!(f, "  print(api.table({base_id:?}, {table_name:?}).all(max_records=3))")
            }
            None => writeln!(f, "  print(api.bases())"),
        }
    }
}

/// A table's name as a path segment.
fn encoded(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}
