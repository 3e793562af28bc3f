//! One stored cell, kept small: a base may have millions of them.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fields::attachment::Attachment;

/// What a cell holds. Which variants a field's cells may have is decided by [`super::fields`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Cell {
    Empty,
    Text(Box<str>),
    /// Airtable's numbers are doubles.
    Number(f64),
    /// A ticked checkbox; an unticked one is empty.
    Checked,
    #[serde(with = "as_text")]
    Date(Date),
    /// Milliseconds since 1970, UTC.
    Instant(i64),
    /// Position in the field's choices.
    Choice(u32),
    Choices(Box<[u32]>),
    /// Slots of records in the linked table, in the cell's order.
    Links(Vec<u32>),
    /// Position in the list of users.
    User(u32),
    Users(Box<[u32]>),
    Attachments(Box<[Attachment]>),
    /// Barcodes and what else only travels through. Attachments in old files.
    Json(Box<Value>),
}

impl Cell {
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// Text, or nothing when there is none of it.
    pub(crate) fn text(text: &str) -> Self {
        if text.is_empty() { Self::Empty } else { Self::Text(text.into()) }
    }

    /// The linked slots; none in any other cell.
    pub(crate) fn links(&self) -> &[u32] {
        match self {
            Self::Links(slots) => slots,
            _ => &[],
        }
    }
}

/// Dates as `2026-02-28`.
mod as_text {
    use super::Date;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(date: &Date, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(date)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_three_words() {
        assert_eq!(size_of::<Cell>(), 24);
    }
}
