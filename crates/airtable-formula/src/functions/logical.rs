//! Truth values. `IF` and `SWITCH` evaluate lazily and are part of the machine.

use crate::array::each_good;
use crate::coerce;
use crate::value::{ErrorKind, Value};
use crate::vm::Env;

pub(crate) fn and<'a>(arguments: &mut [Value<'a>], _: &mut Env<'_>) -> Result<Value<'a>, ErrorKind> {
    let mut all = true;
    each_good(arguments, &mut |value| all &= value.is_truthy())?;
    Ok(Value::Boolean(all))
}

pub(crate) fn or<'a>(arguments: &mut [Value<'a>], _: &mut Env<'_>) -> Result<Value<'a>, ErrorKind> {
    let mut any = false;
    each_good(arguments, &mut |value| any |= value.is_truthy())?;
    Ok(Value::Boolean(any))
}

pub(crate) fn xor<'a>(arguments: &mut [Value<'a>], _: &mut Env<'_>) -> Result<Value<'a>, ErrorKind> {
    let mut odd = false;
    each_good(arguments, &mut |value| odd ^= value.is_truthy())?;
    Ok(Value::Boolean(odd))
}

pub(crate) fn not<'a>(arguments: &mut [Value<'a>], _: &mut Env<'_>) -> Result<Value<'a>, ErrorKind> {
    Ok(Value::Boolean(!coerce::truthy(&arguments[0])?))
}

pub(crate) fn r#true<'a>(_: &mut [Value<'a>], _: &mut Env<'_>) -> Result<Value<'a>, ErrorKind> {
    Ok(Value::Boolean(true))
}

pub(crate) fn r#false<'a>(_: &mut [Value<'a>], _: &mut Env<'_>) -> Result<Value<'a>, ErrorKind> {
    Ok(Value::Boolean(false))
}

pub(crate) fn blank<'a>(_: &mut [Value<'a>], _: &mut Env<'_>) -> Result<Value<'a>, ErrorKind> {
    Ok(Value::Blank)
}

/// Airtable shows no message, so it is not kept.
pub(crate) fn error<'a>(_: &mut [Value<'a>], _: &mut Env<'_>) -> Result<Value<'a>, ErrorKind> {
    Err(ErrorKind::Raised)
}
