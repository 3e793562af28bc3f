//! The functions, by family. Each takes its evaluated arguments; errors among them were dealt with before.

pub(crate) mod array;
pub(crate) mod date;
pub(crate) mod logical;
pub(crate) mod numeric;
pub(crate) mod regex;
pub(crate) mod text;
