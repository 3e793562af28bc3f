#![doc = include_str!("../README.md")]

pub mod airtable;
pub mod gemini;
