//! Where a base is read from: the running gateway, which keeps Airtable's pace for everybody, or any address that speaks
//! Airtable's API, at a pace of our own.

use std::collections::VecDeque;
use std::time::Duration;

use airtable_api::{
    AirtableClient, BaseId, Failure, Origin, Outbound, PENALTY, SendError, Target, TargetBuilder, collect,
    full_body, retry_after, without_token,
};
use anyhow::Context as _;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, DATE};
use http::{HeaderMap, HeaderValue, Method};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use secrecy::SecretString;
use service_kit::outbound::http_client;
use tokio::time::{Instant, sleep, sleep_until};

/// An answer may wait behind others' calls.
const PATIENCE: Duration = Duration::from_secs(120);

/// Longer than any page is.
const ANSWER_LIMIT: usize = 64 << 20;

/// Requests in any second: one less than Airtable allows to all who use a base.
const REQUESTS_PER_SECOND: usize = 4;

/// How often one call is tried, first time included.
const ATTEMPTS: u32 = 7;

pub(super) struct Source {
    client: AirtableClient,
    token: SecretString,
    /// When the last answers came; `None`: the other side paces.
    answered: Option<VecDeque<Instant>>,
    /// Calls that were sent.
    pub(super) calls: u64,
    /// The server's time of the last answer.
    pub(super) time: Option<Timestamp>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    /// A listing that was under way cannot be gone on with.
    #[error("the listing was given up by Airtable")]
    ListingGone,
    #[error(transparent)]
    Call(#[from] SendError),
}

impl Source {
    /// `is_paced`: whoever answers sees to Airtable's limits.
    pub(super) fn new(url: &str, token: SecretString, is_paced: bool) -> anyhow::Result<Self> {
        let origin = Origin::parse(url).with_context(|| format!("{url} is no address to read from"))?;
        let http = http_client(&origin.to_uri()).context("cannot set up the HTTP client")?;
        let answered = (!is_paced).then(VecDeque::new);
        Ok(Self { client: AirtableClient::new(http, origin), token, answered, calls: 0, time: None })
    }

    /// `/v0/{base}/{table}`
    pub(super) fn records(base: &BaseId, table: &str) -> TargetBuilder {
        TargetBuilder::v0([base.as_str(), table])
    }

    /// Reads, again where that may help: refused calls when they may come again, broken ones after growing pauses.
    pub(super) async fn get(&mut self, target: &Target, notice: impl Fn(&str)) -> Result<Bytes, SourceError> {
        let mut attempt = 1;
        loop {
            let error = match self.get_once(target).await {
                Ok(bytes) => return Ok(bytes),
                Err(SendError::Refused { failure, .. }) if failure.is_dead_offset() => {
                    return Err(SourceError::ListingGone);
                }
                Err(error) => error,
            };
            let pause = match error.retry_delay() {
                Some(asked) if attempt < ATTEMPTS => asked.max(Duration::from_millis(250 << attempt)),
                _ => return Err(error.into()),
            };
            let why = match &error {
                SendError::Refused { status, .. } => format!("answered {status}"),
                other => other.to_string(),
            };
            notice(&format!("{why}; going on in {} s", pause.as_secs_f64().ceil()));
            sleep(pause.min(4 * PENALTY)).await;
            attempt += 1;
        }
    }

    async fn get_once(&mut self, target: &Target) -> Result<Bytes, SendError> {
        self.wait_for_turn().await;
        self.calls += 1;
        let mut headers = HeaderMap::new();
        // What stands in the gateway's cache may be older than what this is to be a picture of.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        let outbound =
            Outbound { method: Method::GET, target: target.clone(), headers, body: full_body(Bytes::new()) };
        let answer = AirtableClient::in_time(PATIENCE, async {
            let (head, body) = self.client.forward(outbound, &self.token).await?.into_parts();
            Ok((head, collect(body, ANSWER_LIMIT).await?))
        });
        let answer = answer.await;
        if let Some(answered) = &mut self.answered {
            answered.push_back(Instant::now());
        }
        let (head, body) = answer?;
        let date = head.headers.get(DATE).and_then(|date| date.to_str().ok());
        self.time = date.and_then(|date| DateTimeParser::new().parse_timestamp(date).ok()).or(self.time);
        if head.status.is_success() {
            return Ok(body);
        }
        Err(SendError::Refused {
            status: head.status,
            failure: Failure::parse(&without_token(body, &self.token)),
            retry_after: retry_after(&head.headers),
        })
    }

    /// A place among the requests of a second is free again a second after its answer: then no more arrive in any second,
    /// however long they are under way.
    async fn wait_for_turn(&mut self) {
        if let Some(answered) = &mut self.answered
            && answered.len() >= REQUESTS_PER_SECOND
            && let Some(oldest) = answered.pop_front()
        {
            sleep_until(oldest + Duration::from_secs(1)).await;
        }
    }
}
