//! Sums as people write them: `0.1 + 0.2` is `0.3`.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// Digits behind the point that are kept exactly; smaller numbers are added as floating point.
const MOST_PLACES: u32 = 18;

/// Digits behind the point of a quotient.
const QUOTIENT_PLACES: u32 = 12;

/// Significant digits that a double surely has: what it shows beyond them is how it rounds.
const SURE_DIGITS: u32 = 15;

/// A longer number that comes down to this many digits without its unsure ones was written with them or fewer.
const WRITTEN_DIGITS: u32 = 12;

/// A decimal number, exact while it can be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Decimal {
    /// `units / 10^places`.
    Exact { units: i128, places: u32 },
    /// Too large, too small or too long for that.
    Float(f64),
}

impl Decimal {
    pub(crate) const ZERO: Self = Self::Exact { units: 0, places: 0 };

    /// The number as its shortest text says it, and `0.30000000000000004`, which some program computed, as `0.3`.
    pub(crate) fn of(number: &Number) -> Self {
        let exact = Self::parse(&number.to_string())
            .unwrap_or_else(|| Self::Float(number.as_f64().unwrap_or(f64::NAN)));
        let sure = exact.sure();
        if sure.digits() <= WRITTEN_DIGITS { sure } else { exact }
    }

    /// A whole number.
    pub(crate) fn whole(units: impl Into<i128>) -> Self {
        Self::Exact { units: units.into(), places: 0 }
    }

    /// Without the digits of a fraction that no double has: for what Airtable computed, or was computed from that.
    pub(crate) fn sure(self) -> Self {
        let short = self.shortened();
        let Self::Exact { units, places } = short else { return short };
        let unsure = short.digits().saturating_sub(SURE_DIGITS).min(places);
        if unsure == 0 {
            return short;
        }
        let factor = 10_i128.pow(unsure);
        let (kept, rest) = (units / factor, units % factor);
        let up = if rest.unsigned_abs() * 2 >= factor.unsigned_abs() { units.signum() } else { 0 };
        Self::Exact { units: kept + up, places: places - unsure }.shortened()
    }

