//! axum's extractors for our own surface: what they refuse, they refuse as [`ApiError`].

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::error::{ApiError, ErrorCode};

/// A JSON body. 415 for another content type, 400 for what is not JSON, 422 naming the place that does not fit.
pub struct ApiJson<T>(pub T);

/// The query's parameters; 422 if they do not fit.
#[derive(axum::extract::FromRequestParts)]
#[from_request(via(Query), rejection(ApiError))]
pub struct ApiQuery<T>(pub T);

/// The path's parameters. A path that does not fit names nothing that is there: 404.
pub struct ApiPath<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for ApiJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let kind =
            request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if kind != "application/json" && !kind.ends_with("+json") {
            return Err(ApiError::new(
                ErrorCode::UnsupportedMediaType,
                "send the body as `application/json`",
            ));
        }
        // Too large and too slow bodies are answered by the edge, which knows why the read failed.
        let body = Bytes::from_request(request, state).await.map_err(|error| {
            ApiError::new(ErrorCode::Malformed, "the body could not be read").caused_by(error)
        })?;
        from_json(&body).map(Self)
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for ApiPath<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(error) => Err(ApiError::new(ErrorCode::NotFound, error.body_text())),
        }
    }
}

impl From<axum::extract::rejection::QueryRejection> for ApiError {
    fn from(error: axum::extract::rejection::QueryRejection) -> Self {
        Self::new(ErrorCode::InvalidRequest, error.body_text())
    }
}

/// Reads JSON: 400 for what is not JSON, 422 naming the place that does not fit.
pub fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = pointer(error.path());
        let error = error.into_inner();
        if error.is_data() {
            ApiError::new(ErrorCode::InvalidRequest, "the body does not have the expected form").field(
                path,
                "invalid",
                error.to_string(),
            )
        } else {
            not_json(&error)
        }
    })?;
    json.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

fn not_json(error: &serde_json::Error) -> ApiError {
    ApiError::new(ErrorCode::Malformed, format!("the body is not JSON: {error}"))
}

/// RFC 6901.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        let name = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            Segment::Enum { .. } | Segment::Unknown => continue,
        };
        pointer.push('/');
        pointer.push_str(&name);
    }
    pointer
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[serde(rename = "a/b")]
        #[expect(dead_code, reason = "only the errors of reading it are looked at")]
        numbers: Vec<u32>,
    }

    fn error(body: &str) -> ApiError {
        from_json::<Body>(body.as_bytes()).unwrap_err()
    }

    #[test]
    fn what_does_not_fit_is_named_by_its_place() {
        let error = error(r#"{"a/b": [1, "two"]}"#);
        assert_eq!(error.code(), ErrorCode::InvalidRequest);
        assert_eq!(error.parts().fields[0].pointer, "/a~1b/1");
    }

    #[test]
    fn unknown_names_are_refused() {
        assert_eq!(error(r#"{"a/b": [], "c": 1}"#).code(), ErrorCode::InvalidRequest);
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        for body in ["", "{", r#"{"a/b": []} tail"#, &"[".repeat(50_000), "\u{feff}{}"] {
            let error = from_json::<serde_json::Value>(body.as_bytes()).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Malformed);
        }
    }
}
