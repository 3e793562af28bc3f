//! Airtable's limits: how many requests, how large, and how long things live. Each may be changed, by a seed or while the
//! emulator runs.

mod limiter;

use std::time::Duration;

use serde_json::{Map, Value, json};

pub(crate) use self::limiter::{Arrival, Counters, Limiter};
use super::fields::number;

/// No time is longer: clocks have an end, and so has patience.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Bytes of a body that a limit may allow; what is above is refused at the edge.
pub(super) const MOST_BODY_BYTES: usize = 64 << 20;

/// Records on a page, or in a batch, that a limit may allow.
const MOST_RECORDS: u64 = 100_000;

/// What happens to a workspace whose month is used up.
/// Source: <https://support.airtable.com/docs/managing-api-call-limits-in-airtable>.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Monthly {
    /// Calls about records are refused until the month ends.
    Block,
    /// Two requests a second are let through.
    Throttle,
}

/// How many requests are let through, how large they may be, and what happens beyond.
///
/// Source of the defaults: <https://airtable.com/developers/web/api/rate-limits>.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Requests to one base in any second, all tokens together; `None` is no limit.
    pub requests_per_second_per_base: Option<u32>,
    /// Requests of one user in any second, all tokens together; `None` is no limit.
    pub requests_per_second_per_user: Option<u32>,
    /// How long everything is refused after a violation; zero refuses only what is too much.
    pub penalty: Duration,
    /// Whether what comes during a penalty begins it anew. Not known of Airtable.
    pub penalty_prolongs: bool,
    /// Whether a 429 carries `Retry-After`; Airtable documents none.
    pub retry_after_header: bool,
    /// Requests about the bases of one workspace in a calendar month (UTC); `None` is no limit.
    pub monthly_requests_per_workspace: Option<u64>,
    pub(crate) monthly_behaviour: Monthly,
    /// Records and comments on a page.
    pub(crate) max_page_size: usize,
    /// Records in one create, update or delete.
    pub(crate) max_records_per_request: usize,
    /// Characters of a request's target; it must be shorter.
    /// Source: <https://support.airtable.com/docs/enforcement-of-url-length-limit-for-web-api-requests>.
    pub(crate) max_url_length: usize,
    /// Airtable's own is not documented; by default more than ten records of the longest text need.
    pub(crate) max_body_bytes: usize,
    /// Of an uploaded file, decoded.
    pub(crate) max_upload_bytes: usize,
    /// How long a listing waits for the request of its next page. Airtable says "a few minutes".
    pub(crate) offset_life: Duration,
    /// How long the URL of an attachment is good.
    pub(crate) attachment_url_life: Duration,
    pub(crate) max_webhooks_per_base: usize,
    /// CSV syncs into one base in any five minutes; `None` is no limit.
    pub(crate) syncs_per_five_minutes: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_second_per_base: Some(5),
            requests_per_second_per_user: Some(50),
            penalty: Duration::from_secs(30),
            penalty_prolongs: false,
            retry_after_header: false,
            monthly_requests_per_workspace: None,
            monthly_behaviour: Monthly::Block,
            max_page_size: 100,
            max_records_per_request: 10,
            max_url_length: 16_000,
            max_body_bytes: 10 << 20,
            max_upload_bytes: 5 << 20,
            offset_life: Duration::from_secs(10 * 60),
            attachment_url_life: Duration::from_secs(2 * 60 * 60),
            max_webhooks_per_base: 10,
            syncs_per_five_minutes: Some(20),
        }
    }
}

impl Limits {
    /// The names of all limits, as seeds and the emulator's own API have them.
    pub(crate) const KEYS: [&str; 16] = [
        "requestsPerSecondPerBase",
        "requestsPerSecondPerUser",
        "penaltySeconds",
        "penaltyProlongs",
        "retryAfterHeader",
        "monthlyRequestsPerWorkspace",
        "monthlyBehaviour",
        "maxPageSize",
        "maxRecordsPerRequest",
        "maxUrlLength",
        "maxBodyBytes",
        "maxUploadBytes",
        "offsetLifeSeconds",
        "attachmentUrlLifeSeconds",
        "maxWebhooksPerBase",
        "syncsPerFiveMinutes",
    ];

