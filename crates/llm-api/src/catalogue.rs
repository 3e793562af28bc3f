//! What is known about models, as dated data: `data/models.json`.

use std::sync::LazyLock;
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{ThinkingLevel, Usage};

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../data/models.json")).expect("a test reads the file")
});

/// What is known about a model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFacts {
    /// Such as `gemini-3.8-flash`.
    pub id: String,
    /// For people.
    pub display_name: String,
    /// Other names that mean it today.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Most tokens of input and output together.
    pub context_tokens: u64,
    /// Most tokens of an answer, reasoning included.
    pub max_output_tokens: u64,
    /// The vendor advises against it.
    #[serde(default)]
    pub deprecated: bool,
    /// How its thinking is set.
    pub thinking: ThinkingFacts,
    /// Temperature and the like have an effect. Models without it ignore or refuse them.
    pub sampling: bool,
    /// It can be held to JSON and be given tools in one request.
    pub json_with_tools: bool,
    /// The vendor keeps prefixes on request (`cachedContents`).
    pub explicit_cache: bool,
    /// Shortest prefix that the vendor keeps by itself.
    pub implicit_cache_min_tokens: u64,
    /// In the order of their days.
    prices: Vec<PriceRow>,
}

/// How a model's thinking is set.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", untagged)]
pub enum ThinkingFacts {
    /// By one of these levels, least first.
    Levels {
        /// What it takes.
        levels: Vec<ThinkingLevel>,
        /// What it does if nothing is said.
        default: ThinkingLevel,
    },
    /// By a number of tokens.
    Budget {
        /// What it takes.
        budget: Budget,
    },
}

/// The numbers of tokens that a model takes for its thinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Budget {
    /// Least, apart from 0.
    pub least: u32,
    /// Most.
    pub most: u32,
    /// It takes 0.
    pub can_be_off: bool,
}

/// What a model costs on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    rates: Rates,
    above: Option<(u64, Rates)>,
}

/// Nano-dollars per million tokens: exact for any price with up to nine decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
struct Rates {
    #[serde(deserialize_with = "nano")]
    input: u64,
    #[serde(deserialize_with = "nano")]
    input_cached: u64,
    #[serde(deserialize_with = "nano")]
    output: u64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct PriceRow {
    #[serde(default, deserialize_with = "date")]
    valid_from: Option<Date>,
    #[serde(default, deserialize_with = "date")]
    valid_to: Option<Date>,
    #[serde(flatten)]
    rates: Rates,
    #[serde(default)]
    above: Option<Above>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Above {
    input_tokens: u64,
    #[serde(flatten)]
    rates: Rates,
}

#[derive(Deserialize)]
struct Catalogue {
    models: Vec<ModelFacts>,
}

impl ModelFacts {
    /// The facts about a model by its id or another name of it; `None` if it is not in the list.
    pub fn find(model: &str) -> Option<&'static Self> {
        let model = model.strip_prefix("models/").unwrap_or(model);
        let named = |name: &str| {
            CATALOGUE.models.iter().find(|facts| facts.id == name || facts.aliases.iter().any(|a| a == name))
        };
        named(model).or_else(|| named(without_revision(model)?))
    }

    /// All that are in the list.
    pub fn all() -> &'static [Self] {
        &CATALOGUE.models
    }
}

impl Price {
    /// What a model costs at a time; `None` if that is not known, which is not the same as nothing.
    pub fn at(model: &str, at: SystemTime) -> Option<Self> {
        let day = TimeZone::UTC.to_datetime(Timestamp::try_from(at).ok()?).date();
        let row = ModelFacts::find(model)?.prices.iter().find(|row| {
            row.valid_from.is_none_or(|from| from <= day) && row.valid_to.is_none_or(|to| day < to)
        })?;
        Some(Self {
            rates: row.rates,
            above: row.above.as_ref().map(|above| (above.input_tokens, above.rates)),
        })
    }

    /// The list price of one call, in nano-dollars, rounded half up once. Calls have to be priced one by one: the tier
    /// depends on each call's input.
    pub fn cost(&self, usage: &Usage) -> i64 {
        let rates = match self.above {
            Some((limit, rates)) if usage.input() > limit => rates,
            _ => self.rates,
        };
        let times = |tokens: u64, rate: u64| u128::from(tokens) * u128::from(rate);
        let fresh =
            usage.input_fresh.saturating_add(usage.tool_prompt).saturating_add(usage.input_cache_write);
        let total = times(fresh, rates.input)
            + times(usage.input_cached, rates.input_cached)
            + times(usage.output(), rates.output);
        i64::try_from((total + 500_000) / 1_000_000).unwrap_or(i64::MAX)
    }
}

