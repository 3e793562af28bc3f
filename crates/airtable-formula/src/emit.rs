//! Syntax tree to operations: constants folded, regular expressions compiled, branches that are never taken left out.

use std::collections::{HashMap, HashSet};

use crate::code::{Index, Op, Program};
use crate::coerce;
use crate::compile::{Binding, Bound};
use crate::cost::{Limits, Meter};
use crate::date::Date;
use crate::formula::Context;
use crate::function::{Function, Kind};
use crate::lexer::Operator;
use crate::regexp::Pattern;
use crate::tree::{NodeId, NodeKind, Tree};
use crate::value::Value;
use crate::vm::{self, Env, index};

/// Longest folded text, in bytes: what is longer is built anew each time, rather than kept.
const LONGEST_FOLDED: usize = 4096;

/// Regular expressions compiled ahead for one formula; further ones are compiled when they are met.
const MOST_PATTERNS: usize = 100;

/// Least number of comparisons of one field with texts, in one `OR`, that become a look-up.
const LEAST_ALTERNATIVES: usize = 4;

pub(crate) fn emit(tree: &Tree, binding: &Binding, limits: &Limits) -> Program {
    // Results that depend on the context are not folded, so any context does.
    let context = Context::new(jiff::Timestamp::UNIX_EPOCH);
    let mut emitter = Emitter {
        tree,
        names: &binding.names,
        program: Program::default(),
        work: vec![Work::Node(tree.root())],
        foldable_from: 0,
        patterns: HashMap::new(),
        env: Env::new(&context, Meter::new(limits)),
    };
    while let Some(work) = emitter.work.pop() {
        emitter.step(work);
    }
    emitter.program.measure_depth();
    emitter.program
}

/// What is still to be done, last first.
enum Work {
    Node(NodeId),
    Constant(Value<'static>),
    /// The operands of this are done.
    Op(Op),
    RegexCall(&'static Function, u32),
    AnyOf(HashSet<Box<str>>),
    /// The condition of an `IF` is done.
    Condition(NodeId),
    /// Its second argument is done; the branch is at this place.
    Then(NodeId, usize),
    /// All of it is done; so are the branch and the jump at these places.
    EndIf(usize, usize),
    /// The subject of a `SWITCH` is done.
    Subject(NodeId),
    /// A pattern is done, the one before this argument.
    Pattern(SwitchState),
    /// A result is done.
    CaseResult(SwitchState),
    EndSwitch(SwitchState),
}

/// Half-way through a `SWITCH`.
struct SwitchState {
    node: NodeId,
    /// The argument that comes next.
    next: usize,
    /// Operations whose end is the end of the `SWITCH`.
    to_end: Vec<usize>,
    /// The test whose `next` is what comes next.
    test: usize,
}

struct Emitter<'t> {
    tree: &'t Tree,
    names: &'t [Bound],
    program: Program,
    work: Vec<Work>,
    /// Operations before this one may be the end of a branch: they are not the operands of what follows.
    foldable_from: usize,
    patterns: HashMap<String, Index>,
    env: Env<'t>,
}

impl Emitter<'_> {
    fn step(&mut self, work: Work) {
        match work {
            Work::Node(id) => self.node(id),
            Work::Constant(value) => self.constant(value),
            Work::Op(op) => self.push_folded(op),
            Work::RegexCall(function, arguments) => self.regex_call(function, arguments),
            Work::AnyOf(set) => {
                self.program.sets.push(set);
                self.program.ops.push(Op::AnyOf(index(self.program.sets.len() - 1)));
            }
            Work::Condition(id) => self.condition(id),
            Work::Then(id, branch) => self.then(id, branch),
            Work::EndIf(branch, jump) => {
                let end = self.here();
                self.patch(branch, |op| match op {
                    Op::Branch { otherwise, .. } => Op::Branch { otherwise, end },
                    other => other,
                });
                self.patch(jump, |_| Op::Jump(end));
                self.foldable_from = self.program.ops.len();
            }
            Work::Subject(id) => {
                let subject = self.push(Op::Subject { end: 0 });
                self.switch(SwitchState { node: id, next: 1, to_end: vec![subject], test: subject });
            }
            Work::Pattern(state) => {
                let test = self.push(Op::Case { next: 0, end: 0 });
                let result = self.arguments(state.node)[state.next];
                let mut to_end = state.to_end;
                to_end.push(test);
                self.work.push(Work::CaseResult(SwitchState { next: state.next + 1, to_end, test, ..state }));
                self.work.push(Work::Node(result));
            }
            Work::CaseResult(mut state) => {
                let jump = self.push(Op::Jump(0));
                state.to_end.push(jump);
                let here = self.here();
                self.patch(state.test, |op| match op {
                    Op::Case { end, .. } => Op::Case { next: here, end },
                    other => other,
                });
                self.switch(state);
            }
            Work::EndSwitch(state) => {
                let here = self.here();
                for at in state.to_end {
                    self.patch(at, |op| match op {
                        Op::Case { next, .. } => Op::Case { next, end: here },
                        Op::Subject { .. } => Op::Subject { end: here },
                        _ => Op::Jump(here),
                    });
                }
                self.foldable_from = self.program.ops.len();
            }
        }
    }

