//! Values that stand in for others: equal ones stay equal, different ones different, and nobody who has only the result can
//! tell what they were, not even by guessing and comparing: everything is derived with a key that the result does not hold.

mod json;
mod number;
mod people;
mod permutation;
mod stream;
mod text;
mod time;
mod words;

use std::collections::HashMap;

use hmac::{Hmac, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;

use self::stream::Stream;
use super::rules::How;

/// What a text is given up for after so many attempts that met what another one stands for.
const ATTEMPTS: u32 = 10_000;

/// What everything is derived from.
pub(super) struct Key([u8; 32]);

impl Key {
    /// One that nobody will ever know.
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The same for the same secret.
    pub(super) fn from_secret(secret: &str) -> Self {
        Self(Self([0; 32]).digest("secret", secret.as_bytes(), 0))
    }

    /// `domain` keeps what stands for one kind of thing from standing for another.
    fn digest(&self, domain: &str, value: &[u8], attempt: u32) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length will do");
        mac.update(&(domain.len() as u64).to_le_bytes());
        mac.update(domain.as_bytes());
        mac.update(&attempt.to_le_bytes());
        mac.update(value);
        mac.finalize().into_bytes().into()
    }

    fn stream(&self, domain: &str, value: &str, attempt: u32) -> Stream {
        Stream::new(self.digest(domain, value.as_bytes(), attempt))
    }
}

/// Masks values, and remembers what stands for what as far as that is needed to keep different ones different.
pub(super) struct Masker {
    key: Key,
    /// By digests of texts that stand for others, digests of those.
    taken: HashMap<u128, u128>,
    shift: time::Shift,
}

impl Masker {
    pub(super) fn new(key: Key) -> Self {
        let shift = time::Shift::new(&key);
        Self { key, taken: HashMap::new(), shift }
    }

    /// A text in place of another; `None`: nothing at all.
    pub(super) fn text(&mut self, how: How, value: &str) -> Option<String> {
        match how {
            How::Keep => Some(value.to_owned()),
            How::Blank => None,
            How::Hash => Some(text::code(&mut self.key.stream("hash", value, 0), value)),
            How::Fake => {
                // What can be read as a time goes where all times go.
                if let Some(shifted) = self.shift.text(value) {
                    return Some(shifted);
                }
                Some(self.distinct(value, text::fake))
            }
        }
    }

    /// A number in place of another, both as JSON writes them.
    pub(super) fn number(&self, value: &str) -> String {
        number::fake(&self.key, value)
    }

    /// One of `1..=most` in place of another.
    pub(super) fn of_scale(&self, value: u64, most: u64) -> u64 {
        match (1..=most).contains(&value) {
            true => 1 + permutation::turn(&self.key, "scale", most.into(), u128::from(value - 1)) as u64,
            false => value,
        }
    }

    /// Whether a field's checkboxes show the opposite: more cannot be done to them that keeps equal ones equal.
    pub(super) fn is_inverted(&self, field: &str) -> bool {
        self.key.stream("checkbox", field, 0).below(2) == 1
    }

    /// An ISO date, or date and time, in place of another; what is neither is masked as a text.
    pub(super) fn time(&mut self, value: &str) -> String {
        match self.shift.text(value) {
            Some(shifted) => shifted,
            None => self.distinct(value, text::fake),
        }
    }

    /// When a record was created, moved as all times are.
    pub(super) fn instant(&self, value: Timestamp) -> Timestamp {
        self.shift.instant(value)
    }

    /// What `make` gives for a value, or what it gives at a later attempt if that stands for something else already.
    fn distinct(&mut self, value: &str, make: fn(&mut Stream, &str, u32) -> String) -> String {
        let tag = short(&self.key.digest("tag", value.as_bytes(), 0));
        let mut made = String::new();
        for attempt in 0..ATTEMPTS {
            made = make(&mut self.key.stream("fake", value, attempt), value, attempt);
            let digest = short(&self.key.digest("made", made.as_bytes(), 0));
            if made != value && *self.taken.entry(digest).or_insert(tag) == tag {
                break;
            }
        }
        made
    }

    /// A new id of the same kind: three letters, and fourteen letters or digits.
    pub(super) fn id(&self, id: &str) -> String {
        let prefix = id.get(..3).unwrap_or("usr");
        let mut stream = self.key.stream("id", id, 0);
        let tail: String = (0..14)
            .map(|_| stream.pick(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"))
            .map(|byte| char::from(*byte))
            .collect();
        format!("{prefix}{tail}")
    }
}

fn short(digest: &[u8; 32]) -> u128 {
    digest[..16].iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn masker() -> Masker {
        Masker::new(Key::from_secret("a key for tests"))
    }

    #[test]
    fn equal_texts_stay_equal_different_ones_different_and_another_key_gives_others() {
        let mut masker = masker();
        let values: Vec<String> = (0..3000)
            .map(|n| match n % 6 {
                0 => format!("Person{n} Name"),
                1 => format!("p{n}@corp.example"),
                2 => format!("{n}"),
                3 => format!("+41 44 {n:07}"),
                4 => format!("https://corp.example/{n}"),
                _ => format!("Some words about thing {n}, which is long enough to be a sentence."),
            })
            .collect();
        let masked: Vec<_> = values.iter().map(|value| masker.text(How::Fake, value).unwrap()).collect();
        let distinct: std::collections::HashSet<_> = masked.iter().collect();
        assert_eq!(distinct.len(), values.len());
        assert!(masked.iter().zip(&values).all(|(masked, value)| masked != value));
        let again: Vec<_> = values.iter().map(|value| masker.text(How::Fake, value).unwrap()).collect();
        assert_eq!(masked, again);
        let mut other = Masker::new(Key::random().unwrap());
        let others = values.iter().map(|value| other.text(How::Fake, value).unwrap());
        assert!(others.zip(&masked).filter(|(other, masked)| other == *masked).count() < 30);
    }

    #[test]
    fn short_texts_stay_different_when_all_of_their_length_are_taken() {
        let mut masker = masker();
        let masked: std::collections::HashSet<_> =
            ('a'..='z').map(|letter| masker.text(How::Fake, &letter.to_string()).unwrap()).collect();
        assert_eq!(masked.len(), 26);
    }

    #[test]
    fn ids_keep_their_kind() {
        let id = masker().id("usrAda00000000001");
        assert!(id.starts_with("usr") && id.len() == 17 && id != "usrAda00000000001", "{id}");
    }
}
