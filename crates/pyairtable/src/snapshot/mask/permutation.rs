//! Whole numbers below a limit, each in place of another one: a keyed permutation that leaves none where it was.

use super::Key;

const ROUNDS: u32 = 8;

/// What stands for `value`, which is below `limit`. Below a limit of 1 there is only one.
///
/// A Feistel network permutes numbers of an even count of bits; one that lands beyond the limit is permuted again until it
/// does not. Conjugating a rotation with that keeps everything from standing for itself.
pub(super) fn turn(key: &Key, domain: &str, limit: u128, value: u128) -> u128 {
    if limit <= 1 {
        return value;
    }
    let network = Network::new(key, domain, limit);
    let steps = 1 + network.round(u32::MAX, 0) % (limit - 1);
    let place = (network.walk(value, Network::forth) + steps) % limit;
    network.walk(place, Network::back)
}

struct Network<'k> {
    key: &'k Key,
    domain: String,
    limit: u128,
    half_bits: u32,
}

impl<'k> Network<'k> {
    fn new(key: &'k Key, domain: &str, limit: u128) -> Self {
        let bits = 128 - (limit - 1).leading_zeros();
        Self { key, domain: format!("{domain} {limit}"), limit, half_bits: bits.div_ceil(2).max(1) }
    }

    fn walk(&self, value: u128, step: fn(&Self, u128) -> u128) -> u128 {
        let mut value = step(self, value);
        while value >= self.limit {
            value = step(self, value);
        }
        value
    }

    fn halves(&self, value: u128) -> (u128, u128) {
        (value >> self.half_bits, value & self.mask())
    }

    fn mask(&self) -> u128 {
        (1 << self.half_bits) - 1
    }

    fn forth(&self, value: u128) -> u128 {
        let (mut left, mut right) = self.halves(value);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ (self.round(round, right) & self.mask()));
        }
        left << self.half_bits | right
    }

    fn back(&self, value: u128) -> u128 {
        let (mut left, mut right) = self.halves(value);
        for round in (0..ROUNDS).rev() {
            (left, right) = (right ^ (self.round(round, left) & self.mask()), left);
        }
        left << self.half_bits | right
    }

    fn round(&self, round: u32, half: u128) -> u128 {
        super::short(&self.key.digest(&self.domain, &half.to_le_bytes(), round))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_permutation_without_a_fixed_point() {
        let key = Key::from_secret("a key for tests");
        for limit in [2, 3, 5, 9, 10, 81, 90, 1000] {
            let mut turned: Vec<_> = (0..limit).map(|value| turn(&key, "test", limit, value)).collect();
            assert!(turned.iter().zip(0..).all(|(turned, value)| *turned != value), "{limit}: {turned:?}");
            turned.sort_unstable();
            assert!(turned.into_iter().eq(0..limit), "{limit}");
        }
        assert_eq!(turn(&key, "test", 1, 0), 0);
    }

    #[test]
    fn large_limits_are_no_slower() {
        let key = Key::from_secret("a key for tests");
        let limit = 10_u128.pow(18);
        let turned: std::collections::HashSet<_> =
            (0..200).map(|value| turn(&key, "test", limit, value)).collect();
        assert_eq!(turned.len(), 200);
        assert!(turned.iter().all(|value| *value < limit));
    }
}
