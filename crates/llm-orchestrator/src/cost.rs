//! Money, in billionths of a US dollar. Only whole numbers are added.

use std::time::SystemTime;

use llm_api::{Price, Usage};

const NANO: u64 = 1_000_000_000;

/// The list price of one call of a model; `None` if that is not known.
pub(crate) fn of(model: &str, usage: &Usage, at: SystemTime) -> Option<i64> {
    Some(Price::at(model, at)?.cost(usage))
}

/// Dollars as a decimal number, exact: `0.0005388`.
pub(crate) fn dollars(nano: i64) -> String {
    let sign = if nano < 0 { "-" } else { "" };
    let nano = nano.unsigned_abs();
    let decimals = format!("{:09}", nano % NANO);
    match decimals.trim_end_matches('0') {
        "" => format!("{sign}{}", nano / NANO),
        decimals => format!("{sign}{}.{decimals}", nano / NANO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_exactly() {
        for (nano, text) in [
            (0, "0"),
            (538_800, "0.0005388"),
            (1, "0.000000001"),
            (1_500_000_000, "1.5"),
            (-2_000_000_000, "-2"),
            (i64::MAX, "9223372036.854775807"),
        ] {
            assert_eq!(dollars(nano), text);
        }
    }

    #[test]
    fn a_model_of_unknown_price_does_not_cost_nothing() {
        let usage = Usage { input_fresh: 1_000_000, ..Usage::default() };
        assert_eq!(of("no-such-model", &usage, SystemTime::now()), None);
    }
}
