//! Regular expressions in RE2's syntax, on a linear-time engine.

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Capture, Hir, HirKind, Repetition};

use crate::cost::Meter;
use crate::value::ErrorKind;

/// Longest pattern, in bytes.
const LONGEST: usize = 10_000;

/// Sizes of the compiled automaton that are tried, in bytes; the work of compiling it; and the work that each byte of text
/// then costs: the engine's worst case is the product of the two sizes.
const SIZES: [(usize, u64, u64); 3] = [(1 << 14, 20_000, 1), (1 << 17, 80_000, 16), (1 << 20, 400_000, 256)];

/// Most memory that a search may keep for states of its automaton, in bytes; it forgets them when there are more.
const CACHE: usize = 1 << 17;

/// Bytes of looking ahead, in a series of searches, that cost one unit of work.
const AHEAD_PER_UNIT: u64 = 4;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    pub(crate) regex: Regex,
    work_per_byte: u64,
    /// How far behind a match a search may have to look, in bytes; `None` if there is no bound.
    look_ahead: Option<usize>,
}

impl Pattern {
    /// Compiling is paid for by `meter`.
    pub(crate) fn compile(pattern: &str, meter: &mut Meter) -> Result<Self, ErrorKind> {
        if pattern.len() > LONGEST {
            return Err(ErrorKind::Regex);
        }
        let translated = translate(pattern).ok_or(ErrorKind::Regex)?;
        let tree = regex_syntax::parse(&translated).map_err(|_| ErrorKind::Regex)?;
        let look_ahead = look_ahead(&tree);
        for (size, work, work_per_byte) in SIZES {
            meter.spend(work + pattern.len() as u64)?;
            match RegexBuilder::new(&translated).size_limit(size).dfa_size_limit(CACHE).build() {
                Ok(regex) => return Ok(Self { regex, work_per_byte, look_ahead }),
                Err(regex::Error::CompiledTooBig(_)) => {}
                Err(_) => return Err(ErrorKind::Regex),
            }
        }
        Err(ErrorKind::Regex)
    }

    /// Counts a search through `text`.
    pub(crate) fn spend(&self, text: &str, meter: &mut Meter) -> Result<(), ErrorKind> {
        meter.spend((text.len() as u64 + 1).saturating_mul(self.work_per_byte))
    }

    /// Counts one more search of a series through one text, of which `left` bytes are left.
    ///
    /// A search takes linear time, a series of them does not: each may look through all that is left before it settles
    /// for a match near its beginning, as `.*[^A-Z]|[A-Z]` does.
    pub(crate) fn spend_next(&self, left: usize, meter: &mut Meter) -> Result<(), ErrorKind> {
        let ahead = self.look_ahead.map_or(left, |most| most.min(left));
        meter.spend((1 + ahead as u64 / AHEAD_PER_UNIT).saturating_mul(self.work_per_byte))
    }
}

/// How far a search looks beyond the match that it then gives, in bytes; `None` if there is no bound.
///
/// It does so for a longer match that is still possible. A mere series of repeated characters such as `a[a-z]*b` fails only
/// where no further match lies in what was looked at, so no stretch is looked at twice for it. But what is optional or one of
/// several alternatives may fail late, again and again.
fn look_ahead(tree: &Hir) -> Option<usize> {
    match tree.kind() {
        HirKind::Repetition(Repetition { min, max, sub, .. }) if *max == Some(*min) => look_ahead(sub),
        HirKind::Repetition(Repetition { sub, .. }) => sub.properties().maximum_len(),
        HirKind::Capture(Capture { sub, .. }) => look_ahead(sub),
        HirKind::Concat(parts) => greatest(parts, look_ahead),
        HirKind::Alternation(branches) => greatest(branches, fails_within),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => Some(0),
    }
}

/// How many bytes can be looked at before this fails, not counting a match that it gives on the way.
fn fails_within(tree: &Hir) -> Option<usize> {
    if let Some(longest) = tree.properties().maximum_len() {
        return Some(longest);
    }
    match tree.kind() {
        HirKind::Repetition(Repetition { min, sub, .. }) => {
            sub.properties().maximum_len()?.checked_mul(*min as usize + 1)
        }
        HirKind::Capture(Capture { sub, .. }) => fails_within(sub),
        HirKind::Concat(parts) => {
            let (last, before) = parts.split_last()?;
            let before = before.iter().map(|part| part.properties().maximum_len()).sum::<Option<usize>>()?;
            before.checked_add(fails_within(last)?)
        }
        HirKind::Alternation(branches) => greatest(branches, fails_within),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => Some(0),
    }
}

/// The greatest of what `of` says about the parts, if there is a bound for each.
fn greatest(parts: &[Hir], of: fn(&Hir) -> Option<usize>) -> Option<usize> {
    parts.iter().map(of).try_fold(0, |most, part| Some(part?.max(most)))
}

const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
const SPACE: &str = r"\t\n\f\r\x20";

