//! The three levels of rights, always answered whole: every right true or false, in the documented order. What comes
//! in may name as few as it likes.

use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, SchemaType, Type};

use super::Flag;
use crate::rights::{Right, Rights, TABLE};

/// The member `rights` of a role.
#[derive(Debug)]
pub struct RightsTree(pub Rights);

/// Runs of the table that share the same text at one level: the table is ordered by level.
fn runs(
    first: usize,
    end: usize,
    level: fn(usize) -> &'static str,
) -> impl Iterator<Item = (&'static str, usize, usize)> {
    let mut from = first;
    std::iter::from_fn(move || {
        let name = (from < end).then(|| level(from))?;
        let to = (from..end).find(|at| level(*at) != name).unwrap_or(end);
        let run = (name, from, to);
        from = to;
        Some(run)
    })
}

fn groups() -> impl Iterator<Item = (&'static str, usize, usize)> {
    runs(0, TABLE.len(), |at| TABLE[at].group)
}

fn sub_groups(first: usize, end: usize) -> impl Iterator<Item = (&'static str, usize, usize)> {
    runs(first, end, |at| TABLE[at].sub_group)
}

impl Serialize for RightsTree {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        for (name, from, end) in groups() {
            map.serialize_entry(name, &Group { rights: &self.0, from, end })?;
        }
        map.end()
    }
}

struct Group<'a> {
    rights: &'a Rights,
    from: usize,
    end: usize,
}

impl Serialize for Group<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        for (name, from, end) in sub_groups(self.from, self.end) {
            map.serialize_entry(name, &SubGroup { rights: self.rights, from, end })?;
        }
        map.end()
    }
}

struct SubGroup<'a> {
    rights: &'a Rights,
    from: usize,
    end: usize,
}

impl Serialize for SubGroup<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.end - self.from))?;
        for right in Right::all().skip(self.from).take(self.end - self.from) {
            map.serialize_entry(right.name().name, &self.rights.contains(right))?;
        }
        map.end()
    }
}

/// What a body says of rights: those it names, and whether each is given. Elsewhere a member that is not known is
/// ignored; here it is refused, because a right that is misspelt would be thought given, or worse, taken away.
#[derive(Debug, Default)]
pub struct RightsChange(pub Vec<(Right, bool)>);

impl<'de> Deserialize<'de> for RightsChange {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let mut named = Vec::new();
        Below { level: 0, from: 0, end: TABLE.len(), named: &mut named }.deserialize(input)?;
        Ok(Self(named))
    }
}

/// The names of one level: what the table calls the right at a place, seen from there.
const LEVELS: [fn(usize) -> &'static str; 3] = [|at| TABLE[at].group, |at| TABLE[at].sub_group, |at| TABLE[at].name];

/// An object at one level, which speaks of a stretch of the table; null is one without members.
struct Below<'a> {
    level: usize,
    from: usize,
    end: usize,
    named: &'a mut Vec<(Right, bool)>,
}

impl<'de> DeserializeSeed<'de> for Below<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Below<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object of rights")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<(), M::Error> {
        let known: Vec<(&str, usize, usize)> = runs(self.from, self.end, LEVELS[self.level]).collect();
        let mut seen = vec![false; known.len()];
        while let Some(name) = members.next_key::<String>()? {
            let Some(place) = known.iter().position(|(known, ..)| *known == name) else {
                let names: Vec<&str> = known.iter().map(|(name, ..)| *name).collect();
                return Err(de::Error::custom(format!("no `{name}` is known here, but {}", names.join(", "))));
            };
            if std::mem::replace(&mut seen[place], true) {
                return Err(de::Error::custom(format!("duplicate field `{name}`")));
            }
            let (_, from, end) = known[place];
            if self.level < 2 {
                members.next_value_seed(Below { level: self.level + 1, from, end, named: self.named })?;
            } else if let (Some(Flag(on)), Some(right)) = (members.next_value()?, Right::all().nth(from)) {
                self.named.push((right, on));
            }
        }
        Ok(())
    }
}

