//! Pieces of a formula under construction. They are syntax trees, never text, so that nothing a piece contains can end a
//! literal or change what binds to what.

use std::fmt;

use crate::lexer::Operator;
use crate::tree::{Node, NodeKind, Tree};

/// A part of a formula.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expression(Tree);

impl Expression {
    fn leaf(kind: NodeKind) -> Self {
        Self(Tree { nodes: vec![node(kind)] })
    }

    pub(crate) fn text(text: &str) -> Self {
        Self::leaf(NodeKind::Text(text.to_owned()))
    }

    /// A number has digits only: numbers that are none, or have no end, are written as the quotients that give them.
    pub(crate) fn number(x: f64) -> Self {
        let digits = |x: f64| Self::leaf(NodeKind::Number(x));
        if x.is_nan() {
            return digits(0.0).binary(Operator::Divide, digits(0.0));
        }
        let size =
            if x.is_infinite() { digits(1.0).binary(Operator::Divide, digits(0.0)) } else { digits(x.abs()) };
        if x < 0.0 { size.negated() } else { size }
    }

    pub(crate) fn boolean(boolean: bool) -> Self {
        Self::call(if boolean { "TRUE" } else { "FALSE" }, [])
    }

    /// A field by the name or id that stands between the braces.
    pub(crate) fn field(name: &str) -> Self {
        Self::leaf(NodeKind::Field { name: name.to_owned(), braced: true })
    }

    /// `function` is one of the language's, in upper case.
    pub(crate) fn call(function: &'static str, arguments: impl IntoIterator<Item = Self>) -> Self {
        let mut nodes = Vec::new();
        let arguments = arguments.into_iter().map(|argument| append(&mut nodes, argument)).collect();
        nodes.push(node(NodeKind::Call { function: function.to_owned(), arguments }));
        Self(Tree { nodes })
    }

    pub(crate) fn binary(self, operator: Operator, right: Self) -> Self {
        let mut nodes = Vec::with_capacity(self.0.nodes.len() + right.0.nodes.len() + 1);
        let left = append(&mut nodes, self);
        let right = append(&mut nodes, right);
        nodes.push(node(NodeKind::Binary { operator, left, right }));
        Self(Tree { nodes })
    }

    fn negated(self) -> Self {
        let mut nodes = self.0.nodes;
        let operand = nodes.len() - 1;
        nodes.push(node(NodeKind::Unary { negate: true, operand }));
        Self(Tree { nodes })
    }

    pub(crate) fn equals(self, right: Self) -> Self {
        self.binary(Operator::Equal, right)
    }

    pub(crate) fn joined_with(self, right: Self) -> Self {
        self.binary(Operator::Concatenate, right)
    }

    /// Its text form: `… & ""`.
    pub(crate) fn into_text(self) -> Self {
        self.joined_with(Self::text(""))
    }

    pub(crate) fn not(self) -> Self {
        Self::call("NOT", [self])
    }

    pub(crate) fn otherwise_false(self, condition: Self) -> Self {
        Self::call("IF", [condition, self, Self::boolean(false)])
    }
}

/// Nodes of a formula that was not read stand nowhere.
fn node(kind: NodeKind) -> Node {
    Node { kind, span: 0..0 }
}

/// Appends an expression's nodes; the place of its root.
fn append(nodes: &mut Vec<Node>, expression: Expression) -> usize {
    let offset = nodes.len();
    nodes.extend(expression.0.nodes.into_iter().map(|mut node| {
        match &mut node.kind {
            NodeKind::Unary { operand, .. } => *operand += offset,
            NodeKind::Binary { left, right, .. } => {
                *left += offset;
                *right += offset;
            }
            NodeKind::Call { arguments, .. } => arguments.iter_mut().for_each(|argument| *argument += offset),
            NodeKind::Number(_) | NodeKind::Text(_) | NodeKind::Field { .. } => {}
        }
        node
    }));
    nodes.len() - 1
}

/// Without a space that is not needed: in a URL each takes three characters.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, "")
    }
}
