//! From method and path to the call that is meant.

use http::Method;
use percent_encoding::percent_decode_str;

/// The first segment of a path. Both serve the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Version {
    V1,
    V1Beta,
}

impl Version {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V1Beta => "v1beta",
        }
    }
}

/// A call that the API knows; models without `models/`, cached contents by the part behind the slash.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Call {
    ListModels,
    GetModel(String),
    Generate { model: String, stream: bool },
    CountTokens(String),
    Embed { model: String, batch: bool },
    CreateCache,
    ListCaches,
    GetCache(String),
    PatchCache(String),
    DeleteCache(String),
}

impl Call {
    pub(super) fn parse(method: &Method, path: &str) -> Option<(Version, Self)> {
        let path = path.strip_prefix('/')?;
        let (version, rest) = path.split_once('/')?;
        let version = match version {
            "v1" => Version::V1,
            "v1beta" => Version::V1Beta,
            _ => return None,
        };
        // The colon may come escaped: some clients encode the whole segment.
        let rest = percent_decode_str(rest).decode_utf8().ok()?;
        let segments: Vec<&str> = rest.split('/').collect();
        let call = match (method.as_str(), segments.as_slice()) {
            ("GET", ["models"]) => Self::ListModels,
            ("GET", ["models", model]) if is_name(model) => Self::GetModel((*model).to_owned()),
            ("POST", ["models", call]) => {
                let (model, verb) = call.rsplit_once(':')?;
                if !is_name(model) {
                    return None;
                }
                let model = model.to_owned();
                match verb {
                    "generateContent" => Self::Generate { model, stream: false },
                    "streamGenerateContent" => Self::Generate { model, stream: true },
                    "countTokens" => Self::CountTokens(model),
                    "embedContent" => Self::Embed { model, batch: false },
                    "batchEmbedContents" => Self::Embed { model, batch: true },
                    _ => return None,
                }
            }
            ("POST", ["cachedContents"]) => Self::CreateCache,
            ("GET", ["cachedContents"]) => Self::ListCaches,
            (verb, ["cachedContents", id]) if is_name(id) => {
                let id = (*id).to_owned();
                match verb {
                    "GET" => Self::GetCache(id),
                    "PATCH" => Self::PatchCache(id),
                    "DELETE" => Self::DeleteCache(id),
                    _ => return None,
                }
            }
            _ => return None,
        };
        Some((version, call))
    }

    /// The pattern of the path, for logs and metrics.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::ListModels => "/v1*/models",
            Self::GetModel(_) => "/v1*/models/{model}",
            Self::Generate { stream: false, .. } => "/v1*/models/{model}:generateContent",
            Self::Generate { stream: true, .. } => "/v1*/models/{model}:streamGenerateContent",
            Self::CountTokens(_) => "/v1*/models/{model}:countTokens",
            Self::Embed { batch: false, .. } => "/v1*/models/{model}:embedContent",
            Self::Embed { batch: true, .. } => "/v1*/models/{model}:batchEmbedContents",
            Self::CreateCache | Self::ListCaches => "/v1*/cachedContents",
            Self::GetCache(_) | Self::PatchCache(_) | Self::DeleteCache(_) => "/v1*/cachedContents/{id}",
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(line: &str) -> Option<Call> {
        let (method, path) = line.split_once(' ').unwrap();
        Call::parse(&Method::from_bytes(method.as_bytes()).unwrap(), path).map(|(_, call)| call)
    }

    #[test]
    fn each_call_is_found_under_both_versions() {
        let model = || "gemini-3.8-flash".to_owned();
        for version in ["v1", "v1beta"] {
            for (line, expected) in [
                ("GET /V/models", Call::ListModels),
                ("GET /V/models/gemini-3.8-flash", Call::GetModel(model())),
                (
                    "POST /V/models/gemini-3.8-flash:generateContent",
                    Call::Generate { model: model(), stream: false },
                ),
                (
                    "POST /V/models/gemini-3.8-flash%3AstreamGenerateContent",
                    Call::Generate { model: model(), stream: true },
                ),
                ("POST /V/models/gemini-3.8-flash:countTokens", Call::CountTokens(model())),
                (
                    "POST /V/models/gemini-3.8-flash:batchEmbedContents",
                    Call::Embed { model: model(), batch: true },
                ),
                ("POST /V/cachedContents", Call::CreateCache),
                ("PATCH /V/cachedContents/a1", Call::PatchCache("a1".to_owned())),
                ("DELETE /V/cachedContents/a1", Call::DeleteCache("a1".to_owned())),
            ] {
                assert_eq!(call(&line.replace("/V/", &format!("/{version}/"))), Some(expected), "{line}");
            }
        }
    }

    #[test]
    fn other_paths_are_not_found() {
        for line in [
            "GET /v2/models",
            "GET /v1",
            "POST /v1/models",
            "GET /v1/models/a:generateContent",
            "POST /v1/models/a:think",
            "POST /v1/models/:generateContent",
            "PUT /v1/cachedContents/a",
            "GET /v1/models/a/b",
        ] {
            assert_eq!(call(line), None, "{line}");
        }
    }
}