    fn node(&mut self, id: NodeId) {
        match (&self.tree.nodes[id].kind, self.names[id]) {
            (_, Bound::Field(field)) => {
                self.push(Op::Field(index(field)));
            }
            (NodeKind::Number(number), _) => self.constant(Value::Number(*number)),
            (NodeKind::Text(text), _) => self.constant(Value::from(text.clone())),
            (NodeKind::Unary { negate, operand }, _) => {
                self.work.push(Work::Op(Op::Sign { negate: *negate }));
                self.work.push(Work::Node(*operand));
            }
            (NodeKind::Binary { operator: Operator::Concatenate, .. }, _) => {
                // A chain is one operation, so that it does not build every text on the way.
                let mut parts = Vec::new();
                let mut rest = id;
                while let NodeKind::Binary { operator: Operator::Concatenate, left, right } =
                    self.tree.nodes[rest].kind
                {
                    parts.push(right);
                    rest = left;
                }
                parts.push(rest);
                self.work.push(Work::Op(Op::Concatenate(index(parts.len()))));
                self.work.extend(parts.into_iter().map(Work::Node));
            }
            (NodeKind::Binary { operator, left, right }, _) => {
                self.work.push(Work::Op(Op::Binary(*operator)));
                self.work.extend([Work::Node(*right), Work::Node(*left)]);
            }
            (NodeKind::Call { arguments, .. }, Bound::Function(function)) => {
                self.call(id, function, arguments)
            }
            // A bare TRUE, NOW and so on.
            (_, Bound::Function(function)) => self.work.push(Work::Op(Op::Call { function, arguments: 0 })),
            (NodeKind::Field { .. } | NodeKind::Call { .. }, Bound::Nothing) => {
                unreachable!("formulas with unknown names are refused before")
            }
        }
    }

    fn call(&mut self, id: NodeId, function: &'static Function, arguments: &[NodeId]) {
        let count = index(arguments.len());
        match function.kind {
            Kind::Eager(_) | Kind::Volatile(_) | Kind::DatetimeParse(_) => {
                self.work.push(Work::Op(Op::Call { function, arguments: count }));
                self.work.extend(arguments.iter().rev().map(|argument| Work::Node(*argument)));
            }
            Kind::TwoDates(_) => {
                self.work.push(Work::Op(Op::Call { function, arguments: count }));
                for (place, argument) in arguments.iter().enumerate().rev() {
                    let date = (place < 2).then(|| self.date_literal(*argument)).flatten();
                    self.work
                        .push(date.map_or(Work::Node(*argument), |date| Work::Constant(Value::Date(date))));
                }
            }
            Kind::Or(_) => self.alternatives(function, arguments),
            Kind::Regex(_) => {
                self.work.push(Work::RegexCall(function, count));
                self.work.extend(arguments.iter().rev().map(|argument| Work::Node(*argument)));
            }
            Kind::IsError => {
                self.work.push(Work::Op(Op::IsError));
                self.work.push(Work::Node(arguments[0]));
            }
            Kind::If => self.work.extend([Work::Condition(id), Work::Node(arguments[0])]),
            Kind::Switch => self.work.extend([Work::Subject(id), Work::Node(arguments[0])]),
            Kind::RecordId => {
                self.push(Op::RecordId);
            }
            Kind::CreatedTime => {
                self.push(Op::CreatedTime);
            }
            Kind::LastModifiedTime => {
                let fields = arguments.iter().filter_map(|argument| match self.names[*argument] {
                    Bound::Field(field) => Some(field),
                    _ => None,
                });
                let list = (!arguments.is_empty()).then(|| {
                    self.program.field_lists.push(fields.collect());
                    index(self.program.field_lists.len() - 1)
                });
                self.push(Op::LastModifiedTime(list));
            }
            Kind::NotBuilt => unreachable!("such formulas are refused before"),
        }
    }

