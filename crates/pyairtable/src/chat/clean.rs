//! Text from elsewhere on its way to a terminal.

/// Replaces everything by which a text could command the terminal, or look other than it is: control characters become
/// pictures of themselves, changes of direction become �. Only line breaks and tabs stay. Nothing is left out, so no text
/// can hide what follows it; each character stands for itself, so texts may be cut anywhere.
pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\n' | '\t' => character,
            '\0'..='\u{1f}' => picture(character),
            '\u{7f}' => '\u{2421}',
            '\u{80}'..='\u{9f}' => char::REPLACEMENT_CHARACTER,
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
            _ => character,
        })
        .collect()
}

/// The same on one line of at most `most` characters.
pub(crate) fn clean_line(text: &str, most: usize) -> String {
    let mut words = clean(text).split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = words.char_indices().nth(most) {
        words.truncate(end);
        words.push('…');
    }
    words
}

/// U+2400 and the following show U+0000 and the following.
fn picture(control: char) -> char {
    char::from_u32(0x2400 + u32::from(control)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_comes_through() {
        let text = "a\u{1b}[31mb\u{1b}]0;title\u{7}c\u{9b}2Jd\re\u{7f}f\u{202e}g\0h";
        assert_eq!(clean(text), "a␛[31mb␛]0;title␇c\u{fffd}2Jd␍e␡f\u{fffd}g␀h");
        let all: String = (0..0x3000).filter_map(char::from_u32).collect();
        assert!(clean(&all).chars().all(|c| !c.is_control() || c == '\n' || c == '\t'));
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        let text = "Größe\t42 €\n— 日本語 🎉 👩‍👩‍👧";
        assert_eq!(clean(text), text);
    }

    #[test]
    fn a_line_is_one_line_of_bounded_length() {
        assert_eq!(clean_line("a\n\n  b\tc\u{1b}", 100), "a b c␛");
        assert_eq!(clean_line("äöüß", 3), "äöü…");
    }
}
