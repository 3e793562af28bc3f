//! Words of questions and of names, brought into forms that can be compared: without case, accents, plural and punctuation.

/// What a piece of a question is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Word,
    /// `1,200`, `€5000`, `12.5%` (0.125).
    Number(f64),
    /// `2026-03-01`.
    Day(String),
    /// What stands in quotes.
    Quoted,
    /// `=`, `!=`, `<`, `<=`, `>`, `>=`, `:`, `,`.
    Sign,
}

/// A piece of a question.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    /// As written; without the quotes.
    pub(super) text: String,
    /// Lower case, without accents.
    pub(super) norm: String,
    pub(super) kind: Kind,
    /// Whether it belongs to the piece before it: written together, as in `kick-off`.
    pub(super) joined: bool,
}

impl Token {
    pub(super) fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.norm == word
    }

    pub(super) fn is_any(&self, words: &[&str]) -> bool {
        self.kind == Kind::Word && words.contains(&self.norm.as_str())
    }
}

/// Lower case, without accents.
pub(super) fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars().flat_map(char::to_lowercase) {
        match letter {
            'à'..='å' | 'ā' | 'ă' | 'ą' => out.push('a'),
            'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => out.push('c'),
            'ð' | 'ď' | 'đ' => out.push('d'),
            'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => out.push('e'),
            'ĝ' | 'ğ' | 'ġ' | 'ģ' => out.push('g'),
            'ĥ' | 'ħ' => out.push('h'),
            'ì'..='ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' => out.push('i'),
            'ĵ' => out.push('j'),
            'ķ' => out.push('k'),
            'ĺ' | 'ļ' | 'ľ' | 'ł' => out.push('l'),
            'ñ' | 'ń' | 'ņ' | 'ň' => out.push('n'),
            'ò'..='ö' | 'ø' | 'ō' | 'ŏ' | 'ő' => out.push('o'),
            'ŕ' | 'ŗ' | 'ř' => out.push('r'),
            'ś' | 'ŝ' | 'ş' | 'š' | 'ș' => out.push('s'),
            'ţ' | 'ť' | 'ț' => out.push('t'),
            'ù'..='ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' => out.push('u'),
            'ŵ' => out.push('w'),
            'ý' | 'ÿ' | 'ŷ' => out.push('y'),
            'ź' | 'ż' | 'ž' => out.push('z'),
            'æ' => out.push_str("ae"),
            'œ' => out.push_str("oe"),
            'ß' => out.push_str("ss"),
            // Accents that stand by themselves.
            '\u{300}'..='\u{36f}' => {}
            other => out.push(other),
        }
    }
    out
}

const QUOTES: [(char, char); 5] = [('"', '"'), ('“', '”'), ('„', '“'), ('‘', '’'), ('«', '»')];

/// Takes a question apart.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut rest = text;
    let mut joined = false;
    while let Some(first) = rest.chars().next() {
        let taken = quoted(rest, joined)
            .or_else(|| day(rest))
            .or_else(|| number(rest, joined))
            .or_else(|| sign(rest))
            .or_else(|| word(rest));
        match taken {
            Some((mut token, length)) => {
                token.joined = joined;
                // "Ada's" is Ada.
                let is_genitive =
                    joined && token.norm == "s" && rest_before(text, rest).ends_with(['\'', '’']);
                if !is_genitive {
                    out.push(token);
                }
                rest = &rest[length..];
                joined = true;
            }
            None => {
                rest = &rest[first.len_utf8()..];
                joined = joined && !first.is_whitespace();
            }
        }
    }
    out
}

fn rest_before<'t>(text: &'t str, rest: &str) -> &'t str {
    &text[..text.len() - rest.len()]
}

fn token(text: &str, kind: Kind) -> Token {
    Token { text: text.to_owned(), norm: fold(text), kind, joined: false }
}

