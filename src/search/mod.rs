//! One search engine for every resource: the body's criteria become typed tests, each resource's field
//! table turns a test into a condition, and the conditions are folded into one boxed query.
//!
//! Strings are compared folded (NFKC, lower case), so columns that are searched have a folded twin.

mod condition;
mod inside;

use crate::clock::Timestamp;
use crate::error::{Error, Reason, Result};
use crate::name::fold;
use crate::wire::{Criteria, Flag, Number, SearchCriterion, SearchFilter};

pub use condition::{Condition, Field, boolean, choice, date, derived, ifnull, lower, number, text};
pub use inside::Inside;

pub(crate) use condition::{
    boolean_field, choice_field, date_field, number_field, text_field, with_index, without_index,
};

/// The most a search answers.
pub const MOST: i64 = 5_000;
/// The longest text to search for, in characters: no field is longer, and SQLite stumbles over long patterns.
const LONGEST_TEXT: usize = 1_024;
/// The most criteria of one search: SQLite plans no condition that is a thousand deep.
const MOST_CRITERIA: usize = 100;

/// A search, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// All must hold.
    pub criteria: Vec<Criterion>,
    /// How many rows at most, 1 to 5,000.
    pub most: i64,
}

/// One test of one field, or of the ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Criterion {
    /// The field's name; none for the ID.
    pub field: Option<String>,
    /// What must hold.
    pub test: Test,
}

/// What must hold of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// A string matches, or does not.
    Text(TextTest),
    /// A number compares.
    Number(Comparison, i64),
    /// The ID compares.
    ID(Comparison, i64),
    /// One of a few values, or not.
    Choice {
        /// Whether it must be the value, or must not.
        equal: bool,
        /// The value.
        value: String,
    },
    /// True or false.
    Boolean(bool),
    /// A moment lies in a range; a missing end is open.
    Date {
        /// The earlier end.
        first: Option<Bound>,
        /// The later end.
        last: Option<Bound>,
    },
    /// There is no value, or there is one.
    Null(bool),
}

/// One end of a range of moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The end.
    pub at: Timestamp,
    /// Whether it belongs to the range.
    pub inclusive: bool,
}

/// A test of a string, folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextTest {
    /// Whether it must match, or must not.
    pub equal: bool,
    /// What with.
    pub pattern: Pattern,
}

/// What a string is matched with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// The very text.
    Exact(String),
    /// A text that begins so: a range in an index.
    Prefix(String),
    /// A pattern for SQL's LIKE, escaped by backslash.
    Like(String),
}

/// The six comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is what its name says")]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

const COMPARISONS: &[(&str, Comparison)] = &[
    ("equal", Comparison::Equal),
    ("not-equal", Comparison::NotEqual),
    ("less-than", Comparison::Less),
    ("less-than-or-equal", Comparison::LessOrEqual),
    ("greater-than", Comparison::Greater),
    ("greater-than-or-equal", Comparison::GreaterOrEqual),
];

fn bad_search(message: String) -> Error {
    Error::new(Reason::BadSearch, message)
}

impl Filter {
    /// Whether a criterion takes whatever lies between two ends, which may be little or nearly everything.
    pub fn has_range(&self) -> bool {
        self.criteria.iter().any(|criterion| match &criterion.test {
            Test::Text(TextTest { equal: true, pattern: Pattern::Prefix(_) }) | Test::Date { .. } => true,
            Test::Number(comparison, _) => !matches!(comparison, Comparison::Equal | Comparison::NotEqual),
            _ => false,
        })
    }

    /// Whether a criterion is about that field.
    pub fn names(&self, field: &str) -> bool {
        self.criteria.iter().any(|criterion| criterion.field.as_deref() == Some(field))
    }

    /// Understands a search body, or says what is wrong with it.
    pub fn read(body: SearchFilter) -> Result<Self> {
        let most = body.max_items.map_or(MOST, |Number(most)| most);
        if !(1..=MOST).contains(&most) {
            return Err(bad_search(format!("maxItems: 1 to {MOST} are taken.")));
        }
        let criteria = match body.search_criteria {
            None => Vec::new(),
            Some(Criteria::List(list)) => list,
            Some(Criteria::One(one)) => vec![*one],
        };
        if criteria.len() > MOST_CRITERIA {
            return Err(bad_search(format!("searchCriteria: at most {MOST_CRITERIA} criteria are taken.")));
        }
        Ok(Self { criteria: criteria.into_iter().map(Criterion::read).collect::<Result<_>>()?, most })
    }
}

