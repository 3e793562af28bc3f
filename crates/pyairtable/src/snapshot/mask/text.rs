//! Texts in place of others, of the same kind: names, e-mail and web addresses, telephone numbers, codes, prose of the same
//! length. The kind is read from the text alone, so that one text becomes the same in whichever field it stands.

use super::stream::Stream;
use super::words::{FAMILY_NAMES, GIVEN_NAMES, WORDS};

/// Attempts after which a number is added to what is made: the short ones run out.
const PLAIN_ATTEMPTS: u32 = 10;

/// Characters of a code.
const CODE_LENGTH: usize = 16;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Letters and digits without a meaning; as many as the text has, if that is more than sixteen.
pub(super) fn code(stream: &mut Stream, text: &str) -> String {
    let length = text.chars().count().max(CODE_LENGTH);
    (0..length).map(|_| char::from(*stream.pick(HEX))).collect()
}

/// A text of the same kind and shape.
pub(super) fn fake(stream: &mut Stream, text: &str, attempt: u32) -> String {
    let number = if attempt < PLAIN_ATTEMPTS { String::new() } else { attempt.to_string() };
    if is_address(text) {
        let name = name(stream, 2);
        let host = stream.pick(&["example.com", "example.net", "example.org"]);
        let digits = stream.below(1000);
        return format!("{}{digits}{number}@{host}", dotted(&name));
    }
    if let Some((scheme, rest)) =
        text.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))
    {
        let host = stream.pick(&["www.example.com", "www.example.net", "www.example.org"]);
        let path =
            rest.split_once('/').map_or(String::new(), |(_, path)| format!("/{}", shaped(stream, path)));
        let digits = stream.below(100_000);
        return match path.len() > 8 && number.is_empty() {
            true => format!("{scheme}://{host}{path}"),
            false => format!("{scheme}://{host}{path}{digits}{number}"),
        };
    }
    let words: Vec<&str> = text.split(' ').collect();
    if (2..=3).contains(&words.len())
        && text.chars().count() <= 40
        && words.iter().all(|word| is_capitalised(word))
    {
        let name = name(stream, words.len());
        return if number.is_empty() { name } else { format!("{name} {number}") };
    }
    format!("{}{number}", shaped(stream, text))
}

/// An e-mail address for a made-up name.
pub(super) fn address_of(name: &str) -> String {
    format!("{}@example.com", dotted(name))
}

fn dotted(name: &str) -> String {
    name.to_lowercase().split_whitespace().collect::<Vec<_>>().join(".")
}

fn name(stream: &mut Stream, words: usize) -> String {
    let mut name = (*stream.pick(&GIVEN_NAMES)).to_owned();
    for _ in 2..words {
        name = format!("{name} {}", stream.pick(&GIVEN_NAMES));
    }
    format!("{name} {}", stream.pick(&FAMILY_NAMES))
}

fn is_address(text: &str) -> bool {
    let Some((name, host)) = text.split_once('@') else { return false };
    let is_part = |part: &str| {
        !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "@<>,;[]()".contains(c))
    };
    is_part(name) && is_part(host) && host.contains('.')
}

/// A word of letters that begins with a large one and goes on with small ones, as names do.
fn is_capitalised(word: &str) -> bool {
    let mut letters = word.chars();
    let first = letters.next().is_some_and(char::is_uppercase);
    let rest: Vec<char> = letters.collect();
    first
        && !rest.is_empty()
        && rest.iter().all(|c| c.is_alphabetic() || matches!(c, '\'' | '’' | '-'))
        && rest.iter().any(|c| c.is_lowercase())
}

