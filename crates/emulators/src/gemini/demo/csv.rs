//! Results that came as text, brought back into the shape of structured ones: a tool's text stands in where that was too large.

use serde_json::{Map, Value, json};

/// Records or groups out of a text with lines of CSV: a head, the names of columns, the rows. `None` if there are none.
pub(super) fn rows(text: &str) -> Option<Vec<Map<String, Value>>> {
    let lines = parse(text);
    let ends_a_head = |line: &Vec<String>| line.last().is_some_and(|cell| cell.ends_with(':'));
    let start = (0..lines.len()).find(|at| {
        lines[*at].len() > 1
            && (lines[*at][0] == "id" || at.checked_sub(1).is_some_and(|before| ends_a_head(&lines[before])))
    })?;
    let columns = &lines[start];
    let rows: Vec<Map<String, Value>> = lines[start + 1..]
        .iter()
        .take_while(|line| line.len() == columns.len())
        .map(|line| columns.iter().cloned().zip(line.iter().map(|cell| json!(cell))).collect())
        .collect();
    (!rows.is_empty()).then_some(rows)
}

/// RFC 4180, with line feeds.
fn parse(text: &str) -> Vec<Vec<String>> {
    let mut lines = Vec::new();
    let mut line = vec![String::new()];
    let mut letters = text.chars().peekable();
    let mut in_quotes = false;
    while let Some(letter) = letters.next() {
        let cell_is_empty = line.last().is_some_and(String::is_empty);
        match letter {
            '"' if in_quotes && letters.peek() == Some(&'"') => {
                letters.next();
                push(&mut line, '"');
            }
            '"' if in_quotes => in_quotes = false,
            '"' if cell_is_empty => in_quotes = true,
            ',' if !in_quotes => line.push(String::new()),
            '\n' if !in_quotes => lines.push(std::mem::replace(&mut line, vec![String::new()])),
            '\r' if !in_quotes => {}
            other => push(&mut line, other),
        }
    }
    lines.push(line);
    lines
}

fn push(line: &mut [String], letter: char) {
    if let Some(cell) = line.last_mut() {
        cell.push(letter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_between_head_and_end() {
        let text = "\"Tasks\" (3 records, all pages read), 2 groups:\nStatus,count\n\"a, b\",2\nc,1\nOverall: count = 3";
        let rows = rows(text).unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0]["Status"], "a, b");
        assert_eq!(rows[1]["count"], "1");
        assert!(super::rows("nothing here").is_none());
    }
}