impl Criterion {
    fn read(body: SearchCriterion) -> Result<Self> {
        let mut tests = tests_of(&body)?;
        let test = match (tests.pop(), tests.is_empty()) {
            (Some(test), true) => test,
            (Some(_), false) => {
                return Err(bad_search("searchCriteria: each criterion is one test; this one has several.".into()));
            }
            (None, _) => return Err(bad_search("searchCriteria: a criterion needs a test and a value.".into())),
        };
        match (&test, body.field_name) {
            (Test::ID(..), _) => Ok(Self { field: None, test }),
            (_, Some(field)) => Ok(Self { field: Some(field), test }),
            (_, None) => Err(bad_search("fieldName: needed for every test but idTest.".into())),
        }
    }
}

/// Every kind of test that the criterion's members speak of.
fn tests_of(body: &SearchCriterion) -> Result<Vec<Test>> {
    let mut tests = Vec::new();
    if body.string_test.is_some() || body.string_value.is_some() {
        let value = body.string_value.as_deref().ok_or_else(|| bad_search("stringValue: missing.".into()))?;
        // NUL is in no text that is stored, and PostgreSQL takes none
        if value.contains('\0') || value.chars().count() > LONGEST_TEXT {
            return Err(bad_search(format!(
                "stringValue: at most {LONGEST_TEXT} characters are taken, none of them NUL."
            )));
        }
        let wildcards = body.string_wildcards.is_none_or(|Flag(on)| on);
        tests.push(Test::Text(TextTest {
            equal: equality("stringTest", body.string_test.as_deref())?,
            pattern: if wildcards { Pattern::read(value) } else { Pattern::Exact(fold(value)) },
        }));
    }
    if body.numeric_test.is_some() || body.numeric_value.is_some() {
        let Number(value) = body.numeric_value.ok_or_else(|| bad_search("numericValue: missing.".into()))?;
        tests.push(Test::Number(comparison("numericTest", body.numeric_test.as_deref())?, value));
    }
    if body.id_test.is_some() || body.id_value.is_some() {
        let Number(value) = body.id_value.ok_or_else(|| bad_search("idValue: missing.".into()))?;
        tests.push(Test::ID(comparison("idTest", body.id_test.as_deref())?, value));
    }
    if body.choice_test.is_some() || body.choice_value.is_some() {
        let value = body.choice_value.clone().ok_or_else(|| bad_search("choiceValue: missing.".into()))?;
        tests.push(Test::Choice { equal: equality("choiceTest", body.choice_test.as_deref())?, value });
    }
    if let Some(Flag(wanted)) = body.boolean_test {
        tests.push(Test::Boolean(wanted));
    }
    if body.first_date_value.is_some() || body.last_date_value.is_some() {
        let bound = |value: Option<Number>, inclusive: Option<Flag>| {
            value.map(|Number(at)| Bound {
                at: Timestamp::from_millis(at),
                inclusive: inclusive.is_none_or(|Flag(on)| on),
            })
        };
        tests.push(Test::Date {
            first: bound(body.first_date_value, body.first_date_inclusive),
            last: bound(body.last_date_value, body.last_date_inclusive),
        });
    }
    if let Some(Flag(null)) = body.null_test {
        tests.push(Test::Null(null));
    }
    if body.version_test.is_some() || body.version_value.is_some() {
        return Err(bad_search("versionTest: no field here is a version.".into()));
    }
    Ok(tests)
}

fn equality(member: &str, test: Option<&str>) -> Result<bool> {
    match test {
        None | Some("equal") => Ok(true),
        Some("not-equal") => Ok(false),
        Some(_) => Err(bad_search(format!("{member}: equal and not-equal are taken."))),
    }
}

