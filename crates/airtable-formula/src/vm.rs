//! The machine that evaluates compiled formulas. It does not recurse.

use crate::code::{Index, Op, Program};
use crate::coerce;
use crate::compare;
use crate::cost::Meter;
use crate::date::Date;
use crate::formula::{Context, Row};
use crate::function::Kind;
use crate::lexer::Operator;
use crate::regexp::Pattern;
use crate::value::{ErrorKind, Value};

/// What functions may look at and use up.
#[derive(Debug)]
pub(crate) struct Env<'e> {
    context: &'e Context,
    /// Whether the result so far may depend on the context.
    pub(crate) context_used: bool,
    pub(crate) meter: Meter,
}

impl<'e> Env<'e> {
    pub(crate) fn new(context: &'e Context, meter: Meter) -> Self {
        Self { context, context_used: false, meter }
    }

    pub(crate) fn context(&mut self) -> &'e Context {
        self.context_used = true;
        self.context
    }

    /// A text that was built, if it is not too long.
    pub(crate) fn built<'a>(&mut self, text: String) -> Result<Value<'a>, ErrorKind> {
        self.meter.build(text.len())?;
        Ok(Value::from(text))
    }
}

/// Values that fit on the machine's stack without an allocation.
const INLINE: usize = 8;

/// Evaluates a program for a row.
pub(crate) fn run<'a>(program: &'a Program, row: &'a dyn Row, env: &mut Env<'_>) -> Value<'a> {
    if program.depth <= INLINE {
        let mut slots = [const { Value::Blank }; INLINE];
        run_on(Stack { slots: &mut slots, top: 0 }, program, row, env)
    } else {
        let mut slots = vec![Value::Blank; program.depth];
        run_on(Stack { slots: &mut slots, top: 0 }, program, row, env)
    }
}

/// As deep as the program needs it.
struct Stack<'s, 'a> {
    slots: &'s mut [Value<'a>],
    top: usize,
}

impl<'a> Stack<'_, 'a> {
    fn push(&mut self, value: Value<'a>) {
        self.slots[self.top] = value;
        self.top += 1;
    }

    fn pop(&mut self) -> Value<'a> {
        self.top -= 1;
        std::mem::take(&mut self.slots[self.top])
    }

    fn last(&self) -> &Value<'a> {
        &self.slots[self.top - 1]
    }
}

fn run_on<'a>(
    mut stack: Stack<'_, 'a>,
    program: &'a Program,
    row: &'a dyn Row,
    env: &mut Env<'_>,
) -> Value<'a> {
    let mut at = 0;
    while let Some(op) = program.ops.get(at) {
        at += 1;
        if let Err(kind) = env.meter.spend(1) {
            return Value::Error(kind);
        }
        match *op {
            Op::Constant(index) => stack.push(program.constants[index as usize].borrowed()),
            Op::Field(index) => {
                let value = row.field(index as usize);
                if let Err(kind) = env.meter.hold(&value) {
                    return Value::Error(kind);
                }
                stack.push(value);
            }
            Op::RecordId => stack.push(Value::from(row.record_id())),
            Op::CreatedTime => stack.push(Value::Date(Date::at(row.created_time()))),
            Op::LastModifiedTime(list) => {
                let fields = list.map(|list| program.field_lists[list as usize].as_slice());
                let time = row.last_modified_time(fields);
                stack.push(time.map_or(Value::Blank, |time| Value::Date(Date::at(time))));
            }
            Op::AnyOf(set) => {
                let value = stack.pop();
                stack.push(any_of(&value, &program.sets[set as usize]).map(Value::Boolean).into());
            }
            Op::Branch { otherwise, end } => match coerce::truthy(&stack.pop()) {
                Ok(true) => {}
                Ok(false) => at = otherwise as usize,
                Err(kind) => {
                    stack.push(Value::Error(kind));
                    at = end as usize;
                }
            },
            Op::Jump(target) => at = target as usize,
            Op::Subject { end } => {
                if let Value::Error(_) = stack.last() {
                    at = end as usize;
                }
            }
            Op::Case { next, end } => {
                let pattern = stack.pop();
                let subject = stack.last();
                let equal =
                    spend_reading(&[&pattern, subject], env).and_then(|()| compare::equal(subject, &pattern));
                match equal {
                    Ok(false) => at = next as usize,
                    Ok(true) => drop(stack.pop()),
                    Err(kind) => {
                        stack.pop();
                        stack.push(Value::Error(kind));
                        at = end as usize;
                    }
                }
            }
            Op::Drop => drop(stack.pop()),
            Op::Sign { .. }
            | Op::Binary(_)
            | Op::Concatenate(_)
            | Op::Call { .. }
            | Op::Regex { .. }
            | Op::IsError => {
                let first = stack.top - operands(op).unwrap_or(0);
                let arguments = &mut stack.slots[first..stack.top];
                let result = apply(op, arguments, &program.patterns, env);
                arguments.fill(Value::Blank);
                stack.top = first;
                stack.push(result);
            }
        }
    }
    stack.pop()
}

