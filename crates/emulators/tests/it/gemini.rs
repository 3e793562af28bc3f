//! The Gemini emulator over a real listener, spoken to in plain HTTP.

mod generate;
mod history;
mod process;
mod scripted;
mod support;
