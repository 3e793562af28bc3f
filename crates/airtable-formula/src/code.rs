//! Compiled formulas: a list of operations for a machine with a stack.

use std::collections::HashSet;

use crate::function::Function;
use crate::functions::regex::RegexFunction;
use crate::lexer::Operator;
use crate::regexp::Pattern;
use crate::value::Value;

/// Index into one of the lists of a [`Program`], or of an operation to go on with.
pub(crate) type Index = u32;

/// One step. Operands are taken from the stack, the last on top; the result is pushed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Op {
    Constant(Index),
    Field(Index),
    RecordId,
    CreatedTime,
    /// Of any field, or of those in [`Program::field_lists`].
    LastModifiedTime(Option<Index>),
    /// A sign: the number, or its negative.
    Sign {
        negate: bool,
    },
    Binary(Operator),
    Concatenate(u32),
    Call {
        function: &'static Function,
        arguments: u32,
    },
    /// The pattern, the second argument, lies on the stack but is not looked at.
    Regex {
        function: RegexFunction,
        pattern: Index,
        arguments: u32,
    },
    /// Whether the operand equals one of [`Program::sets`].
    AnyOf(Index),
    IsError,
    /// Takes a condition: if false, goes on at `otherwise`; an error becomes the result, at `end`.
    Branch {
        otherwise: Index,
        end: Index,
    },
    Jump(Index),
    /// Looks at the subject of a `SWITCH`: an error stays the result, at `end`.
    Subject {
        end: Index,
    },
    /// Takes a pattern of a `SWITCH`; if it equals the subject below, takes that too, else goes on at `next`. An error
    /// becomes the result, at `end`.
    Case {
        next: Index,
        end: Index,
    },
    Drop,
}

/// What a formula compiles to.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) ops: Vec<Op>,
    pub(crate) constants: Vec<Value<'static>>,
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) sets: Vec<HashSet<Box<str>>>,
    pub(crate) field_lists: Vec<Vec<usize>>,
}
