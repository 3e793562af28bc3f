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
    fn something_else_is_not_suggested() {
        assert_eq!(nearest("Owner", ["Status", "Price"]), None);
        assert_eq!(nearest("x", ["y"]), None);
        assert_eq!(nearest("", [""]), None);
    }
}
