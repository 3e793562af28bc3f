//! Vectors that depend on the words of a text and on nothing else: no meaning, but equal texts are equal and texts that share
//! words are near each other.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// A vector of length 1 (all zeros for a text without words). Each word, without regard to case, adds to a few dimensions
/// that its hash chooses.
pub(super) fn vector(text: &str, dimensions: usize) -> Vec<f64> {
    const PLACES_PER_WORD: u64 = 8;
    let mut vector = vec![0.0; dimensions];
    for word in text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let word = word.to_lowercase();
        for place in 0..PLACES_PER_WORD {
            let mut hasher = DefaultHasher::new();
            (&word, place).hash(&mut hasher);
            let hash = hasher.finish();
            let sign = if hash & 1 == 0 { 1.0 } else { -1.0 };
            vector[(hash >> 1) as usize % dimensions] += sign;
        }
    }
    let length = vector.iter().map(|number| number * number).sum::<f64>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|number| *number /= length);
    }
    vector
}

#[cfg(test)]
mod tests {
    use super::*;

    fn similarity(a: &str, b: &str) -> f64 {
        vector(a, 768).iter().zip(vector(b, 768)).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn equal_texts_are_equal_and_common_words_bring_texts_near() {
        assert!((similarity("Open tasks", "open TASKS") - 1.0).abs() < 1e-9);
        assert!(similarity("open tasks of Ada", "open tasks of Bruno") > 0.5);
        assert!(similarity("open tasks", "blue whale").abs() < 0.3);
        assert_eq!(vector("", 3), [0.0; 3]);
    }
}
