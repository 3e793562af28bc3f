//! The Airtable emulator as a service of its own.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use emulators::airtable::{self, Config, Options};
use service_kit::config::{Reader, environment};
use service_kit::serve::{Limits, Shutdown, bind, serve};
use service_kit::telemetry::LogFormat;
use service_kit::{command, telemetry};

/// An Airtable to test against: its Web API over bases in memory, or in a file
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand)]
enum Command {
    /// Ask the running emulator whether it is ready; exit code 0 or 1
    Healthcheck,
    /// Tell where each setting comes from and what is wrong with settings and seed; exit code 0 or 78
    CheckConfig,
}

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let source = match environment() {
        Ok(source) => source,
        Err(error) => return Ok(error.exit()),
    };
    if let Some(Command::CheckConfig) = cli.command {
        return Ok(command::check_config(&source, |settings| Config::read(settings, &cli.options)));
    }
    let mut settings = Reader::new(&source);
    if let Some(Command::Healthcheck) = cli.command {
        // The seed does not matter for asking, and may be large.
        let config = Config::read(&mut settings, &Options { seed: None, ..cli.options });
        return Ok(settings
            .finish(config)
            .map_or_else(|error| error.exit(), |config| command::healthcheck(config.listen)));
    }
    let config = Config::read(&mut settings, &cli.options);
    match settings.finish(config) {
        Ok(config) => run(config),
        Err(error) => Ok(error.exit()),
    }
}

#[tokio::main]
async fn run(config: Config) -> anyhow::Result<ExitCode> {
    telemetry::init(airtable::SERVICE, &config.logs);
    let shutdown = Shutdown::on_signal().context("cannot listen for signals")?;
    let listener = bind(config.listen, "AIRTABLE_EMULATOR_LISTEN").await?;
    let address = listener.local_addr()?;
    let (data, format) = (config.data.clone(), config.logs.format);
    let token_file = airtable::token_file(&config.data_dir);
    let (emulator, token) = config.emulator().await?;
    emulator.listens_on(address);
    let (records, base) = (emulator.record_count(), emulator.bases().next().map(|(id, _)| id));
    match format {
        LogFormat::Text => {
            greet(address, records, base.as_deref(), data.as_deref(), &token, &token_file);
        }
        LogFormat::Json => tracing::info!(%address, records, "the Airtable emulator listens on {address}"),
    }
    serve(listener, airtable::app(&emulator, shutdown.clone()), Limits::default(), shutdown).await;
    Ok(ExitCode::SUCCESS)
}

/// Tells a person what runs, and what to paste. Nobody may be listening: a closed output is no reason to stop.
fn greet(
    address: SocketAddr,
    records: usize,
    base: Option<&str>,
    data: Option<&Path>,
    token: &str,
    token_file: &Path,
) {
    let changes = match data {
        Some(data) => format!("changes are kept in {}", data.display()),
        None => "changes live until it stops".to_owned(),
    };
    let path = base.map_or("meta/bases".to_owned(), |base| format!("meta/bases/{base}/tables"));
    let file = token_file.display();
    let _ = write!(
        std::io::stdout().lock(),
        "Airtable emulator on http://{address}, {records} records. \
         It is not Airtable: {changes}.\n\
         Token with all rights, kept in {file}:\n  {token}\n\
         Try:\n  curl -H 'Authorization: Bearer {token}' http://{address}/v0/{path}\n"
    );
}
