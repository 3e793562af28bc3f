//! Names to fields and functions, and everything that can be wrong with a well-formed formula.

use std::collections::HashSet;

use crate::error::{CompileError, Location, UnknownName};
use crate::function::{Function, Kind, Outcome};
use crate::lexer::Operator;
use crate::schema::{Schema, ValueType};
use crate::suggest;
use crate::tree::{Node, NodeKind, Tree};

/// What the names of a formula stand for.
#[derive(Debug)]
pub(crate) struct Binding {
    /// One for each node of the tree.
    pub(crate) names: Vec<Bound>,
    /// Sorted, each once.
    pub(crate) fields: Vec<usize>,
    /// Names of the functions whose result depends on the time, each once.
    pub(crate) volatile: Vec<&'static str>,
    pub(crate) modification_times: bool,
    pub(crate) result_type: ValueType,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    /// The node is no name.
    Nothing,
    Field(usize),
    Function(&'static Function),
}

/// Names that are functions without arguments even where no parentheses follow, if no field is called so.
const BARE: [&str; 5] = ["TRUE", "FALSE", "BLANK", "NOW", "TODAY"];

/// Suggestions are made for this many names of each sort; looking for one costs time.
const SUGGESTIONS: usize = 5;

pub(crate) fn bind(tree: &Tree, source: &str, schema: &Schema) -> Result<Binding, CompileError> {
    let names = look_up(tree, source, schema)?;
    for (node, bound) in tree.nodes.iter().zip(&names) {
        if let (NodeKind::Call { arguments, .. }, Bound::Function(function)) = (&node.kind, bound) {
            check_call(function, arguments, node, &names, source)?;
        }
    }
    let mut fields: Vec<usize> = names
        .iter()
        .filter_map(|bound| if let Bound::Field(index) = bound { Some(*index) } else { None })
        .collect();
    fields.sort_unstable();
    fields.dedup();
    let mut volatile: Vec<&str> =
        tree.nodes.iter().zip(&names).filter_map(|(node, bound)| volatile(node, *bound)).collect();
    volatile.sort_unstable();
    volatile.dedup();
    let modification_times = names.iter().any(
        |bound| matches!(bound, Bound::Function(function) if matches!(function.kind, Kind::LastModifiedTime)),
    );
    let result_type = result_type(tree, &names, schema);
    Ok(Binding { names, fields, volatile, modification_times, result_type })
}

/// All unknown fields are reported together; if there are none, all unknown functions.
fn look_up(tree: &Tree, source: &str, schema: &Schema) -> Result<Vec<Bound>, CompileError> {
    let mut unknown_fields = Vec::new();
    let mut unknown_functions = Vec::new();
    let mut names = Vec::with_capacity(tree.nodes.len());
    for node in &tree.nodes {
        names.push(match &node.kind {
            NodeKind::Field { name, braced } => {
                let found = if *braced { schema.find_braced(name) } else { schema.find_bare(name) };
                let constant = || {
                    let bare = !braced && BARE.iter().any(|bare| bare.eq_ignore_ascii_case(name));
                    bare.then(|| Function::find(name)).flatten()
                };
                match found.map(Bound::Field).or_else(|| constant().map(Bound::Function)) {
                    Some(bound) => bound,
                    None => {
                        unknown_fields.push((name.as_str(), node));
                        Bound::Nothing
                    }
                }
            }
            NodeKind::Call { function: name, .. } => match Function::find(name) {
                Some(function) => Bound::Function(function),
                None => {
                    unknown_functions.push((name.as_str(), node));
                    Bound::Nothing
                }
            },
            _ => Bound::Nothing,
        });
    }
    if !unknown_fields.is_empty() {
        let candidates: Vec<&str> = schema.fields().iter().map(|field| field.name.as_str()).collect();
        let names = unknown(unknown_fields, &candidates, |_| None);
        let at = Location::new(source, names[0].span.clone());
        return Err(CompileError::UnknownFields { names, at });
    }
    if !unknown_functions.is_empty() {
        let candidates: Vec<&str> = Function::names().collect();
        let mut names = unknown(unknown_functions, &candidates, suggest::function_elsewhere);
        for unknown in &mut names {
            unknown.span.end = unknown.span.start + unknown.name.len();
        }
        let at = Location::new(source, names[0].span.clone());
        return Err(CompileError::UnknownFunctions { names, at });
    }
    Ok(names)
}

/// In order of appearance, each once.
fn unknown(
    mut found: Vec<(&str, &Node)>,
    candidates: &[&str],
    elsewhere: fn(&str) -> Option<&'static str>,
) -> Vec<UnknownName> {
    found.sort_by_key(|(_, node)| node.span.start);
    let mut seen = HashSet::new();
    found.retain(|(name, _)| seen.insert(*name));
    found
        .into_iter()
        .enumerate()
        .map(|(index, (name, node))| UnknownName {
            name: name.to_owned(),
            did_you_mean: (index < SUGGESTIONS)
                .then(|| elsewhere(name).or_else(|| suggest::nearest(name, candidates.iter().copied())))
                .flatten()
                .map(str::to_owned),
            span: node.span.clone(),
        })
        .collect()
}

fn check_call(
    function: &'static Function,
    arguments: &[usize],
    node: &Node,
    names: &[Bound],
    source: &str,
) -> Result<(), CompileError> {
    let name_only = node.span.start..node.span.start + function.name.len();
    if let Kind::NotBuilt = function.kind {
        let at = Location::new(source, name_only);
        return Err(CompileError::NotBuilt { function: function.name.to_owned(), at });
    }
    if !(function.least..=function.most).contains(&arguments.len()) {
        return Err(CompileError::ArgumentCount {
            function: function.name.to_owned(),
            given: arguments.len(),
            expected: function.expected(),
            at: Location::new(source, node.span.clone()),
        });
    }
    let takes_fields_only = matches!(function.kind, Kind::LastModifiedTime);
    if takes_fields_only && arguments.iter().any(|argument| !matches!(names[*argument], Bound::Field(_))) {
        let message = format!("{} takes nothing but fields", function.name);
        return Err(CompileError::Syntax {
            message,
            expected: None,
            at: Location::new(source, node.span.clone()),
        });
    }
    Ok(())
}

fn volatile(node: &Node, bound: Bound) -> Option<&'static str> {
    let Bound::Function(function) = bound else { return None };
    let is_volatile = match (function.kind, &node.kind) {
        (Kind::Volatile(_), _) => true,
        // What a pattern leaves out, or the text lacks, is today's.
        (Kind::DatetimeParse(_), NodeKind::Call { arguments, .. }) => arguments.len() > 1,
        _ => false,
    };
    is_volatile.then_some(function.name)
}

