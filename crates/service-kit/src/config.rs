//! Settings: read once, typed, all problems reported at once, values never printed.

mod environment;
mod report;
mod secret;

use std::collections::HashMap;
use std::fmt::{self, Display};
use std::process::ExitCode;
use std::str::FromStr;

pub use environment::environment;
pub use report::SettingReport;
pub use secret::{Secret, SecretFileError};

use report::{Origin, fingerprint};
use secret::read_secret_file;

/// Where settings come from: the value of a name, if it is set. Tests pass a closure.
pub type Source<'a> = &'a dyn Fn(&str) -> Option<String>;

/// `sysexits.h` `EX_CONFIG`: something was found in an unconfigured or misconfigured state.
pub const EXIT_CONFIG: u8 = 78;

/// Reads settings by name and notes every problem instead of stopping at the first.
///
/// Each setting may be given as `NAME` or as `NAME_FILE`, a file that holds the value (one trailing newline is
/// not part of it); both is a problem. An empty value counts as not set, so that a template can list a name.
/// Read every setting unconditionally: then a source that records the names it is asked for lists all settings.
pub struct Reader<'a> {
    source: Source<'a>,
    problems: Vec<Problem>,
    seen: Vec<SettingReport>,
    /// Fingerprint of each secret and the name it was first given under.
    secrets: HashMap<String, &'static str>,
}

impl<'a> Reader<'a> {
    pub fn new(source: Source<'a>) -> Self {
        Self { source, problems: Vec::new(), seen: Vec::new(), secrets: HashMap::new() }
    }

