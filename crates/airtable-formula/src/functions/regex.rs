//! Regular expressions. The pattern, the second argument, comes compiled.

use std::borrow::Cow;

use ::regex::Captures;

use crate::coerce;
use crate::regexp::Pattern;
use crate::value::{ErrorKind, Value};
use crate::vm::Env;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RegexFunction {
    Match,
    Extract,
    Replace,
}

impl RegexFunction {
    pub(crate) fn call<'a>(
        self,
        arguments: &mut [Value<'a>],
        pattern: &Pattern,
        env: &mut Env<'_>,
    ) -> Result<Value<'a>, ErrorKind> {
        let text = coerce::into_text(std::mem::take(&mut arguments[0]))?;
        pattern.spend(&text, &mut env.meter)?;
        match self {
            Self::Match => Ok(Value::Boolean(pattern.regex.is_match(&text))),
            // The whole match, also where the pattern has groups.
            Self::Extract => {
                let found = pattern.regex.find(&text).ok_or(ErrorKind::Regex)?.range();
                Ok(Value::Text(match text {
                    Cow::Borrowed(text) => Cow::Borrowed(&text[found]),
                    Cow::Owned(text) => Cow::Owned(text[found].to_owned()),
                }))
            }
            Self::Replace => {
                let new = coerce::as_text(&arguments[2])?;
                replace_all(&text, pattern, &new, env)
            }
        }
    }
}

/// Units of work that a `$` in a replacement costs for each match.
const WORK_PER_REFERENCE: u64 = 2;

fn replace_all<'a>(
    text: &str,
    pattern: &Pattern,
    new: &str,
    env: &mut Env<'_>,
) -> Result<Value<'a>, ErrorKind> {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    // Whatever a `$` stands for takes a look, also where it is nothing.
    let looks = WORK_PER_REFERENCE * new.bytes().filter(|byte| *byte == b'$').count() as u64;
    for groups in pattern.regex.captures_iter(text) {
        env.meter.spend(looks)?;
        let whole = groups.get_match();
        out.push_str(&text[done..whole.start()]);
        push_replacement(&mut out, new, &groups, env.meter.text_bytes())?;
        done = whole.end();
        pattern.spend_next(text.len() - done, &mut env.meter)?;
    }
    out.push_str(&text[done..]);
    env.built(out)
}

/// `$1`…`$99` are groups, `$&` the match, `$$` a dollar sign, as in JavaScript; a `$` before anything else is itself.
///
/// Fails as soon as `out` is longer than `most` bytes: one match may be long, and be named many times.
fn push_replacement(
    out: &mut String,
    new: &str,
    groups: &Captures<'_>,
    most: usize,
) -> Result<(), ErrorKind> {
    let mut rest = new;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        let digits = behind.bytes().take(2).take_while(u8::is_ascii_digit).count();
        // Two digits if there is such a group, else one.
        let group = (1..=digits).rev().find_map(|length| {
            let number: usize = behind[..length].parse().ok()?;
            (number > 0 && number < groups.len()).then_some((number, length))
        });
        let length = if let Some((number, length)) = group {
            out.push_str(groups.get(number).map_or("", |group| group.as_str()));
            length
        } else if behind.starts_with('&') {
            out.push_str(groups.get_match().as_str());
            1
        } else {
            out.push('$');
            usize::from(behind.starts_with('$'))
        };
        if out.len() > most {
            return Err(ErrorKind::Limit);
        }
        rest = &behind[length..];
    }
    out.push_str(rest);
    if out.len() > most { Err(ErrorKind::Limit) } else { Ok(()) }
}
