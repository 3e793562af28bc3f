use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Mutex;

use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use service_kit::config::{ConfigError, Reader, Secret};
use service_kit::telemetry::LogSettings;

/// Settings from pairs.
fn source(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
    let values: HashMap<_, _> =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    move |name: &str| values.get(name).cloned()
}

fn read<T>(
    pairs: &[(&str, &str)],
    read: impl FnOnce(&mut Reader<'_>) -> Option<T>,
) -> Result<T, ConfigError> {
    let source = source(pairs);
    let mut settings = Reader::new(&source);
    let config = read(&mut settings);
    settings.finish(config)
}

/// A file with a secret, and its path as text.
fn file(text: &str, mode: u32) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (directory, path)
}

fn problems(result: Result<impl Sized, ConfigError>) -> Vec<(&'static str, String)> {
    let Err(error) = result else { return Vec::new() };
    error.problems().iter().map(|problem| (problem.name, problem.reason.clone())).collect()
}

struct Example {
    port: u16,
    limit: Option<u32>,
    on: bool,
    token: Secret,
}

fn example(settings: &mut Reader<'_>) -> Option<Example> {
    let port = settings.required("PORT");
    let limit = settings.optional("LIMIT");
    let on = settings.switch("ON");
    let token = settings.secret("TOKEN");
    Some(Example { port: port?, limit, on: on.unwrap_or(true), token: token? })
}

#[test]
fn settings_are_read_from_names_and_from_files() {
    let (_keep, path) = file("hunter2\n", 0o600);
    let (_keep_too, port) = file("8080\n", 0o644);
    let config =
        read(&[("PORT_FILE", &port), ("TOKEN_FILE", &path), ("ON", "Off"), ("LIMIT", " 7 ")], example);
    let config = config.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((config.port, config.limit, config.on), (8080, Some(7), false));
    assert_eq!(config.token.current().expose_secret(), "hunter2");
}

#[test]
fn all_problems_are_reported_at_once_and_no_value_is() {
    let result = read(
        &[
            ("PORT", "seventy"),
            ("LIMIT", "-99"),
            ("ON", "perhaps"),
            ("TOKEN", "hunter2"),
            ("TOKEN_FILE", "/hunter3"),
        ],
        example,
    );
    let Err(error) = result else { panic!("it is wrong in every way") };
    let names: Vec<_> = error.problems().iter().map(|problem| problem.name).collect();
    assert_eq!(names, ["PORT", "LIMIT", "ON", "TOKEN"]);
    let text = error.to_string();
    for value in ["seventy", "-99", "perhaps", "hunter"] {
        assert!(!text.contains(value), "{text}");
    }
}

#[test]
fn what_must_be_set_and_is_not_is_a_problem_and_empty_counts_as_not_set() {
    for pairs in [&[][..], &[("PORT", ""), ("TOKEN", ""), ("LIMIT", ""), ("TOKEN_FILE", "")][..]] {
        let expected = vec![("PORT", "is not set".to_owned()), ("TOKEN", "is not set".to_owned())];
        assert_eq!(problems(read(pairs, example)), expected);
    }
}

#[test]
fn a_setting_read_twice_is_reported_once() {
    let twice = |settings: &mut Reader<'_>| {
        settings.required::<u16>("PORT");
        settings.required::<u16>("PORT")
    };
    assert_eq!(problems(read(&[], twice)).len(), 1);
}

#[test]
fn bad_secrets_are_refused_with_a_reason() {
    let (_keep, loose) = file("hunter2", 0o604);
    let (_keep_too, empty) = file("\n", 0o600);
    let (_keep_three, good) = file("a-good-secret", 0o640);
    for (name, value, reason) in [
        ("TOKEN", "changeme", "placeholder"),
        ("TOKEN", "your_token_here", "placeholder"),
        ("TOKEN", "<token>", "placeholder"),
        ("TOKEN", "two\nlines", "line break"),
        ("TOKEN", " blank", "blank"),
        ("TOKEN_FILE", loose.as_str(), "mode 604"),
        ("TOKEN_FILE", empty.as_str(), "empty"),
        ("TOKEN_FILE", "/nowhere/at/all", "cannot be read"),
        ("TOKEN_FILE", good.as_str(), ""),
    ] {
        let found = problems(read(&[(name, value)], |settings| settings.secret("TOKEN")));
        match found.as_slice() {
            [] => assert_eq!(reason, "", "{value}"),
            [(_, found)] => assert!(!reason.is_empty() && found.contains(reason), "{value}: {found}"),
            more => panic!("{value}: {more:?}"),
        }
    }
    let allowed =
        read(&[("TOKEN_FILE", &loose), ("ALLOW_LOOSE_PERMS", "1")], |settings| settings.secret("TOKEN"));
    assert!(allowed.is_ok());
}