/// `gemini-3.8-flash-001` is `gemini-3.8-flash`.
fn without_revision(model: &str) -> Option<&str> {
    let (name, revision) = model.rsplit_once('-')?;
    (revision.len() == 3 && revision.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
}

fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Date>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(D::Error::custom)
}

/// Reads dollars with up to nine decimals, written as a string so that no float comes near money.
fn nano<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_nano(&text).ok_or_else(|| D::Error::custom(format!("{text} is not an amount")))
}

fn parse_nano(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 9 || !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let fraction: u64 = format!("{fraction:0<9}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1_000_000_000)?.checked_add(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> SystemTime {
        let noon: Timestamp = format!("{text}T12:00:00Z").parse().unwrap();
        SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(noon.as_second().unsigned_abs())
    }

    #[track_caller]
    fn check(model: &str, at: &str, usage: Usage, nano_usd: Option<i64>) {
        assert_eq!(Price::at(model, day(at)).map(|price| price.cost(&usage)), nano_usd, "{model} {at}");
    }

    #[test]
    fn a_price_is_that_of_its_day() {
        let usage = Usage { input_fresh: 1_000_000, ..Usage::default() };
        check("gemini-3.8-flash", "2026-12-31", usage, Some(750_000_000));
        check("gemini-3.8-flash", "2027-01-01", usage, Some(1_500_000_000));
        check("gemini-4-argon", "2026-11-30", usage, Some(2_000_000_000));
        check("gemini-4-argon", "2026-12-01", usage, Some(4_000_000_000));
    }

    #[test]
    fn cached_input_is_cheaper_and_reasoning_costs_as_output() {
        let usage = Usage {
            input_fresh: 186,
            input_cached: 1024,
            output_text: 9,
            output_reasoning: 77,
            ..Usage::default()
        };
        check("gemini-3.8-flash", "2026-11-22", usage, Some(186 * 750 + 1024 * 75 + 86 * 3750));
    }

    #[test]
    fn a_tier_is_chosen_by_the_whole_input_of_the_call() {
        let usage = |fresh, cached| Usage { input_fresh: fresh, input_cached: cached, ..Usage::default() };
        check("gemini-3.1-pro-preview", "2026-11-22", usage(200_000, 0), Some(200_000 * 2000));
        check("gemini-3.1-pro-preview", "2026-11-22", usage(200_001, 0), Some(200_001 * 4000));
        check("gemini-3.1-pro-preview", "2026-11-22", usage(1, 200_000), Some(4000 + 200_000 * 400));
    }

    #[test]
    fn an_unknown_model_has_no_price_rather_than_none_to_pay() {
        check("gemini-9-neon", "2026-11-22", Usage::default(), None);
        check("", "2026-11-22", Usage::default(), None);
    }

    #[test]
    fn other_names_of_a_model_find_it() {
        for name in ["models/gemini-3.8-flash", "gemini-flash-latest", "gemini-3.8-flash-001"] {
            assert_eq!(ModelFacts::find(name).unwrap().id, "gemini-3.8-flash", "{name}");
        }
        assert_eq!(ModelFacts::find("gemini-3.8-flash-tuned"), None);
    }

    #[test]
    fn amounts_are_read_exactly() {
        for (text, nano) in
            [("0.075", 75_000_000), ("7.5", 7_500_000_000), ("12", 12_000_000_000), ("0.000000001", 1)]
        {
            assert_eq!(parse_nano(text), Some(nano), "{text}");
        }
        for text in ["", "1.", ".5", "-1", "1e3", "0.0000000001", "1.2.3", "9999999999999"] {
            let expected = if text == "1." { Some(1_000_000_000) } else { None };
            assert_eq!(parse_nano(text), expected, "{text}");
        }
    }

    #[test]
    fn the_days_of_a_models_prices_follow_each_other_without_a_gap() {
        assert!(ModelFacts::all().len() > 10);
        for facts in ModelFacts::all() {
            assert!(facts.prices.first().unwrap().valid_from.is_none(), "{}", facts.id);
            assert!(facts.prices.last().unwrap().valid_to.is_none(), "{}", facts.id);
            for rows in facts.prices.windows(2) {
                assert!(rows[0].valid_to.is_some() && rows[0].valid_to == rows[1].valid_from, "{}", facts.id);
            }
        }
    }
}
