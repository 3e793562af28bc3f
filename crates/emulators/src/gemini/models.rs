//! The models that are served, and what each of them takes.

use serde_json::{Value, json};

/// How a model is told to think.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Thinking {
    /// By `thinkingLevel`, one of these words.
    Levels(&'static [&'static str]),
    /// By `thinkingBudget`: from the first number to the second, and 0 if it can be turned off.
    Budget {
        least: i64,
        most: i64,
        off: bool,
    },
    None,
}

/// One model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Model {
    /// Without `models/`.
    pub(super) id: &'static str,
    version: &'static str,
    display_name: &'static str,
    pub(super) input_token_limit: u64,
    pub(super) output_token_limit: u64,
    pub(super) thinking: Thinking,
    pub(super) kind: Kind,
    /// Whether contents can be cached explicitly.
    pub(super) explicit_cache: bool,
    /// Least length of a prefix that is cached implicitly, in tokens.
    pub(super) implicit_cache_tokens: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Generation {
        /// 3 and later: function calls have ids and signatures, and the signatures are checked.
        generation: u8,
    },
    Embedding {
        /// Numbers in a vector unless the caller says otherwise, and at most.
        dimensions: usize,
    },
}

const CONTEXT: u64 = 1_048_576;
const OUTPUT: u64 = 65_536;

const fn chat(
    id: &'static str,
    version: &'static str,
    display_name: &'static str,
    generation: u8,
    thinking: Thinking,
) -> Model {
    Model {
        id,
        version,
        display_name,
        input_token_limit: CONTEXT,
        output_token_limit: OUTPUT,
        thinking,
        kind: Kind::Generation { generation },
        explicit_cache: generation < 4,
        implicit_cache_tokens: if generation >= 3 { 4096 } else { 1024 },
    }
}

const fn embedding(id: &'static str, version: &'static str, display_name: &'static str) -> Model {
    Model {
        id,
        version,
        display_name,
        input_token_limit: 2048,
        output_token_limit: 1,
        thinking: Thinking::None,
        kind: Kind::Embedding { dimensions: 3072 },
        explicit_cache: false,
        implicit_cache_tokens: u64::MAX,
    }
}

const LOW_TO_HIGH: Thinking = Thinking::Levels(&["LOW", "MEDIUM", "HIGH"]);
const LOW_TO_XHIGH: Thinking = Thinking::Levels(&["LOW", "MEDIUM", "HIGH", "XHIGH"]);
const MINIMAL_TO_HIGH: Thinking = Thinking::Levels(&["MINIMAL", "LOW", "MEDIUM", "HIGH"]);

const fn budget(least: i64, most: i64, off: bool) -> Thinking {
    Thinking::Budget { least, most, off }
}

static MODELS: [Model; 16] = [
    chat("gemini-4-hydrogen", "4.0", "Gemini 4 Hydrogen", 4, LOW_TO_XHIGH),
    chat("gemini-4-carbon", "4.0", "Gemini 4 Carbon", 4, LOW_TO_HIGH),
    chat("gemini-4-argon", "4.0", "Gemini 4 Argon", 4, LOW_TO_HIGH),
    chat("gemini-3.8-flash", "3.8", "Gemini 3.8 Flash", 3, LOW_TO_HIGH),
    chat("gemini-3.7-flash", "3.7", "Gemini 3.7 Flash", 3, LOW_TO_HIGH),
    chat("gemini-3.6-flash", "3.6", "Gemini 3.6 Flash", 3, MINIMAL_TO_HIGH),
    chat("gemini-3.5-flash", "3.5", "Gemini 3.5 Flash", 3, MINIMAL_TO_HIGH),
    chat("gemini-3.5-flash-lite", "3.5", "Gemini 3.5 Flash-Lite", 3, MINIMAL_TO_HIGH),
    chat("gemini-3.1-pro-preview", "3.1", "Gemini 3.1 Pro Preview", 3, LOW_TO_HIGH),
    chat("gemini-3.1-flash-lite", "3.1", "Gemini 3.1 Flash-Lite", 3, MINIMAL_TO_HIGH),
    chat("gemini-3-flash-preview", "3.0", "Gemini 3 Flash Preview", 3, MINIMAL_TO_HIGH),
    chat("gemini-2.5-pro", "2.5", "Gemini 2.5 Pro", 2, budget(128, 32_768, false)),
    chat("gemini-2.5-flash", "2.5", "Gemini 2.5 Flash", 2, budget(1, 24_576, true)),
    chat("gemini-2.5-flash-lite", "2.5", "Gemini 2.5 Flash-Lite", 2, budget(512, 24_576, true)),
    embedding("gemini-embedding-001", "001", "Gemini Embedding 1"),
    embedding("gemini-embedding-2", "2", "Gemini Embedding 2"),
];

/// Other names of models.
const ALIASES: [(&str, &str); 2] =
    [("gemini-flash-latest", "gemini-3.8-flash"), ("gemini-flash-lite-latest", "gemini-3.5-flash-lite")];

pub(super) fn all() -> &'static [Model] {
    &MODELS
}

/// A model by its id, with or without `models/`.
pub(super) fn find(name: &str) -> Option<&'static Model> {
    let id = name.strip_prefix("models/").unwrap_or(name);
    let id = ALIASES.iter().find(|(alias, _)| *alias == id).map_or(id, |(_, id)| id);
    MODELS.iter().find(|model| model.id == id)
}

impl Model {
    pub(super) fn generation(&self) -> Option<u8> {
        match self.kind {
            Kind::Generation { generation } => Some(generation),
            Kind::Embedding { .. } => None,
        }
    }

    /// Whether function calls have ids and signatures, and signatures are checked.
    pub(super) fn signs(&self) -> bool {
        self.generation().is_some_and(|generation| generation >= 3)
    }

    pub(super) fn to_json(self) -> Value {
        let methods: &[&str] = match self.kind {
            Kind::Embedding { .. } => &["embedContent", "countTokens"],
            Kind::Generation { .. } if self.explicit_cache => {
                &["generateContent", "countTokens", "createCachedContent", "batchGenerateContent"]
            }
            Kind::Generation { .. } => &["generateContent", "countTokens", "batchGenerateContent"],
        };
        let mut model = json!({
            "name": format!("models/{}", self.id),
            "version": self.version,
            "displayName": self.display_name,
            "description": format!("{}, emulated by PyAirtable: no model runs behind it", self.display_name),
            "inputTokenLimit": self.input_token_limit,
            "outputTokenLimit": self.output_token_limit,
            "supportedGenerationMethods": methods,
        });
        if let Kind::Generation { .. } = self.kind {
            model["temperature"] = json!(1);
            model["topP"] = json!(0.95);
            model["topK"] = json!(64);
            model["maxTemperature"] = json!(2);
            model["thinking"] = json!(true);
        }
        model
    }
}
