//! Text measured in UTF-16 code units, as JavaScript (and so Airtable) counts.

use std::borrow::Cow;

pub(crate) fn units(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().map(char::len_utf16).sum() }
}

/// The units `start..end`, cut to the text. Half of a surrogate pair becomes U+FFFD.
pub(crate) fn slice(text: &str, start: usize, end: usize) -> Cow<'_, str> {
    if text.is_ascii() {
        let end = end.min(text.len());
        return Cow::Borrowed(&text[start.min(end)..end]);
    }
    let mut at = 0;
    // Byte range of the characters that lie inside as a whole, and whether halves stand before and behind them.
    let (mut from, mut to) = (None, 0);
    let (mut half_before, mut half_behind) = (false, false);
    for (index, c) in text.char_indices() {
        if at >= end {
            break;
        }
        let next = at + c.len_utf16();
        if at >= start && next <= end {
            from.get_or_insert(index);
            to = index + c.len_utf8();
        } else if at < start && next > start {
            half_before = true;
        } else if at >= start {
            half_behind = true;
        }
        at = next;
    }
    let whole = from.map_or("", |from| &text[from..to]);
    if !half_before && !half_behind {
        return Cow::Borrowed(whole);
    }
    let mark = |half: bool| if half { "\u{FFFD}" } else { "" };
    Cow::Owned([mark(half_before), whole, mark(half_behind)].concat())
}

/// As [`slice`], of a text that is not needed any more.
pub(crate) fn into_slice(text: Cow<'_, str>, start: usize, end: usize) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => slice(text, start, end),
        Cow::Owned(text) => Cow::Owned(slice(&text, start, end).into_owned()),
    }
}

/// Where `needle` first begins at or after the unit `from`, in units from 0.
pub(crate) fn find(needle: &str, haystack: &str, from: usize) -> Option<usize> {
    if haystack.is_ascii() {
        return haystack.get(from..)?.find(needle).map(|at| from + at);
    }
    let mut skipped = 0;
    let start = haystack
        .char_indices()
        .find(|(_, c)| {
            let reached = skipped >= from;
            if !reached {
                skipped += c.len_utf16();
            }
            reached
        })
        .map_or(haystack.len(), |(index, _)| index);
    if skipped < from {
        return None;
    }
    let at = haystack[start..].find(needle)?;
    Some(skipped + units(&haystack[start..start + at]))
}

/// As [`find`], any case of a letter being the same.
pub(crate) fn find_ignoring_case(needle: &str, haystack: &str, from: usize) -> Option<usize> {
    // Lower case can be longer than upper case, so positions are mapped back.
    let lower: String = haystack.to_lowercase();
    let needle = needle.to_lowercase();
    let wanted_units: usize = units(&slice(haystack, 0, from).to_lowercase());
    if from > units(haystack) {
        return None;
    }
    let found = find(&needle, &lower, wanted_units)?;
    let mut lower_units = 0;
    let mut at = 0;
    for c in haystack.chars() {
        if lower_units >= found {
            break;
        }
        lower_units += c.to_lowercase().map(char::len_utf16).sum::<usize>();
        at += c.len_utf16();
    }
    Some(at)
}

/// White space in JavaScript's sense, which `trim` removes.
pub(crate) fn is_space(c: char) -> bool {
    c == '\u{FEFF}' || (c.is_whitespace() && c != '\u{85}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_utf16_code_units() {
        let text = "a😀é";
        assert_eq!(units(text), 4);
        assert_eq!(slice(text, 0, 3), "a😀");
        assert_eq!(slice(text, 3, 9), "é");
        assert_eq!(slice(text, 0, 2), "a\u{FFFD}");
        assert_eq!(slice(text, 2, 4), "\u{FFFD}é");
        assert_eq!(slice(text, 9, 12), "");
        assert_eq!(find("é", text, 0), Some(3));
        assert_eq!(find("a", text, 1), None);
        assert_eq!(find("", text, 4), Some(4));
        assert_eq!(find("", text, 5), None);
        assert_eq!(find("x", "abc", 9), None);
        assert_eq!(find_ignoring_case("LO", "Hello", 0), Some(3));
        assert_eq!(find_ignoring_case("É", text, 1), Some(3));
        assert_eq!(find_ignoring_case("x", "İx", 0), Some(1));
    }
}
