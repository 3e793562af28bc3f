//! The public face: compile once, evaluate for many rows.

use std::fmt;

use jiff::Timestamp;

use crate::code::Program;
use crate::compile::bind;
use crate::cost::{Limits, Meter};
use crate::emit::emit;
use crate::error::CompileError;
use crate::schema::{Schema, ValueType};
use crate::tree::Tree;
use crate::value::Value;
use crate::vm::{self, Env};

/// A record, as a formula sees it.
pub trait Row {
    /// The value of the field at an index of the [`Schema`]; blank for an empty cell of any type.
    fn field(&self, index: usize) -> Value<'_>;

    /// What `RECORD_ID()` gives: `rec…`.
    fn record_id(&self) -> &str;

    /// What `CREATED_TIME()` gives.
    fn created_time(&self) -> Timestamp;

    /// When a user last changed one of these fields (`None`: any field that is not computed); `None` if nobody did.
    fn last_modified_time(&self, fields: Option<&[usize]>) -> Option<Timestamp>;
}

/// What evaluation depends on besides the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// What `NOW()` is. The crate reads no clock.
    pub now: Timestamp,
    /// Whether `SEARCH` ignores case. Accounts of Airtable differ; the default is that case matters, as in `FIND`.
    pub search_ignores_case: bool,
}

impl Context {
    pub fn new(now: Timestamp) -> Self {
        Self { now, search_ignores_case: false }
    }
}

/// A compiled formula. It can be shared between threads.
#[derive(Debug)]
pub struct Formula {
    tree: Tree,
    program: Program,
    fields: Vec<usize>,
    field_ids: Vec<Box<str>>,
    volatile: Vec<&'static str>,
    modification_times: bool,
    result_type: ValueType,
    limits: Limits,
}

impl Formula {
    /// Parses a formula, looks its names up and folds what is constant.
    pub fn compile(text: &str, schema: &Schema, limits: &Limits) -> Result<Self, CompileError> {
        let tree = Tree::parse_within(text, limits)?;
        let binding = bind(&tree, text, schema)?;
        let program = emit(&tree, &binding, limits);
        Ok(Self {
            tree,
            program,
            field_ids: binding
                .fields
                .iter()
                .map(|index| schema.fields()[*index].id.as_str().into())
                .collect(),
            fields: binding.fields,
            modification_times: binding.modification_times,
            volatile: binding.volatile,
            result_type: binding.result_type,
            limits: *limits,
        })
    }

    /// The formula's value for a row. Whatever goes wrong is a value too.
    pub fn evaluate<'a>(&'a self, row: &'a dyn Row, context: &Context) -> Value<'a> {
        vm::run(&self.program, row, &mut Env::new(context, Meter::new(&self.limits)))
    }

    /// Whether a filter with this formula keeps the row.
    pub fn keeps(&self, row: &dyn Row, context: &Context) -> bool {
        self.evaluate(row, context).is_truthy()
    }

    /// Indexes of the fields that the formula names, sorted, each once.
    pub fn fields(&self) -> &[usize] {
        &self.fields
    }

    /// Ids of the same fields, in the same order. A formula stays right as long as these keep their types, whatever they are
    /// called.
    pub fn field_ids(&self) -> impl Iterator<Item = &str> {
        self.field_ids.iter().map(|id| &**id)
    }

    /// Whether the result may change while the record does not.
    pub fn volatile(&self) -> bool {
        !self.volatile.is_empty()
    }

    /// The functions that make it so, sorted: `NOW`, `TODAY` (which changes at midnight UTC only), `FROMNOW`, `TONOW`, or
    /// `DATETIME_PARSE` with a pattern (a text that lacks the year gets the current one).
    pub fn volatile_functions(&self) -> &[&'static str] {
        &self.volatile
    }

    /// Whether `LAST_MODIFIED_TIME` is used: then the result may change with any field of the record, unless the function
    /// names the fields, which [`Self::fields`] then lists.
    pub fn reads_modification_time(&self) -> bool {
        self.modification_times
    }

    /// What type results have, errors and blanks aside.
    pub fn result_type(&self) -> ValueType {
        self.result_type
    }

    /// The formula as it was written, names and all.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }
}

/// An equivalent formula.
impl fmt::Display for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tree.fmt(f)
    }
}
