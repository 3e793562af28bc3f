//! What is not known of Airtable: each open question has the likelier answer, and a setting for the other one.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::errors::AirtableError;

/// How the emulator behaves where nobody has confirmed what Airtable does; what is left out stays as it is
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Unconfirmed {
    /// Status of a URL that is too long: 414, 413 or 422
    pub(crate) url_too_long_status: u16,
    /// Status of a body, or a file, that is too large: 413 or 422
    pub(crate) too_large_status: u16,
    /// Status of a body that is not JSON: 422, as reported, or 400, as documented
    pub(crate) unparsable_body_status: u16,
    /// Status of a read that names a record that is not there: 403 or 404
    pub(crate) unknown_record_status: u16,
    /// Status of a base that is not there: 403 or 404
    pub(crate) unknown_base_status: u16,
    /// Whether comments come in the order of their creation, instead of newest first
    pub(crate) comments_oldest_first: bool,
    /// Whether `commentCount` is 0 where there are no comments, instead of left out
    pub(crate) comment_count_zero: bool,
    /// How many seconds a refresh token that has been used is answered with a conflict, before it counts as unknown
    pub(crate) refresh_grace_seconds: u32,
    /// Whether formula fields can be created over the API
    pub(crate) formulas_creatable: bool,
}

impl Default for Unconfirmed {
    fn default() -> Self {
        Self {
            url_too_long_status: 414,
            too_large_status: 413,
            unparsable_body_status: 422,
            unknown_record_status: 403,
            unknown_base_status: 403,
            comments_oldest_first: false,
            comment_count_zero: false,
            refresh_grace_seconds: 10,
            formulas_creatable: true,
        }
    }
}

impl Unconfirmed {
    /// What is wrong with it, if anything is.
    pub(crate) fn problem(&self) -> Option<String> {
        let wanted: [(&str, u16, &[u16]); 5] = [
            ("urlTooLongStatus", self.url_too_long_status, &[414, 413, 422]),
            ("tooLargeStatus", self.too_large_status, &[413, 422]),
            ("unparsableBodyStatus", self.unparsable_body_status, &[422, 400]),
            ("unknownRecordStatus", self.unknown_record_status, &[403, 404]),
            ("unknownBaseStatus", self.unknown_base_status, &[403, 404]),
        ];
        let bad = wanted.into_iter().find(|(_, status, known)| !known.contains(status));
        bad.map(|(key, _, known)| format!("{key} is one of {known:?}"))
    }

    /// Gives an error its status.
    pub(crate) fn settle(&self, error: AirtableError) -> AirtableError {
        let status = match error.kind() {
            "URL_TOO_LONG" => self.url_too_long_status,
            "REQUEST_TOO_LARGE" => self.too_large_status,
            "INVALID_REQUEST_BODY" => self.unparsable_body_status,
            _ => return error,
        };
        match StatusCode::from_u16(status) {
            Ok(status) => error.with_status(status),
            Err(_) => error,
        }
    }
}
