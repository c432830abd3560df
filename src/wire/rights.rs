//! The three levels of rights, always answered whole: every right true or false, in the documented order.

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};

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

impl utoipa::PartialSchema for RightsTree {
    fn schema() -> RefOr<Schema> {
        let object = || ObjectBuilder::new().schema_type(SchemaType::Type(Type::Object));
        let flag =
            || RefOr::T(Schema::Object(ObjectBuilder::new().schema_type(SchemaType::Type(Type::Boolean)).build()));
        let mut whole = object();
        for (name, from, end) in groups() {
            let mut group = object();
            for (name, from, end) in sub_groups(from, end) {
                let leaves = TABLE[from..end].iter();
                let sub_group =
                    leaves.fold(object(), |leaf, right| leaf.property(right.name, flag()).required(right.name));
                group = group.property(name, sub_group.build()).required(name);
            }
            whole = whole.property(name, group.build()).required(name);
        }
        RefOr::T(Schema::Object(whole.build()))
    }
}

impl utoipa::ToSchema for RightsTree {}

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
}
