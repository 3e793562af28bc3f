//! What an emulator starts with: bases with their records, users, tokens and limits.

mod compile;
mod export;
mod fields;
mod files;
mod json;
mod metadata;
mod oauth;
mod options;
mod records;
mod settings;
mod syncs;
mod tokens;
mod views;
mod webhooks;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use airtable_formula::Timestamp;
use bytes::Bytes;

use self::files::SeededFiles;
use self::json::Node;
use super::access::{Grant, Tokens, User, Users};
use super::files::Sources;
use super::ids::{AttachmentId, UserId};
use super::limits::Limits;
use super::model::Base;
use super::oauth::{Known, OAuth};
use super::unconfirmed::Unconfirmed;
use super::webhooks::Webhooks;

/// What a seed has.
const KEYS: [&str; 9] = [
    "bases",
    "users",
    "tokens",
    "limits",
    "unconfirmed",
    "oauthClients",
    "oauthGrants",
    "files",
    "attachmentSources",
];

/// How many problems are told one by one.
const MAX_PROBLEMS: usize = 200;

/// The content of an emulator, checked and ready to be served.
#[derive(Debug, Clone)]
pub struct Seed {
    pub(crate) bases: Vec<Base>,
    pub(crate) users: Users,
    pub(crate) tokens: Tokens,
    pub(crate) limits: Limits,
    pub(crate) unconfirmed: Unconfirmed,
    pub(crate) oauth: OAuth,
    /// Of attachments in the cells that do not hold theirs yet.
    pub(crate) files: BTreeMap<AttachmentId, Bytes>,
    pub(crate) attachment_sources: Sources,
    pub(crate) webhooks: Webhooks,
    /// It is the one that there is when nobody brings another.
    pub(crate) is_sample: bool,
}

/// A table of a seed, for telling people what there is.
#[derive(Debug, Clone)]
pub struct TableSummary<'a> {
    /// The base that it is in.
    pub base_id: String,
    /// What that base is called.
    pub base_name: &'a str,
    /// What the table is called.
    pub name: &'a str,
    /// How many records it has.
    pub record_count: usize,
}

impl Seed {
    /// Reads a seed file: Airtable's own metadata shape plus records, users, tokens and limits.
    ///
    /// Ids that are given are kept exactly, ids that are left out are minted. Links need to stand on one side only.
    /// Computed cells are ignored, but for those that nothing can be computed from (rollups, AI text, buttons).
    ///
    /// # Errors
    ///
    /// Every problem with its path in the file, such as `bases[0].tables[1].fields[2].options.linkedTableId`.
    pub fn from_json(json: &[u8]) -> Result<Self, SeedError> {
        let mut problems = Problems::default();
        let seed = match std::str::from_utf8(json)
            .map_err(|error| error.to_string())
            // Some editors put a byte order mark before the text.
            .map(|text| text.strip_prefix('\u{feff}').unwrap_or(text))
            .and_then(|text| serde_json::from_str::<Node<'_>>(text).map_err(|error| error.to_string()))
        {
            Ok(root) => read(&root, &mut problems),
            Err(error) => {
                problems.add("", format!("not JSON: {error}"));
                None
            }
        };
        match seed {
            Some(seed) if problems.list.is_empty() => Ok(seed),
            _ => Err(SeedError { problems: problems.list, more: problems.more }),
        }
    }

    /// Takes these users, and tokens, integrations and limits from what [`Self::settings`] gave. Tokens of whoever runs the
    /// emulator stay, and are the first user's.
    pub(crate) fn set_users_and_settings(&mut self, users: Users, settings: &str) -> Result<(), SeedError> {
        if !users.0.is_empty() {
            self.users = users;
        }
        let mut problems = Problems::default();
        match serde_json::from_str::<Node<'_>>(settings) {
            Ok(root) => {
                if let Some(root) = json::At::root(&root).object(&mut problems) {
                    let settings =
                        Settings::read(&root, &self.users, &self.bases, Timestamp::now(), &mut problems);
                    self.tokens.0.retain(|_, grant| grant.is_ours);
                    self.tokens.0.extend(settings.tokens.0);
                    (self.limits, self.unconfirmed) = (settings.limits, settings.unconfirmed);
                    self.oauth = settings.oauth;
                }
            }
            Err(error) => problems.add("", format!("not JSON: {error}")),
        }
        match problems.list.is_empty() {
            true => Ok(()),
            false => Err(SeedError { problems: problems.list, more: problems.more }),
        }
    }

    /// No base, no user, no token; the usual limits.
    pub fn empty() -> Self {
        Self {
            bases: Vec::new(),
            users: Users::default(),
            tokens: Tokens::default(),
            limits: Limits::default(),
            unconfirmed: Unconfirmed::default(),
            oauth: OAuth::default(),
            files: BTreeMap::new(),
            attachment_sources: Sources::None,
            webhooks: Webhooks::default(),
            is_sample: false,
        }
    }

