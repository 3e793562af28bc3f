//! Airtable's object ids: three letters that say what it is, then fourteen letters or digits.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Digits in ASCII order, so that ids compare as the numbers that they were made from.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// How many characters follow the prefix.
const TAIL: usize = 14;

/// The fourteen characters after the prefix, if `text` is an id with that prefix.
fn tail(prefix: &str, text: &str) -> Option<[u8; TAIL]> {
    let tail: [u8; TAIL] = text.strip_prefix(prefix)?.as_bytes().try_into().ok()?;
    tail.iter().all(u8::is_ascii_alphanumeric).then_some(tail)
}

/// A new tail, greater than every one minted before it in this process.
///
/// Airtable's are random. Ours ascend, because records without view or sort come in the order of their ids and a
/// record that was made later should then come later.
fn mint() -> [u8; TAIL] {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let clock = millis << 12;
    let before = LAST
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(clock.max(last + 1)))
        .expect("the closure always gives a value");
    let mut number = clock.max(before + 1);
    let mut tail = [0; TAIL];
    for place in tail[..9].iter_mut().rev() {
        *place = ALPHABET[(number % 62) as usize];
        number /= 62;
    }
    for place in &mut tail[9..] {
        *place = ALPHABET[rand::random_range(0..ALPHABET.len())];
    }
    tail
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $name([u8; TAIL]);

        impl $name {
            /// `None` unless it is exactly the prefix and fourteen letters or digits.
            pub(crate) fn parse(text: &str) -> Option<Self> {
                tail($prefix, text).map(Self)
            }

            /// An id that nothing has yet; greater than those minted before.
            pub(crate) fn mint() -> Self {
                Self(mint())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                f.write_str(std::str::from_utf8(&self.0).expect("ids are ASCII"))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not an id of this kind"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}

ids! {
    /// A base.
    BaseId = "app";
    /// A table of a base.
    TableId = "tbl";
    /// A field of a table.
    FieldId = "fld";
    /// A view of a table.
    ViewId = "viw";
    /// A record of a table.
    RecordId = "rec";
    /// A choice of a select field.
    ChoiceId = "sel";
    /// A person.
    UserId = "usr";
    /// A file in a cell.
    AttachmentId = "att";
    /// A comment on a record.
    CommentId = "com";
    /// A webhook.
    WebhookId = "ach";
    /// A listing that is under way: the first half of an `offset`.
    IteratorId = "itr";
}

/// Whether this is the id of a person, or of a group of them: what collaborator cells hold.
pub(crate) fn is_collaborator(text: &str) -> bool {
    UserId::parse(text).is_some() || tail("ugp", text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_prefix_and_fourteen_letters_or_digits() {
        assert_eq!(RecordId::parse("rec0123456789abcD").unwrap().to_string(), "rec0123456789abcD");
        for bad in [
            "rec0123456789abc",
            "rec0123456789abcDE",
            "tbl0123456789abcD",
            "rec0123456789abc-",
            "",
            "récabcdefghijklmn",
        ] {
            assert_eq!(RecordId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn minted_ids_ascend() {
        let ids: Vec<_> = (0..1000).map(|_| RecordId::mint()).collect();
        assert!(ids.is_sorted_by(|a, b| a.to_string() < b.to_string()));
    }
}