/// Operations whose result depends on their operands (and the context) alone: those that can be folded.
/// The number of operands is what [`operands`] says.
pub(crate) fn apply<'a>(
    op: &Op,
    arguments: &mut [Value<'a>],
    patterns: &[Pattern],
    env: &mut Env<'_>,
) -> Value<'a> {
    evaluate(op, arguments, patterns, env).into()
}

/// How many operands [`apply`] takes for an operation; `None` if it is not one of those.
pub(crate) fn operands(op: &Op) -> Option<usize> {
    match *op {
        Op::Sign { .. } | Op::IsError => Some(1),
        Op::Binary(_) => Some(2),
        Op::Concatenate(count) => Some(count as usize),
        Op::Call { arguments, .. } | Op::Regex { arguments, .. } => Some(arguments as usize),
        _ => None,
    }
}

fn evaluate<'a>(
    op: &Op,
    arguments: &mut [Value<'a>],
    patterns: &[Pattern],
    env: &mut Env<'_>,
) -> Result<Value<'a>, ErrorKind> {
    if let Op::IsError = op {
        return Ok(Value::Boolean(arguments[0].is_error()));
    }
    for argument in arguments.iter() {
        if let Value::Error(kind) = argument {
            return Err(*kind);
        }
        env.meter.read(coerce::weight(argument))?;
    }
    match *op {
        Op::Sign { negate } => {
            let number = coerce::number(&arguments[0])?;
            Ok(Value::Number(if negate { -number } else { number }))
        }
        Op::Binary(operator) => binary(operator, &arguments[0], &arguments[1]),
        Op::Concatenate(_) => crate::functions::text::concatenate(arguments, env),
        Op::Call { function, .. } => match function.kind {
            Kind::Eager(call)
            | Kind::TwoDates(call)
            | Kind::Volatile(call)
            | Kind::DatetimeParse(call)
            | Kind::Or(call) => call(arguments, env),
            Kind::Regex(function) => {
                let pattern = Pattern::compile(&coerce::as_text(&arguments[1])?, &mut env.meter)?;
                function.call(arguments, &pattern, env)
            }
            _ => unreachable!("{} compiles to operations of its own", function.name),
        },
        Op::Regex { function, pattern, .. } => function.call(arguments, &patterns[pattern as usize], env),
        _ => unreachable!("`operands` is `None` for this operation"),
    }
}

fn binary<'a>(operator: Operator, left: &Value<'a>, right: &Value<'a>) -> Result<Value<'a>, ErrorKind> {
    let number = |operation: fn(f64, f64) -> f64| {
        Ok(Value::Number(operation(coerce::number(left)?, coerce::number(right)?)))
    };
    let order = |holds: fn(std::cmp::Ordering) -> bool| {
        Ok(Value::Boolean(compare::order(left, right)?.is_some_and(holds)))
    };
    match operator {
        Operator::Add => number(|a, b| a + b),
        Operator::Subtract => number(|a, b| a - b),
        Operator::Multiply => number(|a, b| a * b),
        Operator::Divide => number(|a, b| a / b),
        Operator::Equal => compare::equal(left, right).map(Value::Boolean),
        Operator::NotEqual => compare::equal(left, right).map(|equal| Value::Boolean(!equal)),
        Operator::Less => order(std::cmp::Ordering::is_lt),
        Operator::LessOrEqual => order(std::cmp::Ordering::is_le),
        Operator::Greater => order(std::cmp::Ordering::is_gt),
        Operator::GreaterOrEqual => order(std::cmp::Ordering::is_ge),
        Operator::Concatenate => unreachable!("concatenations compile to an operation of their own"),
    }
}

/// As `=` with each text in turn.
fn any_of(value: &Value<'_>, texts: &std::collections::HashSet<Box<str>>) -> Result<bool, ErrorKind> {
    match coerce::only_element(value) {
        Value::Text(text) => Ok(texts.contains(&**text)),
        array @ Value::Array(_) => Ok(texts.contains(&*coerce::as_text(array)?)),
        Value::Error(kind) => Err(*kind),
        // Anything else equals no text but the empty one, if that.
        other => Ok(texts.contains("") && compare::equal(other, &Value::from(""))?),
    }
}

fn spend_reading(values: &[&Value<'_>], env: &mut Env<'_>) -> Result<(), ErrorKind> {
    values.iter().try_for_each(|value| env.meter.read(coerce::weight(value)))
}

/// An index as operations hold it: limits on the formula's length keep every list shorter.
pub(crate) fn index(number: usize) -> Index {
    Index::try_from(number).expect("a formula is shorter than 4 GiB")
}