    /// Accepts one more token, which has every scope and reaches every base. It belongs to the first user, who is made up if
    /// there is none.
    #[must_use]
    pub fn with_full_token(mut self, token: impl Into<String>) -> Self {
        if self.users.0.is_empty() {
            self.users.0.push(User {
                id: UserId::mint().to_string(),
                email: Some("owner@example.com".to_owned()),
                name: Some("Owner".to_owned()),
            });
        }
        self.tokens.0.insert(token.into(), Grant::full(0).into());
        self
    }

    /// Puts other users first. The seed's own come after them, unless they are among them: by id or, as an id may have been
    /// made up, by address. Whoever acts by a token, or consents, stays who it was.
    pub(crate) fn take_users(&mut self, users: Users) {
        let own = std::mem::replace(&mut self.users, users);
        let places: Vec<u32> = own.0.into_iter().map(|user| self.users.place_of(user)).collect();
        let place = |user: &mut u32| *user = places.get(*user as usize).copied().unwrap_or_default();
        self.tokens.0.values_mut().for_each(|grant| place(&mut Arc::make_mut(grant).user));
        self.oauth.users_mut(place);
    }

    /// The limits that the seed asks for.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Ids and names of the bases.
    pub fn bases(&self) -> impl Iterator<Item = (String, &str)> {
        self.bases.iter().map(|base| (base.id.to_string(), base.name.as_str()))
    }

    /// What there is, base by base and table by table.
    pub fn tables(&self) -> impl Iterator<Item = TableSummary<'_>> {
        self.bases.iter().flat_map(|base| {
            base.tables.iter().map(|table| TableSummary {
                base_id: base.id.to_string(),
                base_name: &base.name,
                name: &table.name,
                record_count: table.rows.len(),
            })
        })
    }

    /// How many records all tables have together.
    pub fn record_count(&self) -> usize {
        self.bases.iter().flat_map(|base| &base.tables).map(|table| table.rows.len()).sum()
    }

    /// Whether any token would be accepted.
    pub fn has_tokens(&self) -> bool {
        !self.tokens.0.is_empty()
    }
}

fn read(root: &Node<'_>, problems: &mut Problems) -> Option<Seed> {
    let root = json::At::root(root).object(problems)?;
    root.only(&KEYS, problems);
    let mut users = tokens::users(&root, problems);
    let now = Timestamp::now();
    let mut files = SeededFiles::read(&root, problems);
    let (bases, webhooks) = metadata::bases(&root, &mut users, &mut files, now, problems);
    let files = files.finish(problems);
    let Settings { tokens, limits, unconfirmed, oauth } =
        Settings::read(&root, &users, &bases, now, problems);
    let attachment_sources = settings::attachment_sources(&root, problems);
    let is_sample = false;
    Some(Seed {
        bases,
        users,
        tokens,
        limits,
        unconfirmed,
        oauth,
        webhooks,
        files,
        attachment_sources,
        is_sample,
    })
}

/// What of a seed is neither people nor bases.
struct Settings {
    tokens: Tokens,
    limits: Limits,
    unconfirmed: Unconfirmed,
    oauth: OAuth,
}

impl Settings {
    fn read(
        root: &json::Object<'_, '_>,
        users: &Users,
        bases: &[Base],
        now: Timestamp,
        problems: &mut Problems,
    ) -> Self {
        let tokens = tokens::tokens(root, users, bases, problems);
        let limits = settings::limits(root, problems);
        let unconfirmed = settings::unconfirmed(root, problems);
        let clients = oauth::clients(root, users, bases, problems);
        let is_base = |id| bases.iter().any(|base| base.id == id);
        let known = Known { clients: &clients, users, is_base: &is_base };
        let grants = oauth::grants(root, known, &tokens, now, problems);
        Self { tokens, limits, unconfirmed, oauth: OAuth::new(clients, grants) }
    }
}

/// Why a seed is refused.
#[derive(Debug, Clone, PartialEq)]
pub struct SeedError {
    problems: Vec<Problem>,
    more: usize,
}

/// One thing that is wrong in a seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// Where, such as `bases[0].tables[1].name`; empty for the file as a whole.
    pub path: String,
    /// What is wrong there, in words that follow the place.
    pub message: String,
}

impl SeedError {
    /// All problems, unless there are hundreds.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for SeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the seed has {} problem(s):", self.problems.len() + self.more)?;
        for problem in &self.problems {
            let path = if problem.path.is_empty() { "(file)" } else { &problem.path };
            write!(f, "\n  {path}: {}", problem.message)?;
        }
        if self.more > 0 {
            write!(f, "\n  and {} more", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for SeedError {}

/// Problems found so far.
#[derive(Debug, Default)]
struct Problems {
    list: Vec<Problem>,
    more: usize,
}

impl Problems {
    fn add(&mut self, path: &str, message: impl Into<String>) {
        if self.list.len() < MAX_PROBLEMS {
            self.list.push(Problem { path: path.to_owned(), message: message.into() });
        } else {
            self.more += 1;
        }
    }
}
