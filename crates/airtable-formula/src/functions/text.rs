//! Text. Positions count from 1, in UTF-16 code units.

use std::borrow::Cow;
use std::fmt::Write;

use crate::coerce::{self, integer, into_text};
use crate::number;
use crate::text::{self, is_space};
use crate::value::{ErrorKind, Value};
use crate::vm::Env;

type Arguments<'s, 'a> = &'s mut [Value<'a>];
type Outcome<'a> = Result<Value<'a>, ErrorKind>;

fn take<'a>(arguments: &mut [Value<'a>], index: usize) -> Result<Cow<'a, str>, ErrorKind> {
    into_text(std::mem::take(&mut arguments[index]))
}

/// A length: not negative.
fn count(value: &Value<'_>) -> Result<usize, ErrorKind> {
    usize::try_from(integer(value)?).map_err(|_| ErrorKind::Argument)
}

/// A position as an offset from 0; 0 stands for 1.
fn offset(value: &Value<'_>) -> Result<usize, ErrorKind> {
    Ok(count(value)?.saturating_sub(1))
}

pub(crate) fn concatenate<'a>(arguments: Arguments<'_, 'a>, env: &mut Env<'_>) -> Outcome<'a> {
    let mut out = String::new();
    for argument in arguments.iter() {
        coerce::push_text(&mut out, argument)?;
        if out.len() > env.meter.text_bytes() {
            return Err(ErrorKind::Limit);
        }
    }
    env.built(out)
}

/// Leaves letters, digits and `-_.~` as they are.
pub(crate) fn encode_url_component<'a>(arguments: Arguments<'_, 'a>, env: &mut Env<'_>) -> Outcome<'a> {
    let text = take(arguments, 0)?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    if text.bytes().all(is_plain) {
        return Ok(Value::Text(text));
    }
    let mut out = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if is_plain(byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("writing to a String cannot fail");
        }
    }
    env.built(out)
}

/// The position from 1, or `None`. A start below 1 is 1.
fn position(arguments: &[Value<'_>], ignore_case: bool) -> Result<Option<usize>, ErrorKind> {
    let needle = coerce::as_text(&arguments[0])?;
    let haystack = coerce::as_text(&arguments[1])?;
    let from =
        arguments.get(2).map_or(Ok(0), |start| integer(start).map(|start| start.max(1) as usize - 1))?;
    let find = if ignore_case { text::find_ignoring_case } else { text::find };
    Ok(find(&needle, &haystack, from).map(|at| at + 1))
}

pub(crate) fn find<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    Ok(Value::Number(position(arguments, false)?.unwrap_or(0) as f64))
}

/// Like `FIND` but for blank where nothing is found; whether case matters is the context's choice.
pub(crate) fn search<'a>(arguments: Arguments<'_, 'a>, env: &mut Env<'_>) -> Outcome<'a> {
    let ignore_case = env.context().search_ignores_case;
    Ok(position(arguments, ignore_case)?.map_or(Value::Blank, |at| Value::Number(at as f64)))
}

/// Without a count an error, as Airtable is thought to give.
pub(crate) fn left<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    let end = count(arguments.get(1).ok_or(ErrorKind::Argument)?)?;
    Ok(Value::Text(text::into_slice(take(arguments, 0)?, 0, end)))
}

pub(crate) fn right<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    let length = count(arguments.get(1).ok_or(ErrorKind::Argument)?)?;
    let text = take(arguments, 0)?;
    let units = text::units(&text);
    Ok(Value::Text(text::into_slice(text, units.saturating_sub(length), units)))
}

pub(crate) fn mid<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    let start = offset(&arguments[1])?;
    let end = start.saturating_add(count(&arguments[2])?);
    Ok(Value::Text(text::into_slice(take(arguments, 0)?, start, end)))
}

pub(crate) fn len<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    Ok(Value::Number(text::units(&coerce::as_text(&arguments[0])?) as f64))
}

pub(crate) fn lower<'a>(arguments: Arguments<'_, 'a>, env: &mut Env<'_>) -> Outcome<'a> {
    env.built(take(arguments, 0)?.to_lowercase())
}

pub(crate) fn upper<'a>(arguments: Arguments<'_, 'a>, env: &mut Env<'_>) -> Outcome<'a> {
    env.built(take(arguments, 0)?.to_uppercase())
}

/// A start beyond the end is an error.
pub(crate) fn replace<'a>(arguments: Arguments<'_, 'a>, env: &mut Env<'_>) -> Outcome<'a> {
    let start = offset(&arguments[1])?;
    let end = start.saturating_add(count(&arguments[2])?);
    let text = take(arguments, 0)?;
    let new = take(arguments, 3)?;
    let units = text::units(&text);
    if start >= units {
        return Err(ErrorKind::Argument);
    }
    env.meter.build(text.len() + new.len())?;
    env.built([&text::slice(&text, 0, start), &*new, &text::slice(&text, end, units)].concat())
}

pub(crate) fn rept<'a>(arguments: Arguments<'_, 'a>, env: &mut Env<'_>) -> Outcome<'a> {
    let times = count(&arguments[1])?;
    let text = take(arguments, 0)?;
    env.meter.build(text.len().saturating_mul(times))?;
    Ok(Value::from(if text.is_empty() { String::new() } else { text.repeat(times) }))
}

/// Every occurrence, or only the one with the given index, from 1.
pub(crate) fn substitute<'a>(arguments: Arguments<'_, 'a>, env: &mut Env<'_>) -> Outcome<'a> {
    let index = arguments.get(3).map(integer).transpose()?;
    let (text, old, new) = (take(arguments, 0)?, take(arguments, 1)?, take(arguments, 2)?);
    if old.is_empty() {
        return Ok(Value::Text(text));
    }
    match index {
        Some(index) => {
            let nth = usize::try_from(index).ok().and_then(|index| index.checked_sub(1));
            match nth.and_then(|nth| text.match_indices(&*old).nth(nth)) {
                Some((at, _)) => {
                    env.meter.build(text.len() + new.len())?;
                    env.built([&text[..at], &new, &text[at + old.len()..]].concat())
                }
                None => Ok(Value::Text(text)),
            }
        }
        None => {
            let count = text.matches(&*old).count();
            if count == 0 {
                return Ok(Value::Text(text));
            }
            env.meter
                .build((text.len() - count * old.len()).saturating_add(count.saturating_mul(new.len())))?;
            Ok(Value::from(text.replace(&*old, &new)))
        }
    }
}

pub(crate) fn t<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    Ok(match coerce::only_element(&arguments[0]) {
        text @ Value::Text(_) => text.clone(),
        _ => Value::Blank,
    })
}

pub(crate) fn trim<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    Ok(Value::Text(match take(arguments, 0)? {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_matches(is_space)),
        Cow::Owned(text) => Cow::Owned(text.trim_matches(is_space).to_owned()),
    }))
}

/// Reads the digits and the point of a text, and a minus sign at its beginning; everything else is passed over.
pub(crate) fn value<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    let value = coerce::only_element(&arguments[0]);
    if let Value::Number(_) | Value::Boolean(_) = value {
        return coerce::number(value).map(Value::Number);
    }
    let text = coerce::as_text(value)?;
    let sign = if text.trim_start().starts_with('-') { "-" } else { "" };
    let digits: String = text.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
    number::parse_plain(&format!("{sign}{digits}")).map(Value::Number).ok_or(ErrorKind::Argument)
}