    fn condition(&mut self, id: NodeId) {
        let (then, otherwise) = match *self.arguments(id) {
            [_, then, otherwise] => (then, Some(otherwise)),
            [_, then] => (then, None),
            _ => unreachable!("the number of arguments is checked before"),
        };
        if let Some(condition) = self.constant_on_top() {
            match coerce::truthy(condition) {
                Err(_) => {} // The error is the result.
                Ok(truth) => {
                    self.drop_constant();
                    match (truth, otherwise) {
                        (true, _) => self.work.push(Work::Node(then)),
                        (false, Some(otherwise)) => self.work.push(Work::Node(otherwise)),
                        (false, None) => self.constant(Value::Blank),
                    }
                }
            }
            return;
        }
        let branch = self.push(Op::Branch { otherwise: 0, end: 0 });
        self.foldable_from = self.program.ops.len();
        self.work.extend([Work::Then(id, branch), Work::Node(then)]);
    }

    fn then(&mut self, id: NodeId, branch: usize) {
        let jump = self.push(Op::Jump(0));
        let here = self.here();
        self.patch(branch, |_| Op::Branch { otherwise: here, end: 0 });
        self.foldable_from = self.program.ops.len();
        self.work.push(Work::EndIf(branch, jump));
        match self.arguments(id).get(2).copied() {
            Some(otherwise) => self.work.push(Work::Node(otherwise)),
            None => self.constant(Value::Blank),
        }
    }

    /// Goes on with the next pattern, or the default.
    fn switch(&mut self, state: SwitchState) {
        self.foldable_from = self.program.ops.len();
        let arguments = self.arguments(state.node);
        let left = &arguments[state.next..];
        if let [pattern, _, ..] = *left {
            self.work.push(Work::Pattern(SwitchState { next: state.next + 1, ..state }));
            self.work.push(Work::Node(pattern));
            return;
        }
        let default = left.first().copied();
        self.push(Op::Drop);
        self.foldable_from = self.program.ops.len();
        self.work.push(Work::EndSwitch(state));
        match default {
            Some(default) => self.work.push(Work::Node(default)),
            None => self.constant(Value::Blank),
        }
    }

    /// `OR({F} = "a", {F} = "b", …)` looks the field's value up in a set; so does a list of record ids.
    fn alternatives(&mut self, function: &'static Function, arguments: &[NodeId]) {
        let mut groups: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
        for (place, argument) in arguments.iter().enumerate() {
            if let Some((subject, _)) = self.text_comparison(*argument) {
                groups.entry(self.subject_key(subject)).or_default().push(place);
            }
        }
        groups.retain(|_, places| places.len() >= LEAST_ALTERNATIVES);
        let mut operands = Vec::new();
        let mut grouped = HashSet::new();
        let mut groups: Vec<Vec<usize>> = groups.into_values().collect();
        groups.sort_unstable();
        for places in groups {
            let comparisons = || places.iter().filter_map(|place| self.text_comparison(arguments[*place]));
            let Some((subject, _)) = comparisons().next() else { continue };
            let set = comparisons().map(|(_, text)| text.into()).collect();
            operands.push((subject, Some(set)));
            grouped.extend(places);
        }
        let others = arguments.iter().enumerate().filter(|(place, _)| !grouped.contains(place));
        operands.extend(others.map(|(_, argument)| (*argument, None)));
        // A look-up gives a truth value already.
        if !matches!(operands.as_slice(), [(_, Some(_))]) {
            self.work.push(Work::Op(Op::Call { function, arguments: index(operands.len()) }));
        }
        for (operand, set) in operands.into_iter().rev() {
            self.work.extend(set.map(Work::AnyOf));
            self.work.push(Work::Node(operand));
        }
    }

    /// A text that stands where a date is wanted, read once instead of for each record. One that is no date stays a text,
    /// and so an error when it is evaluated.
    fn date_literal(&self, id: NodeId) -> Option<Date> {
        match &self.tree.nodes[id].kind {
            NodeKind::Text(text) => crate::date::of(&Value::from(text.as_str())).ok(),
            _ => None,
        }
    }

    /// The parts of `{Field} = "text"` or `RECORD_ID() = "text"`, either way round.
    fn text_comparison(&self, id: NodeId) -> Option<(NodeId, &str)> {
        let NodeKind::Binary { operator: Operator::Equal, left, right } = self.tree.nodes[id].kind else {
            return None;
        };
        let text = |id: NodeId| match &self.tree.nodes[id].kind {
            NodeKind::Text(text) => Some(text.as_str()),
            _ => None,
        };
        let is_subject = |id: NodeId| match self.names[id] {
            Bound::Field(_) => true,
            Bound::Function(function) => matches!(function.kind, Kind::RecordId),
            Bound::Nothing => false,
        };
        match (text(left), text(right)) {
            (None, Some(text)) if is_subject(left) => Some((left, text)),
            (Some(text), None) if is_subject(right) => Some((right, text)),
            _ => None,
        }
    }