    /// The setting's value; `None` if it is not set or, then noted as a problem, cannot be parsed.
    pub fn optional<T>(&mut self, name: &'static str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = self.plain(name)?;
        match text.trim().parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(name, without_value(&error.to_string(), text.trim()));
                None
            }
        }
    }

    /// Like [`Reader::optional`], but not being set is a problem.
    pub fn required<T>(&mut self, name: &'static str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let problems = self.problems.len();
        let value = self.optional(name);
        self.insist(name, value, problems)
    }

    /// A switch: `true`, `on`, `yes`, `1` or `false`, `off`, `no`, `0`.
    pub fn switch(&mut self, name: &'static str) -> Option<bool> {
        match self.plain(name)?.trim().to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Some(true),
            "false" | "off" | "no" | "0" => Some(false),
            _ => {
                self.problem(name, "must be on or off");
                None
            }
        }
    }

    /// A secret that must be set.
    pub fn secret(&mut self, name: &'static str) -> Option<Secret> {
        let problems = self.problems.len();
        let value = self.optional_secret(name);
        self.insist(name, value, problems)
    }

    /// A secret. Refused, with a problem noted: a template's placeholder, a file that everyone may read (unless
    /// `ALLOW_LOOSE_PERMS=1`, for file systems without rights), a value that another secret has too.
    pub fn optional_secret(&mut self, name: &'static str) -> Option<Secret> {
        self.any_secret(name, 1)
    }

    /// A secret that we generate ourselves, such as a key for signatures: at least 32 characters.
    pub fn optional_strong_secret(&mut self, name: &'static str) -> Option<Secret> {
        self.any_secret(name, 32)
    }

    /// Notes a problem, also one between settings. `reason` must not hold a value.
    pub fn problem(&mut self, name: &'static str, reason: impl Into<String>) {
        let problem = Problem { name, reason: reason.into() };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// What was read so far, for `check-config`.
    pub fn report(&self) -> &[SettingReport] {
        &self.seen
    }

    /// The configuration, or all problems. A configuration that is missing without a problem is one as well.
    pub fn finish<T>(self, config: Option<T>) -> Result<T, ConfigError> {
        match config {
            Some(config) if self.problems.is_empty() => Ok(config),
            _ => Err(ConfigError { problems: self.problems }),
        }
    }

    fn insist<T>(&mut self, name: &'static str, value: Option<T>, problems_before: usize) -> Option<T> {
        if value.is_none() && self.problems.len() == problems_before {
            self.problem(name, "is not set");
        }
        value
    }

    fn plain(&mut self, name: &'static str) -> Option<String> {
        match self.lookup(name)? {
            Given::Value(text) => {
                self.note(SettingReport::plain(name, Origin::Environment));
                Some(text)
            }
            Given::File(path) => match std::fs::read_to_string(&path) {
                Ok(text) => {
                    self.note(SettingReport::plain(name, Origin::File));
                    Some(without_newline(text)).filter(|text| !text.is_empty())
                }
                Err(error) => {
                    self.problem(name, format!("its file{} cannot be read: {error}", place(&path)));
                    None
                }
            },
        }
    }

    fn any_secret(&mut self, name: &'static str, least_chars: usize) -> Option<Secret> {
        let loose = (self.source)("ALLOW_LOOSE_PERMS").is_some_and(|value| value == "1");
        let (secret, text, origin) = match self.lookup(name)? {
            Given::Value(text) => (Secret::fixed(text.clone()), text, Origin::Environment),
            Given::File(path) => match read_secret_file(path.as_ref(), loose) {
                Ok((secret, text)) => (secret, text, Origin::File),
                Err(error) => {
                    let told = error.to_string();
                    let told = told.strip_prefix("the file").unwrap_or(&told);
                    self.problem(name, format!("its file{}{told}", place(&path)));
                    return None;
                }
            },
        };
        self.note(SettingReport::secret(name, origin, &text));
        if looks_like_a_placeholder(&text) {
            self.problem(name, "still has a template's placeholder for a value");
            return None;
        }
        if text.chars().any(char::is_control) || text.trim() != text {
            self.problem(name, "has a line break, another control character or a blank at an end");
            return None;
        }
        if text.chars().count() < least_chars {
            self.problem(name, format!("must have at least {least_chars} characters"));
            return None;
        }
        let other = *self.secrets.entry(fingerprint(&text)).or_insert(name);
        if other != name {
            self.problem(name, format!("has the same value as {other}"));
            return None;
        }
        Some(secret)
    }

    /// Asks the source for both names; "both" and "neither" are settled here.
    fn lookup(&mut self, name: &'static str) -> Option<Given> {
        let set = |name: &str| (self.source)(name).filter(|value| !value.is_empty());
        match (set(name), set(&format!("{name}_FILE"))) {
            (Some(_), Some(_)) => {
                self.problem(name, format!("is set, and {name}_FILE too: give one of them"));
                None
            }
            (Some(value), None) => Some(Given::Value(value)),
            (None, Some(path)) => Some(Given::File(path)),
            (None, None) => {
                self.note(SettingReport::plain(name, Origin::Unset));
                None
            }
        }
    }

    fn note(&mut self, report: SettingReport) {
        if !self.seen.iter().any(|seen| seen.name == report.name) {
            self.seen.push(report);
        }
    }
}

/// How a setting was given.
enum Given {
    Value(String),
    File(String),
}

/// Everything that is wrong with the settings. Names and reasons, never values.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub name: &'static str,
    pub reason: String,
}

impl ConfigError {
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Writes the problems to standard error and gives the code to exit with.
    pub fn exit(&self) -> ExitCode {
        eprintln!("{self}");
        ExitCode::from(EXIT_CONFIG)
    }
}

impl Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration has problems:")?;
        for Problem { name, reason } in &self.problems {
            write!(f, "\n  {name}: {reason}")?;
        }
        if self.problems.is_empty() {
            f.write_str("\n  it is incomplete")?;
        }
        Ok(())
    }
}

/// Where a file is, to be said between words; nothing if it does not look like a path, since then it may be a secret in
/// the wrong place.
fn place(path: &str) -> String {
    if path.starts_with(['/', '.']) { format!(" {path}") } else { String::new() }
}

fn without_newline(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}

/// A parser's message with the value taken out, in case it quotes it: a value may be a secret in the wrong place.
fn without_value(message: &str, value: &str) -> String {
    if value.is_empty() { message.to_owned() } else { message.replace(value, "…") }
}

fn looks_like_a_placeholder(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let starts =
        ["changeme", "change_me", "change-me", "your_", "your-", "replace", "pyairtable_", "example", "todo"];
    starts.iter().any(|start| lower.starts_with(start)) || (value.starts_with('<') && value.ends_with('>'))
}
