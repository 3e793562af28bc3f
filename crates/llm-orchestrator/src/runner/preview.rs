//! One line about a tool's result, for people.

use serde_json::Value;

const MOST_CHARS: usize = 120;

/// Such as "12 records", or the first line of a text.
pub(crate) fn preview(content: &Value) -> String {
    let line = match content {
        Value::String(text) => {
            text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned()
        }
        Value::Object(members) => {
            let lists = members.iter().filter_map(|(name, value)| Some((name, value.as_array()?.len())));
            match lists.max_by_key(|(_, count)| *count) {
                Some((name, count)) => format!("{count} {name}"),
                None => content.to_string(),
            }
        }
        other => other.to_string(),
    };
    match line.char_indices().nth(MOST_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_result_is_told_in_one_line() {
        assert_eq!(preview(&json!({"records": [1, 2], "next_cursor": null})), "2 records");
        assert_eq!(preview(&json!("\nid,Name\nrec1,Ada")), "id,Name");
        assert_eq!(preview(&json!({"count": 3})), r#"{"count":3}"#);
        assert_eq!(preview(&json!("ä".repeat(500))).chars().count(), 121);
    }
}
