//! What one formula may cost: limits that depend on the input alone, never on the clock.

use crate::coerce;
use crate::value::{ErrorKind, Value};

/// Bounds on one formula and on one evaluation of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest formula that compiles, in bytes. (Airtable takes some 16,000 characters in a URL and more in a body.)
    pub formula_bytes: usize,
    /// Parentheses and calls within each other, at most. Nothing recurses, so this only keeps out nonsense.
    pub nesting: usize,
    /// Longest text that an evaluation may build, in bytes. (An Airtable long text cell holds 100,000 characters.)
    pub text_bytes: usize,
    /// Work of one evaluation: an operation counts one unit, and so do sixteen bytes of text that it reads or four that it
    /// builds, so that this bounds memory too. When it is used up, the result is [`ErrorKind::Limit`].
    pub work: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { formula_bytes: 1 << 17, nesting: 1000, text_bytes: 1 << 20, work: 1 << 22 }
    }
}

/// Bytes of text that count as one unit of work when they are read.
const BYTES_READ_PER_UNIT: usize = 16;

/// Likewise when they are built.
const BYTES_BUILT_PER_UNIT: usize = 4;

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
        self.spend((bytes / BYTES_READ_PER_UNIT) as u64)
    }

    /// Counts text that is about to be built; refuses one that would be too long.
    pub(crate) fn build(&mut self, bytes: usize) -> Result<(), ErrorKind> {
        if bytes > self.text_bytes {
            return Err(ErrorKind::Limit);
        }
        self.spend((bytes / BYTES_BUILT_PER_UNIT) as u64)
    }

    /// Counts an array that a row has made, and the text that may be made of it.
    pub(crate) fn hold(&mut self, value: &Value<'_>) -> Result<(), ErrorKind> {
        match value {
            Value::Array(items) => {
                let bytes = size_of_val(items.as_slice()) + coerce::weight(value);
                self.spend((bytes / BYTES_BUILT_PER_UNIT) as u64)
            }
            _ => Ok(()),
        }
    }
}
