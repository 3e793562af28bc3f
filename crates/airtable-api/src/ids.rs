//! Airtable's object ids: a three-letter prefix and fourteen letters or digits, case-sensitive.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an id like {prefix}XXXXXXXXXXXXXX ({prefix} and 14 letters or digits)")]
pub struct InvalidId {
    prefix: &'static str,
}

/// True if `text` is `prefix` and fourteen characters of `[A-Za-z0-9]`.
fn has_shape(text: &str, prefix: &str) -> bool {
    text.len() == prefix.len() + 14
        && text.starts_with(prefix)
        && text.as_bytes()[prefix.len()..].iter().all(u8::is_ascii_alphanumeric)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The three letters that every id of this kind starts with.
            pub const PREFIX: &'static str = $prefix;

            /// Fails unless `text` has exactly the shape of such an id.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                if has_shape(text, $prefix) { Ok(Self(text.to_owned())) } else { Err(InvalidId { prefix: $prefix }) }
            }

            /// The id as Airtable writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                if has_shape(&text, $prefix) { Ok(Self(text)) } else { Err(InvalidId { prefix: $prefix }) }
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    )*};
}

ids! {
    /// A base: `app…`.
    BaseId = "app";
    /// A table: `tbl…`.
    TableId = "tbl";
    /// A field: `fld…`.
    FieldId = "fld";
    /// A view: `viw…`.
    ViewId = "viw";
    /// A record: `rec…`.
    RecordId = "rec";
    /// A webhook: `ach…`.
    WebhookId = "ach";
}

/// How a caller names a table: by its id, or by its name, which may be any text.
///
/// A table whose *name* looks like a table id cannot be told apart; Airtable reads it as an id, and so do we.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TableKey {
    /// `tbl…`
    Id(TableId),
    /// The name, decoded.
    Name(String),
}

impl TableKey {
    /// Never fails: what is not an id is a name.
    pub fn new(text: &str) -> Self {
        TableId::parse(text).map_or_else(|_| Self::Name(text.to_owned()), Self::Id)
    }

    /// The id or the name, decoded.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Id(id) => id.as_str(),
            Self::Name(name) => name,
        }
    }
}

impl fmt::Display for TableKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_its_prefix_and_fourteen_letters_or_digits() {
        assert!(BaseId::parse("appABCDEFGHIJKLMN").is_ok());
        for wrong in
            ["", "app", "appABCDEFGHIJKLM", "appABCDEFGHIJKLMNO", "tblABCDEFGHIJKLMN", "APPABCDEFGHIJKLMN"]
        {
            assert!(BaseId::parse(wrong).is_err(), "{wrong}");
        }
        assert!(BaseId::parse("appABCDEFGHIJKL-N").is_err(), "only letters and digits");
        assert!(BaseId::parse("appABCDEFGHIJKLé").is_err(), "counted in bytes, é takes two");
    }

    #[test]
    fn what_is_not_a_table_id_is_a_table_name() {
        assert!(matches!(TableKey::new("tblABCDEFGHIJKLMN"), TableKey::Id(_)));
        assert_eq!(TableKey::new("Tasks / 2026").as_str(), "Tasks / 2026");
        assert!(matches!(TableKey::new("tblShort"), TableKey::Name(_)));
    }

    #[test]
    fn a_bad_id_in_json_is_refused() {
        assert!(serde_json::from_str::<RecordId>(r#""recABCDEFGHIJKLMN""#).is_ok());
        let problem = serde_json::from_str::<RecordId>(r#""nope""#).unwrap_err().to_string();
        assert!(problem.contains("recXXXXXXXXXXXXXX"), "{problem}");
    }
}
