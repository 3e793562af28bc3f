//! Why a formula does not compile: for people (with the place marked), and as Airtable's API words it.

use std::fmt;
use std::ops::Range;

use unicode_width::UnicodeWidthStr;

/// A formula was refused. Nothing of it was evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompileError {
    /// The text is not a formula.
    Syntax {
        message: String,
        /// What could stand there instead, in words, where that helps.
        expected: Option<&'static str>,
        at: Box<Location>,
    },
    /// Fields that the table does not have: every one of the formula, in order of appearance, each once.
    UnknownFields { names: Vec<UnknownName>, at: Box<Location> },
    /// Functions that Airtable does not have, likewise.
    UnknownFunctions { names: Vec<UnknownName>, at: Box<Location> },
    /// Too few or too many arguments; `expected` is in words ("2 or 3 arguments").
    ArgumentCount { function: String, given: usize, expected: String, at: Box<Location> },
    /// Airtable has this function (in upper case here), this crate does not yet.
    NotBuilt { function: String, at: Box<Location> },
    /// Longer than [`crate::Limits::formula_bytes`].
    TooLong { bytes: usize, limit: usize },
}

/// A name nobody knows, with the nearest one that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName {
    /// As it stands in the formula (functions: upper case).
    pub name: String,
    pub did_you_mean: Option<String>,
    /// Where it first appears, in bytes.
    pub span: Range<usize>,
}

/// A place in a formula, with enough of the text around it to show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// In bytes of the formula.
    pub span: Range<usize>,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    excerpt: String,
    /// Columns of a terminal that the excerpt takes before the place, and in it.
    marked: (usize, usize),
}

/// Most characters shown on either side of the place.
const EXCERPT: usize = 60;

impl Location {
    /// Boxed, to keep results with an error small.
    pub(crate) fn new(source: &str, span: Range<usize>) -> Box<Self> {
        let start = floor_boundary(source, span.start);
        let end = floor_boundary(source, span.end.max(start));
        let line_start = source[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = source[start..].find('\n').map_or(source.len(), |newline| start + newline);
        let before = &source[line_start..start];
        let shown_start =
            before.char_indices().rev().take(EXCERPT).last().map_or(start, |(index, _)| line_start + index);
        let shown: String = source[shown_start..line_end].chars().take(2 * EXCERPT).collect();
        // A tab or other control character would move the caret away from its place.
        let excerpt: String = shown.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let before_place = source[shown_start..start].chars().count();
        let in_place = source[start..end.min(line_end).max(start)].chars().count();
        let place = excerpt.char_indices().nth(before_place).map_or(excerpt.len(), |(index, _)| index);
        let behind =
            excerpt[place..].char_indices().nth(in_place).map_or(excerpt.len(), |(index, _)| place + index);
        let marked = (excerpt[..place].width(), excerpt[place..behind].width().max(1));
        Box::new(Self {
            span,
            line: source[..start].matches('\n').count() + 1,
            column: before.chars().count() + 1,
            excerpt,
            marked,
        })
    }
}

fn floor_boundary(source: &str, index: usize) -> usize {
    (0..=index.min(source.len())).rev().find(|&index| source.is_char_boundary(index)).unwrap_or(0)
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ahead, width) = self.marked;
        write!(f, "  {}\n  {}{}", self.excerpt, " ".repeat(ahead), "^".repeat(width))
    }
}

impl CompileError {
    /// Where, if it is one place.
    pub fn location(&self) -> Option<&Location> {
        match self {
            Self::Syntax { at, .. }
            | Self::UnknownFields { at, .. }
            | Self::UnknownFunctions { at, .. }
            | Self::ArgumentCount { at, .. }
            | Self::NotBuilt { at, .. } => Some(at),
            Self::TooLong { .. } => None,
        }
    }

    /// What Airtable's API prints after `The formula for filtering records is invalid: `.
    ///
    /// Airtable has no such message for [`Self::NotBuilt`]; the general one is given then, and whoever stands in for
    /// Airtable should say instead that the function is missing here.
    pub fn api_message(&self) -> String {
        match self {
            Self::UnknownFields { names, .. } => format!("Unknown field names: {}", lower_cased(names)),
            Self::UnknownFunctions { names, .. } => format!("Unknown function names: {}", lower_cased(names)),
            Self::Syntax { .. }
            | Self::ArgumentCount { .. }
            | Self::NotBuilt { .. }
            | Self::TooLong { .. } => "Invalid formula. Please check your formula text.".to_owned(),
        }
    }
}

fn lower_cased(names: &[UnknownName]) -> String {
    names.iter().map(|unknown| unknown.name.to_lowercase()).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { message, .. } => f.write_str(message)?,
            Self::UnknownFields { names, .. } => write_unknown(f, "field", names)?,
            Self::UnknownFunctions { names, .. } => write_unknown(f, "function", names)?,
            Self::ArgumentCount { function, given, expected, .. } => {
                write!(f, "{function} takes {expected}, not {given}")?;
            }
            Self::NotBuilt { function, .. } => write!(f, "the function {function} is not built yet")?,
            Self::TooLong { bytes, limit } => {
                write!(f, "the formula has {bytes} bytes; {limit} are allowed")?
            }
        }
        if let Some(at) = self.location() {
            write!(f, " (line {}, column {})\n{at}", at.line, at.column)?;
        }
        match self {
            Self::Syntax { expected: Some(expected), .. } => write!(f, " expected {expected}"),
            _ => Ok(()),
        }
    }
}

/// Most unknown names that are shown, and most characters of each.
const SHOWN_NAMES: usize = 10;
const SHOWN_CHARACTERS: usize = 80;

fn write_unknown(f: &mut fmt::Formatter<'_>, what: &str, names: &[UnknownName]) -> fmt::Result {
    write!(f, "there is no {what} ")?;
    for (index, unknown) in names.iter().take(SHOWN_NAMES).enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        let (shown, cut) = match unknown.name.char_indices().nth(SHOWN_CHARACTERS) {
            Some((end, _)) => (&unknown.name[..end], "…"),
            None => (unknown.name.as_str(), ""),
        };
        write!(f, "{separator}\"{shown}{cut}\"")?;
        if let Some(near) = &unknown.did_you_mean {
            write!(f, " (did you mean \"{near}\"?)")?;
        }
    }
    match names.len().saturating_sub(SHOWN_NAMES) {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}

impl std::error::Error for CompileError {}
