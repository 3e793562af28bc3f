//! The messages that requests are made of, with the fields that Google documents.

use super::proto::{Kind, Message};

pub(super) static GENERATE_CONTENT: Message = Message {
    name: "GenerateContentRequest",
    fields: &[
        ("model", Kind::Text),
        ("contents", Kind::Repeated(&Kind::Message(&CONTENT))),
        ("systemInstruction", Kind::Message(&CONTENT)),
        ("tools", Kind::Repeated(&Kind::Message(&TOOL))),
        ("toolConfig", Kind::Message(&TOOL_CONFIG)),
        ("safetySettings", Kind::Repeated(&Kind::Message(&SAFETY_SETTING))),
        ("generationConfig", Kind::Message(&GENERATION_CONFIG)),
        ("cachedContent", Kind::Text),
        ("serviceTier", Kind::Enum("ServiceTier", &["unspecified", "standard", "flex", "priority"])),
        ("continuationToken", Kind::Bytes),
        ("store", Kind::Bool),
    ],
    oneof: None,
};

pub(super) static COUNT_TOKENS: Message = Message {
    name: "CountTokensRequest",
    fields: &[
        ("model", Kind::Text),
        ("contents", Kind::Repeated(&Kind::Message(&CONTENT))),
        ("generateContentRequest", Kind::Message(&GENERATE_CONTENT)),
    ],
    oneof: None,
};

pub(super) static EMBED_CONTENT: Message = Message {
    name: "EmbedContentRequest",
    fields: &[
        ("model", Kind::Text),
        ("content", Kind::Message(&CONTENT)),
        ("taskType", Kind::Text),
        ("title", Kind::Text),
        ("outputDimensionality", Kind::Int),
        ("embedContentConfig", Kind::Object),
    ],
    oneof: None,
};

pub(super) static BATCH_EMBED_CONTENTS: Message = Message {
    name: "BatchEmbedContentsRequest",
    fields: &[("model", Kind::Text), ("requests", Kind::Repeated(&Kind::Message(&EMBED_CONTENT)))],
    oneof: None,
};

pub(super) static CACHED_CONTENT: Message = Message {
    name: "CachedContent",
    fields: &[
        ("name", Kind::Text),
        ("model", Kind::Text),
        ("displayName", Kind::Text),
        ("contents", Kind::Repeated(&Kind::Message(&CONTENT))),
        ("systemInstruction", Kind::Message(&CONTENT)),
        ("tools", Kind::Repeated(&Kind::Message(&TOOL))),
        ("toolConfig", Kind::Message(&TOOL_CONFIG)),
        ("ttl", Kind::Text),
        ("expireTime", Kind::Text),
        ("createTime", Kind::Text),
        ("updateTime", Kind::Text),
        ("usageMetadata", Kind::Object),
    ],
    oneof: Some(("expiration", &["ttl", "expireTime"])),
};

static CONTENT: Message = Message {
    name: "Content",
    fields: &[("role", Kind::Text), ("parts", Kind::Repeated(&Kind::Message(&PART)))],
    oneof: None,
};

static PART: Message = Message {
    name: "Part",
    fields: &[
        ("text", Kind::Text),
        ("inlineData", Kind::Message(&BLOB)),
        ("fileData", Kind::Message(&FILE_DATA)),
        ("functionCall", Kind::Message(&FUNCTION_CALL)),
        ("functionResponse", Kind::Message(&FUNCTION_RESPONSE)),
        ("executableCode", Kind::Object),
        ("codeExecutionResult", Kind::Object),
        ("toolCall", Kind::Object),
        ("toolResponse", Kind::Object),
        ("thought", Kind::Bool),
        ("thoughtSignature", Kind::Bytes),
        ("videoMetadata", Kind::Object),
        ("partMetadata", Kind::Object),
        ("mediaResolution", Kind::Object),
    ],
    oneof: Some((
        "data",
        &[
            "text",
            "inlineData",
            "fileData",
            "functionCall",
            "functionResponse",
            "executableCode",
            "codeExecutionResult",
            "toolCall",
            "toolResponse",
        ],
    )),
};

static BLOB: Message = Message {
    name: "Blob",
    fields: &[("mimeType", Kind::Text), ("data", Kind::Bytes), ("displayName", Kind::Text)],
    oneof: None,
};

static FILE_DATA: Message = Message {
    name: "FileData",
    fields: &[("mimeType", Kind::Text), ("fileUri", Kind::Text), ("displayName", Kind::Text)],
    oneof: None,
};

static FUNCTION_CALL: Message = Message {
    name: "FunctionCall",
    fields: &[("id", Kind::Text), ("name", Kind::Text), ("args", Kind::Object)],
    oneof: None,
};

static FUNCTION_RESPONSE: Message = Message {
    name: "FunctionResponse",
    fields: &[
        ("id", Kind::Text),
        ("name", Kind::Text),
        ("response", Kind::Object),
        ("parts", Kind::Repeated(&Kind::Message(&FUNCTION_RESPONSE_PART))),
        ("willContinue", Kind::Bool),
        ("scheduling", Kind::Text),
    ],
    oneof: None,
};

static FUNCTION_RESPONSE_PART: Message = Message {
    name: "FunctionResponsePart",
    fields: &[("inlineData", Kind::Message(&BLOB)), ("fileData", Kind::Message(&FILE_DATA))],
    oneof: Some(("data", &["inlineData", "fileData"])),
};

