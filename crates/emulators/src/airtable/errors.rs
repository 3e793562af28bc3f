//! Airtable's errors: the one place that knows their statuses, types, wordings and three body shapes.
//!
//! The texts are those that users of the service have reported; what nobody has reported is marked "our wording".

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

/// What is said whenever the caller may not, or the thing is not: Airtable does not tell which.
const NOT_FOUND_OR_NOT_ALLOWED: &str = "Invalid permissions, or the requested model was not found. \
    Check that both your user and your token have the required permissions, and that the model names and/or ids are correct.";

/// What generic validation says.
const VALIDATION_FAILED: &str = "Invalid request: parameter validation failed. Check your request data.";

/// What a batch update says of records that are too many, or have no proper id or no fields.
const BAD_UPDATE_RECORDS: &str = r#"You must provide an array of up to 10 record objects, each with an "id" ID field and a "fields" object for cell values."#;

/// The create form of the same. Our wording, after the update form.
const BAD_CREATE_RECORDS: &str =
    r#"You must provide an array of up to 10 record objects, each with a "fields" object for cell values."#;

/// A refusal, ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AirtableError {
    status: StatusCode,
    body: Value,
    retry_after_seconds: Option<u64>,
}

impl AirtableError {
    /// `{"error":{"type","message"}}`
    fn object(status: StatusCode, kind: &str, message: impl Into<String>) -> Self {
        Self::with_body(status, json!({"error": {"type": kind, "message": message.into()}}))
    }

    fn unprocessable(kind: &str, message: impl Into<String>) -> Self {
        Self::object(StatusCode::UNPROCESSABLE_ENTITY, kind, message)
    }

    fn with_body(status: StatusCode, body: Value) -> Self {
        Self { status, body, retry_after_seconds: None }
    }

    /// No route, or an id in the path that is not shaped like one: the bare string form.
    pub(crate) fn no_route() -> Self {
        Self::with_body(StatusCode::NOT_FOUND, json!({"error": "NOT_FOUND"}))
    }

    /// No token, or not a valid one.
    pub(crate) fn unauthenticated() -> Self {
        Self::object(StatusCode::UNAUTHORIZED, "AUTHENTICATION_REQUIRED", "Authentication required")
    }

    /// No scope, base not in the token's reach, or no such base, table or record.
    pub(crate) fn not_found_or_not_allowed() -> Self {
        Self::object(
            StatusCode::FORBIDDEN,
            "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND",
            NOT_FOUND_OR_NOT_ALLOWED,
        )
    }

    /// The user's role in the base does not allow the operation.
    pub(crate) fn not_permitted() -> Self {
        Self::object(
            StatusCode::FORBIDDEN,
            "INVALID_PERMISSIONS",
            "You are not permitted to perform this operation",
        )
    }

    /// The same, for creating records.
    pub(crate) fn not_permitted_to_create(table_name: &str, table_id: impl std::fmt::Display) -> Self {
        let message = format!("You are not permitted to create records in table {table_name} ({table_id})");
        Self::object(StatusCode::FORBIDDEN, "INVALID_PERMISSIONS", message)
    }

    /// A comment that the record does not have.
    pub(crate) fn comment_not_found() -> Self {
        Self::object(StatusCode::NOT_FOUND, "MODEL_ID_NOT_FOUND", "Comment not found")
    }

    /// A webhook that the base does not have. Our choice: it is not known what Airtable says.
    pub(crate) fn webhook_not_found() -> Self {
        Self::object(StatusCode::NOT_FOUND, "MODEL_ID_NOT_FOUND", "Webhook not found")
    }

    /// More webhooks than a base may have. Our wording.
    pub(crate) fn too_many_webhooks(most: usize) -> Self {
        Self::unprocessable("TOO_MANY_WEBHOOKS_IN_BASE", format!("A base has at most {most} webhooks"))
    }

    /// The same, of one integration. The type is what integrations look for; our wording.
    pub(crate) fn too_many_webhooks_of_integration(most: usize) -> Self {
        let message = format!("An integration has at most {most} webhooks in a base");
        Self::unprocessable("TOO_MANY_WEBHOOKS_BY_OAUTH_INTEGRATION_IN_BASE", message)
    }

    /// A well-formed id that a single-record write or delete did not find.
    pub(crate) fn record_not_found() -> Self {
        Self::object(StatusCode::NOT_FOUND, "MODEL_ID_NOT_FOUND", "Record not found")
    }

    /// More bytes in the body than we take. Our wording; airtable.js invents the same type.
    pub(crate) fn body_too_large(limit_bytes: usize) -> Self {
        let message = format!("a body has at most {limit_bytes} bytes here");
        Self::object(StatusCode::PAYLOAD_TOO_LARGE, "REQUEST_TOO_LARGE", message)
    }

