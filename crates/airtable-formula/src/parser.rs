//! Tokens to syntax tree: operator precedence with stacks of our own, so that no nesting is too deep.

use std::ops::Range;

use crate::cost::Limits;
use crate::error::{CompileError, Location};
use crate::lexer::{Lexer, Operator, SyntaxError, Token};
use crate::tree::{Node, NodeId, NodeKind, Tree};

impl Tree {
    /// Parses a formula. Fields and functions may be any; they are looked up when it is compiled.
    pub fn parse(source: &str) -> Result<Self, CompileError> {
        Self::parse_within(source, &Limits::default())
    }

    /// As [`Self::parse`], with other limits on length and nesting.
    pub fn parse_within(source: &str, limits: &Limits) -> Result<Self, CompileError> {
        if source.len() > limits.formula_bytes {
            return Err(CompileError::TooLong { bytes: source.len(), limit: limits.formula_bytes });
        }
        let parser = Parser {
            lexer: Lexer::new(source),
            nodes: Vec::new(),
            operands: Vec::new(),
            pending: Vec::new(),
            may_open: limits.nesting,
        };
        parser.formula().map_err(|error| CompileError::Syntax {
            message: error.message,
            expected: error.expected,
            at: Location::new(source, error.span),
        })
    }
}

/// What waits for its operand or its closing parenthesis.
enum Pending {
    Binary(Operator),
    Unary {
        negate: bool,
        start: usize,
    },
    Parenthesis(Range<usize>),
    /// `operands` is how many there were before the first argument.
    Call {
        function: String,
        span: Range<usize>,
        operands: usize,
    },
}

struct Parser<'s> {
    lexer: Lexer<'s>,
    nodes: Vec<Node>,
    operands: Vec<NodeId>,
    pending: Vec<Pending>,
    /// How many parentheses may still be opened within the open ones.
    may_open: usize,
}

/// What can stand where a value is missing.
const VALUE: &str = "a number, a \"text\", a {Field} or a FUNCTION(…)";

