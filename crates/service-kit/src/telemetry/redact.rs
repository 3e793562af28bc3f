/// What a credential starts with, and how many characters after it make it one (fewer are ordinary text).
const PATTERNS: [(&str, usize); 7] = [
    ("pya_", 12),   // our own keys
    ("pat", 17),    // Airtable's personal access tokens: `pat` + 14 characters + `.` + 64
    ("Bearer ", 8), // whatever is presented
    ("bearer ", 8), //
    ("AIza", 30),   // Google
    ("sk-", 16),    // OpenAI and those who do as it does
    ("v1.eyJ", 24), // a signed principal
];

/// Replaces credentials by their first characters and `…`. One pass, and no copy where there is nothing to replace.
pub(super) fn redact(line: String) -> String {
    let bytes = line.as_bytes();
    let mut clean = String::new();
    let mut copied = 0;
    let mut at = 0;
    while at < bytes.len() {
        match credential_end(&line, at) {
            Some((shown, end)) => {
                clean.push_str(&line[copied..shown]);
                clean.push('…');
                copied = end;
                at = end;
            }
            None => at += 1,
        }
    }
    if copied == 0 {
        return line;
    }
    clean.push_str(&line[copied..]);
    clean
}

/// Where the credential that starts at `at` has its secret part: from, to.
fn credential_end(line: &str, at: usize) -> Option<(usize, usize)> {
    let bytes = line.as_bytes();
    if !matches!(bytes[at], b'p' | b'B' | b'b' | b'A' | b's' | b'v') {
        return None;
    }
    // Within a word these letters are no start: `pat` in `path`, `sk-` in `task-list`.
    if at > 0 && (bytes[at - 1].is_ascii_alphanumeric()) {
        return None;
    }
    let (prefix, least) = PATTERNS.iter().find(|(prefix, _)| bytes[at..].starts_with(prefix.as_bytes()))?;
    let from = at + prefix.len();
    let length = bytes[from..].iter().take_while(|byte| is_token_byte(**byte)).count();
    let long_enough = length >= *least;
    // `pat` is also how English words start; a token of Airtable's has its dot at a fixed place.
    let is_right = *prefix != "pat" || bytes.get(from + 14) == Some(&b'.');
    (long_enough && is_right).then_some((from, from + length))
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'+' | b'/' | b'=')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keys::ApiKey;

    #[track_caller]
    fn check(line: &str, expected: &str) {
        assert_eq!(redact(line.to_owned()), expected);
    }

    #[test]
    fn credentials_are_cut_off() {
        check("key=pya_live_abcd1234_AAAAAAAAAAAAAAAA end", "key=pya_… end");
        check("\"Authorization\":\"Bearer abc.def-123\"", "\"Authorization\":\"Bearer …\"");
        check("patAAAAAAAAAAAAAA.0123456789abcdef0123", "pat…");
        check("AIzaSyA1234567890123456789012345678901234", "AIza…");
        check("x pya_live_abcd1234_AA pya_live_abcd1234_BB", "x pya_… pya_…");
    }

    #[test]
    fn ordinary_text_stays() {
        for line in [
            "",
            "GET /v0/{base_id}/{table} 200 3 ms",
            "pattern patience patchwork-of-many-words",
            "the task-list-of-everybody-in-the-house",
            "a Bearer token is missing",
            "Bürö pya_ äöü",
            "pya_live",
        ] {
            check(line, line);
        }
    }

    proptest! {
        #[test]
        fn a_key_never_survives(before in "\\PC*[^a-zA-Z0-9]", after in "([^a-zA-Z0-9]\\PC*)?") {
            let key = ApiKey::mint().unwrap();
            let line = redact(format!("{before}{}{after}", key.expose()));
            let secret = &key.expose()[18..];
            prop_assert!(!line.contains(secret), "{}", line);
        }

        #[test]
        fn every_line_is_survived(line in "\\PC*") {
            let _ = redact(line);
        }
    }
}
