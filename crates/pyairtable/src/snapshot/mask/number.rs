//! Numbers in place of others: as many digits before and behind the point, and the same sign.

use super::{Key, permutation};

/// More digits than a double has.
const MOST_DIGITS: usize = 18;

/// A number in place of another, both as JSON writes them.
pub(super) fn fake(key: &Key, number: &str) -> String {
    let (mantissa, exponent) = match number.find(['e', 'E']) {
        Some(at) => number.split_at(at),
        None => (number, ""),
    };
    let mut characters: Vec<char> = mantissa.chars().collect();
    let has_fraction = mantissa.contains('.') || !exponent.is_empty();
    let digits: Vec<usize> =
        characters.iter().enumerate().filter(|(_, c)| c.is_ascii_digit()).map(|(at, _)| at).collect();
    let first = digits.iter().position(|&at| characters[at] != '0');
    let significant = match first {
        Some(first) => &digits[first..],
        None => &digits[digits.len().saturating_sub(1)..], // a zero
    };
    let (head, rest) = significant.split_at(significant.len().min(MOST_DIGITS));
    let value = head
        .iter()
        .fold(0_u128, |value, &at| value * 10 + u128::from(characters[at].to_digit(10).unwrap_or(0)));
    if has_fraction && value == 0 {
        return number.to_owned(); // a zero that is written with a point
    }
    let turned = turn(key, value, head.len() as u32, has_fraction && rest.is_empty());
    for (&at, digit) in head.iter().zip(format!("{turned:0width$}", width = head.len()).chars()) {
        characters[at] = digit;
    }
    let mut stream = key.stream("digits", number, 0);
    for &at in rest {
        characters[at] = char::from(b'1' + stream.below(9) as u8);
    }
    characters.into_iter().chain(exponent.chars()).collect()
}

/// `value` has so many digits; with a fraction the last is not 0, so that there are as many behind the point.
fn turn(key: &Key, value: u128, digits: u32, has_fraction: bool) -> u128 {
    let ten = 10_u128;
    let domain = "number";
    match (digits, has_fraction) {
        (0, _) => value,
        (1, false) => permutation::turn(key, domain, 10, value),
        (1, true) => 1 + permutation::turn(key, domain, 9, value.saturating_sub(1)),
        (_, false) => {
            let least = ten.pow(digits - 1);
            least + permutation::turn(key, domain, 9 * least, value.saturating_sub(least))
        }
        (_, true) => {
            let least = ten.pow(digits - 2);
            let (upper, last) = (value / 10, value % 10);
            if last == 0 {
                return turn(key, value, digits, false);
            }
            let place = upper.saturating_sub(least) * 9 + (last - 1);
            let turned = permutation::turn(key, domain, 9 * least * 9, place);
            (least + turned / 9) * 10 + turned % 9 + 1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_sign_stay_and_the_value_does_not() {
        let key = Key::from_secret("a key for tests");
        for number in [
            "5",
            "0",
            "42",
            "-42",
            "0.5",
            "0.05",
            "3.14",
            "1234567.89",
            "-0.001",
            "1e300",
            "1.5e-7",
            "12345678901234567890123",
        ] {
            let masked = fake(&key, number);
            assert_ne!(masked, number);
            assert_eq!(masked.len(), number.len(), "{number}: {masked}");
            let shape = |text: &str| {
                text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect::<String>()
            };
            assert_eq!(shape(&masked), shape(number));
            let value: f64 = masked.parse().unwrap();
            let before: f64 = number.parse().unwrap();
            if before.abs() >= 10.0 {
                assert_eq!(value.abs().log10().floor(), before.abs().log10().floor(), "{number}: {masked}");
            }
            assert_eq!(masked, fake(&key, number));
            assert!(!masked.contains('.') || !masked.ends_with('0'), "{number}: {masked}");
        }
        assert_eq!(fake(&key, "0.0"), "0.0");
    }

    #[test]
    fn different_numbers_stay_different() {
        let key = Key::from_secret("a key for tests");
        let masked: std::collections::HashSet<_> =
            (0..2000).map(|n| fake(&key, &format!("{}", f64::from(n) / 4.0))).collect();
        assert_eq!(masked.len(), 2000);
    }
}