/// Every word by another of its length, every digit by another; plain punctuation, and so the length, stays.
fn shaped(stream: &mut Stream, text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut word: Vec<char> = Vec::new();
    // Words that stand alone may be real ones; of codes such as AB12 each character is drawn.
    let is_code = |at: usize, length: usize, all: &[char]| {
        let is_digit = |at: Option<&char>| at.is_some_and(char::is_ascii_digit);
        is_digit(at.checked_sub(1).and_then(|before| all.get(before))) || is_digit(all.get(at + length))
    };
    let all: Vec<char> = text.chars().collect();
    for (at, &c) in all.iter().enumerate() {
        if c.is_alphabetic() {
            word.push(c);
            if all.get(at + 1).is_some_and(|next| next.is_alphabetic()) {
                continue;
            }
            let begin = at + 1 - word.len();
            let plain = if is_code(begin, word.len(), &all) {
                letters(stream, word.len())
            } else {
                spoken(stream, word.len())
            };
            made.extend(
                plain
                    .chars()
                    .zip(&word)
                    .map(|(c, like)| if like.is_uppercase() { c.to_ascii_uppercase() } else { c }),
            );
            word.clear();
        } else if c.is_numeric() {
            // A number goes on not beginning with 0.
            let begins = at.checked_sub(1).is_none_or(|before| !all[before].is_numeric());
            let least = usize::from(begins && c != '0');
            made.push(char::from(b'0' + (least + stream.below(10 - least)) as u8));
        } else {
            // Signs of other scripts, and pictures, may say something.
            made.push(if c.is_ascii() || c.is_whitespace() { c } else { '-' });
        }
    }
    made
}

fn letters(stream: &mut Stream, length: usize) -> String {
    (0..length).map(|_| char::from(b'a' + stream.below(26) as u8)).collect()
}

/// A word of so many letters: a real one, or one that could be spoken.
fn spoken(stream: &mut Stream, length: usize) -> String {
    let known: Vec<&&str> = WORDS.iter().filter(|word| word.len() == length).collect();
    if !known.is_empty() && stream.below(4) > 0 {
        return (**stream.pick(&known)).to_owned();
    }
    let (consonants, vowels) = (b"bcdfghjklmnprstvwz", b"aeiou");
    let first = stream.below(2);
    let letter = |at: usize, stream: &mut Stream| match (at + first) % 2 {
        0 => *stream.pick(consonants),
        _ => *stream.pick(vowels),
    };
    (0..length).map(|at| char::from(letter(at, stream))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::masker;
    use super::*;
    use crate::snapshot::rules::How;

    fn faked(text: &str) -> String {
        masker().text(How::Fake, text).unwrap()
    }

    #[test]
    fn what_is_made_is_of_the_same_kind() {
        assert!(is_address(&faked("ada.lovelace@corp.example")));
        assert!(faked("https://corp.example/secret/path?x=1").starts_with("https://www.example."));
        let name = faked("Ada Lovelace");
        assert!(name.split(' ').count() == 2 && name.split(' ').all(is_capitalised), "{name}");
        let shape = |text: &str| {
            text.chars()
                .map(|c| {
                    if c.is_ascii_digit() {
                        '0'
                    } else if c.is_uppercase() {
                        'A'
                    } else if c.is_alphabetic() {
                        'a'
                    } else {
                        c
                    }
                })
                .collect::<String>()
        };
        for text in [
            "+41 44 668 18 00",
            "AB-1234",
            "550e8400-e29b-41d4-a716-446655440000",
            "Draft the landing page",
            "x",
        ] {
            assert_eq!(shape(&faked(text)), shape(text), "{text}");
        }
    }

    #[test]
    fn prose_keeps_its_length_its_lines_and_nothing_of_what_it_says() {
        let text = "The canary – who knew it? – sang at 07:45.\nNobody listened, naïve as we were; 12 of us.\n\n* one\n* two";
        let masked = faked(text);
        assert_eq!(masked.chars().count(), text.chars().count());
        assert_eq!(masked.matches('\n').count(), 4);
        assert!(!masked.contains("canary") && !masked.contains("07:45"), "{masked}");
        let code = masker().text(How::Hash, text).unwrap();
        assert_eq!(code.chars().count(), text.chars().count());
        assert_eq!(masker().text(How::Hash, "x").unwrap().len(), 16);
        assert_eq!(masker().text(How::Blank, text), None);
        assert_eq!(masker().text(How::Keep, text).unwrap(), text);
    }

    #[test]
    fn any_text_can_be_masked() {
        for text in
            ["", " ", "日本語のテキスト", "ß İ ﬁ", "@", "a@", "://", "http://", "A'", "é É", "\u{0}", "👩‍👩‍👧"]
        {
            masker().text(How::Fake, text).unwrap();
        }
    }
}
