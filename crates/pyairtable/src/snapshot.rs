//! `pyairtable snapshot`: a base as a seed file for the emulator, with what is nobody's business masked.

mod cells;
mod dependencies;
mod fitting;
mod mask;
mod masks;
mod output;
mod progress;
mod reading;
mod rules;
mod source;
mod structure;
mod writing;

use std::collections::{HashMap, HashSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use airtable_api::BaseId;
use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use emulators::airtable::Seed;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use service_kit::config::{Reader, Secret, Source as Environment, environment};

use crate::local_key;
use crate::settings::Settings;
use mask::{Key, Masker};
use masks::Masks;
use output::Draft;
use progress::Progress;
use reading::{BaseEntry, Reading, Records};
use rules::meant;
use source::Source;
use structure::Structure;
use writing::{Content, Written};

/// How often it begins anew because the structure has changed meanwhile.
const BEGINNINGS: usize = 3;

/// Characters of a masking key that are not quickly guessed.
const SHORTEST_KEY: usize = 16;

#[derive(Args)]
#[command(after_help = "\
It reads through the running gateway, with PYAIRTABLE_API_KEY or this machine's own key; with --from, at any address that
speaks Airtable's API, with the token of --token-file or of the setting AIRTABLE_TOKEN, four requests a second.
HOW is one of: fake (made-up values of the same kind), hash (a code), blank (nothing), keep. Equal values stay equal, and
different ones different. * stands for all tables or all fields: --mask '*=fake' --mask 'Tasks.Status=keep'.
What shows a masked field (formulas, lookups, rollups, AI text, buttons, choices, comments) is masked with it or computed anew.
What only shows others (formulas, lookups, counts, links that are not blank) cannot be masked by itself.
Names and descriptions of tables, fields and views stay, and so do formulas as they are written.
    pyairtable snapshot appPyAirtableDemo --mask '*.Email=fake' --out demo.json
    airtable-emulator --seed demo.json")]
pub(crate) struct Arguments {
    /// The base: its id, or its name.
    base: String,
    /// Where the seed goes [default: BASE_ID.seed.json]; - is standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file if it is there.
    #[arg(long)]
    force: bool,
    /// Mask a field; may be given many times. A rule for one field wins over one for many.
    #[arg(long, value_name = "TABLE.FIELD=HOW")]
    mask: Vec<String>,
    /// A file with such rules, one on a line; # begins a comment.
    #[arg(long, value_name = "FILE")]
    mask_file: Option<PathBuf>,
    /// A file with a secret: masking with the same one gives the same values again. Without it, a new one is made and forgotten.
    #[arg(long, value_name = "FILE")]
    mask_key_file: Option<PathBuf>,
    /// Records of this table only, and of others so named; tables that these link to are there without records.
    #[arg(long, value_name = "TABLE")]
    table: Vec<String>,
    /// The structure only.
    #[arg(long)]
    no_records: bool,
    /// Comments, too: a call for each record that has any.
    #[arg(long)]
    with_comments: bool,
    /// Read there instead of through the gateway, such as `https://api.airtable.com`
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// The file of the token for --from.
    #[arg(long, value_name = "FILE", requires = "from")]
    token_file: Option<PathBuf>,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let environment = environment()?;
    let mut source = source(&arguments, &environment)?;
    let rules = rules(&arguments)?;
    let key = match &arguments.mask_key_file {
        Some(path) => Key::from_secret(secret(path)?.expose_secret()),
        None => Key::random().context("the operating system gives no random numbers")?,
    };
    let progress = Progress::on_standard_error();
    let mut reading = Reading { source: &mut source, progress: &progress };
    let base = find_base(&arguments.base, &mut reading).await?;
    let mut out = Out::begin(&arguments, &base)?;

    let base_entry = json!({
        "id": base.id, "name": base.name, "permissionLevel": base.permission_level.as_deref().unwrap_or("create"),
    });
    let Taken { mut structure, mut masks, masked, records, comments, told } =
        take(&arguments, &base, &base_entry, &rules, &mut reading).await?;
    progress.end();
    told.iter().for_each(|told| progress.note(told));
    let mut masker = Masker::new(key);
    let content = Content {
        base: base_entry,
        structure: &mut structure,
        records: &records,
        comments: &comments,
        masks: &mut masks,
        masker: &mut masker,
    };
    let written = out.write(content)?;
    let place = out.finish()?;
    progress.end();
    tell(&base, &written, masked, source.calls, place.as_deref());
    Ok(ExitCode::SUCCESS)
}

/// The gateway with the tools' key, or the address that was named with its token.
fn source(arguments: &Arguments, environment: Environment<'_>) -> anyhow::Result<Source> {
    let Some(url) = &arguments.from else {
        let settings = Settings::from_source(environment)?;
        let key = match &settings.api_key {
            Some(secret) => Some(secret.current()),
            None => local_key::read(&settings.data_dir)?.map(|key| key.expose().to_owned().into()),
        };
        let key = key.with_context(|| {
            let place = settings.data_dir.display();
            format!("no API key: there is none in {place}, and PYAIRTABLE_API_KEY is not set; `pyairtable doctor` says more")
        })?;
        return Source::new(&settings.gateway_url, key, true);
    };
    let token = match &arguments.token_file {
        Some(path) => secret(path)?,
        None => {
            let mut settings = Reader::new(environment);
            let token = settings.optional_secret("AIRTABLE_TOKEN");
            let token = settings.finish(Some(token))?;
            token
                .context("--from needs a token: set AIRTABLE_TOKEN, or name its file with --token-file")?
                .current()
        }
    };
    Source::new(url, token, false)
}

fn secret(path: &Path) -> anyhow::Result<SecretString> {
    let secret = Secret::from_file(path).with_context(|| format!("cannot use {}", path.display()))?;
    Ok(secret.current())
}

/// The rules of the command line, after those of the file: of two alike the later one wins.
fn rules(arguments: &Arguments) -> anyhow::Result<Vec<String>> {
    if let Some(path) = &arguments.mask_key_file
        && secret(path)?.expose_secret().chars().count() < SHORTEST_KEY
    {
        bail!("the secret in {} is too short: whoever guesses it can undo the masks", path.display());
    }
    let mut all = Vec::new();
    if let Some(path) = &arguments.mask_file {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        all.extend(rules::lines(&text));
    }
    all.extend(arguments.mask.iter().cloned());
    Ok(all)
}

async fn find_base(named: &str, reading: &mut Reading<'_>) -> anyhow::Result<BaseEntry> {
    let bases = reading.bases().await?;
    let by_id = bases.iter().find(|base| base.id.as_str() == named);
    let called: Vec<_> = bases.iter().filter(|base| base.name == named).collect();
    match (by_id, called.as_slice(), BaseId::parse(named)) {
        (Some(base), _, _) => Ok(base.clone()),
        (None, [base], _) => Ok((*base).clone()),
        (None, [], Ok(id)) => bail!("the token does not reach the base {id}"),
        (None, [], Err(_)) => {
            let names = bases.iter().map(|base| base.name.as_str());
            bail!("there is no base \"{named}\" within reach{}", meant(named, names))
        }
        _ => bail!("several bases are called \"{named}\": name one by its id"),
    }
}

/// What was read of a base.
struct Taken {
    structure: Structure,
    masks: Masks,
    /// How many fields are masked.
    masked: usize,
    records: HashMap<String, Records>,
    comments: HashMap<String, Vec<Value>>,
    /// What is not as it was.
    told: Vec<String>,
}

/// Reads the base; anew, if its structure is another one at the end.
async fn take(
    arguments: &Arguments,
    base: &BaseEntry,
    entry: &Value,
    rules: &[String],
    reading: &mut Reading<'_>,
) -> anyhow::Result<Taken> {
    for beginning in 1.. {
        let metadata = reading.structure(&base.id).await?;
        let mut structure = Structure::read(&metadata).map_err(|what| anyhow!("the metadata has {what}"))?;
        let wanted = wanted_tables(arguments, &structure)?;
        let masks = rules::resolve(rules, &structure).map_err(|errors| {
            let told: Vec<_> = errors.iter().map(ToString::to_string).collect();
            anyhow!("{}", told.join("\n"))
        })?;
        let masks = Masks::new(&structure, &masks);
        structure.keep_with_linked(&wanted);
        let mut told =
            fitting::fit(&mut structure, entry).map_err(|why| anyhow!("no seed can be made of it: {why}"))?;
        let shown = masks.shown(&structure);
        let refused: Vec<_> = shown.iter().filter(|shown| shown.is_named).map(ToString::to_string).collect();
        if !refused.is_empty() {
            bail!("{}", refused.join("\n"));
        }
        told.extend(shown.iter().map(ToString::to_string));
        let masked = masks.count(&shown);
        let tables =
            structure.tables.iter().filter(|table| !arguments.no_records && wanted.contains(&table.id));
        let tables: Vec<_> = tables.map(|table| (table.id.clone(), table.name.clone())).collect();
        let all = reading.records(&base.id, &tables, arguments.with_comments).await?;
        let mut comments = HashMap::new();
        for ((table, name), records) in tables.iter().zip(&all) {
            let commented =
                records.rows.iter().filter(|row| row.comment_count.is_some_and(|count| count > 0));
            for (number, row) in commented.enumerate() {
                reading.progress.at(&format!("{name}: comments of {} records", number + 1));
                comments.insert(row.id.clone(), reading.comments(&base.id, table, &row.id).await?);
            }
        }
        if reading.structure(&base.id).await? != metadata {
            if beginning < BEGINNINGS {
                reading.progress.note("the structure has changed meanwhile; beginning anew");
                continue;
            }
            reading
                .progress
                .note("the structure is changed all the time: what is there may not fit together");
        }
        let ids = tables.into_iter().map(|(id, _)| id);
        return Ok(Taken { structure, masks, masked, records: ids.zip(all).collect(), comments, told });
    }
    unreachable!("the last beginning returns")
}

/// The ids of the tables whose records are wanted.
fn wanted_tables(arguments: &Arguments, structure: &Structure) -> anyhow::Result<HashSet<String>> {
    if arguments.table.is_empty() {
        return Ok(structure.tables.iter().map(|table| table.id.clone()).collect());
    }
    let find = |named: &String| {
        let found = structure.tables.iter().find(|table| table.id == *named || table.name == *named);
        found.map(|table| table.id.clone()).ok_or_else(|| {
            let names = structure.tables.iter().map(|table| table.name.as_str());
            anyhow!("--table {named}: the base has no such table{}", meant(named, names))
        })
    };
    arguments.table.iter().map(find).collect()
}

/// Where the seed goes.
enum Out {
    Standard(Vec<u8>),
    File { draft: Draft, place: PathBuf, replace: bool },
}

impl Out {
    fn begin(arguments: &Arguments, base: &BaseEntry) -> anyhow::Result<Self> {
        let place = arguments.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.seed.json", base.id)));
        if place == Path::new("-") {
            return Ok(Self::Standard(Vec::new()));
        }
        Ok(Self::File { draft: Draft::begin(&place, arguments.force)?, place, replace: arguments.force })
    }

    fn write(&mut self, content: Content<'_>) -> anyhow::Result<Written> {
        let written = match self {
            Self::Standard(bytes) => content.write(bytes),
            Self::File { draft, .. } => draft.writer().and_then(|file| content.write(file)),
        };
        written.context("cannot write the seed")
    }

    /// Puts it where it is to be, once it is known to be good; gives where that is.
    fn finish(self) -> anyhow::Result<Option<PathBuf>> {
        let check =
            |bytes: &[u8]| Seed::from_json(bytes).map(drop).context("the emulator would not take this seed");
        match self {
            Self::Standard(bytes) => {
                check(&bytes)?;
                std::io::stdout().write_all(&bytes).context("cannot write to standard output")?;
                Ok(None)
            }
            Self::File { mut draft, place, replace } => {
                check(&draft.read()?)?;
                draft.finish(replace)?;
                Ok(Some(place))
            }
        }
    }
}

/// Says what was done: where the seed itself does not go.
fn tell(base: &BaseEntry, written: &Written, masked: usize, calls: u64, place: Option<&Path>) {
    let mut told = format!("{}: {} tables, {} records", base.id, written.tables, written.records);
    if written.comments > 0 {
        told.push_str(&format!(", {} comments", written.comments));
    }
    match masked {
        0 => told.push_str("; nothing is masked"),
        fields => told.push_str(&format!("; {fields} fields are masked")),
    }
    if written.dangling > 0 {
        told.push_str(&format!("; {} links to records that are not there are left out", written.dangling));
    }
    told.push_str(&format!(" ({calls} calls)"));
    match place {
        Some(place) => println!("{told}\nwritten to {}; airtable-emulator --seed takes it", place.display()),
        None => eprintln!("{told}"),
    }
}
