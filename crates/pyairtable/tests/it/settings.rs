//! `.env.template` names exactly the settings that the code reads.

use service_kit::config::Reader;
use std::cell::RefCell;
use std::collections::BTreeSet;

/// The command's own settings: a program has no library to ask, so its module is compiled in here too.
#[path = "../../src/settings.rs"]
#[expect(dead_code, reason = "only which settings it reads matters here")]
mod of_the_command;

const TEMPLATE: &str = include_str!("../../../../.env.template");

#[test]
fn the_template_names_what_the_code_reads_and_nothing_else() {
    let asked = RefCell::new(BTreeSet::new());
    let recording = |name: &str| -> Option<String> {
        asked.borrow_mut().insert(name.strip_suffix("_FILE").unwrap_or(name).to_owned());
        None
    };
    airtable_gateway::Config::read(&mut Reader::new(&recording));
    mcp_server::Config::read(&mut Reader::new(&recording));
    llm_orchestrator::Config::read(&mut Reader::new(&recording));
    emulators::gemini::Config::read(&mut Reader::new(&recording), &emulators::gemini::Options::default());
    emulators::airtable::Config::read(&mut Reader::new(&recording), &emulators::airtable::Options::default());
    let _ = of_the_command::Settings::from_source(&recording);
    assert_eq!(named_in_the_template(), asked.into_inner());
}

#[test]
fn the_template_holds_no_secret_and_says_something_about_each_setting() {
    let mut explained = false;
    for line in TEMPLATE.lines() {
        match setting_of(line) {
            Some(name) => {
                assert!(explained, "{name} is not explained");
                let value = line.split_once('=').map(|(_, value)| value.trim()).unwrap_or_default();
                let secret = ["TOKEN", "KEY", "PASSWORD", "SECRET"].iter().any(|word| name.ends_with(word));
                assert!(!secret || value.is_empty(), "{name} must be left empty");
            }
            None => explained = line.starts_with('#'),
        }
    }
}

fn named_in_the_template() -> BTreeSet<String> {
    TEMPLATE.lines().filter_map(setting_of).map(str::to_owned).collect()
}

/// `NAME=…` at the start of a line, also when commented out.
fn setting_of(line: &str) -> Option<&str> {
    let (name, _) = line.trim_start_matches(['#', ' ']).split_once('=')?;
    let of_a_setting = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    (!name.is_empty() && name.bytes().all(of_a_setting)).then_some(name)
}