    /// A URL that is too long. Our wording; Airtable documents the limit only.
    pub(crate) fn url_too_long(limit: usize) -> Self {
        let message = format!("The URL must be shorter than {limit} characters; POST to listRecords instead");
        Self::object(StatusCode::URI_TOO_LONG, "URL_TOO_LONG", message)
    }

    /// The body could not be read to its end (the client went away, or sent nothing for too long).
    pub(crate) fn body_cut_off() -> Self {
        Self::object(StatusCode::BAD_REQUEST, "INVALID_REQUEST_BODY", "The request body ended early")
    }

    /// The body is not JSON, or is not called JSON.
    pub(crate) fn body_not_json() -> Self {
        Self::unprocessable("INVALID_REQUEST_BODY", "Could not parse request body")
    }

    /// Generic validation: a number out of range, a word that is not in the list, a key nobody knows, a wrong JSON type.
    pub(crate) fn invalid_request() -> Self {
        Self::unprocessable("INVALID_REQUEST_UNKNOWN", VALIDATION_FAILED)
    }

    /// The same type, saying more. Our wording, where Airtable's is not known.
    pub(crate) fn invalid_request_because(reason: &str) -> Self {
        Self::unprocessable("INVALID_REQUEST_UNKNOWN", format!("Invalid request: {reason}"))
    }

    pub(crate) fn missing_fields() -> Self {
        Self::unprocessable(
            "INVALID_REQUEST_MISSING_FIELDS",
            r#"Could not find field "fields" in the request body"#,
        )
    }

    pub(crate) fn too_many_to_create(count: usize, most: usize) -> Self {
        let message =
            format!("A maximum of {most} records can be created per request but you have provided {count}.");
        Self::unprocessable("INVALID_RECORDS", message)
    }

    pub(crate) fn bad_records_to_create() -> Self {
        Self::unprocessable("INVALID_RECORDS", BAD_CREATE_RECORDS)
    }

    pub(crate) fn bad_records_to_update() -> Self {
        Self::unprocessable("INVALID_RECORDS", BAD_UPDATE_RECORDS)
    }

