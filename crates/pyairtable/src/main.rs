//! The `pyairtable` command: starts everything in one process, checks a running system, manages API keys.

mod banner;
mod chat;
mod doctor;
mod expiry;
mod keys;
mod local_key;
mod probe;
mod settings;
mod snapshot;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use service_kit::config::ConfigError;

/// Airtable, fast for software and safe for assistants.
#[derive(Parser)]
#[command(name = "pyairtable", version, about)]
struct Cli {
    /// Without a command: `up`.
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Start all services in one process, with an emulated Airtable where no AIRTABLE_TOKEN is set.
    Up {
        /// What the emulated Airtable holds, instead of the sample base.
        #[arg(long, value_name = "FILE.json")]
        seed: Option<PathBuf>,
    },
    /// Ask questions about bases, and order changes, in words.
    Chat(chat::Arguments),
    /// Check each service, store and upstream, and say what to do about what is wrong.
    Doctor,
    /// Manage API keys.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Write a base down as a seed file for the emulator, with fields masked.
    Snapshot(snapshot::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().command.unwrap_or(Command::Up { seed: None }) {
        Command::Up { seed } => up::run(seed.as_deref()).await,
        Command::Chat(arguments) => chat::run(arguments).await,
        Command::Doctor => doctor::run().await,
        Command::Keys(command) => keys::run(command).await,
        Command::Snapshot(arguments) => snapshot::run(arguments).await,
    };
    outcome.unwrap_or_else(|error| match error.downcast_ref::<ConfigError>() {
        Some(problems) => problems.exit(),
        None => {
            eprintln!("pyairtable: {error:#}");
            ExitCode::FAILURE
        }
    })
}
