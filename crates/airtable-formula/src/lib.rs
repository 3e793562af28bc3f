#![doc = include_str!("../README.md")]

mod array;
mod code;
mod coerce;
mod compare;
mod compile;
mod cost;
mod date;
mod emit;
mod error;
pub mod filter;
mod formula;
mod function;
mod functions;
mod lexer;
mod number;
mod parser;
mod regexp;
mod schema;
mod suggest;
mod text;
mod tree;
mod value;
mod vm;

pub use cost::Limits;
pub use date::Date;
pub use error::{CompileError, Location, UnknownName};
pub use formula::{Context, Formula, Row};
pub use jiff::Timestamp;
pub use schema::{FieldDef, FieldKind, Schema, ValueType};
pub use suggest::nearest;
pub use tree::Tree;
pub use value::{ErrorKind, Value};
