//! One line about a tool's result, for people.

use serde_json::Value;

const MOST_CHARS: usize = 120;

/// What the tools' server puts before its texts while Airtable is emulated; people are told that once, elsewhere.
const LABEL: &str = "(emulated Airtable) ";

/// The first line of the text, such as "3 tables in base app…"; where that is JSON or missing, how many things there are.
pub(crate) fn preview(text: &str, structured: Option<&Value>) -> String {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty());
    let first = first.filter(|line| !line.starts_with(['{', '[']));
    let line = match (first, structured) {
        (Some(line), _) => sentence(line.strip_prefix(LABEL).unwrap_or(line)).to_owned(),
        (None, Some(structured)) => counted(structured),
        (None, None) => text.trim().to_owned(),
    };
    match line.char_indices().nth(MOST_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Without what follows the first sentence, which is for the model, such as how to get the next page.
fn sentence(line: &str) -> &str {
    line.split_once(". ").map_or(line, |(first, _)| first).trim_end_matches([':', '.'])
}

/// Such as "records: 12".
fn counted(structured: &Value) -> String {
    let members = structured.as_object().into_iter().flatten();
    let lists = members.filter_map(|(name, value)| Some((name, value.as_array()?.len())));
    match lists.max_by_key(|(_, count)| *count) {
        Some((name, count)) => format!("{name}: {count}"),
        None => structured.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_result_is_told_in_one_line() {
        let records = json!({"records": [1, 2], "next_cursor": null});
        assert_eq!(
            preview("(emulated Airtable) 2 records of \"Tasks\":\nid,Name", Some(&records)),
            "2 records of \"Tasks\""
        );
        assert_eq!(
            preview("\"Tasks\": records 1-3, more follow. To continue, repeat the call.\nid", None),
            "\"Tasks\": records 1-3, more follow"
        );
        assert_eq!(preview("", Some(&records)), "records: 2");
        assert_eq!(preview(&records.to_string(), Some(&records)), "records: 2");
        assert_eq!(preview("[1]", None), "[1]");
        assert_eq!(preview(&"ä".repeat(500), None).chars().count(), 121);
    }
}
