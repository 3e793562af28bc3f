//! Why there is no answer, and what to do about it.

use std::path::PathBuf;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use crate::settings::program;

/// Why there is no (whole) answer.
#[derive(Debug)]
pub(crate) enum Failure {
    NoKey {
        data_dir: PathBuf,
    },
    BadAddress {
        url: String,
    },
    NotRunning {
        url: String,
        reason: String,
    },
    Refused {
        status: StatusCode,
        code: String,
        message: String,
        retry_after: Option<Duration>,
    },
    /// Told in the middle of the answer.
    Interrupted {
        code: String,
        message: String,
    },
    BrokeOff,
    Silent(Duration),
    NotUnderstood {
        url: String,
        reason: String,
    },
    AsksForEver,
    Output(std::io::Error),
}

impl Failure {
    /// What happened, in a sentence.
    pub(crate) fn what(&self) -> String {
        match self {
            Self::NoKey { .. } => "there is no API key to present".to_owned(),
            Self::BadAddress { url } => {
                format!("LLM_ORCHESTRATOR_URL is not an http or https address: {url}")
            }
            Self::NotRunning { url, reason } => format!("nothing answers at {url} ({reason})"),
            Self::Refused { status, message, .. } if message.is_empty() => {
                format!("the orchestrator refused with status {status}")
            }
            Self::Refused { message, .. } | Self::Interrupted { message, .. } => message.clone(),
            Self::BrokeOff => "the answer broke off".to_owned(),
            Self::Silent(limit) => format!("nothing came for {} s", limit.as_secs()),
            Self::NotUnderstood { url, reason } => {
                format!("what answers at {url} is not the orchestrator ({reason})")
            }
            Self::AsksForEver => "the answer asks for one confirmation after the other".to_owned(),
            Self::Output(error) => format!("the answer cannot be written: {error}"),
        }
    }

    /// The next step.
    pub(crate) fn advice(&self) -> String {
        let program = program();
        match self {
            Self::NoKey { data_dir } => format!(
                "start once with `{program} up` (it keeps a key in {}), or set PYAIRTABLE_API_KEY",
                data_dir.display()
            ),
            Self::BadAddress { .. } => "write it like http://127.0.0.1:8003".to_owned(),
            Self::NotRunning { .. } => format!(
                "start it in another terminal with `{program} up`, or set LLM_ORCHESTRATOR_URL to where it runs"
            ),
            Self::Refused { status, code, retry_after, .. } => refused(*status, code, *retry_after, &program),
            Self::Interrupted { code, .. } if is_quota(code) => QUOTA.to_owned(),
            Self::Interrupted { .. } => {
                format!("what was done until then is kept: ask again; `{program} doctor` finds what is wrong")
            }
            Self::BrokeOff | Self::Silent(_) => format!("ask again; `{program} doctor` finds what is wrong"),
            Self::NotUnderstood { .. } => {
                "set LLM_ORCHESTRATOR_URL to where the orchestrator runs".to_owned()
            }
            Self::AsksForEver => "ask for less at a time".to_owned(),
            Self::Output(_) => "check where its output goes".to_owned(),
        }
    }

    /// For machines.
    pub(crate) fn json(&self) -> Value {
        let (status, code, retry_after) = match self {
            Self::Refused { status, code, retry_after, .. } => {
                (Some(status.as_u16()), code.as_str(), *retry_after)
            }
            Self::Interrupted { code, .. } => (None, code.as_str(), None),
            Self::NoKey { .. } => (None, "no_api_key", None),
            Self::BadAddress { .. } | Self::NotRunning { .. } => (None, "not_running", None),
            Self::BrokeOff => (None, "broken_off", None),
            Self::Silent(_) => (None, "timeout", None),
            Self::NotUnderstood { .. } => (None, "not_understood", None),
            Self::AsksForEver => (None, "too_many_confirmations", None),
            Self::Output(_) => (None, "output", None),
        };
        json!({
            "type": "error", "message": self.what(), "advice": self.advice(), "status": status, "code": code,
            "retry_after_seconds": retry_after.map(|wait| wait.as_secs()),
        })
    }
}

const QUOTA: &str = "the model's quota for today is used up: wait for tomorrow, choose another model (--model), or raise the quota";

fn is_quota(code: &str) -> bool {
    code.contains("quota")
}

fn refused(status: StatusCode, code: &str, retry_after: Option<Duration>, program: &str) -> String {
    match status.as_u16() {
        404 | 409 if code.starts_with("approval") => {
            "that question is no longer open, and nothing was changed: ask for the change again".to_owned()
        }
        401 => format!(
            "the key is not known there: unset PYAIRTABLE_API_KEY to use this machine's own, or make one with `{program} keys create --name chat --scopes llm:chat,schema:read,records:read`"
        ),
        403 => format!(
            "the key may not do this: `{program} keys list` shows its scopes; chat needs llm:chat, and schema:read, records:read or records:write for what it shall do"
        ),
        404 if code.contains("model") => {
            format!(
                "leave --model out, or see which models there are: GET /v1/models (`{program} doctor` prints the address)"
            )
        }
        404 if code.contains("session") => "leave --session out to begin a new conversation".to_owned(),
        404 => "set LLM_ORCHESTRATOR_URL to where the orchestrator runs".to_owned(),
        409 => "another question of this session is being answered: wait for it, or leave --session out"
            .to_owned(),
        429 if is_quota(code) => QUOTA.to_owned(),
        429 => match retry_after {
            Some(wait) => format!("ask again in {} s", wait.as_secs().max(1)),
            None => "ask again in a minute".to_owned(),
        },
        400 | 413 | 422 => "ask otherwise".to_owned(),
        _ => match retry_after {
            Some(wait) => {
                format!("ask again in {} s; `{program} doctor` finds what is wrong", wait.as_secs().max(1))
            }
            None => format!("`{program} doctor` finds what is wrong"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: &str, wait: Option<u64>) -> Failure {
        Failure::Refused {
            status: StatusCode::from_u16(status).unwrap(),
            code: code.to_owned(),
            message: String::new(),
            retry_after: wait.map(Duration::from_secs),
        }
    }

    #[test]
    fn every_failure_says_the_next_step() {
        for (failure, expected) in [
            (Failure::NotRunning { url: "http://x".to_owned(), reason: "r".to_owned() }, " up`"),
            (Failure::NoKey { data_dir: "data".into() }, " up`"),
            (refused(401, "invalid_api_key", None), "keys create"),
            (refused(403, "insufficient_scope", None), "llm:chat"),
            (refused(404, "session_not_found", None), "--session"),
            (refused(404, "model_not_found", None), "--model"),
            (refused(409, "approval_expired", None), "ask for the change again"),
            (refused(404, "approval_not_found", None), "ask for the change again"),
            (refused(429, "provider_quota_exhausted", Some(5)), "tomorrow"),
            (refused(429, "rate_limit_exceeded", Some(26)), "in 26 s"),
            (refused(429, "rate_limit_exceeded", Some(0)), "in 1 s"),
            (refused(429, "insufficient_quota", Some(26)), "tomorrow"),
            (refused(503, "provider_unavailable", None), "doctor"),
        ] {
            assert!(failure.advice().contains(expected), "{}", failure.advice());
            assert_eq!(failure.json()["advice"], failure.advice());
        }
    }
}
