//! Made-up words. None is part of another, so that finding one in a text means that it was said.

use std::collections::HashSet;

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

/// What names look like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// One word of plain letters, as a person may say it in a sentence.
    Plain,
    /// With all that Airtable allows in names: blanks, quotes, signs, letters of other scripts.
    Awkward,
}

const STARTS: [&str; 24] = [
    "br", "d", "f", "gl", "h", "j", "kr", "l", "m", "n", "pl", "qu", "r", "sk", "t", "v", "w", "z", "tr",
    "dr", "fl", "sn", "b", "p",
];
const VOWELS: [&str; 8] = ["a", "e", "i", "o", "u", "ai", "oo", "ei"];
const ENDS: [&str; 10] = ["b", "ck", "d", "lm", "n", "p", "rt", "x", "nk", "v"];

pub(super) struct Words {
    style: Style,
    used: HashSet<String>,
}

impl Words {
    pub(super) fn new(style: Style) -> Self {
        Self { style, used: HashSet::new() }
    }

    /// A name that was not given before.
    pub(super) fn name(&mut self, rng: &mut StdRng) -> String {
        let word = self.word(rng);
        match self.style {
            Style::Plain => word,
            Style::Awkward => decorated(rng, &word),
        }
    }

    /// A capitalised word that was not given before.
    pub(super) fn word(&mut self, rng: &mut StdRng) -> String {
        loop {
            let syllables = rng.random_range(2..4);
            let mut word: String = (0..syllables)
                .flat_map(|_| [STARTS.choose(rng).unwrap(), VOWELS.choose(rng).unwrap()])
                .copied()
                .collect();
            word.push_str(ENDS.choose(rng).unwrap());
            let is_part = |used: &String| used.contains(&word) || word.contains(used.as_str());
            if word.len() < 6 || self.used.iter().any(is_part) {
                continue;
            }
            self.used.insert(word.clone());
            return word[..1].to_uppercase() + &word[1..];
        }
    }

    /// Some words of prose.
    pub(super) fn prose(&mut self, rng: &mut StdRng) -> String {
        const FILLERS: [&str; 8] = ["und", "\n", "\"so\"", "the", "—", "50%", "ünd", "a, b;"];
        let count = rng.random_range(2..7);
        let words: Vec<&str> = (0..count).map(|_| *FILLERS.choose(rng).unwrap()).collect();
        words.join(" ")
    }
}

fn decorated(rng: &mut StdRng, word: &str) -> String {
    match rng.random_range(0..13) {
        0 => format!("{word} (€)"),
        1 => format!("{word} / 100%"),
        2 => format!("Größe {word}"),
        3 => format!("{word}'s"),
        4 => format!("\"{word}\" & co"),
        5 => format!("{word}, late"),
        6 => format!("{word}?"),
        7 => format!("№ {word} #1"),
        8 => format!("{word}+日本"),
        9 => format!("{word} \\ x"),
        10 => format!("{word}: [y]"),
        11 => format!("{word} {{y}} z"),
        _ => word.to_owned(),
    }
}
