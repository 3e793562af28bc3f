//! The Gemini emulator over a real listener, spoken to in plain HTTP.

mod generate;
mod history;
mod scripted;
mod support;
