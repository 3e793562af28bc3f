//! Numbers: their text form, numbers in text, and decimal rounding.

use std::fmt::Write;

/// Appends a number as JavaScript's `String(x)` writes it: shortest digits that round-trip, exponents from 1e21 and
/// below 1e-6.
pub(crate) fn push_number(out: &mut String, x: f64) {
    let written = if x.is_nan() {
        out.push_str("NaN");
        Ok(())
    } else if x.is_infinite() {
        out.push_str(if x > 0.0 { "Infinity" } else { "-Infinity" });
        Ok(())
    } else if x == x.trunc() && x.abs() < 9e15 {
        write!(out, "{}", x as i64) // Also turns -0 into 0.
    } else if (1e-6..1e21).contains(&x.abs()) {
        write!(out, "{x}")
    } else {
        let text = format!("{x:e}");
        match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => write!(out, "{digits}e+{exponent}"),
            _ => write!(out, "{text}"),
        }
    };
    written.expect("writing to a String cannot fail");
}

/// The number that a text is, if it is nothing but a plain decimal number (sign, digits, point, exponent, spaces around).
pub(crate) fn parse_plain(text: &str) -> Option<f64> {
    let text = text.trim();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    // `f64::from_str` also takes "inf" and "nan".
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    text.parse().ok()
}

/// Powers of ten up to 1e22 are exact doubles; beyond that `powi` is as good as it gets.
fn power_of_ten(exponent: i32) -> f64 {
    10f64.powi(exponent)
}

/// `x` with 15 significant digits: removes the binary noise that scaling adds (1.005 * 100 = 100.49999999999999).
pub(crate) fn without_noise(x: f64) -> f64 {
    if !x.is_finite() || x == x.trunc() {
        return x;
    }
    format!("{x:.14e}").parse().unwrap_or(x)
}

/// Rounds at `places` decimal places (negative: tens, hundreds) with `round`, which takes and gives whole units.
pub(crate) fn at_decimal(x: f64, places: f64, round: impl Fn(f64) -> f64) -> f64 {
    if !x.is_finite() || places.is_nan() {
        return x;
    }
    let places = places.trunc().clamp(-400.0, 400.0) as i32;
    if places >= 0 {
        let scaled = if places > 300 { f64::INFINITY } else { x * power_of_ten(places) };
        // A double has no more than 17 digits: from here on there is nothing left to round.
        if scaled.abs() >= 1e15 {
            x
        } else {
            positive_zero(round(without_noise(scaled)) / power_of_ten(places))
        }
    } else if places < -300 {
        0.0
    } else {
        let unit = power_of_ten(-places);
        positive_zero(round(without_noise(x / unit)) * unit)
    }
}

/// Rounds to a multiple of `step`, with `round` working on whole steps.
pub(crate) fn to_multiple(x: f64, step: f64, round: impl Fn(f64) -> f64) -> f64 {
    let step = step.abs();
    let steps = x / step;
    if steps.abs() >= 1e15 {
        return x;
    }
    positive_zero(without_noise(round(without_noise(steps)) * step))
}

/// Half up, towards positive infinity: -2.5 gives -2.
pub(crate) fn half_up(x: f64) -> f64 {
    // `(x + 0.5).floor()` is wrong just below one half.
    let floor = x.floor();
    if x - floor >= 0.5 { floor + 1.0 } else { floor }
}

pub(crate) fn away_from_zero(x: f64) -> f64 {
    if x < 0.0 { x.floor() } else { x.ceil() }
}

pub(crate) fn positive_zero(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(x: f64, expected: &str) {
        let mut out = String::new();
        push_number(&mut out, x);
        assert_eq!(out, expected);
    }

    #[test]
    fn numbers_are_written_as_javascript_does() {
        check(42.0, "42");
        check(-0.0, "0");
        check(3.5, "3.5");
        check(0.1 + 0.2, "0.30000000000000004");
        check(1e20, "100000000000000000000");
        check(1e21, "1e+21");
        check(-1.5e300, "-1.5e+300");
        check(1e-6, "0.000001");
        check(1.5e-7, "1.5e-7");
        check(9007199254740993.0, "9007199254740992");
        check(f64::NAN, "NaN");
        check(f64::NEG_INFINITY, "-Infinity");
    }

    #[test]
    fn only_plain_decimals_are_numbers() {
        for (text, expected) in [(" 12 ", 12.0), ("-1.5", -1.5), (".5", 0.5), ("1e3", 1000.0), ("+7", 7.0)] {
            assert_eq!(parse_plain(text), Some(expected), "{text}");
        }
        for text in ["", "-", "inf", "nan", "0x10", "1,000", "$5", "1 2", "--1", "5%"] {
            assert_eq!(parse_plain(text), None, "{text}");
        }
    }

    #[test]
    fn rounding_works_on_the_decimal_expansion() {
        assert_eq!(at_decimal(1.005, 2.0, half_up), 1.01);
        assert_eq!(at_decimal(-2.5, 0.0, half_up), -2.0);
        assert_eq!(at_decimal(16.8, -1.0, half_up), 20.0);
        assert_eq!(at_decimal(1234.5, 400.0, half_up), 1234.5);
        assert_eq!(at_decimal(1234.5, -400.0, half_up), 0.0);
        assert_eq!(to_multiple(1.99, 0.1, f64::floor), 1.9);
        assert_eq!(to_multiple(1.05, 0.1, f64::ceil), 1.1);
        assert_eq!(to_multiple(0.3, 0.1, f64::ceil), 0.3);
    }
}