fn quoted(rest: &str, joined: bool) -> Option<(Token, usize)> {
    let first = rest.chars().next()?;
    for (open, close) in QUOTES {
        if first == open
            && let Some(end) = rest[open.len_utf8()..].find(close)
        {
            let inner = &rest[open.len_utf8()..open.len_utf8() + end];
            let length = open.len_utf8() + end + close.len_utf8();
            return Some((token(inner.trim(), Kind::Quoted), length));
        }
    }
    // An apostrophe quotes only if it begins a word, and another one ends one.
    if first == '\'' && !joined {
        let inner = &rest[1..];
        let end = inner.char_indices().find(|(at, letter)| {
            let next = inner[at + letter.len_utf8()..].chars().next();
            *letter == '\'' && next.is_none_or(|next| !next.is_alphanumeric())
        });
        if let Some((end, _)) = end {
            return Some((token(inner[..end].trim(), Kind::Quoted), end + 2));
        }
    }
    None
}

fn day(rest: &str) -> Option<(Token, usize)> {
    let text = rest.get(..10)?;
    let ends = rest[10..].chars().next().is_none_or(|next| !next.is_alphanumeric());
    let bytes = text.as_bytes();
    let fits = bytes.iter().enumerate().all(|(at, byte)| match at {
        4 | 7 => *byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    (ends && fits && text.parse::<jiff::civil::Date>().is_ok())
        .then(|| (token(text, Kind::Day(text.to_owned())), 10))
}

fn number(rest: &str, joined: bool) -> Option<(Token, usize)> {
    let digits = rest.trim_start_matches(['€', '$', '£']);
    let sign = rest.len() - digits.len();
    let (minus, digits) = match digits.strip_prefix('-') {
        Some(digits) if !joined => (1, digits),
        _ => (0, digits),
    };
    let bytes = digits.as_bytes();
    let mut end = 0;
    let mut plain = String::new();
    while end < bytes.len() {
        let next_is_digit = bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
        match bytes[end] {
            byte @ b'0'..=b'9' => plain.push(char::from(byte)),
            // Thousands, three digits each.
            b',' if end > 0
                && bytes[end + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count() == 3 => {}
            b'.' if end > 0 && next_is_digit && !plain.contains('.') => plain.push('.'),
            _ => break,
        }
        end += 1;
    }
    let mut value: f64 = plain.parse().ok()?;
    let mut length = sign + minus + end;
    let after = &rest[length..];
    if let Some(behind) = after.strip_prefix('%') {
        value /= 100.0;
        length += after.len() - behind.len();
    } else if after.strip_prefix(['k', 'K']).is_some_and(|behind| !behind.starts_with(char::is_alphanumeric))
    {
        value *= 1000.0;
        length += 1;
    } else if after.starts_with(char::is_alphabetic) {
        return None; // `3rd`, `2b`: a word
    }
    if minus == 1 {
        value = -value;
    }
    let mut token = token(&rest[..length], Kind::Number(value));
    // Names have numbers too, and are compared by their digits.
    token.norm = digits[..end].to_owned();
    Some((token, length))
}

fn sign(rest: &str) -> Option<(Token, usize)> {
    let known = ["!=", "<>", "<=", ">=", "≤", "≥", "≠", "==", "=", "<", ">", ":", ","];
    let sign = known.iter().find(|sign| rest.starts_with(**sign))?;
    let norm = match *sign {
        "<>" | "≠" => "!=",
        "≤" => "<=",
        "≥" => ">=",
        "==" => "=",
        other => other,
    };
    let mut token = token(sign, Kind::Sign);
    token.norm = norm.to_owned();
    Some((token, sign.len()))
}

/// Airtable's ids are one piece, whatever letters are in them.
fn id_length(rest: &str) -> Option<usize> {
    const LENGTH: usize = 17;
    let id = rest.get(..LENGTH)?;
    let is_id = ["rec", "app", "tbl", "fld", "viw"].iter().any(|prefix| id.starts_with(prefix))
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let ends = rest[LENGTH..].chars().next().is_none_or(|next| !next.is_alphanumeric());
    (is_id && ends).then_some(LENGTH)
}

fn word(rest: &str) -> Option<(Token, usize)> {
    if let Some(length) = id_length(rest) {
        return Some((token(&rest[..length], Kind::Word), length));
    }
    let mut end = 0;
    let mut before: Option<char> = None;
    for (at, letter) in rest.char_indices() {
        let is_part = letter.is_alphanumeric() || ('\u{300}'..='\u{36f}').contains(&letter);
        // `DueDate` is two words.
        let is_hump = before.is_some_and(char::is_lowercase) && letter.is_uppercase();
        if !is_part || is_hump {
            break;
        }
        before = Some(letter);
        end = at + letter.len_utf8();
    }
    (end > 0).then(|| (token(&rest[..end], Kind::Word), end))
}

/// The words of a name, in the form in which they are compared.
pub(super) fn name_words(name: &str) -> Vec<String> {
    tokens(name)
        .into_iter()
        .filter(|token| token.kind != Kind::Sign)
        .flat_map(|token| match token.kind {
            Kind::Quoted => name_words(&token.text),
            _ => vec![token.norm],
        })
        .collect()
}

const IRREGULAR: [(&str, &str); 12] = [
    ("people", "person"),
    ("children", "child"),
    ("men", "man"),
    ("women", "woman"),
    ("feet", "foot"),
    ("teeth", "tooth"),
    ("mice", "mouse"),
    ("geese", "goose"),
    ("criteria", "criterion"),
    ("indices", "index"),
    ("analyses", "analysis"),
    ("lives", "life"),
];

/// The word, and what it may be the plural of.
fn forms(word: &str) -> Vec<String> {
    let mut forms = vec![word.to_owned()];
    if let Some((_, singular)) = IRREGULAR.iter().find(|(plural, _)| *plural == word) {
        forms.push((*singular).to_owned());
    }
    // Short words are not plurals: "is", "as", "us".
    if word.chars().count() > 3 && !word.ends_with("ss") {
        if let Some(stem) = word.strip_suffix("ies") {
            forms.push(format!("{stem}y"));
        }
        if let Some(stem) = word.strip_suffix("ves") {
            forms.push(format!("{stem}f"));
        }
        if let Some(stem) = word.strip_suffix("es") {
            forms.push(stem.to_owned());
        }
        if let Some(stem) = word.strip_suffix('s') {
            forms.push(stem.to_owned());
        }
    }
    forms
}

/// How well two words agree: 2 if equal, 1 if one may be the plural of the other, 0 otherwise.
pub(super) fn agreement(a: &str, b: &str) -> u32 {
    if a == b {
        return 2;
    }
    let (a, b) = (forms(a), forms(b));
    u32::from(a.iter().any(|form| b.contains(form)))
}

/// Whether the words of a name stand at this place of a question: how many pieces they take, and how well they agree (at
/// most 2 a word).
pub(super) fn name_at(tokens: &[Token], at: usize, name: &[String]) -> Option<(usize, u32)> {
    if name.is_empty() {
        return None;
    }
    if let Some(token) = tokens.get(at)
        && token.kind == Kind::Quoted
    {
        let quoted = name_words(&token.text);
        if quoted.len() != name.len() {
            return None;
        }
        let score = all_agree(quoted.iter().map(String::as_str), name)?;
        return Some((1, score));
    }
    let here = tokens.get(at..at + name.len())?;
    if here.iter().any(|token| matches!(token.kind, Kind::Quoted | Kind::Sign)) {
        return None;
    }
    Some((name.len(), all_agree(here.iter().map(|token| token.norm.as_str()), name)?))
}

fn all_agree<'a>(words: impl Iterator<Item = &'a str>, name: &[String]) -> Option<u32> {
    let mut score = 0;
    for (word, name) in words.zip(name) {
        match agreement(word, name) {
            0 => return None,
            agreed => score += agreed,
        }
    }
    Some(score)
}

/// Words that say nothing about what is asked for, once everything else is understood.
const FILLERS: &str = "\
    compare a about above across actually all also altogether am amount an and any anything are aren as ascending \
    assigned at base be been being belong belonging belongs broken but by called can column columns come \
    could count currently day descending did different display distinct do does don down each entire every \
    exactly exist exists field fields find first for from get give go got grouped had handle handles has \
    have having hello hey hi how i if in instead into is isn it its just kindly know knows labeled labelled \
    last let like list many marked me month much my named need no not now number of ok okay on ones only or \
    order ordered our out overall own owns per please record records related right row rows s same see set \
    show so some sort sorted speak speaks split still sum t table tables tagged tell than thanks that the \
    their them then there these they this those to today's together top total unique up us use uses using \
    want was we week were what whats when where which who whole whom whose will with within without would \
    year you your";

/// Words that say as little, unless the table has something of that name.
const SOFT: &str = "\
    data entries entry item items kind thing things value values work working works current looking \
    information info details everything";

/// Whether a list of words has this one.
fn lists(list: &str, word: &str) -> bool {
    list.split(' ').any(|listed| listed == word)
}

/// Whether it is one of the words that say nothing by themselves.
pub(super) fn is_filler_word(word: &str) -> bool {
    lists(FILLERS, word)
}

/// Whether a word is too common to be a name without a mark, such as a capital.
pub(super) fn is_common(token: &Token) -> bool {
    is_filler(token) && !lists(SOFT, &token.norm)
}

pub(super) fn is_filler(token: &Token) -> bool {
    match token.kind {
        Kind::Sign => true,
        Kind::Word => lists(FILLERS, &token.norm) || lists(SOFT, &token.norm),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn norms(text: &str) -> Vec<String> {
        tokens(text).into_iter().map(|token| token.norm).collect()
    }

    #[test]
    fn questions_are_taken_apart() {
        assert_eq!(norms("How many open Tasks?"), ["how", "many", "open", "tasks"]);
        assert_eq!(norms("Ada's kick-off"), ["ada", "kick", "off"]);
        assert_eq!(norms("Städte für DueDate"), ["stadte", "fur", "due", "date"]);
        let kinds = |text: &str| tokens(text).into_iter().map(|token| token.kind).collect::<Vec<_>>();
        assert_eq!(
            kinds("€1,200.50 >= 5k 20% 2026-03-01 'my task' -3"),
            [
                Kind::Number(1200.5),
                Kind::Sign,
                Kind::Number(5000.0),
                Kind::Number(0.2),
                Kind::Day("2026-03-01".to_owned()),
                Kind::Quoted,
                Kind::Number(-3.0),
            ]
        );
        assert_eq!(tokens("the “Due date” field")[1].text, "Due date");
        assert_eq!(norms("it's O'Neill"), ["it", "o", "neill"], "an apostrophe in a word quotes nothing");
    }

    #[test]
    fn plural_and_singular_agree() {
        for (a, b) in [
            ("task", "tasks"),
            ("people", "person"),
            ("company", "companies"),
            ("boxes", "box"),
            ("status", "statuses"),
        ] {
            assert_eq!(agreement(a, b), 1, "{a} {b}");
        }
        assert_eq!(agreement("task", "test"), 0);
        assert_eq!(agreement("is", "i"), 0);
    }

    #[test]
    fn names_are_found_where_they_stand() {
        let question = tokens("how many \"due dates\" in the kick-off list");
        assert_eq!(name_at(&question, 2, &name_words("Due date")), Some((1, 3)));
        assert_eq!(name_at(&question, 5, &name_words("Kick off")), Some((2, 4)));
        assert_eq!(name_at(&question, 0, &name_words("Due date")), None);
    }
}
