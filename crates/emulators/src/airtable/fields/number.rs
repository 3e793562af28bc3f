//! Numbers: plain, percent, currency, duration and rating. All are doubles, and keep their form: `1` is not `1.0`.

use serde_json::{Number, Value};

use super::{Fault, duration, unconvertible};
use crate::airtable::cell::Cell;
use crate::airtable::model::NumberKind;

/// Integers of this size and more are not exact in a double.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

pub(crate) fn read(kind: &NumberKind, value: &Value, typecast: bool) -> Result<Cell, Fault> {
    let number = match value {
        Value::Number(number) => number.as_f64().filter(|number| number.is_finite()),
        Value::String(text) if typecast => parse(kind, text),
        _ => None,
    };
    // JSON has a negative zero, a cell does not: 1 divided by it is infinity with the wrong sign.
    let number = number.ok_or_else(|| unconvertible(value, typecast))? + 0.0;
    match kind {
        NumberKind::Rating { max } => {
            let fits = number.fract() == 0.0 && (0.0..=f64::from(*max)).contains(&number);
            match fits {
                false => Err(unconvertible(value, typecast)),
                true if number == 0.0 => Ok(Cell::Empty),
                true => Ok(Cell::Number(number)),
            }
        }
        _ => Ok(Cell::Number(number)),
    }
}

/// The JSON of a double: an integer without a decimal point, an object for what JSON has no number for.
pub(crate) fn json(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < MAX_EXACT {
        return Value::Number((number as i64).into());
    }
    if number.fract() == 0.0 && (0.0..1.8e19).contains(&number) {
        return Value::Number((number as u64).into());
    }
    match Number::from_f64(number) {
        Some(number) => Value::Number(number),
        None => serde_json::json!({"specialValue": special(number)}),
    }
}

/// Source: what pyairtable's live suite reads for NaN; the infinities by analogy.
fn special(number: f64) -> &'static str {
    match number {
        _ if number.is_nan() => "NaN",
        _ if number > 0.0 => "Infinity",
        _ => "-Infinity",
    }
}

/// The shortest text that gives the number again.
pub(crate) fn shortest(number: f64) -> String {
    match json(number) {
        Value::Number(number) => number.to_string(),
        _ => special(number).to_owned(),
    }
}

/// What typecast reads in text: signs, thousands commas, currency symbols, a percent sign, `h:mm:ss`.
fn parse(kind: &NumberKind, text: &str) -> Option<f64> {
    if let NumberKind::Duration(_) = kind
        && text.contains(':')
    {
        return duration::parse(text);
    }
    let mut plain: String = text.chars().filter(|c| !c.is_whitespace() && *c != ',').collect();
    if let NumberKind::Currency { symbol, .. } = kind
        && !symbol.is_empty()
    {
        plain = plain.replacen(symbol.as_str(), "", 1);
    }
    plain = plain.replacen(['$', '€', '£', '¥'], "", 1);
    let percent = matches!(kind, NumberKind::Percent { .. }) && plain.ends_with('%');
    let digits = plain.strip_suffix('%').filter(|_| percent).unwrap_or(&plain);
    let unsigned = digits.trim_start_matches(['-', '+']);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None; // `f64::from_str` also takes "inf" and "nan"
    }
    // Moving the point in the text keeps 12.3 % at 0.123; dividing gives 0.12300000000000001.
    let scaled = if percent { format!("{digits}e-2").parse::<f64>() } else { digits.parse() };
    scaled.ok().filter(|number| number.is_finite())
}

/// What `cellFormat=string` shows.
pub(crate) fn display(kind: &NumberKind, number: f64) -> String {
    if !number.is_finite() {
        return shortest(number);
    }
    match kind {
        NumberKind::Number { precision } => format!("{number:.precision$}"),
        NumberKind::Percent { precision } => format!("{:.precision$}%", number * 100.0),
        NumberKind::Currency { precision, symbol } => {
            let sign = if number < 0.0 { "-" } else { "" };
            format!("{sign}{symbol}{}", grouped(&format!("{:.precision$}", number.abs())))
        }
        NumberKind::Duration(format) => duration::display(*format, number),
        NumberKind::Rating { .. } => shortest(number),
    }
}

/// `1234567.5` with commas between thousands.
fn grouped(digits: &str) -> String {
    let (whole, fraction) =
        digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if let Some(fraction) = fraction {
        grouped.push('.');
        grouped.push_str(fraction);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PLAIN: NumberKind = NumberKind::Number { precision: 2 };

    #[test]
    fn numbers_keep_their_form() {
        for (number, text) in [
            (1.0, "1"),
            (0.0, "0"),
            (-0.0, "0"),
            (0.1, "0.1"),
            (-2.5, "-2.5"),
            (1e15, "1000000000000000"),
            (0.1 + 0.2, "0.30000000000000004"),
            (9_007_199_254_740_993.0, "9007199254740992"),
        ] {
            assert_eq!(json(number).to_string(), text);
        }
        assert_eq!(json(f64::NAN), json!({"specialValue": "NaN"}));
        assert_eq!(json(f64::NEG_INFINITY), json!({"specialValue": "-Infinity"}));
    }

    #[test]
    fn zero_has_no_sign() {
        let Ok(Cell::Number(zero)) = read(&PLAIN, &json!(-0.0), false) else { panic!() };
        assert!(zero.is_sign_positive());
    }

    #[test]
    fn text_is_a_number_with_typecast_only() {
        assert_eq!(read(&PLAIN, &json!("12"), false), Err(Fault::Refused));
        for (kind, text, number) in [
            (PLAIN, "12", 12.0),
            (PLAIN, " -1,234.5 ", -1234.5),
            (NumberKind::Currency { precision: 2, symbol: "CHF".to_owned() }, "CHF 1,000", 1000.0),
            (NumberKind::Currency { precision: 2, symbol: "$".to_owned() }, "$5.50", 5.5),
            (NumberKind::Percent { precision: 1 }, "12.5%", 0.125),
            (NumberKind::Percent { precision: 1 }, "0.5", 0.5),
        ] {
            assert_eq!(read(&kind, &json!(text), true), Ok(Cell::Number(number)), "{text}");
        }
        for text in ["twelve", "inf", "NaN", "1.2.3", "5%"] {
            let unparsable = Fault::Unparsable(text.to_owned());
            assert_eq!(read(&PLAIN, &json!(text), true), Err(unparsable), "{text}");
        }
    }

    #[test]
    fn a_rating_is_a_whole_number_up_to_its_maximum_and_none_is_empty() {
        let rating = NumberKind::Rating { max: 5 };
        assert_eq!(read(&rating, &json!(5), false), Ok(Cell::Number(5.0)));
        assert_eq!(read(&rating, &json!(0), false), Ok(Cell::Empty));
        for bad in [json!(6), json!(-1), json!(2.5), json!("3")] {
            assert_eq!(read(&rating, &bad, false), Err(Fault::Refused), "{bad}");
        }
    }

    #[test]
    fn strings_show_precision_symbol_and_thousands() {
        let dollars = NumberKind::Currency { precision: 2, symbol: "$".to_owned() };
        assert_eq!(display(&dollars, -1_234_567.5), "-$1,234,567.50");
        assert_eq!(display(&PLAIN, 3.0), "3.00");
        assert_eq!(display(&NumberKind::Percent { precision: 1 }, 0.123), "12.3%");
    }
}
