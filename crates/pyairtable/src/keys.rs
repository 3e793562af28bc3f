use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use jiff::Timestamp;
use service_kit::auth::{Bases, Scopes};
use service_kit::config::environment;
use service_kit::keys::ApiKey;
use storage::{ApiKeyRecord, ApiKeyStore};

use crate::expiry::Expiry;
use crate::local_key;
use crate::settings::Settings;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a key. It is printed once, here, and cannot be shown again.
    Create {
        /// What the key is for.
        #[arg(long)]
        name: String,
        /// Comma-separated: records:read, records:write, schema:read, schema:write, llm:chat, audit:read, keys:manage.
        #[arg(long, value_delimiter = ',', required = true)]
        scopes: Vec<service_kit::auth::Scope>,
        /// Comma-separated base ids; without them the key reaches every base.
        #[arg(long, value_delimiter = ',', value_parser = base_id)]
        bases: Vec<String>,
        /// A period (90d, 12h), a date (2027-01-31, to its end in UTC) or an instant; without it the key does not end.
        #[arg(long)]
        expires: Option<Expiry>,
    },
    /// List all keys: id, name, rights, last use. Not the keys themselves.
    List,
    /// End a key for ever. Running services refuse it within 30 seconds.
    Revoke {
        /// The key's id, as `keys list` shows it.
        id: String,
    },
    /// Show the key that `pyairtable up` made for this machine.
    ShowLocal,
}

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let source = environment()?;
    let settings = Settings::from_source(&source)?;
    let now = SystemTime::now();
    match command {
        Command::Create { name, scopes, bases, expires } => {
            let bases = if bases.is_empty() { Bases::All } else { Bases::only(bases) };
            create(&*open(&settings).await?, &name, scopes.into_iter().collect(), &bases, expires, now)
                .await?;
        }
        Command::List => list(&*open(&settings).await?, now).await?,
        Command::Revoke { id } => revoke(&*open(&settings).await?, &id, now).await?,
        Command::ShowLocal => show_local(&settings)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn open(settings: &Settings) -> anyhow::Result<Arc<dyn ApiKeyStore>> {
    let stores = &settings.stores;
    stores.open_keys().await.with_context(|| format!("cannot open {}", stores.database_place()))
}

async fn create(
    store: &dyn ApiKeyStore,
    name: &str,
    scopes: Scopes,
    bases: &Bases,
    expires: Option<Expiry>,
    now: SystemTime,
) -> anyhow::Result<()> {
    if name.trim().is_empty() {
        bail!("--name is empty: say what the key is for");
    }
    let ends = expires
        .map(|expiry| expiry.resolve(now))
        .transpose()
        .map_err(|reason| anyhow::anyhow!("--expires {reason}"))?;
    let key = ApiKey::mint().context("the operating system gives no random numbers")?;
    store.insert(&key.record(name, scopes, bases, now, ends)).await.context("cannot store the key")?;
    // The key alone goes to standard output, so that a script can take it.
    println!("{}", key.expose());
    eprintln!("Key {} \"{name}\": {scopes}; {}; {}.", key.id(), reach(bases.names().as_deref()), end(ends));
    eprintln!("It is not shown again. Keep it where secrets are kept.");
    Ok(())
}

async fn list(store: &dyn ApiKeyStore, now: SystemTime) -> anyhow::Result<()> {
    let keys = store.list().await.context("cannot list the keys")?;
    if keys.is_empty() {
        println!("There are no keys yet: pyairtable keys create --name NAME --scopes records:read");
        return Ok(());
    }
    let mut rows = vec![["ID", "NAME", "KEY", "STATE", "LAST USED", "SCOPES", "BASES"].map(str::to_owned)];
    rows.extend(keys.iter().map(|key| row(key, now)));
    print!("{}", table(&rows));
    Ok(())
}

async fn revoke(store: &dyn ApiKeyStore, id: &str, now: SystemTime) -> anyhow::Result<()> {
    if !store.revoke(id, now).await.context("cannot revoke the key")? {
        bail!("there is no key {id}; `pyairtable keys list` shows the ids");
    }
    println!("Key {id} is revoked; running services refuse it within 30 seconds.");
    Ok(())
}

fn show_local(settings: &Settings) -> anyhow::Result<()> {
    let Some(key) = local_key::read(&settings.data_dir)? else {
        bail!("there is no local key in {} yet: `pyairtable up` makes it", settings.data_dir.display());
    };
    println!("{}", key.expose());
    Ok(())
}

/// Refuses what cannot be a base id, so that a typing error does not make a key that reaches nothing.
fn base_id(text: &str) -> Result<String, String> {
    let letters = text.strip_prefix("app").unwrap_or_default();
    if letters.len() == 14 && letters.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        Ok(text.to_owned())
    } else {
        Err("a base id is 'app' and 14 letters or digits".to_owned())
    }
}

fn row(key: &ApiKeyRecord, now: SystemTime) -> [String; 7] {
    let state = match (key.revoked_at, key.expires_at) {
        (Some(at), _) => format!("revoked {}", day(at)),
        (None, Some(at)) if at <= now => format!("ended {}", day(at)),
        (None, ends) => end(ends),
    };
    [
        key.id.clone(),
        key.name.clone(),
        format!("…{}", key.last4),
        state,
        key.last_used_at.map_or_else(|| "never".to_owned(), minute),
        key.scopes.join(","),
        reach(key.bases.as_deref()),
    ]
}

fn reach(bases: Option<&[String]>) -> String {
    bases.map_or_else(|| "all bases".to_owned(), |ids| ids.join(","))
}

fn end(at: Option<SystemTime>) -> String {
    at.map_or_else(|| "does not end".to_owned(), |at| format!("ends {}", minute(at)))
}

fn day(at: SystemTime) -> String {
    format_time(at, "%Y-%m-%d")
}

fn minute(at: SystemTime) -> String {
    format_time(at, "%Y-%m-%d %H:%MZ")
}

fn format_time(at: SystemTime, format: &str) -> String {
    Timestamp::try_from(at).map_or_else(|_| "?".to_owned(), |at| at.strftime(format).to_string())
}

/// Columns as wide as their widest cell, two blanks between them.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: [usize; N] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_id_with_a_typing_error_is_refused() {
        assert!(base_id("appPyAirtableDemo").is_ok());
        for wrong in ["app", "appPyAirtableDem", "tblPyAirtableDemo", "appPyAirtableDemé", "*"] {
            assert!(base_id(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn columns_line_up() {
        let rows = [["ID", "NAME"], ["a1", "for the café"], ["b22", "x"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), "ID   NAME\na1   for the café\nb22  x\n");
    }
}
