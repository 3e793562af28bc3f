//! Arrays. A single value is an array of one element, blank of none.

use std::collections::HashSet;

use crate::array::{flatten, into_elements};
use crate::coerce;
use crate::value::{ErrorKind, Value};
use crate::vm::Env;

pub(crate) fn compact<'a>(arguments: &mut [Value<'a>], _: &mut Env<'_>) -> Result<Value<'a>, ErrorKind> {
    let mut items = into_elements(std::mem::take(&mut arguments[0]));
    items.retain(|item| !matches!(item, Value::Blank) && *item != Value::from(""));
    Ok(Value::Array(items))
}

pub(crate) fn flatten_all<'a>(arguments: &mut [Value<'a>], _: &mut Env<'_>) -> Result<Value<'a>, ErrorKind> {
    let items: Vec<Value<'a>> =
        arguments.iter_mut().flat_map(|value| into_elements(std::mem::take(value))).collect();
    Ok(Value::Array(flatten(&items).into_iter().cloned().collect()))
}

pub(crate) fn unique<'a>(arguments: &mut [Value<'a>], _: &mut Env<'_>) -> Result<Value<'a>, ErrorKind> {
    let mut seen = HashSet::new();
    let mut items = into_elements(std::mem::take(&mut arguments[0]));
    items.retain(|item| seen.insert(identity(item)));
    Ok(Value::Array(items))
}

/// A key that two elements share if and only if they are the same in type and value.
fn identity(value: &Value<'_>) -> (u8, String) {
    match value {
        Value::Blank => (0, String::new()),
        Value::Text(text) => (1, text.clone().into_owned()),
        Value::Number(x) => (2, format!("{:?}", if *x == 0.0 { 0.0 } else { *x })),
        Value::Boolean(boolean) => (3, boolean.to_string()),
        Value::Date(date) => (4, date.as_millisecond().to_string()),
        Value::Array(items) => (5, format!("{:?}", items.iter().map(identity).collect::<Vec<_>>())),
        Value::Error(_) => (6, String::new()),
    }
}

/// From 1; negative positions count from the end; both ends are included.
pub(crate) fn slice<'a>(arguments: &mut [Value<'a>], _: &mut Env<'_>) -> Result<Value<'a>, ErrorKind> {
    let mut items = into_elements(std::mem::take(&mut arguments[0]));
    let length = items.len() as i64;
    let position = |value: &Value<'_>| {
        let at = coerce::integer(value)?;
        Ok(if at < 0 { at.saturating_add(length + 1) } else { at })
    };
    let start = position(&arguments[1])?.clamp(1, length + 1);
    let end = arguments.get(2).map_or(Ok(length), position)?.clamp(start - 1, length);
    items.truncate(end as usize);
    items.drain(..start as usize - 1);
    Ok(Value::Array(items))
}

pub(crate) fn join<'a>(arguments: &mut [Value<'a>], env: &mut Env<'_>) -> Result<Value<'a>, ErrorKind> {
    let separator = match arguments.get_mut(1) {
        Some(separator) => coerce::into_text(std::mem::take(separator))?,
        None => ", ".into(),
    };
    let items = into_elements(std::mem::take(&mut arguments[0]));
    let count = flatten(&items).len();
    env.meter.build(separator.len().saturating_mul(count))?;
    let mut out = String::new();
    coerce::push_joined(&mut out, &items, &separator)?;
    env.built(out)
}
