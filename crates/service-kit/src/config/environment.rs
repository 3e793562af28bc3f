use std::collections::HashMap;
use std::io;
use std::path::Path;

use super::{ConfigError, Problem};

/// The settings of this process: its environment, over the file `.env` in the working directory if there is one.
///
/// The file is read once, here. A name that the environment sets to nothing is not set, whatever the file says.
pub fn environment() -> Result<impl Fn(&str) -> Option<String>, ConfigError> {
    let file = read_env_file(Path::new(".env"))?;
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the process environment")]
    let source = move |name: &str| match std::env::var(name) {
        Ok(value) => Some(value),
        Err(_) => file.get(name).cloned(),
    };
    Ok(source)
}

/// The last line of a name wins, as with compose. Errors name the line's number, not its text.
fn read_env_file(path: &Path) -> Result<HashMap<String, String>, ConfigError> {
    let problem = |reason: String| ConfigError { problems: vec![Problem { name: ".env", reason }] };
    let lines = match dotenvy::from_path_iter(path) {
        Ok(lines) => lines,
        Err(dotenvy::Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(HashMap::new());
        }
        Err(dotenvy::Error::Io(error)) => return Err(problem(format!("cannot be read: {error}"))),
        Err(_) => return Err(problem("cannot be read".to_owned())),
    };
    let mut values = HashMap::new();
    for (index, line) in lines.enumerate() {
        match line {
            Ok((name, value)) => {
                values.insert(name, value);
            }
            Err(dotenvy::Error::Io(error)) => return Err(problem(format!("cannot be read: {error}"))),
            Err(_) => {
                let number = index + 1;
                return Err(problem(format!("assignment {number} is not of the form NAME=value")));
            }
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<HashMap<String, String>, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read_env_file(file.path())
    }

    #[test]
    fn a_missing_file_sets_nothing() {
        assert!(read_env_file(Path::new("/nowhere/.env")).unwrap().is_empty());
    }

    #[test]
    fn comments_quotes_and_exports_are_understood_and_the_last_line_wins() {
        let values = read("# a comment\nexport A=1\nB=\"two words\"\nC=x # note\nEMPTY=\nA=2\n").unwrap();
        let get = |name: &str| values.get(name).map(String::as_str);
        assert_eq!(
            (get("A"), get("B"), get("C"), get("EMPTY")),
            (Some("2"), Some("two words"), Some("x"), Some(""))
        );
    }

    #[test]
    fn a_bad_line_is_named_by_its_number_and_not_quoted() {
        let error = read("A=1\nthis is hunter2 and no assignment\n").unwrap_err().to_string();
        assert!(error.contains("assignment 2") && !error.contains("hunter2"), "{error}");
    }
}