    pub(crate) fn bad_records_to_delete() -> Self {
        Self::unprocessable("INVALID_RECORDS", r#""records" must be an array of up to 10 record IDs."#)
    }

    /// The target of a batch update or delete.
    pub(crate) fn no_such_row(id: impl std::fmt::Display) -> Self {
        Self::unprocessable("ROW_DOES_NOT_EXIST", format!("Record ID {id} does not exist in this table"))
    }

    /// A record id inside a link cell.
    pub(crate) fn no_such_linked_row(id: impl std::fmt::Display) -> Self {
        Self::unprocessable("ROW_DOES_NOT_EXIST", format!("Record ID {id} does not exist"))
    }

    pub(crate) fn unknown_field(name: &str) -> Self {
        Self::unprocessable("UNKNOWN_FIELD_NAME", format!(r#"Unknown field name: "{name}""#))
    }

    pub(crate) fn value_refused(field: &str) -> Self {
        let message = format!(r#"Field "{field}" cannot accept the provided value"#);
        Self::unprocessable("INVALID_VALUE_FOR_COLUMN", message)
    }

    pub(crate) fn field_is_computed(field: &str) -> Self {
        let message = format!(r#"Field "{field}" cannot accept a value because the field is computed"#);
        Self::unprocessable("INVALID_VALUE_FOR_COLUMN", message)
    }

    /// A field's name that is empty or another field's.
    pub(crate) fn bad_field_name(name: &str) -> Self {
        let message = format!("The field name \"{name}\" is empty or in use"); // our wording
        Self::unprocessable("DUPLICATE_OR_EMPTY_FIELD_NAME", message)
    }

    pub(crate) fn duplicate_table_name(name: &str) -> Self {
        let message = format!("Another table is called \"{name}\" as well"); // our wording
        Self::unprocessable("DUPLICATE_TABLE_NAME", message)
    }

    /// `place` is the field, with its table where that is new as well.
    pub(crate) fn field_type_not_creatable(place: &str, type_name: &str) -> Self {
        let message =
            format!("Invalid options for {place}: Creating {type_name} fields is not supported at this time");
        Self::unprocessable("UNSUPPORTED_FIELD_TYPE_FOR_CREATE", message)
    }

    pub(crate) fn bad_field_options(place: &str, why: &str) -> Self {
        let message = format!("Invalid options for {place}: Failed schema validation: {why}");
        Self::unprocessable("INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE", message)
    }

    /// A changed structure that does not hold together; see [`Self::about_field`].
    pub(crate) fn bad_definition(why: &str) -> Self {
        Self::unprocessable("INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE", why)
    }

    /// Says of which field a [`Self::bad_definition`] is.
    pub(crate) fn about_field(self, place: &str) -> Self {
        match self.body["error"]["message"].as_str() {
            Some(why) => Self::bad_field_options(place, &format!("{place}.{why}")),
            None => self,
        }
    }

    /// What typecast could not make sense of.
    pub(crate) fn value_unparsable(value: &str, field: &str) -> Self {
        let message = format!(r#"Cannot parse value "{value}" for field {field}"#);
        Self::unprocessable("INVALID_VALUE_FOR_COLUMN", message)
    }

    pub(crate) fn unknown_choice(name: &str) -> Self {
        let message = format!(r#"Insufficient permissions to create new select option "{name}""#);
        Self::unprocessable("INVALID_MULTIPLE_CHOICE_OPTIONS", message)
    }

    /// Our wording: the type is reported, the text is not.
    pub(crate) fn bad_attachment(field: &str) -> Self {
        let message =
            format!(r#"Field "{field}" needs attachment objects with a "url" or the "id" of one of its own"#);
        Self::unprocessable("INVALID_ATTACHMENT_OBJECT", message)
    }

    /// Files would take more memory than they may. Nothing that Airtable says: it has room.
    pub(crate) fn no_room_for_files(max_bytes: u64) -> Self {
        let message = format!(
            "The Airtable emulator keeps at most {max_bytes} bytes of attachments; \
             start it with a larger --attachment-memory, or delete some"
        );
        Self::object(StatusCode::INSUFFICIENT_STORAGE, "EMULATOR_OUT_OF_SPACE", message)
    }

    /// `tail` says what is wrong, in Airtable's words.
    pub(crate) fn bad_formula(tail: &str) -> Self {
        let message = format!("The formula for filtering records is invalid: {tail}");
        Self::unprocessable("INVALID_FILTER_BY_FORMULA", message)
    }

    /// The type depends on whether the caller meant a name or an id.
    pub(crate) fn view_not_found(view: &str) -> Self {
        let by_id = super::ids::ViewId::parse(view).is_some();
        let kind = if by_id { "VIEW_ID_NOT_FOUND" } else { "VIEW_NAME_NOT_FOUND" };
        Self::unprocessable(kind, format!("View {view} not found"))
    }

    /// Path and parameter do not fit: a view of another table.
    pub(crate) fn failed_state_check() -> Self {
        Self::with_body(StatusCode::UNPROCESSABLE_ENTITY, json!({"error": {"type": "FAILED_STATE_CHECK"}}))
    }

    /// The listing that an offset belongs to is over; start again from the first page.
    pub(crate) fn iterator_gone() -> Self {
        let body = json!({"error": {"type": "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"}});
        Self::with_body(StatusCode::UNPROCESSABLE_ENTITY, body)
    }

    pub(crate) fn bad_offset(offset: &str) -> Self {
        Self::unprocessable("INVALID_OFFSET_VALUE", format!("The value of offset {offset} is invalid"))
    }

    /// Over the limit: the plural form. `retry_after_seconds` becomes a header if given; Airtable documents none.
    pub(crate) fn rate_limited(retry_after_seconds: Option<u64>) -> Self {
        let body = json!({"errors": [{
            "error": "RATE_LIMIT_REACHED",
            "message": "Rate limit exceeded. Please try again later",
        }]});
        Self { status: StatusCode::TOO_MANY_REQUESTS, body, retry_after_seconds }
    }

    /// The month of the workspace is used up.
    pub(crate) fn month_used_up() -> Self {
        let body = json!({"errors": [{
            "error": "PUBLIC_API_BILLING_LIMIT_EXCEEDED",
            "message": "API billing plan limit exceeded. You've reached the maximum number of requests allowed for this month.",
        }]});
        Self::with_body(StatusCode::TOO_MANY_REQUESTS, body)
    }

    /// The request takes longer than a client waits.
    pub(crate) fn timed_out() -> Self {
        let message =
            "Server encountered an error while processing your request, and it is safe to retry the request";
        Self::object(StatusCode::SERVICE_UNAVAILABLE, "RETRIABLE_ERROR", message)
    }

    /// Its `type`; empty where an answer has another shape.
    pub(crate) fn kind(&self) -> &str {
        self.body["error"]["type"].as_str().unwrap_or_default()
    }

    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The change was made, but could not be kept: whether it lasts is unknown, as after Airtable's own 500.
    pub(crate) fn server_error() -> Self {
        Self::object(
            StatusCode::INTERNAL_SERVER_ERROR,
            "SERVER_ERROR",
            "Server encountered an error while processing your request",
        )
    }

    /// Something of Airtable's that the emulator does not do: never a wrong Airtable error instead.
    pub(crate) fn not_built(what: &str) -> Self {
        let message = format!("The Airtable emulator does not have this yet: {what}");
        Self::object(StatusCode::NOT_IMPLEMENTED, "EMULATOR_NOT_BUILT", message)
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = json_response(self.status, self.body.to_string());
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    #[cfg(test)]
    pub(crate) fn status(&self) -> u16 {
        self.status.as_u16()
    }
}

/// A response with a JSON body.
pub(crate) fn json_response(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response
}
