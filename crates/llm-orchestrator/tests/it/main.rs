//! The orchestrator as its clients see it: over a real listener, before the Gemini emulator in script mode and a tools' server
//! that the tests write themselves.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod agent;
mod approvals;
mod models;
mod openai;
mod process;
mod sessions;
mod stores;
mod support;
mod trouble;