/// Children stand before their parents, so one pass is enough.
fn result_type(tree: &Tree, names: &[Bound], schema: &Schema) -> ValueType {
    let mut types: Vec<ValueType> = Vec::with_capacity(tree.nodes.len());
    for (node, bound) in tree.nodes.iter().zip(names) {
        let of_call = |function: &Function, arguments: &[usize]| match function.result {
            Outcome::Is(result) => result,
            Outcome::Branch => branches(function, arguments)
                .map(|argument| types[argument])
                .reduce(ValueType::or)
                .unwrap_or(ValueType::Blank),
            Outcome::Extreme => {
                let all = arguments.iter().map(|argument| types[*argument]);
                all.fold(ValueType::Number, |result, argument| match (result, argument) {
                    (ValueType::Date, _) | (_, ValueType::Date) => ValueType::Date,
                    (ValueType::Any, _) | (_, ValueType::Any | ValueType::Array) => ValueType::Any,
                    _ => ValueType::Number,
                })
            }
        };
        types.push(match (&node.kind, bound) {
            (_, Bound::Field(index)) => schema.fields()[*index].kind.into(),
            (NodeKind::Call { arguments, .. }, Bound::Function(function)) => of_call(function, arguments),
            (_, Bound::Function(function)) => of_call(function, &[]),
            (NodeKind::Number(_) | NodeKind::Unary { .. }, _) => ValueType::Number,
            (NodeKind::Text(_), _) => ValueType::Text,
            (NodeKind::Binary { operator, .. }, _) => match operator {
                Operator::Add | Operator::Subtract | Operator::Multiply | Operator::Divide => {
                    ValueType::Number
                }
                Operator::Concatenate => ValueType::Text,
                _ => ValueType::Boolean,
            },
            (NodeKind::Field { .. } | NodeKind::Call { .. }, Bound::Nothing) => ValueType::Any,
        });
    }
    types[tree.root()]
}

/// The arguments that can be the result.
fn branches<'t>(function: &Function, arguments: &'t [usize]) -> impl Iterator<Item = usize> + use<'t> {
    let is_if = matches!(function.kind, Kind::If);
    let last = arguments.len() - 1;
    arguments.iter().enumerate().filter_map(move |(index, argument)| {
        // In a SWITCH: every result, and the default, which is what is left over at the end.
        let is_result = if is_if { index > 0 } else { index > 0 && (index % 2 == 0 || index == last) };
        is_result.then_some(*argument)
    })
}
