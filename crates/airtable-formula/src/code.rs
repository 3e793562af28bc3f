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
    /// Most values that lie on the stack at once.
    pub(crate) depth: usize,
}

impl Program {
    /// Walks once through the operations. All jumps lead forward, so the depth at each place is known on arrival.
    pub(crate) fn measure_depth(&mut self) {
        let mut at_place = vec![0usize; self.ops.len() + 1];
        let mut depth = 0usize;
        for (place, op) in self.ops.iter().enumerate() {
            depth = depth.max(at_place[place]);
            let mut arrive = |target: Index, depth: usize| {
                let known = &mut at_place[target as usize];
                *known = depth.max(*known);
            };
            depth = match *op {
                Op::Constant(_) | Op::Field(_) | Op::RecordId | Op::CreatedTime | Op::LastModifiedTime(_) => {
                    depth + 1
                }
                Op::AnyOf(_) => depth,
                Op::Branch { otherwise, end } => {
                    arrive(otherwise, depth - 1);
                    arrive(end, depth);
                    depth - 1
                }
                Op::Jump(target) => {
                    arrive(target, depth);
                    0 // What follows is reached by other ways.
                }
                Op::Subject { end } => {
                    arrive(end, depth);
                    depth
                }
                Op::Case { next, end } => {
                    arrive(next, depth - 1);
                    arrive(end, depth - 1);
                    depth - 2
                }
                Op::Drop => depth - 1,
                Op::Sign { .. }
                | Op::Binary(_)
                | Op::Concatenate(_)
                | Op::Call { .. }
                | Op::Regex { .. }
                | Op::IsError => depth + 1 - crate::vm::operands(op).unwrap_or(0),
            };
            self.depth = self.depth.max(depth);
        }
    }
}
