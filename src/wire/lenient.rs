//! Input as real clients send it: numbers and booleans may come as the strings that spell them.

use std::fmt;

use serde::Serialize;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};

/// An integer, or a string that spells it (row DS-29). In JSON `2.0` is the integer 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Number(pub i64);

/// A boolean, or a string that spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Flag(pub bool);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Integer;
        impl Visitor<'_> for Integer {
            type Value = i64;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer")
            }
            fn visit_i64<E>(self, number: i64) -> Result<i64, E> {
                Ok(number)
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<i64, E> {
                i64::try_from(number).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<i64, E> {
                integer(number).ok_or_else(|| E::invalid_value(de::Unexpected::Float(number), &self))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<i64, E> {
                let spelt = text.strip_prefix('-').unwrap_or(text);
                let digits = !spelt.is_empty() && spelt.bytes().all(|byte| byte.is_ascii_digit());
                digits
                    .then(|| text.parse().ok())
                    .flatten()
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        input.deserialize_any(Integer).map(Self)
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Boolean;
        impl Visitor<'_> for Boolean {
            type Value = bool;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true or false")
            }
            fn visit_bool<E>(self, flag: bool) -> Result<bool, E> {
                Ok(flag)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<bool, E> {
                match text {
                    "true" => Ok(true),
                    "false" => Ok(false),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }
        input.deserialize_any(Boolean).map(Self)
    }
}

/// The integer that a number with a zero fraction is. From 2^50 on it may have been its neighbour before it was read:
/// the parser is a last bit or two off now and then.
pub(super) fn integer(number: f64) -> Option<i64> {
    const EXACT: f64 = 1_125_899_906_842_624.0;
    (number.fract() == 0.0 && number.abs() < EXACT).then_some(number as i64)
}

fn this_or_string(this: Type, pattern: &str) -> RefOr<Schema> {
    let types = SchemaType::Array(vec![this, Type::String]);
    RefOr::T(Schema::Object(ObjectBuilder::new().schema_type(types).pattern(Some(pattern)).build()))
}

impl utoipa::PartialSchema for Number {
    fn schema() -> RefOr<Schema> {
        this_or_string(Type::Integer, "^-?[0-9]+$")
    }
}

impl utoipa::PartialSchema for Flag {
    fn schema() -> RefOr<Schema> {
        this_or_string(Type::Boolean, "^(true|false)$")
    }
}

impl utoipa::ToSchema for Number {}

impl utoipa::ToSchema for Flag {}

/// A member that may be absent, null, or there: to modify is to send only what changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Patch<T> {
    /// Not sent.
    #[default]
    Absent,
    /// Sent as null.
    Null,
    /// Sent.
    Value(T),
}

impl<T> Patch<T> {
    /// Whether nothing was sent: then nothing is written either, because null says something else.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(input)?.map_or(Self::Null, Self::Value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_booleans_may_be_spelt_as_strings() {
        let number = |json: &str| serde_json::from_str::<Number>(json).ok().map(|n| n.0);
        for (json, read) in [
            ("2", Some(2)),
            ("\"2\"", Some(2)),
            ("\"-2\"", Some(-2)),
            ("2.0", Some(2)),
            ("-429.0", Some(-429)),
            ("-0.0", Some(0)),
            ("1e3", Some(1_000)),
            ("429.000000000000000000000000", Some(429)),
            ("1125899906842623.0", Some((1 << 50) - 1)),
            ("1125899906842624.0", None),
            ("-9007199254740993.0", None),
            ("1e300", None),
            ("2.5", None),
            ("1e-3", None),
            ("\"2.0\"", None),
            ("\"+2\"", None),
            ("\" 2\"", None),
            ("\"\"", None),
            ("18446744073709551615", None),
            ("\"99999999999999999999\"", None),
            ("true", None),
            ("null", None),
        ] {
            assert_eq!(number(json), read, "{json}");
        }
        let flag = |json: &str| serde_json::from_str::<Flag>(json).ok().map(|b| b.0);
        assert_eq!(
            (flag("\"false\""), flag("true"), flag("1"), flag("\"FALSE\"")),
            (Some(false), Some(true), None, None)
        );
    }
}
