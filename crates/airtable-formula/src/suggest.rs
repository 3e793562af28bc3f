//! "Did you mean …?"

/// Longest name, in characters, that takes part: the comparison is quadratic.
const LONGEST: usize = 64;

/// The candidate nearest to a misspelt name, if one is near enough: about one edit in three letters, case aside.
pub fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let wanted = letters(name)?;
    let allowed = (wanted.len() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let have = letters(candidate)?;
            if have.len().abs_diff(wanted.len()) > allowed {
                return None;
            }
            let distance = edit_distance(&wanted, &have);
            (distance <= allowed && distance < wanted.len()).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Airtable's function for what spreadsheets and databases call otherwise; `name` in upper case.
pub(crate) fn function_elsewhere(name: &str) -> Option<&'static str> {
    Some(match name {
        "ISBLANK" | "ISEMPTY" | "ISNULL" | "ISNA" | "NULL" => "BLANK",
        "IFERROR" | "IFNA" | "ISERR" => "ISERROR",
        "IFS" | "CASE" | "CHOOSE" => "SWITCH",
        "CONCAT" => "CONCATENATE",
        "JOIN" | "TEXTJOIN" => "ARRAYJOIN",
        "UNIQUE" => "ARRAYUNIQUE",
        "FLATTEN" => "ARRAYFLATTEN",
        "CONTAINS" | "INSTR" | "INDEXOF" | "POSITION" => "FIND",
        "SUBSTR" | "SUBSTRING" => "MID",
        "LENGTH" | "STRLEN" => "LEN",
        "UCASE" | "TOUPPER" => "UPPER",
        "LCASE" | "TOLOWER" => "LOWER",
        "REPEAT" => "REPT",
        "ENCODEURL" | "URLENCODE" | "ENCODE_URL" => "ENCODE_URL_COMPONENT",
        "AVG" | "MEAN" => "AVERAGE",
        "CEIL" => "CEILING",
        "POW" => "POWER",
        "TRUNC" => "ROUNDDOWN",
        "TEXT" | "FORMAT" | "DATE_FORMAT" | "FORMAT_DATE" => "DATETIME_FORMAT",
        "DATE" | "DATEVALUE" | "TO_DATE" | "PARSE_DATE" => "DATETIME_PARSE",
        "DATEDIFF" | "DATE_DIFF" => "DATETIME_DIFF",
        "DATE_ADD" | "EDATE" | "ADDDATE" => "DATEADD",
        "NETWORKDAYS" => "WORKDAY_DIFF",
        "ID" | "RECORDID" => "RECORD_ID",
        _ => return None,
    })
}

fn letters(name: &str) -> Option<Vec<char>> {
    let letters: Vec<char> = name.trim().chars().take(LONGEST + 1).flat_map(char::to_lowercase).collect();
    (!letters.is_empty() && letters.len() <= LONGEST).then_some(letters)
}

/// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
fn edit_distance(a: &[char], b: &[char]) -> usize {
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (last[j + 1] + 1).min(row[j] + 1).min(last[j] + usize::from(x != y));
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_keyboard_is_found() {
        let names = ["Status", "Start date", "Price", "CONCATENATE"];
        assert_eq!(nearest("Statsu", names), Some("Status"));
        assert_eq!(nearest("price", names), Some("Price"));
        assert_eq!(nearest("Startdate", names), Some("Start date"));
        assert_eq!(nearest("CONCATINATE", names), Some("CONCATENATE"));
    }

    #[test]
    fn what_other_languages_have_leads_to_a_function_that_exists() {
        for name in
            ["ISBLANK", "CONCAT", "IFERROR", "DATEVALUE", "SUBSTRING", "TEXT", "AVG", "ID", "TRUNC", "EDATE"]
        {
            let found = function_elsewhere(name).and_then(crate::function::Function::find);
            assert!(found.is_some(), "{name}");
            assert!(crate::function::Function::find(name).is_none(), "{name}");
        }
        assert_eq!(function_elsewhere("EXACT"), None);
    }

    #[test]
    fn something_else_is_not_suggested() {
        assert_eq!(nearest("Owner", ["Status", "Price"]), None);
        assert_eq!(nearest("x", ["y"]), None);
        assert_eq!(nearest("", [""]), None);
    }
}