static TOOL: Message = Message {
    name: "Tool",
    fields: &[
        ("functionDeclarations", Kind::Repeated(&Kind::Message(&FUNCTION_DECLARATION))),
        ("googleSearch", Kind::Object),
        ("googleSearchRetrieval", Kind::Object),
        ("googleMaps", Kind::Object),
        ("codeExecution", Kind::Object),
        ("urlContext", Kind::Object),
        ("computerUse", Kind::Object),
        ("fileSearch", Kind::Object),
    ],
    oneof: None,
};

static FUNCTION_DECLARATION: Message = Message {
    name: "FunctionDeclaration",
    fields: &[
        ("name", Kind::Text),
        ("description", Kind::Text),
        ("behavior", Kind::Text),
        ("parameters", Kind::Message(&SCHEMA)),
        ("parametersJsonSchema", Kind::Free),
        ("response", Kind::Message(&SCHEMA)),
        ("responseJsonSchema", Kind::Free),
    ],
    oneof: None,
};

/// The OpenAPI subset. What it does not list, such as `const` or `additionalProperties`, Google refuses by name.
static SCHEMA: Message = Message {
    name: "Schema",
    fields: &[
        (
            "type",
            Kind::Enum(
                "Type",
                &["TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"],
            ),
        ),
        ("format", Kind::Text),
        ("title", Kind::Text),
        ("description", Kind::Text),
        ("nullable", Kind::Bool),
        ("enum", Kind::Repeated(&Kind::Text)),
        ("maxItems", Kind::Int),
        ("minItems", Kind::Int),
        ("properties", Kind::Map(&Kind::Message(&SCHEMA))),
        ("required", Kind::Repeated(&Kind::Text)),
        ("minProperties", Kind::Int),
        ("maxProperties", Kind::Int),
        ("minLength", Kind::Int),
        ("maxLength", Kind::Int),
        ("pattern", Kind::Text),
        ("example", Kind::Free),
        ("anyOf", Kind::Repeated(&Kind::Message(&SCHEMA))),
        ("propertyOrdering", Kind::Repeated(&Kind::Text)),
        ("default", Kind::Free),
        ("items", Kind::Message(&SCHEMA)),
        ("minimum", Kind::Number),
        ("maximum", Kind::Number),
    ],
    oneof: None,
};

static TOOL_CONFIG: Message = Message {
    name: "ToolConfig",
    fields: &[
        ("functionCallingConfig", Kind::Message(&FUNCTION_CALLING_CONFIG)),
        ("retrievalConfig", Kind::Object),
        ("includeServerSideToolInvocations", Kind::Bool),
    ],
    oneof: None,
};

static FUNCTION_CALLING_CONFIG: Message = Message {
    name: "FunctionCallingConfig",
    fields: &[
        (
            "mode",
            Kind::Enum(
                "FunctionCallingConfig.Mode",
                &["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"],
            ),
        ),
        ("allowedFunctionNames", Kind::Repeated(&Kind::Text)),
    ],
    oneof: None,
};

static SAFETY_SETTING: Message = Message {
    name: "SafetySetting",
    fields: &[
        (
            "category",
            Kind::Enum(
                "HarmCategory",
                &[
                    "HARM_CATEGORY_UNSPECIFIED",
                    "HARM_CATEGORY_HARASSMENT",
                    "HARM_CATEGORY_HATE_SPEECH",
                    "HARM_CATEGORY_SEXUALLY_EXPLICIT",
                    "HARM_CATEGORY_DANGEROUS_CONTENT",
                    "HARM_CATEGORY_CIVIC_INTEGRITY",
                    "HARM_CATEGORY_JAILBREAK",
                ],
            ),
        ),
        (
            "threshold",
            Kind::Enum(
                "SafetySetting.HarmBlockThreshold",
                &[
                    "HARM_BLOCK_THRESHOLD_UNSPECIFIED",
                    "BLOCK_LOW_AND_ABOVE",
                    "BLOCK_MEDIUM_AND_ABOVE",
                    "BLOCK_ONLY_HIGH",
                    "BLOCK_NONE",
                    "OFF",
                ],
            ),
        ),
        ("method", Kind::Text),
    ],
    oneof: None,
};

static GENERATION_CONFIG: Message = Message {
    name: "GenerationConfig",
    fields: &[
        ("stopSequences", Kind::Repeated(&Kind::Text)),
        ("responseMimeType", Kind::Text),
        ("responseSchema", Kind::Message(&SCHEMA)),
        ("responseJsonSchema", Kind::Free),
        ("candidateCount", Kind::Int),
        ("maxOutputTokens", Kind::Int),
        ("temperature", Kind::Number),
        ("topP", Kind::Number),
        ("topK", Kind::Number),
        ("seed", Kind::Int),
        ("presencePenalty", Kind::Number),
        ("frequencyPenalty", Kind::Number),
        ("responseLogprobs", Kind::Bool),
        ("logprobs", Kind::Int),
        ("enableEnhancedCivicAnswers", Kind::Bool),
        ("responseModalities", Kind::Repeated(&Kind::Text)),
        ("speechConfig", Kind::Object),
        ("thinkingConfig", Kind::Message(&THINKING_CONFIG)),
        ("imageConfig", Kind::Object),
        ("mediaResolution", Kind::Text),
    ],
    oneof: None,
};

static THINKING_CONFIG: Message = Message {
    name: "ThinkingConfig",
    fields: &[
        ("includeThoughts", Kind::Bool),
        ("thinkingBudget", Kind::Int),
        (
            "thinkingLevel",
            Kind::Enum(
                "ThinkingConfig.ThinkingLevel",
                &["THINKING_LEVEL_UNSPECIFIED", "MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"],
            ),
        ),
    ],
    oneof: None,
};