#[test]
fn a_key_of_our_own_must_be_long_and_not_be_used_for_two_things() {
    let strong = |settings: &mut Reader<'_>| {
        let one = settings.optional_strong_secret("ONE");
        let two = settings.optional_strong_secret("TWO");
        Some((one, two))
    };
    let key = "0123456789abcdef0123456789abcdef";
    assert_eq!(problems(read(&[("ONE", key)], strong)), []);
    assert_eq!(problems(read(&[("ONE", "short")], strong)).len(), 1);
    let twice = vec![("TWO", "has the same value as ONE".to_owned())];
    assert_eq!(problems(read(&[("ONE", key), ("TWO", key)], strong)), twice);
}

#[test]
fn the_report_names_origins_and_shapes_and_no_value() {
    let source = source(&[("PORT", "8080"), ("TOKEN", "hunter2")]);
    let mut settings = Reader::new(&source);
    example(&mut settings);
    let text: String = settings.report().iter().map(|line| format!("{line}\n")).collect();
    assert!(text.contains("7 characters, f52fbd32"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("LIMIT") && line.ends_with("default")), "{text}");
    assert!(!text.contains("hunter2") && !text.contains("8080"), "{text}");
}

#[test]
fn a_source_that_records_names_lists_all_settings() {
    let asked = Mutex::new(Vec::new());
    let source = |name: &str| {
        asked.lock().unwrap().push(name.to_owned());
        None
    };
    let mut settings = Reader::new(&source);
    LogSettings::read(&mut settings);
    let asked = asked.into_inner().unwrap();
    for name in ["LOG_LEVEL", "LOG_FORMAT", "LOG_LEVEL_FILE", "LOG_FORMAT_FILE"] {
        assert!(asked.iter().any(|asked| asked == name), "{name}");
    }
}

#[test]
fn log_settings_have_defaults_and_refuse_nonsense() {
    assert!(read(&[], LogSettings::read).is_ok());
    assert!(read(&[("LOG_LEVEL", "info,sqlx=debug"), ("LOG_FORMAT", "JSON")], LogSettings::read).is_ok());
    let found = problems(read(&[("LOG_LEVEL", "loud,sqlx=very"), ("LOG_FORMAT", "xml")], LogSettings::read));
    assert_eq!(found.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["LOG_LEVEL", "LOG_FORMAT"]);
}

proptest! {
    #[test]
    fn no_value_ever_appears_in_an_error_or_a_report(value in "[!-~]{6,40}", secret in "[!-~]{6,40}") {
        let pairs = [("PORT", value.as_str()), ("ON", value.as_str()), ("TOKEN", secret.as_str())];
        let source = source(&pairs);
        let mut settings = Reader::new(&source);
        let config = example(&mut settings);
        let report: String = settings.report().iter().map(ToString::to_string).collect();
        prop_assert!(!report.contains(&value) && !report.contains(&secret));
        if let Err(error) = settings.finish(config) {
            let text = error.to_string();
            prop_assert!(!text.contains(&value) && !text.contains(&secret), "{}", text);
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_named_unless_the_name_may_be_a_secret_in_the_wrong_place() {
    for (path, shown) in [("/run/secrets/no-such", true), ("./no-such", true), ("hunter2", false)] {
        let source = |name: &str| matches!(name, "TOKEN_FILE" | "PLAIN_FILE").then(|| path.to_owned());
        let mut settings = Reader::new(&source);
        settings.optional_secret("TOKEN");
        settings.optional::<String>("PLAIN");
        let error = settings.finish::<()>(None).unwrap_err().to_string();
        assert_eq!(error.matches(path).count(), if shown { 2 } else { 0 }, "{error}");
        assert_eq!(error.matches("cannot be read").count(), 2, "{error}");
    }
}