impl Parser<'_> {
    fn formula(mut self) -> Result<Tree, SyntaxError> {
        loop {
            self.operand()?;
            if !self.after_operand()? {
                return Ok(Tree { nodes: self.nodes });
            }
        }
    }

    /// Reads up to and including one literal, field or call without arguments, opening what stands before it.
    fn operand(&mut self) -> Result<(), SyntaxError> {
        loop {
            let (token, span) = self.lexer.next()?;
            match token {
                Token::Number(value) => self.push(NodeKind::Number(value), span),
                Token::Text(text) => self.push(NodeKind::Text(text), span),
                Token::Braced(name) => self.push(NodeKind::Field { name, braced: true }, span),
                Token::Name(name) if self.lexer.at_open() => {
                    let (_, open) = self.lexer.next()?;
                    let function = name.to_ascii_uppercase();
                    if self.lexer.at_close() {
                        let (_, close) = self.lexer.next()?;
                        self.push(NodeKind::Call { function, arguments: Vec::new() }, span.start..close.end);
                        return Ok(());
                    }
                    self.open(&span)?;
                    let operands = self.operands.len();
                    self.pending.push(Pending::Call { function, span: span.start..open.end, operands });
                    continue;
                }
                Token::Name(name) => self.push(NodeKind::Field { name, braced: false }, span),
                Token::Open => {
                    self.open(&span)?;
                    self.pending.push(Pending::Parenthesis(span));
                    continue;
                }
                Token::Operator(operator @ (Operator::Add | Operator::Subtract)) => {
                    let negate = operator == Operator::Subtract;
                    self.pending.push(Pending::Unary { negate, start: span.start });
                    continue;
                }
                other => return Err(self.no_value(&other, span)),
            }
            return Ok(());
        }
    }

    /// Closes what ends after an operand; whether another operand must follow.
    fn after_operand(&mut self) -> Result<bool, SyntaxError> {
        loop {
            let (token, span) = self.lexer.next()?;
            match token {
                Token::Operator(operator) => {
                    self.reduce(operator.precedence());
                    self.pending.push(Pending::Binary(operator));
                    return Ok(true);
                }
                Token::Comma => {
                    self.reduce(0);
                    match self.pending.last() {
                        Some(Pending::Call { .. }) => return Ok(true),
                        _ => {
                            return Err(SyntaxError::new(
                                "a comma can only separate arguments of a function",
                                span,
                            ));
                        }
                    }
                }
                Token::Close => {
                    self.reduce(0);
                    match self.pending.pop() {
                        Some(Pending::Call { function, span: name, operands }) => {
                            self.may_open += 1;
                            let arguments = self.operands.split_off(operands);
                            self.push(NodeKind::Call { function, arguments }, name.start..span.end);
                        }
                        Some(Pending::Parenthesis(_)) => self.may_open += 1,
                        _ => return Err(SyntaxError::new("this ) has no opening parenthesis", span)),
                    }
                }
                Token::End => {
                    self.reduce(0);
                    return match self.pending.pop() {
                        Some(Pending::Call { span, .. } | Pending::Parenthesis(span)) => {
                            Err(SyntaxError::new("this parenthesis is never closed", span))
                        }
                        _ => Ok(false),
                    };
                }
                Token::Name(word) if is_logical_word(&word) => {
                    let word = word.to_ascii_uppercase();
                    return Err(SyntaxError::new(format!("{word} is a function: {word}(…, …)"), span));
                }
                _ => return Err(self.no_operator(span)),
            }
        }
    }

    fn no_value(&self, found: &Token, span: Range<usize>) -> SyntaxError {
        let before = match self.pending.last() {
            Some(Pending::Binary(operator)) => Some(operator.symbol()),
            _ => None,
        };
        let message = match (found, before) {
            (Token::End, None) if self.nodes.is_empty() && self.pending.is_empty() => {
                "the formula is empty".to_owned()
            }
            (Token::End, None) => "a value is missing at the end".to_owned(),
            (Token::Operator(Operator::Equal), Some("=")) => "values are compared with a single =".to_owned(),
            (Token::Operator(Operator::Equal), None) if self.nodes.is_empty() => {
                "a formula does not begin with =".to_owned()
            }
            (Token::Operator(Operator::Divide), Some("/")) => "formulas have no comments".to_owned(),
            (Token::Operator(Operator::Concatenate), Some("&")) => {
                "\"and\" is the function AND(…, …)".to_owned()
            }
            (Token::End, Some(symbol)) => format!("a value is missing after {symbol}"),
            (_, Some(symbol)) => format!("a value is missing between {symbol} and this"),
            _ => "a value is missing before this".to_owned(),
        };
        SyntaxError::new(message, span).expecting(VALUE)
    }

    fn no_operator(&mut self, span: Range<usize>) -> SyntaxError {
        self.reduce(0);
        let (message, expected) = match self.pending.last() {
            Some(Pending::Call { .. }) => {
                ("an operator or a comma is missing before this", "an operator, a comma or )")
            }
            Some(_) => ("an operator is missing before this", "an operator or )"),
            None => ("an operator is missing before this", "an operator, or the end of the formula"),
        };
        SyntaxError::new(message, span).expecting(expected)
    }

    fn open(&mut self, span: &Range<usize>) -> Result<(), SyntaxError> {
        match self.may_open.checked_sub(1) {
            Some(left) => {
                self.may_open = left;
                Ok(())
            }
            None => Err(SyntaxError::new("the formula is nested too deeply", span.clone())),
        }
    }

    fn push(&mut self, kind: NodeKind, span: Range<usize>) {
        self.operands.push(self.nodes.len());
        self.nodes.push(Node { kind, span });
    }

    /// Turns waiting operators that bind at least as tightly into nodes.
    fn reduce(&mut self, precedence: u8) {
        loop {
            match self.pending.last() {
                Some(Pending::Binary(operator)) if operator.precedence() >= precedence => {
                    let operator = *operator;
                    let right = self.operands.pop().expect("an operand follows each operator");
                    let left = self.operands.pop().expect("an operand precedes each binary operator");
                    let span = self.nodes[left].span.start..self.nodes[right].span.end;
                    self.push(NodeKind::Binary { operator, left, right }, span);
                }
                Some(&Pending::Unary { negate, start }) => {
                    let operand = self.operands.pop().expect("an operand follows each sign");
                    let span = start..self.nodes[operand].span.end;
                    self.push(NodeKind::Unary { negate, operand }, span);
                }
                _ => return,
            }
            self.pending.pop();
        }
    }
}

fn is_logical_word(word: &str) -> bool {
    ["AND", "OR", "NOT", "XOR"].iter().any(|logical| word.eq_ignore_ascii_case(logical))
}
