//! The implicit cache: which beginnings of prompts were seen before.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// How many beginnings are remembered.
const MOST: usize = 200_000;

/// A prompt as a chain of units (system instruction, each tool, each turn), each with what it costs.
#[derive(Debug)]
pub(super) struct Chain {
    hash: DefaultHasher,
    tokens: u64,
    /// After each unit: the hash of all up to it, and their tokens.
    links: Vec<(u64, u64)>,
}

impl Chain {
    /// `key` and `model` have a cache of their own.
    pub(super) fn new(key: &str, model: &str) -> Self {
        let mut hash = DefaultHasher::new();
        (key, model).hash(&mut hash);
        Self { hash, tokens: 0, links: Vec::new() }
    }

    pub(super) fn push(&mut self, unit: &str, tokens: u64) {
        unit.hash(&mut self.hash);
        self.tokens += tokens;
        self.links.push((self.hash.finish(), self.tokens));
    }

    /// Of the whole prompt.
    pub(super) fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Stands for the prompt as a whole.
    pub(super) fn place(&self) -> u64 {
        self.hash.finish()
    }
}

/// The beginnings seen so far, the oldest forgotten first.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    seen: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Prefixes {
    /// How many tokens of this prompt's beginning were in an earlier prompt, if they are at least `least`. The last unit is
    /// never taken for cached. The prompt is remembered.
    pub(super) fn cached(&mut self, chain: &Chain, least: u64) -> u64 {
        let before_last = chain.links.split_last().map_or(&[][..], |(_, rest)| rest);
        let known = before_last.iter().rev().find(|(hash, _)| self.seen.contains(hash));
        let cached = known.map_or(0, |(_, tokens)| *tokens);
        for (hash, _) in &chain.links {
            if self.seen.insert(*hash) {
                self.order.push_back(*hash);
            }
        }
        while self.order.len() > MOST {
            if let Some(oldest) = self.order.pop_front() {
                self.seen.remove(&oldest);
            }
        }
        if cached >= least { cached } else { 0 }
    }

    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(key: &str, units: &[&str]) -> Chain {
        let mut chain = Chain::new(key, "m");
        units.iter().for_each(|unit| chain.push(unit, 1000));
        chain
    }

    #[test]
    fn the_longest_common_beginning_is_cached_from_a_least_length_on() {
        let mut prefixes = Prefixes::default();
        let mut cached = |key: &str, units: &[&str]| prefixes.cached(&chain(key, units), 2000);
        assert_eq!(cached("k", &["s", "a", "b"]), 0);
        assert_eq!(cached("k", &["s", "a", "b", "c"]), 3000);
        assert_eq!(cached("k", &["s", "a", "x"]), 2000);
        assert_eq!(cached("k", &["s", "y"]), 0, "too short");
        assert_eq!(cached("other", &["s", "a", "b"]), 0, "another key");
        assert_eq!(cached("k", &["s", "a", "b"]), 2000, "the last turn is always new");
    }
}
