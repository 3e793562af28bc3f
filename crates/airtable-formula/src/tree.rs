//! The syntax tree. It is flat (nodes refer to nodes by index), so that no depth of nesting can exhaust the stack.

use std::fmt;
use std::ops::Range;

use crate::lexer::Operator;

/// A parsed formula. It prints as an equivalent formula, with no more parentheses than needed.
///
/// Two trees are equal if they mean the same text but for white space, redundant parentheses, the case of function
/// names and the way literals are written.
#[derive(Debug, Clone)]
pub struct Tree {
    /// In post-order: children before their parent, the root last.
    pub(crate) nodes: Vec<Node>,
}

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    pub(crate) span: Range<usize>,
}

pub(crate) type NodeId = usize;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum NodeKind {
    /// Never negative, never NaN.
    Number(f64),
    Text(String),
    Field {
        name: String,
        braced: bool,
    },
    Unary {
        negate: bool,
        operand: NodeId,
    },
    Binary {
        operator: Operator,
        left: NodeId,
        right: NodeId,
    },
    /// The function's name in upper case.
    Call {
        function: String,
        arguments: Vec<NodeId>,
    },
}

impl Tree {
    /// The id of the outermost node.
    pub(crate) fn root(&self) -> NodeId {
        self.nodes.len() - 1
    }

    /// Names of the fields as written, and whether they stand in braces; in order of appearance, with repetitions.
    pub fn field_names(&self) -> impl Iterator<Item = (&str, bool)> {
        self.nodes.iter().filter_map(|node| match &node.kind {
            NodeKind::Field { name, braced } => Some((name.as_str(), *braced)),
            _ => None,
        })
    }

    /// The same formula with fields renamed: `rename` gets the name and whether it stands in braces, and gives the new
    /// name, which is then written in braces; `None` leaves the field as it is.
    ///
    /// With this a formula is brought into the form that Airtable's metadata shows (`{fld…}`), and back.
    #[must_use]
    pub fn rename_fields(&self, mut rename: impl FnMut(&str, bool) -> Option<String>) -> Self {
        let mut tree = self.clone();
        for node in &mut tree.nodes {
            if let NodeKind::Field { name, braced } = &mut node.kind
                && let Some(renamed) = rename(name, *braced)
            {
                *name = renamed;
                *braced = true;
            }
        }
        tree
    }

    /// The text that the tree was parsed from, with fields renamed as in [`Self::rename_fields`] and nothing else changed.
    #[must_use]
    pub fn rename_fields_in(
        &self,
        source: &str,
        mut rename: impl FnMut(&str, bool) -> Option<String>,
    ) -> String {
        let mut text = String::with_capacity(source.len());
        let mut copied = 0;
        // Leaves stand in the order of the text.
        for Node { kind, span } in &self.nodes {
            if let NodeKind::Field { name, braced } = kind
                && let Some(renamed) = rename(name, *braced)
                && let Some(before) = source.get(copied..span.start)
            {
                text.push_str(before);
                text.push_str(&format!("{{{}}}", renamed.replace('}', "\\}")));
                copied = span.end;
            }
        }
        text.push_str(source.get(copied..).unwrap_or_default());
        text
    }
}

impl PartialEq for Tree {
    fn eq(&self, other: &Self) -> bool {
        self.nodes.len() == other.nodes.len()
            && self.nodes.iter().zip(&other.nodes).all(|(a, b)| a.kind == b.kind)
    }
}

/// Binds tighter than any operator.
const UNARY: u8 = 5;

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, " ")
    }
}

impl Tree {
    /// Prints the formula with `space` around operators and behind commas.
    pub(crate) fn write(&self, f: &mut fmt::Formatter<'_>, space: &'static str) -> fmt::Result {
        enum Piece {
            /// A node, in parentheses if it binds less tightly than this.
            Node(NodeId, u8),
            Word(&'static str),
        }
        let mut work = vec![Piece::Node(self.root(), 0)];
        while let Some(piece) = work.pop() {
            let (id, at_least) = match piece {
                Piece::Word(word) => {
                    f.write_str(word)?;
                    continue;
                }
                Piece::Node(id, at_least) => (id, at_least),
            };
            match &self.nodes[id].kind {
                NodeKind::Number(value) => write_number(f, *value)?,
                NodeKind::Text(text) => write_text(f, text)?,
                NodeKind::Field { name, braced: true } => write!(f, "{{{}}}", name.replace('}', "\\}"))?,
                NodeKind::Field { name, braced: false } => f.write_str(name)?,
                NodeKind::Unary { negate, operand } => {
                    f.write_str(if *negate { "-" } else { "+" })?;
                    work.push(Piece::Node(*operand, UNARY));
                }
                NodeKind::Binary { operator, left, right } => {
                    let precedence = operator.precedence();
                    if precedence < at_least {
                        f.write_str("(")?;
                        work.push(Piece::Word(")"));
                    }
                    work.push(Piece::Node(*right, precedence + 1));
                    work.extend([space, operator.symbol(), space].map(Piece::Word));
                    work.push(Piece::Node(*left, precedence));
                }
                NodeKind::Call { function, arguments } => {
                    write!(f, "{function}(")?;
                    work.push(Piece::Word(")"));
                    for (index, argument) in arguments.iter().enumerate().rev() {
                        work.push(Piece::Node(*argument, 0));
                        if index > 0 {
                            work.extend([space, ","].map(Piece::Word));
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

fn write_number(f: &mut fmt::Formatter<'_>, value: f64) -> fmt::Result {
    if value.is_finite() {
        write!(f, "{value}") // Digits only: the language has no exponents.
    } else {
        write!(f, "1{:0309}", 0) // The shortest literal that overflows.
    }
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            '\r' => f.write_str("\\r")?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}