/// The tree as a page shows it, with leaves of one kind.
fn tree(leaf: fn() -> RefOr<Schema>, whole: bool) -> RefOr<Schema> {
    let object = || {
        let object = ObjectBuilder::new();
        match whole {
            true => object.schema_type(SchemaType::Type(Type::Object)),
            false => object
                .schema_type(SchemaType::Array(vec![Type::Object, Type::Null]))
                .additional_properties(Some(AdditionalProperties::FreeForm(false))),
        }
    };
    let with = |object: ObjectBuilder, name: &str, member: RefOr<Schema>| {
        let object = object.property(name, member);
        if whole { object.required(name) } else { object }
    };
    let built = |object: ObjectBuilder| RefOr::T(Schema::Object(object.build()));
    let mut all = object();
    for (name, from, end) in groups() {
        let mut group = object();
        for (name, from, end) in sub_groups(from, end) {
            let rights = TABLE[from..end].iter().fold(object(), |rights, right| with(rights, right.name, leaf()));
            group = with(group, name, built(rights));
        }
        all = with(all, name, built(group));
    }
    if !whole {
        // the whole of it is left out by leaving out the member
        all = all.schema_type(SchemaType::Type(Type::Object));
    }
    built(all)
}

impl utoipa::PartialSchema for RightsTree {
    fn schema() -> RefOr<Schema> {
        tree(bool::schema, true)
    }
}

impl utoipa::ToSchema for RightsTree {}

impl utoipa::PartialSchema for RightsChange {
    fn schema() -> RefOr<Schema> {
        let leaf = || {
            let types = SchemaType::Array(vec![Type::Boolean, Type::String, Type::Null]);
            let flag = ObjectBuilder::new().schema_type(types).pattern(Some("^(true|false)$"));
            RefOr::T(Schema::Object(flag.build()))
        };
        tree(leaf, false)
    }
}

impl utoipa::ToSchema for RightsChange {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_right_is_answered_in_its_place_and_order() {
        let json = serde_json::to_string(&RightsTree(Rights::auditor())).expect("it serialises");
        let tree: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
        let mut at = 0;
        for right in Right::all() {
            let name = right.name();
            assert_eq!(tree[name.group][name.sub_group][name.name], Rights::auditor().contains(right));
            let quoted = format!("\"{}\":", name.name);
            at += json[at..].find(&quoted).expect("the rights stand in the table's order");
        }
        assert_eq!(json.matches("true").count(), 3);
        assert_eq!(json.matches("false").count(), 170);
    }
    #[test]
    fn as_few_rights_as_one_likes_may_be_named() {
        let read = |json: &str| serde_json::from_str::<RightsChange>(json).map(|change| format!("{:?}", change.0));
        let group = |inside: &str| format!(r#"{{"platformRights":{{"apikeyRights":{inside}}}}}"#);
        let view = "platformRights.apikeyRights.canViewApiKeys";
        for (json, named) in [
            ("{}", "[]".to_owned()),
            (r#"{"platformRights":null,"firewallRights":{}}"#, "[]".to_owned()),
            (&group("null"), "[]".to_owned()),
            (&group(r#"{"canViewApiKeys":null}"#), "[]".to_owned()),
            (&group(r#"{"canViewApiKeys":true}"#), format!("[({view}, true)]")),
            (&group(r#"{"canViewApiKeys":"false"}"#), format!("[({view}, false)]")),
        ] {
            assert_eq!(read(json).expect(json), named, "{json}");
        }
        for (json, says) in [
            (r#"{"platformRight":{}}"#, "platformRights, antiMalwareRights"),
            (r#"{"platformRights":{"apiKeyRights":{}}}"#, "apikeyRights"),
            (&group(r#"{"canViewAPIKeys":false}"#), "canViewApiKeys"),
            (&group(r#"{"canViewApiKeys":true,"canViewApiKeys":false}"#), "duplicate"),
            (&group("true"), "object"),
            (&group("[]"), "object"),
            (&group(r#"{"canViewApiKeys":1}"#), "true or false"),
        ] {
            let error = read(json).expect_err(json).to_string();
            assert!(error.contains(says), "{json}: {error}");
        }
        let whole = serde_json::to_string(&RightsTree(Rights::auditor())).expect("it serialises");
        let named = serde_json::from_str::<RightsChange>(&whole).expect("an answer may be sent back").0;
        assert_eq!(named.iter().filter(|(_, on)| *on).map(|(right, _)| *right).collect::<Rights>(), Rights::auditor());
        assert_eq!(named.len(), TABLE.len());
    }
}
