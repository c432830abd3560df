//! From a typed test to a condition on a table: the macros stand where generics over Diesel's columns
//! would take a page of bounds each.

use diesel::expression::BoxableExpression;
use diesel::sql_types::Bool;

use super::{Comparison, Criterion, Test, TextTest};
use crate::db::MultiBackend;
use crate::error::{Error, Reason, Result};

/// A condition on one table, as a boxed query takes it.
pub type Condition<Table> = Box<dyn BoxableExpression<Table, MultiBackend, SqlType = Bool>>;

/// A field that can be searched: its name on the wire, and how a test of its kind becomes a condition.
pub struct Field<Table> {
    /// The member's name.
    pub name: &'static str,
    /// How its tests become conditions.
    pub kind: Kind<Table>,
}

/// The kinds of field.
pub enum Kind<Table> {
    /// Tested with stringTest.
    Text(fn(TextTest) -> Condition<Table>),
    /// Tested with numericTest.
    Number(fn(Comparison, i64) -> Condition<Table>),
    /// Tested with booleanTest.
    Boolean(fn(bool) -> Condition<Table>),
    /// Tested with firstDateValue and lastDateValue, or nullTest.
    Date(fn(Option<super::Bound>, Option<super::Bound>) -> Condition<Table>, fn(bool) -> Condition<Table>),
}

impl<Table> Kind<Table> {
    fn takes(&self) -> &'static str {
        match self {
            Self::Text(_) => "stringTest",
            Self::Number(_) => "numericTest",
            Self::Boolean(_) => "booleanTest",
            Self::Date(..) => "firstDateValue, lastDateValue and nullTest",
        }
    }
}

/// A string field.
pub const fn text<Table>(name: &'static str, condition: fn(TextTest) -> Condition<Table>) -> Field<Table> {
    Field { name, kind: Kind::Text(condition) }
}

/// A number field.
pub const fn number<Table>(name: &'static str, condition: fn(Comparison, i64) -> Condition<Table>) -> Field<Table> {
    Field { name, kind: Kind::Number(condition) }
}

/// A true-or-false field.
pub const fn boolean<Table>(name: &'static str, condition: fn(bool) -> Condition<Table>) -> Field<Table> {
    Field { name, kind: Kind::Boolean(condition) }
}

/// A field that holds a moment, or nothing.
pub const fn date<Table>(
    name: &'static str,
    range: fn(Option<super::Bound>, Option<super::Bound>) -> Condition<Table>,
    null: fn(bool) -> Condition<Table>,
) -> Field<Table> {
    Field { name, kind: Kind::Date(range, null) }
}

impl Criterion {
    /// The condition on a table with these fields, or a refusal that says which fields and tests there are.
    pub fn condition<Table>(
        self,
        fields: &[Field<Table>],
        id: fn(Comparison, i64) -> Condition<Table>,
    ) -> Result<Condition<Table>> {
        let refused = |message: String| Err(Error::new(Reason::BadSearch, message));
        let name = match (self.field, &self.test) {
            (None, Test::ID(comparison, value)) => return Ok(id(*comparison, *value)),
            (field, _) => field.unwrap_or_default(),
        };
        let Some(field) = fields.iter().find(|field| field.name == name) else {
            let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
            return refused(format!("fieldName: one of {} is taken.", names.join(", ")));
        };
        match (&field.kind, self.test) {
            (Kind::Text(condition), Test::Text(test)) => Ok(condition(test)),
            (Kind::Number(condition), Test::Number(comparison, value)) => Ok(condition(comparison, value)),
            (Kind::Boolean(condition), Test::Boolean(wanted)) => Ok(condition(wanted)),
            (Kind::Date(range, _), Test::Date { first, last }) => Ok(range(first, last)),
            (Kind::Date(_, null), Test::Null(wanted)) => Ok(null(wanted)),
            (kind, _) => refused(format!("{name}: this field takes {}.", kind.takes())),
        }
    }
}

/// A condition on a folded text column.
macro_rules! text_field {
    ($column:expr) => {
        |test| {
            use diesel::prelude::*;
            use $crate::search::Pattern;
            match (test.pattern, test.equal) {
                (Pattern::Exact(text), true) => Box::new($column.eq(text)),
                (Pattern::Exact(text), false) => Box::new($column.ne(text)),
                (Pattern::Prefix(text), true) => {
                    let end = format!("{text}\u{10ffff}");
                    Box::new($column.ge(text).and($column.lt(end)))
                }
                (Pattern::Prefix(text), false) => {
                    let end = format!("{text}\u{10ffff}");
                    Box::new($column.lt(text).or($column.ge(end)))
                }
                (Pattern::Like(pattern), true) => Box::new($column.like(pattern).escape('\\')),
                (Pattern::Like(pattern), false) => Box::new($column.not_like(pattern).escape('\\')),
            }
        }
    };
}

/// A condition on a boolean column.
macro_rules! boolean_field {
    ($column:expr) => {
        |wanted| {
            use diesel::prelude::*;
            Box::new($column.eq(wanted))
        }
    };
}

/// A condition on a number column that is never null, the ID for one.
macro_rules! id_condition {
    ($column:expr) => {
        |comparison, value| {
            use diesel::prelude::*;
            use $crate::search::Comparison;
            match comparison {
                Comparison::Equal => Box::new($column.eq(value)),
                Comparison::NotEqual => Box::new($column.ne(value)),
                Comparison::Less => Box::new($column.lt(value)),
                Comparison::LessOrEqual => Box::new($column.le(value)),
                Comparison::Greater => Box::new($column.gt(value)),
                Comparison::GreaterOrEqual => Box::new($column.ge(value)),
            }
        }
    };
}

pub(crate) use {boolean_field, id_condition, text_field};
