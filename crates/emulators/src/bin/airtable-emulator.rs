//! The Airtable emulator as a service of its own.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use emulators::airtable::{self, Config, Options};
use service_kit::config::{Reader, environment};
use service_kit::serve::{Limits, Shutdown, bind, serve};
use service_kit::{command, telemetry};

/// An Airtable to test against: its Web API over bases that live in memory
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
    let config = Config::read(&mut settings, &cli.options);
    match (settings.finish(config), cli.command) {
        (Err(error), _) => Ok(error.exit()),
        (Ok(config), Some(Command::Healthcheck)) => Ok(command::healthcheck(config.listen)),
        (Ok(config), _) => run(config),
    }
}

#[tokio::main]
async fn run(config: Config) -> anyhow::Result<ExitCode> {
    telemetry::init(airtable::SERVICE, &config.logs);
    let shutdown = Shutdown::on_signal().context("cannot listen for signals")?;
    let listener = bind(config.listen, "AIRTABLE_EMULATOR_LISTEN").await?;
    let address = listener.local_addr()?;
    let token_file = airtable::token_file(&config.data_dir);
    let base = config.seed.bases().next().map(|(id, _)| id);
    let summary = format!("{} records", config.seed.record_count());
    let (emulator, token) =
        config.emulator().with_context(|| format!("cannot keep a token in {}", token_file.display()))?;
    println!(
        "Airtable emulator on http://{address} ({summary}). This is not Airtable: changes live until it stops."
    );
    println!("Token with all rights, kept in {}:\n  {token}", token_file.display());
    let path = base.map_or("meta/bases".to_owned(), |base| format!("meta/bases/{base}/tables"));
    println!("Try:\n  curl -H 'Authorization: Bearer {token}' http://{address}/v0/{path}");
    serve(listener, airtable::app(&emulator, shutdown.clone()), Limits::default(), shutdown).await;
    Ok(ExitCode::SUCCESS)
}