    /// Significant digits; of floating point as many as it may have.
    fn digits(self) -> u32 {
        match self {
            Self::Exact { units, .. } => units.unsigned_abs().checked_ilog10().map_or(1, |log| log + 1),
            Self::Float(_) => u32::MAX,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let units: i128 = format!("{whole}{fraction}").parse().ok()?;
        let places = i32::try_from(fraction.len()).ok()? - exponent;
        match u32::try_from(places) {
            Ok(places) if places <= MOST_PLACES => Some(Self::Exact { units, places }.shortened()),
            Ok(_) => None,
            Err(_) => {
                let factor = 10_i128.checked_pow(places.unsigned_abs())?;
                Some(Self::Exact { units: units.checked_mul(factor)?, places: 0 })
            }
        }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        if let (Self::Exact { .. }, Self::Exact { .. }) = (self, other)
            && let Some((a, b, places)) = aligned(self, other)
            && let Some(units) = a.checked_add(b)
        {
            return Self::Exact { units, places };
        }
        Self::Float(self.to_f64() + other.to_f64())
    }

    /// Divided by a count, to [`QUOTIENT_PLACES`] places, half away from zero.
    pub(crate) fn over(self, count: u64) -> Self {
        let float = || Self::Float(self.to_f64() / count as f64);
        let Self::Exact { units, places } = self else { return float() };
        let wanted = places.max(QUOTIENT_PLACES);
        let Some(scaled) = 10_i128.checked_pow(wanted - places).and_then(|factor| units.checked_mul(factor))
        else {
            return float();
        };
        let count = i128::from(count);
        let (quotient, rest) = (scaled / count, scaled % count);
        let up = if rest.unsigned_abs() * 2 >= count.unsigned_abs() { scaled.signum() } else { 0 };
        Self::Exact { units: quotient + up, places: wanted }.shortened()
    }

    pub(crate) fn compare(self, other: Self) -> Ordering {
        match aligned(self, other) {
            Some((a, b, _)) => a.cmp(&b),
            None => self.to_f64().total_cmp(&other.to_f64()),
        }
    }

    pub(crate) fn to_f64(self) -> f64 {
        match self {
            // By way of the text: dividing rounds twice.
            Self::Exact { .. } => self.to_string().parse().unwrap_or(f64::NAN),
            Self::Float(number) => number,
        }
    }

    /// A JSON number; `null` for what is none (a sum that is infinite).
    pub(crate) fn to_json(self) -> Value {
        match self.shortened() {
            Self::Exact { units, places: 0 } if i64::try_from(units).is_ok() => {
                Value::from(i64::try_from(units).unwrap_or_default())
            }
            other => Number::from_f64(other.to_f64()).map_or(Value::Null, Value::Number),
        }
    }

    /// Without zeros at the end of the fraction.
    fn shortened(self) -> Self {
        match self {
            Self::Exact { mut units, mut places } => {
                while places > 0 && units % 10 == 0 {
                    units /= 10;
                    places -= 1;
                }
                Self::Exact { units, places }
            }
            float => float,
        }
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.shortened() {
            Self::Exact { units, places: 0 } => write!(f, "{units}"),
            Self::Exact { units, places } => {
                let width = places as usize + 1;
                let digits = format!("{:0width$}", units.unsigned_abs());
                let (whole, fraction) = digits.split_at(digits.len() - places as usize);
                let sign = if units < 0 { "-" } else { "" };
                write!(f, "{sign}{whole}.{fraction}")
            }
            Self::Float(number) => write!(f, "{number}"),
        }
    }
}

/// Both in units of the finer one.
fn aligned(a: Decimal, b: Decimal) -> Option<(i128, i128, u32)> {
    let (Decimal::Exact { units: a, places: pa }, Decimal::Exact { units: b, places: pb }) = (a, b) else {
        return None;
    };
    let places = pa.max(pb);
    let scale = |units: i128, from: u32| units.checked_mul(10_i128.checked_pow(places - from)?);
    Some((scale(a, pa)?, scale(b, pb)?, places))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Decimal {
        Decimal::of(&serde_json::from_str(text).unwrap())
    }

    fn sum(numbers: &[&str]) -> String {
        numbers.iter().fold(Decimal::ZERO, |sum, number| sum.plus(of(number))).to_string()
    }

    #[test]
    fn sums_are_what_a_person_gets_on_paper() {
        assert_eq!(sum(&["0.1", "0.2"]), "0.3");
        assert_eq!(sum(&["1e3", "-0.001", "2.50"]), "1002.499");
        assert_eq!(sum(&["9007199254740993", "1"]), "9007199254740994");
        assert_eq!(sum(&["-0.05", "0.05"]), "0");
        assert_eq!(sum(&["0.1"; 1000]), "100");
    }

    #[test]
    fn what_a_double_shows_beyond_its_digits_is_no_part_of_a_number() {
        assert_eq!(sum(&["0.30000000000000004", "0.7999999999999999", "-8.200000000000001"]), "-7.1");
        assert_eq!(of("123456789.12345678").plus(of("0.00000001")).to_string(), "123456789.12345679");
        assert_eq!(of("0.3333333333333333").to_string(), "0.3333333333333333");
        assert_eq!(of("12345678901234567").to_string(), "12345678901234567");
        assert_eq!(
            of("6.663333333333333").plus(of("6.663333333333333")).sure().to_string(),
            "13.3266666666667"
        );
        assert_eq!(of("99999999999999.96").sure().to_string(), "100000000000000");
        assert_eq!(of("12345678901234567").sure().to_string(), "12345678901234567");
    }

    #[test]
    fn an_average_is_rounded_only_where_it_does_not_end() {
        assert_eq!(of("0.3").over(2).to_string(), "0.15");
        assert_eq!(of("1").over(3).to_string(), "0.333333333333");
        assert_eq!(of("-2").over(3).to_string(), "-0.666666666667");
        assert_eq!(of("10").over(4).to_json(), serde_json::json!(2.5));
    }

    #[test]
    fn what_is_beyond_decimals_goes_on_as_floating_point() {
        assert!(matches!(of("1e300"), Decimal::Float(_)));
        assert!(matches!(of("1e-30"), Decimal::Float(_)));
        assert_eq!(of("1e300").plus(of("1")).to_f64(), 1e300);
        assert_eq!(of("2e-30").compare(of("0")), Ordering::Greater);
        assert_eq!(of("1e300").plus(of("1e300")).to_json(), serde_json::json!(2e300));
        assert_eq!(of("0.10").compare(of("0.1")), Ordering::Equal);
    }
}