fn comparison(member: &str, test: Option<&str>) -> Result<Comparison> {
    let test = test.unwrap_or("equal");
    COMPARISONS.iter().find(|(name, _)| *name == test).map(|(_, comparison)| *comparison).ok_or_else(|| {
        let names: Vec<&str> = COMPARISONS.iter().map(|(name, _)| *name).collect();
        bad_search(format!("{member}: one of {} is taken.", names.join(", ")))
    })
}

impl Pattern {
    /// Reads `%` (any run) and `_` (one character), which a backslash makes plain.
    fn read(text: &str) -> Self {
        let text = fold(text);
        let (mut plain, mut like, mut wild_at) = (String::new(), String::new(), Vec::new());
        let mut characters = text.chars();
        let mut at = 0;
        while let Some(c) = characters.next() {
            match c {
                '%' | '_' => {
                    wild_at.push((at, c));
                    like.push(c);
                }
                '\\' => match characters.next() {
                    Some(escaped) => push_plain(escaped, &mut plain, &mut like),
                    None => push_plain('\\', &mut plain, &mut like),
                },
                c => push_plain(c, &mut plain, &mut like),
            }
            at += 1;
        }
        match wild_at.as_slice() {
            [] => Self::Exact(plain),
            [(place, '%')] if place + 1 == at && !plain.is_empty() => Self::Prefix(plain),
            _ => Self::Like(like),
        }
    }
}

fn push_plain(c: char, plain: &mut String, like: &mut String) {
    plain.push(c);
    if matches!(c, '%' | '_' | '\\') {
        like.push('\\');
    }
    like.push(c);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Filter> {
        Filter::read(crate::body::parse(json.as_bytes())?)
    }

    #[test]
    fn the_seeds_search_is_understood_in_every_spelling() {
        let expected = Filter {
            criteria: vec![Criterion {
                field: Some("name".into()),
                test: Test::Text(TextTest { equal: true, pattern: Pattern::Exact("auditor".into()) }),
            }],
            most: 5_000,
        };
        for json in [
            r#"{"searchCriteria":[{"fieldName":"name","stringTest":"equal","stringValue":"Auditor"}]}"#,
            r#"{"searchCriteria":{"fieldName":"name","stringValue":"AUDITOR"}}"#,
            r#"{"searchCriteria":[{"fieldName":"name","stringValue":"auditor","stringWildcards":"false"}],"maxItems":"5000"}"#,
        ] {
            assert_eq!(read(json).expect(json), expected, "{json}");
        }
        assert_eq!(read("{}").expect("everything").criteria, []);
    }

    #[test]
    fn wildcards_are_read_and_escaped() {
        for (text, pattern) in [
            ("ab%", Pattern::Prefix("ab".into())),
            ("a\\%", Pattern::Exact("a%".into())),
            ("a\\_b%", Pattern::Prefix("a_b".into())),
            ("%", Pattern::Like("%".into())),
            ("a_c", Pattern::Like("a_c".into())),
            ("%50\\%%", Pattern::Like("%50\\%%".into())),
            ("trailing\\", Pattern::Exact("trailing\\".into())),
        ] {
            assert_eq!(Pattern::read(text), pattern, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_searched_is_said() {
        for (json, says) in [
            (r#"{"maxItems":0}"#, "maxItems"),
            (r#"{"maxItems":-1}"#, "maxItems"),
            (r#"{"maxItems":5001}"#, "maxItems"),
            (r#"{"searchCriteria":[{"fieldName":"name"}]}"#, "test"),
            (r#"{"searchCriteria":[{"stringValue":"x"}]}"#, "fieldName"),
            (r#"{"searchCriteria":[{"fieldName":"name","stringValue":"x","booleanTest":true}]}"#, "several"),
            (r#"{"searchCriteria":[{"fieldName":"name","stringTest":"like","stringValue":"x"}]}"#, "stringTest"),
            (r#"{"searchCriteria":[{"idTest":"about","idValue":1}]}"#, "idTest"),
            (r#"{"searchCriteria":[{"fieldName":"v","versionTest":"equal","versionValue":"1"}]}"#, "version"),
            (r#"{"searchCriteria":7}"#, "criterion"),
        ] {
            let error = read(json).expect_err(json);
            assert!(error.message().contains(says), "{json}: {}", error.message());
        }
    }
}