    /// The field, or `None` for the record's id.
    fn subject_key(&self, subject: NodeId) -> Option<usize> {
        match self.names[subject] {
            Bound::Field(field) => Some(field),
            _ => None,
        }
    }

    /// A pattern that is a constant is compiled now.
    fn regex_call(&mut self, function: &'static Function, arguments: u32) {
        let Kind::Regex(kind) = function.kind else { return };
        let ops = &self.program.ops;
        // The pattern is the second operand: for two or three, the last or the one before it.
        let at = ops.len().checked_sub(arguments as usize - 1).filter(|at| *at >= self.foldable_from);
        // A replacement behind it that is more than one operation would make it something else that stands there.
        let is_whole = |op: &Op| {
            matches!(
                op,
                Op::Constant(_) | Op::Field(_) | Op::RecordId | Op::CreatedTime | Op::LastModifiedTime(_)
            )
        };
        let constant = at.filter(|at| ops[at + 1..].iter().all(is_whole)).and_then(|at| match ops[at] {
            Op::Constant(constant) => Some(constant),
            _ => None,
        });
        let text =
            constant.and_then(|constant| coerce::as_text(&self.program.constants[constant as usize]).ok());
        let pattern = text.and_then(|text| match self.patterns.get(&*text) {
            Some(known) => Some(*known),
            None if self.patterns.len() >= MOST_PATTERNS => None,
            None => {
                let pattern = Pattern::compile(&text, &mut self.env.meter).ok()?;
                let known = index(self.program.patterns.len());
                self.patterns.insert(text.into_owned(), known);
                self.program.patterns.push(pattern);
                Some(known)
            }
        });
        self.push_folded(match pattern {
            Some(pattern) => Op::Regex { function: kind, pattern, arguments },
            None => Op::Call { function, arguments },
        });
    }

    /// Pushes an operation, or its result if its operands are constants and the result is a small one.
    fn push_folded(&mut self, op: Op) {
        self.push(op);
        let Some(count) = vm::operands(&op) else { return };
        let ops = &self.program.ops;
        let Some(start) = (ops.len() - 1).checked_sub(count).filter(|start| *start >= self.foldable_from)
        else {
            return;
        };
        let operands = &ops[start..ops.len() - 1];
        if !operands.iter().all(|op| matches!(op, Op::Constant(_))) {
            return;
        }
        // Constants are pushed in the order of their operations, so the operands are the last of them.
        let first = self.program.constants.len() - count;
        let mut operands = self.program.constants[first..].to_vec();
        self.env.context_used = false;
        let result = vm::apply(&op, &mut operands, &self.program.patterns, &mut self.env);
        let is_small = match &result {
            Value::Array(_) | Value::Error(crate::ErrorKind::Limit) => false,
            Value::Text(text) => text.len() <= LONGEST_FOLDED,
            _ => true,
        };
        if !self.env.context_used && is_small {
            self.program.ops.truncate(start);
            self.program.constants.truncate(first);
            self.constant(result);
        }
    }

    fn constant(&mut self, value: Value<'static>) {
        self.program.constants.push(value);
        self.push(Op::Constant(index(self.program.constants.len() - 1)));
    }

    fn constant_on_top(&self) -> Option<&Value<'static>> {
        match self.program.ops[self.foldable_from..].last() {
            Some(Op::Constant(constant)) => Some(&self.program.constants[*constant as usize]),
            _ => None,
        }
    }

    fn drop_constant(&mut self) {
        self.program.ops.pop();
        self.program.constants.pop();
    }

    fn push(&mut self, op: Op) -> usize {
        self.program.ops.push(op);
        self.program.ops.len() - 1
    }

    fn patch(&mut self, at: usize, change: impl FnOnce(Op) -> Op) {
        let op = &mut self.program.ops[at];
        *op = change(*op);
    }

    fn here(&self) -> Index {
        index(self.program.ops.len())
    }

    fn arguments(&self, id: NodeId) -> &[NodeId] {
        match &self.tree.nodes[id].kind {
            NodeKind::Call { arguments, .. } => arguments,
            _ => &[],
        }
    }
}
