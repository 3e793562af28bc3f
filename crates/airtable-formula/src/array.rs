//! Arrays and lists of arguments as one flat list.

use crate::value::{ErrorKind, Value};

/// Looks at all elements, those of nested arrays in their place, up to the first that is an error.
pub(crate) fn each_good<'v, 'a>(
    values: &'v [Value<'a>],
    look: &mut impl FnMut(&'v Value<'a>),
) -> Result<(), ErrorKind> {
    values.iter().try_for_each(|value| match value {
        Value::Array(items) => each_good(items, look),
        Value::Error(kind) => Err(*kind),
        other => {
            look(other);
            Ok(())
        }
    })
}

/// All elements, those of nested arrays in their place.
pub(crate) fn flatten<'v, 'a>(values: &'v [Value<'a>]) -> Vec<&'v Value<'a>> {
    fn push<'v, 'a>(out: &mut Vec<&'v Value<'a>>, value: &'v Value<'a>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| push(out, item)),
            other => out.push(other),
        }
    }
    let mut out = Vec::with_capacity(values.len());
    values.iter().for_each(|value| push(&mut out, value));
    out
}

/// As [`flatten`], failing with the first error among the elements.
pub(crate) fn flatten_good<'v, 'a>(values: &'v [Value<'a>]) -> Result<Vec<&'v Value<'a>>, ErrorKind> {
    let mut elements = Vec::with_capacity(values.len());
    each_good(values, &mut |element| elements.push(element))?;
    Ok(elements)
}

/// The elements of an array; a single value is an array of one, blank of none.
pub(crate) fn into_elements(value: Value<'_>) -> Vec<Value<'_>> {
    match value {
        Value::Array(items) => items,
        Value::Blank => Vec::new(),
        other => vec![other],
    }
}
