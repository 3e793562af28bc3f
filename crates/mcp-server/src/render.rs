//! Rows as text that fits into a model's context: CSV, Markdown or JSON, cut at a row.

use std::fmt::Write as _;

use serde_json::Value;

/// Most bytes of text in one result: common clients cut a tool's result at some 25,000 tokens.
pub(crate) const TEXT_LIMIT: usize = 60_000;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Csv,
    Markdown,
    Json,
}

/// The values of the argument `format`.
pub(crate) const FORMATS: &[&str] = &["csv", "markdown", "json"];

impl Format {
    pub(crate) fn of(text: Option<&str>) -> Self {
        match text {
            Some("markdown") => Self::Markdown,
            Some("json") => Self::Json,
            _ => Self::Csv,
        }
    }
}

/// A table as text, and how many rows of it are there.
pub(crate) struct Rendered {
    pub(crate) text: String,
    pub(crate) rows: usize,
}

/// Writes as many rows as fit into `limit` bytes, at least one. `json` has a row's JSON by its index.
pub(crate) fn rows(
    format: Format,
    columns: &[&str],
    rows: &[Vec<String>],
    json: impl Fn(usize) -> Value,
    limit: usize,
) -> Rendered {
    let mut text = String::new();
    match format {
        Format::Csv => csv_line(&mut text, columns.iter().copied()),
        Format::Markdown => {
            markdown_line(&mut text, columns.iter().copied());
            markdown_line(&mut text, columns.iter().map(|_| "---"));
        }
        Format::Json => text.push('['),
    }
    let mut written = 0;
    for (at, row) in rows.iter().enumerate() {
        let before = text.len();
        match format {
            Format::Csv => csv_line(&mut text, row.iter().map(String::as_str)),
            Format::Markdown => markdown_line(&mut text, row.iter().map(String::as_str)),
            Format::Json => {
                let comma = if at == 0 { "" } else { ",\n" };
                let _ = write!(text, "{comma}{}", json(at));
            }
        }
        if text.len() > limit && at > 0 {
            text.truncate(before);
            break;
        }
        written = at + 1;
    }
    if format == Format::Json {
        text.push(']');
    }
    Rendered { text: text.trim_end_matches('\n').to_owned(), rows: written }
}

/// RFC 4180, with line feeds alone.
fn csv_line<'c>(text: &mut String, cells: impl Iterator<Item = &'c str>) {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            text.push(',');
        }
        if cell.contains([',', '"', '\n', '\r']) {
            text.push('"');
            text.push_str(&cell.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(cell);
        }
    }
    text.push('\n');
}

fn markdown_line<'c>(text: &mut String, cells: impl Iterator<Item = &'c str>) {
    text.push('|');
    for cell in cells {
        let cell = cell.replace('\\', "\\\\").replace('|', "\\|").replace(['\n', '\r'], " ");
        let _ = write!(text, " {cell} |");
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sample() -> Vec<Vec<String>> {
        vec![vec!["1".into(), "a,b".into()], vec!["2".into(), "say \"hi\"\nthere|".into()]]
    }

    #[test]
    fn each_format_keeps_cells_apart() {
        let text = |format| rows(format, &["id", "Name"], &sample(), |at| json!({"id": at}), 1000).text;
        assert_eq!(text(Format::Csv), "id,Name\n1,\"a,b\"\n2,\"say \"\"hi\"\"\nthere|\"");
        assert_eq!(
            text(Format::Markdown),
            "| id | Name |\n| --- | --- |\n| 1 | a,b |\n| 2 | say \"hi\" there\\| |"
        );
        assert_eq!(text(Format::Json), "[{\"id\":0},\n{\"id\":1}]");
    }

    #[test]
    fn text_is_cut_at_a_row_and_never_to_nothing() {
        let many: Vec<Vec<String>> = (0..100).map(|n| vec![format!("{n:04}")]).collect();
        let cut = rows(Format::Csv, &["n"], &many, |_| Value::Null, 52);
        assert_eq!((cut.rows, cut.text.lines().count()), (10, 11));
        assert_eq!(rows(Format::Csv, &["n"], &many, |_| Value::Null, 1).rows, 1);
    }
}
