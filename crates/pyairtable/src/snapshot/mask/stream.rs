//! Bytes without end that follow from a seed.

use sha2::{Digest as _, Sha256};

pub(super) struct Stream {
    seed: [u8; 32],
    block: [u8; 32],
    used: usize,
    blocks: u64,
}

impl Stream {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self { seed, block: [0; 32], used: 32, blocks: 0 }
    }

    pub(super) fn byte(&mut self) -> u8 {
        if self.used == self.block.len() {
            self.blocks += 1;
            let digest =
                Sha256::new().chain_update(self.seed).chain_update(self.blocks.to_le_bytes()).finalize();
            self.block = digest.into();
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// A number below `limit`, which is not 0. The largest are a little less likely; nothing rests on that.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        let wide = (0..4).fold(0_u64, |number, _| number << 8 | u64::from(self.byte()));
        (wide % limit as u64) as usize
    }

    /// One of a list that is not empty.
    pub(super) fn pick<'l, T>(&mut self, list: &'l [T]) -> &'l T {
        &list[self.below(list.len())]
    }
}
