//! What one formula may cost: limits that depend on the input alone, never on the clock.

use crate::value::ErrorKind;

/// Bounds on one formula and on one evaluation of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest formula that compiles, in bytes.
    pub formula_bytes: usize,
    /// Longest text that an evaluation may build, in bytes. (An Airtable long text cell holds 100,000 characters.)
    pub text_bytes: usize,
    /// Work of one evaluation: an operation counts one unit, sixteen bytes of text it reads or builds count one more.
    /// When it is used up, the result is [`ErrorKind::Limit`].
    pub work: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { formula_bytes: 1 << 20, text_bytes: 1 << 20, work: 1 << 22 }
    }
}

/// Bytes of text that count as one unit of work.
const BYTES_PER_UNIT: usize = 16;

/// Counts down the work of one evaluation.
#[derive(Debug)]
pub(crate) struct Meter {
    left: u64,
    text_bytes: usize,
}

impl Meter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { left: limits.work, text_bytes: limits.text_bytes }
    }

    pub(crate) fn spend(&mut self, units: u64) -> Result<(), ErrorKind> {
        match self.left.checked_sub(units) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(ErrorKind::Limit)
            }
        }
    }

    /// Longest text that may be built, in bytes.
    pub(crate) fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    /// Counts text that is read.
    pub(crate) fn read(&mut self, bytes: usize) -> Result<(), ErrorKind> {
        self.spend((bytes / BYTES_PER_UNIT) as u64)
    }

    /// Counts text that is about to be built; refuses one that would be too long.
    pub(crate) fn build(&mut self, bytes: usize) -> Result<(), ErrorKind> {
        if bytes > self.text_bytes {
            return Err(ErrorKind::Limit);
        }
        self.read(bytes)
    }
}
