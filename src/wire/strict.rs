//! Objects in which a slip of the pen is refused: a bound that is spelt wrongly must not become no bound at all. Which
//! members there are is asked of the shape itself, so that no list of them can be out of date.

use serde::de::value::StringDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

/// What becomes of a member that a shape does not have.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unknown {
    /// It is refused, but for these, which answers carry and which are ignored when they come back.
    RefusedBut(&'static [&'static str]),
    /// It is ignored, because published clients send such, but not where it is a known one in other letters: `roleid`.
    Ignored,
}

/// The members of an object on their way into a shape.
pub(super) struct Members<M> {
    pub members: M,
    pub unknown: Unknown,
}

impl<'de, M: MapAccess<'de>> Deserializer<'de> for Members<M> {
    type Error = M::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, M::Error> {
        visitor.visit_map(self.members)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, M::Error> {
        visitor.visit_map(Looked { members: self.members, known, unknown: self.unknown })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// The same with the names of the shape's members, each name being looked at as it comes.
struct Looked<M> {
    members: M,
    known: &'static [&'static str],
    unknown: Unknown,
}

impl<M> Looked<M> {
    /// What is to be said of a name.
    fn fault(&self, name: &str) -> Option<String> {
        if self.known.contains(&name) {
            return None;
        }
        let near = match self.unknown {
            Unknown::RefusedBut(passed) if passed.contains(&name) => return None,
            Unknown::RefusedBut(_) => {
                let distance = |known: &&&str| strsim::osa_distance(&name.to_lowercase(), &known.to_lowercase());
                self.known.iter().min_by_key(distance)
            }
            Unknown::Ignored => Some(self.known.iter().find(|known| known.eq_ignore_ascii_case(name))?),
        };
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
        // whatever else stands there may be a secret in the wrong place
        let shown: String = match name.chars().all(is_name) {
            true => format!("no member `{}`", name.chars().take(100).collect::<String>()),
            false => "no such member".to_owned(),
        };
        let near = near.map(|near| format!(" (perhaps `{near}` is meant)")).unwrap_or_default();
        Some(format!("there is {shown}{near}"))
    }
}

impl<'de, M: MapAccess<'de>> MapAccess<'de> for Looked<M> {
    type Error = M::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, M::Error> {
        let Some(name) = self.members.next_key::<String>()? else { return Ok(None) };
        if let Some(fault) = self.fault(&name) {
            return Err(M::Error::custom(fault));
        }
        let name: StringDeserializer<M::Error> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, M::Error> {
        self.members.next_value_seed(seed)
    }
}

/// Reads these from objects alone, and looks at their members: serde would take a list for the members in their order,
/// and a slip of the pen would bound a key by something else than was meant, or by nothing.
macro_rules! objects {
    ($($name:ident $unknown:expr;)+) => {$(
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                struct Object;
                impl<'de> serde::de::Visitor<'de> for Object {
                    type Value = $name;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("a JSON object")
                    }
                    fn visit_map<M: serde::de::MapAccess<'de>>(self, members: M) -> Result<$name, M::Error> {
                        $name::deserialize($crate::wire::strict::Members { members, unknown: $unknown })
                    }
                }
                input.deserialize_map(Object)
            }
        }
    )+};
}

/// Writes these as their own fields say: the counterpart for those that are kept as JSON or answered.
macro_rules! to_objects {
    ($($name:ident),+) => {$(
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                Self::serialize(self, to)
            }
        }
    )+};
}

pub(super) use {objects, to_objects};