/// RE2's syntax in that of the `regex` crate: `\d`, `\w`, `\s` and `\b` are ASCII, and brackets know no set operations.
/// `None` for what RE2 does not have.
fn translate(pattern: &str) -> Option<String> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    // Whether a repetition ends here, and whether it may still be made lazy by a `?`.
    let (mut repeated, mut may_be_lazy) = (false, false);
    while let Some(c) = rest.chars().next() {
        let counted = counted_repetition(rest);
        if counted.is_some() || matches!(c, '*' | '+' | '?') {
            if repeated && !(c == '?' && may_be_lazy) {
                return None;
            }
            (repeated, may_be_lazy) = (true, !repeated);
            let length = match counted {
                Some(length) => length?,
                None => 1,
            };
            out.push_str(&rest[..length]);
            rest = &rest[length..];
            continue;
        }
        (repeated, may_be_lazy) = (false, false);
        rest = &rest[c.len_utf8()..];
        match c {
            '{' => out.push_str(r"\{"),
            '\\' => {
                let escaped = rest.chars().next()?;
                rest = &rest[escaped.len_utf8()..];
                match escaped {
                    'd' | 'w' | 's' => out.extend(["[", perl_class(escaped), "]"]),
                    'D' | 'W' | 'S' => out.extend(["[^", perl_class(escaped), "]"]),
                    'b' => out.push_str(r"(?-u:\b)"),
                    'Q' => {
                        let (literal, after) = rest.split_once(r"\E").unwrap_or((rest, ""));
                        out.push_str(&regex::escape(literal));
                        rest = after;
                    }
                    // Word boundaries there, plain characters here.
                    '<' | '>' => out.push(escaped),
                    'p' | 'P' | 'x' if rest.starts_with('{') => {
                        let (escape, after) = braced_escape(escaped, rest)?;
                        out.push_str(&escape);
                        rest = after;
                    }
                    _ => out.extend(['\\', escaped]),
                }
            }
            '[' => {
                let (class, after) = bracket_class(rest)?;
                out.push_str(&class);
                rest = after;
            }
            '(' => {
                out.push('(');
                // Flags that RE2 does not have: ignored white space, Unicode off, CRLF.
                let flags = rest.strip_prefix('?').map_or("", |flags| {
                    &flags
                        [..flags.find(|c: char| !c.is_ascii_alphabetic() && c != '-').unwrap_or(flags.len())]
                });
                if !flags.starts_with('P') && flags.contains(['x', 'u', 'R']) {
                    return None;
                }
            }
            other => out.push(other),
        }
    }
    Some(out)
}

/// The length of a `{2}`, `{2,}` or `{2,3}` that the text begins with: anything else in braces is plain text. Inside
/// `None`, if it asks for more than RE2 allows.
fn counted_repetition(text: &str) -> Option<Option<usize>> {
    let inside = text.strip_prefix('{')?;
    let inside = &inside[..inside.find('}')?];
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(least) || !(most.is_empty() || is_number(most)) {
        return None;
    }
    let within = |count: &str| count.is_empty() || count.parse::<u32>().is_ok_and(|count| count <= 1000);
    Some((within(least) && within(most)).then_some(inside.len() + 2))
}

/// `\p{Greek}`, `\P{Greek}`, `\p{^Greek}` or `\x{10FFFF}`, the text beginning at its brace; and the text behind it.
fn braced_escape(letter: char, text: &str) -> Option<(String, &str)> {
    let (inside, after) = text.strip_prefix('{')?.split_once('}')?;
    let (letter, inside) = match (letter, inside.strip_prefix('^')) {
        ('p', Some(name)) => ('P', name),
        ('P', Some(name)) => ('p', name),
        _ => (letter, inside),
    };
    Some((format!("\\{letter}{{{inside}}}"), after))
}

fn perl_class(letter: char) -> &'static str {
    match letter.to_ascii_lowercase() {
        'd' => DIGIT,
        'w' => WORD,
        _ => SPACE,
    }
}

