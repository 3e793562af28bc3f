//! How much a model thinks, in the terms that it takes.
//!
//! Source: <https://ai.google.dev/gemini-api/docs/thinking>

use serde::Serialize;

use crate::catalogue::{Budget, ModelFacts, ThinkingFacts};
use crate::{Adjustment, Effort, Thinking, ThinkingLevel};

/// `generationConfig.thinkingConfig`. Level and budget together are refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ThinkingConfig {
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "upper_case")]
    thinking_level: Option<ThinkingLevel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_budget: Option<u32>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    include_thoughts: bool,
}

/// What levels mean for models that count tokens; the highest means all that the model may.
const LEVEL_TOKENS: [(ThinkingLevel, u32); 4] = [
    (ThinkingLevel::Minimal, 512),
    (ThinkingLevel::Low, 2048),
    (ThinkingLevel::Medium, 8192),
    (ThinkingLevel::High, 24_576),
];

/// The configuration for `thinking`, if it says anything.
pub(super) fn config(
    model: &str,
    thinking: Thinking,
    adjustments: &mut Vec<Adjustment>,
) -> Option<ThinkingConfig> {
    let mut config = ThinkingConfig { include_thoughts: thinking.include, ..ThinkingConfig::default() };
    let facts = ModelFacts::find(model).map_or_else(|| by_generation(model), |facts| facts.thinking.clone());
    let sent = match (&facts, thinking.effort) {
        (_, Effort::Default) => String::new(),
        (ThinkingFacts::Levels { levels, .. }, effort) => {
            let level = nearest(levels, level_of(effort));
            config.thinking_level = Some(level);
            name(level)
        }
        (ThinkingFacts::Budget { budget }, effort) => {
            let tokens = tokens_of(effort, *budget);
            config.thinking_budget = Some(tokens);
            format!("{tokens} tokens")
        }
    };
    let asked = match thinking.effort {
        Effort::Default => String::new(),
        Effort::Off if sent == "0 tokens" => sent.clone(),
        Effort::Off => "off".to_owned(),
        Effort::Level(level) => name(level),
        Effort::Tokens(tokens) => format!("{tokens} tokens"),
    };
    if asked != sent {
        adjustments.push(Adjustment::ThinkingChanged { asked, sent });
    }
    (config != ThinkingConfig::default()).then_some(config)
}

/// Models that are not in the list: levels came with the third generation.
fn by_generation(model: &str) -> ThinkingFacts {
    if model.starts_with("gemini-2") {
        ThinkingFacts::Budget { budget: Budget { least: 1, most: 24_576, can_be_off: true } }
    } else {
        ThinkingFacts::Levels {
            levels: vec![ThinkingLevel::Low, ThinkingLevel::Medium, ThinkingLevel::High],
            default: ThinkingLevel::Medium,
        }
    }
}

fn level_of(effort: Effort) -> ThinkingLevel {
    match effort {
        Effort::Level(level) => level,
        Effort::Off | Effort::Tokens(0) => ThinkingLevel::Minimal,
        Effort::Tokens(..=2048) => ThinkingLevel::Low,
        Effort::Default | Effort::Tokens(..=12_000) => ThinkingLevel::Medium,
        Effort::Tokens(_) => ThinkingLevel::High,
    }
}

/// The level itself, else the next higher one, else the highest.
fn nearest(levels: &[ThinkingLevel], wanted: ThinkingLevel) -> ThinkingLevel {
    levels.iter().copied().find(|&level| level >= wanted).or(levels.last().copied()).unwrap_or(wanted)
}

fn tokens_of(effort: Effort, budget: Budget) -> u32 {
    let wanted = match effort {
        Effort::Off => 0,
        Effort::Tokens(tokens) => tokens,
        Effort::Default => budget.most,
        Effort::Level(level) => {
            LEVEL_TOKENS.iter().find(|(known, _)| *known == level).map_or(budget.most, |&(_, tokens)| tokens)
        }
    };
    if wanted == 0 && budget.can_be_off { 0 } else { wanted.clamp(budget.least, budget.most) }
}

fn name(level: ThinkingLevel) -> String {
    format!("{level:?}").to_lowercase()
}

#[expect(clippy::ref_option, reason = "serde hands over the field as it is")]
fn upper_case<S: serde::Serializer>(level: &Option<ThinkingLevel>, serializer: S) -> Result<S::Ok, S::Error> {
    match level {
        Some(level) => serializer.serialize_str(&name(*level).to_uppercase()),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(model: &str, effort: Effort, sent: &str, adjusted: bool) {
        let mut adjustments = Vec::new();
        let config = config(model, Thinking { effort, include: false }, &mut adjustments);
        assert_eq!(serde_json::to_string(&config).unwrap(), sent, "{model} {effort:?}");
        assert_eq!(!adjustments.is_empty(), adjusted, "{model} {effort:?}: {adjustments:?}");
    }

    #[test]
    fn models_with_levels_get_the_nearest_level() {
        use ThinkingLevel::{High, Low, Minimal, Xhigh};
        check("gemini-3.8-flash", Effort::Default, "null", false);
        check("gemini-3.8-flash", Effort::Level(Low), r#"{"thinkingLevel":"LOW"}"#, false);
        check("gemini-3.8-flash", Effort::Level(Minimal), r#"{"thinkingLevel":"LOW"}"#, true);
        check("gemini-3.8-flash", Effort::Level(Xhigh), r#"{"thinkingLevel":"HIGH"}"#, true);
        check("gemini-4-hydrogen", Effort::Level(Xhigh), r#"{"thinkingLevel":"XHIGH"}"#, false);
        check("gemini-3.6-flash", Effort::Off, r#"{"thinkingLevel":"MINIMAL"}"#, true);
        check("gemini-9-neon", Effort::Level(High), r#"{"thinkingLevel":"HIGH"}"#, false);
    }

    #[test]
    fn numbers_of_tokens_become_levels_where_the_model_has_levels() {
        for (tokens, level) in [
            (0, "LOW"),
            (5, "LOW"),
            (1000, "LOW"),
            (2048, "LOW"),
            (2049, "MEDIUM"),
            (10_000, "MEDIUM"),
            (12_001, "HIGH"),
        ] {
            let sent = format!(r#"{{"thinkingLevel":"{level}"}}"#);
            check("gemini-3.8-flash", Effort::Tokens(tokens), &sent, true);
        }
        check("gemini-3.6-flash", Effort::Tokens(0), r#"{"thinkingLevel":"MINIMAL"}"#, true);
    }

    #[test]
    fn models_that_count_tokens_get_a_number_within_their_bounds() {
        check("gemini-2.5-flash", Effort::Off, r#"{"thinkingBudget":0}"#, false);
        check("gemini-2.5-pro", Effort::Off, r#"{"thinkingBudget":128}"#, true);
        check("gemini-2.5-flash-lite", Effort::Tokens(5), r#"{"thinkingBudget":512}"#, true);
        check("gemini-2.5-pro", Effort::Tokens(99_999), r#"{"thinkingBudget":32768}"#, true);
        check("gemini-2.5-pro", Effort::Tokens(1000), r#"{"thinkingBudget":1000}"#, false);
        check("gemini-2.5-flash", Effort::Level(ThinkingLevel::Xhigh), r#"{"thinkingBudget":24576}"#, true);
    }
}