    /// Changes one of [`Self::KEYS`]; the error says what the value must be.
    pub(crate) fn set(&mut self, key: &str, value: &Value) -> Result<(), String> {
        match key {
            "requestsPerSecondPerBase" => self.requests_per_second_per_base = count_or_none(value)?,
            "requestsPerSecondPerUser" => self.requests_per_second_per_user = count_or_none(value)?,
            "penaltySeconds" if value.is_null() => self.penalty = Duration::ZERO,
            "penaltySeconds" => self.penalty = duration(value)?,
            "penaltyProlongs" => self.penalty_prolongs = flag(value)?,
            "retryAfterHeader" => self.retry_after_header = flag(value)?,
            "monthlyRequestsPerWorkspace" => self.monthly_requests_per_workspace = count_or_none(value)?,
            "monthlyBehaviour" => {
                self.monthly_behaviour = match value.as_str() {
                    Some("block") => Monthly::Block,
                    Some("throttle") => Monthly::Throttle,
                    _ => return Err("must be \"block\" or \"throttle\"".to_owned()),
                }
            }
            "maxPageSize" => self.max_page_size = size(value, MOST_RECORDS)?,
            "maxRecordsPerRequest" => self.max_records_per_request = size(value, MOST_RECORDS)?,
            "maxUrlLength" => self.max_url_length = size(value, 1 << 20)?,
            "maxBodyBytes" => self.max_body_bytes = size(value, MOST_BODY_BYTES as u64)?,
            "maxUploadBytes" => self.max_upload_bytes = size(value, MOST_BODY_BYTES as u64)?,
            "offsetLifeSeconds" => self.offset_life = duration(value)?,
            "attachmentUrlLifeSeconds" => self.attachment_url_life = duration(value)?,
            "maxWebhooksPerBase" => self.max_webhooks_per_base = size(value, 10_000)?,
            "syncsPerFiveMinutes" => self.syncs_per_five_minutes = count_or_none(value)?,
            _ => return Err(format!("is not known here; known are {}", Self::KEYS.join(", "))),
        }
        Ok(())
    }

    /// All of them, in the shape of a seed.
    pub(crate) fn json(&self) -> Map<String, Value> {
        let seconds = |duration: Duration| number::json(duration.as_secs_f64());
        let behaviour = match self.monthly_behaviour {
            Monthly::Block => "block",
            Monthly::Throttle => "throttle",
        };
        let values = [
            json!(self.requests_per_second_per_base),
            json!(self.requests_per_second_per_user),
            seconds(self.penalty),
            json!(self.penalty_prolongs),
            json!(self.retry_after_header),
            json!(self.monthly_requests_per_workspace),
            json!(behaviour),
            json!(self.max_page_size),
            json!(self.max_records_per_request),
            json!(self.max_url_length),
            json!(self.max_body_bytes),
            json!(self.max_upload_bytes),
            seconds(self.offset_life),
            seconds(self.attachment_url_life),
            json!(self.max_webhooks_per_base),
            json!(self.syncs_per_five_minutes),
        ];
        Self::KEYS.into_iter().map(str::to_owned).zip(values).collect()
    }
}

/// 0 would refuse everything.
fn count_or_none<N: TryFrom<u64>>(value: &Value) -> Result<Option<N>, String> {
    if value.is_null() {
        return Ok(None);
    }
    let count = value.as_u64().filter(|count| *count > 0).and_then(|count| count.try_into().ok());
    count.map(Some).ok_or_else(|| "must be a whole number above 0, or null for no limit".to_owned())
}

fn size(value: &Value, most: u64) -> Result<usize, String> {
    let size = value.as_u64().filter(|size| (1..=most).contains(size));
    size.map(|size| size as usize).ok_or_else(|| format!("must be a whole number from 1 to {most}"))
}

fn duration(value: &Value) -> Result<Duration, String> {
    let duration = value.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let duration = duration.filter(|duration| *duration <= LONGEST);
    duration.ok_or_else(|| "must be a number of seconds, from 0 to a year".to_owned())
}

fn flag(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| "must be true or false".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_limits_can_be_set_again() {
        let mut limits = Limits::default();
        let changed = json!({
            "requestsPerSecondPerBase": null, "requestsPerSecondPerUser": 7, "penaltySeconds": 0.5,
            "penaltyProlongs": true, "retryAfterHeader": true, "monthlyRequestsPerWorkspace": 5_000_000_000_u64,
            "monthlyBehaviour": "throttle", "maxPageSize": 3, "maxRecordsPerRequest": 2, "maxUrlLength": 200,
            "maxBodyBytes": 1000, "maxUploadBytes": 10, "offsetLifeSeconds": 1, "attachmentUrlLifeSeconds": 2,
            "maxWebhooksPerBase": 1, "syncsPerFiveMinutes": null,
        });
        for (key, value) in changed.as_object().unwrap() {
            limits.set(key, value).unwrap();
        }
        assert_eq!(Value::Object(limits.json()), changed);
        for (key, bad) in [
            ("requestsPerSecondPerBase", json!(0)),
            ("penaltySeconds", json!(-1)),
            ("penaltySeconds", json!(1e12)),
            ("maxPageSize", json!(null)),
            ("maxBodyBytes", json!(1_u64 << 40)),
            ("monthlyBehaviour", json!("ignore")),
            ("unheardOf", json!(1)),
        ] {
            assert!(limits.set(key, &bad).is_err(), "{key} {bad}");
        }
        assert_eq!(Value::Object(limits.json()), changed);
    }
}