/// A class, the text beginning after its `[`; and the text behind its `]`.
fn bracket_class(text: &str) -> Option<(String, &str)> {
    let mut out = String::from("[");
    let mut rest = text;
    if let Some(after) = rest.strip_prefix('^') {
        out.push('^');
        rest = after;
    }
    let mut first = true;
    let mut after_dash = false;
    loop {
        let c = rest.chars().next()?;
        let mut after = &rest[c.len_utf8()..];
        let dash = c == '-' && !first && !after_dash;
        match c {
            ']' if !first => {
                out.push(']');
                return Some((out, after));
            }
            '[' if after.starts_with(':') => {
                let (name, behind) = after[1..].split_once(":]")?;
                out.extend(["[:", name, ":]"]);
                after = behind;
            }
            '\\' => {
                let escaped = after.chars().next()?;
                after = &after[escaped.len_utf8()..];
                match escaped {
                    'd' | 'w' | 's' => out.push_str(perl_class(escaped)),
                    'D' | 'W' | 'S' => out.extend(["[^", perl_class(escaped), "]"]),
                    '<' | '>' => out.push(escaped),
                    'p' | 'P' | 'x' if after.starts_with('{') => {
                        let (escape, behind) = braced_escape(escaped, after)?;
                        out.push_str(&escape);
                        after = behind;
                    }
                    _ => out.extend(['\\', escaped]),
                }
            }
            '-' if dash => out.push('-'),
            '[' | ']' | '&' | '~' | '-' => out.extend(['\\', c]),
            other => out.push(other),
        }
        after_dash = dash;
        first = false;
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(pattern: &str) -> Result<Pattern, ErrorKind> {
        Pattern::compile(pattern, &mut Meter::new(&crate::Limits::default()))
    }

    #[test]
    fn series_of_characters_look_no_further_than_they_match() {
        for (pattern, expected) in [
            ("a", Some(0)),
            (r"\s+", Some(1)),
            ("<[^>]*>", Some(4)),
            ("(a[b-y]*z)", Some(1)),
            ("(ab){2,}c", Some(2)),
            ("abc|d", Some(3)),
            (r"\s+|,", Some(2)),
            (r"(#\d+|x[0-9]{2,})!", Some(4)),
            (r"\s*,|\s", None),
            (".*[^A-Z]|[A-Z]", None),
            ("(a+b)*", None),
            ("(a+b)?c", None),
            ("(a+b){2}", Some(1)),
        ] {
            assert_eq!(compile(pattern).unwrap().look_ahead, expected, "{pattern}");
        }
    }

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: Option<&str>) {
        let pattern = compile(pattern).unwrap_or_else(|_| panic!("{pattern} is refused"));
        assert_eq!(pattern.regex.find(text).map(|found| found.as_str()), expected, "{pattern:?} on {text}");
    }

    #[test]
    fn classes_are_ascii_as_in_re2() {
        check(r"\w+", "éabc", Some("abc"));
        check(r"[\w-]+", "éa-b", Some("a-b"));
        check(r"\d", "٣4", Some("4"));
        check(r"[^\d]", "4x", Some("x"));
        check(r"[\D]", "4x", Some("x"));
        check(r"\S+", " ab ", Some("ab"));
        check(r"\bb", "éb", Some("b"));
        check(r"(?i)É", "é", Some("é"));
    }

    #[test]
    fn brackets_know_no_set_operations() {
        check("[a&&b]+", "x&b", Some("&b"));
        check("[[a]", "[", Some("["));
        check("[]a]+", "]a", Some("]a"));
        check("[^]]", "]b", Some("b"));
        check("[a~~b]+", "~", Some("~"));
        check("[+--]+", ",", Some(","));
        check("[--a]+", "A-", Some("A-"));
        check("[a-]+", "-a", Some("-a"));
        check("[[:alpha:]_]+", "1a_", Some("a_"));
    }

    #[test]
    fn literals_and_flags_of_re2_work() {
        check(r"\Qa.b\E+", "a.bb", Some("a.bb"));
        check(r"\<a\>", "<a>", Some("<a>"));
        check("(?i)ab", "AB", Some("AB"));
        check("a{2,3}?", "aaa", Some("aa"));
        check("a{,2}", "a{,2}", Some("a{,2}"));
        check("{x}", "{x}", Some("{x}"));
        check("a*?b", "aab", Some("aab"));
        check("(?P<year>[0-9]{4})", "in 2024", Some("2024"));
    }

    #[test]
    fn letters_are_named_by_script_category_or_code_point() {
        check(r"\p{Sc}", "price: 5€", Some("€"));
        check(r"\p{Greek}+", "aβγ1", Some("βγ"));
        check(r"\P{Nd}+", "12ab3", Some("ab"));
        check(r"\p{^Nd}+", "12ab3", Some("ab"));
        check(r"\P{^Nd}+", "ab12", Some("12"));
        check(r"\pN+", "a12", Some("12"));
        check(r"[\p{Greek}\d]+", "aβ1", Some("β1"));
        check(r"[\p{^Greek}]+", "βab", Some("ab"));
        check(r"\x{1F600}", "a😀", Some("😀"));
        check(r"[\x{35}\x{41}]+", "b5A", Some("5A"));
        check(r"\x35{2}", "555", Some("55"));
    }

    #[test]
    fn what_re2_lacks_or_is_too_large_is_refused() {
        for pattern in [
            "(?=a)",
            "(?<!a)b",
            r"(a)\1",
            "(?x) a",
            "(",
            "[a",
            "[z-a]",
            "a**",
            "a+*",
            "a*??",
            "a{2}{3}",
            "a{1001}",
            r"\p{",
            r"\p{Nothing}",
            r"[\p{]",
            r"\x{110000}",
            r"\x{d800}",
            "(a{1000}){1000}",
            r"\",
        ] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
        assert!(compile(&"a".repeat(LONGEST + 1)).is_err());
    }
}
