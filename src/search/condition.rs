//! From a typed test to a condition on a table: the macros stand where generics over Diesel's columns
//! would take a page of bounds each.

use diesel::expression::BoxableExpression;
use diesel::sql_types::Bool;

use super::{Comparison, Criterion, Test, TextTest};
use crate::clock::Timestamp;
use crate::db::MultiBackend;
use crate::error::{Error, Reason, Result};

/// A condition on one table, as a boxed query takes it.
pub type Condition<Table> = Box<dyn BoxableExpression<Table, MultiBackend, SqlType = Bool>>;

/// A condition by the two ends of a range of moments.
type Range<Table> = fn(Timestamp, Timestamp) -> Condition<Table>;
/// A condition by whether there is no value.
type Absence<Table> = fn(bool) -> Condition<Table>;

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
    /// One of a few values, tested with choiceTest.
    Choice(&'static [&'static str], fn(bool, String) -> Condition<Table>),
    /// One of a few values that no column holds, tested with choiceTest. Whoever searches takes the criterion out first
    /// ([`Criterion::chosen`]).
    Derived(&'static [&'static str]),
    /// Tested with firstDateValue and lastDateValue, which belong to the range, or nullTest.
    Date(Range<Table>, Absence<Table>),
}

impl<Table> Kind<Table> {
    fn takes(&self) -> &'static str {
        match self {
            Self::Text(_) => "stringTest",
            Self::Number(_) => "numericTest",
            Self::Boolean(_) => "booleanTest",
            Self::Choice(..) | Self::Derived(_) => "choiceTest",
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

/// A field that holds one of a few values.
pub const fn choice<Table>(
    name: &'static str,
    values: &'static [&'static str],
    condition: fn(bool, String) -> Condition<Table>,
) -> Field<Table> {
    Field { name, kind: Kind::Choice(values, condition) }
}

/// A field that is one of a few values and has no column.
pub const fn derived<Table>(name: &'static str, values: &'static [&'static str]) -> Field<Table> {
    Field { name, kind: Kind::Derived(values) }
}

/// A field that holds a moment, or nothing.
pub const fn date<Table>(name: &'static str, (range, null): (Range<Table>, Absence<Table>)) -> Field<Table> {
    Field { name, kind: Kind::Date(range, null) }
}

impl Criterion {
    /// What is chosen of a field that is one of these values: whether it must be it, and the value. None where the
    /// criterion is about something else, or is one to be refused.
    pub fn chosen<'a>(&'a self, field: &str, values: &[&str]) -> Option<(bool, &'a str)> {
        match &self.test {
            Test::Choice { equal, value } if self.field.as_deref() == Some(field) => {
                values.contains(&value.as_str()).then_some((*equal, value.as_str()))
            }
            _ => None,
        }
    }

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
            (Kind::Choice(values, condition), Test::Choice { equal, value }) if values.contains(&value.as_str()) => {
                Ok(condition(equal, value))
            }
            (Kind::Choice(values, _) | Kind::Derived(values), Test::Choice { .. }) => {
                refused(format!("choiceValue: {name} is one of {}.", values.join(", ")))
            }
            (Kind::Date(range, _), Test::Date { first, last }) => {
                let first = first.map_or(i64::MIN, |end| end.at.plus(i64::from(!end.inclusive)).millis());
                let last = last.map_or(i64::MAX, |end| end.at.minus(i64::from(!end.inclusive)).millis());
                Ok(range(Timestamp::from_millis(first), Timestamp::from_millis(last)))
            }
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
            // as a word of the statement and not as a value, so that an index of the few can be used
            if wanted { Box::new($column) } else { Box::new(diesel::dsl::not($column)) }
        }
    };
}

/// A condition on a column that holds one of a few words.
macro_rules! choice_field {
    ($column:expr) => {
        |equal, value| {
            use diesel::prelude::*;
            if equal { Box::new($column.eq(value)) } else { Box::new($column.ne(value)) }
        }
    };
}

/// Conditions on a column of moments, which may be null: a range with both its ends, and whether there is none.
macro_rules! date_field {
    ($column:expr) => {
        (
            |first, last| {
                use diesel::prelude::*;
                Box::new($column.assume_not_null().ge(first).and($column.assume_not_null().le(last)))
            },
            |null| {
                use diesel::prelude::*;
                if null { Box::new($column.is_null()) } else { Box::new($column.is_not_null()) }
            },
        )
    };
}

/// A condition on a number column that is never null, the ID for one.
macro_rules! number_field {
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

diesel::define_sql_function! {
    /// A text in lower case, for columns that hold nothing but ASCII and so need no folded twin.
    fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}

diesel::define_sql_function! {
    /// SQLite's: the first value, or the second where that is null.
    fn ifnull<T: diesel::sql_types::SqlType + diesel::sql_types::SingleValue>(value: T, otherwise: T) -> T;
}

/// A column as it is.
macro_rules! with_index {
    ($column:expr) => {
        $column
    };
}

/// A column whose index SQLite cannot use, for it is behind a function.
macro_rules! without_index {
    ($column:expr) => {
        $crate::search::ifnull($column, $column)
    };
}

pub(crate) use {boolean_field, choice_field, date_field, number_field, text_field, with_index, without_index};
