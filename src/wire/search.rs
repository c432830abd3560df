//! The search body (rows DS-25, DS-26).

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use utoipa::openapi::schema::{ArrayBuilder, OneOfBuilder, Schema};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema as _, ToSchema};

use super::{Flag, Number};

/// The body of every `…/search`; an empty one finds everything.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SearchFilter {
    /// How many at most, 1 to 5,000; 5,000 when left out.
    pub max_items: Option<Number>,
    /// All must hold.
    #[serde(default)]
    pub search_criteria: Option<Criteria>,
    /// Accepted; answers always come in the order of IDs.
    #[serde(rename = "sortByObjectID")]
    pub sort_by_object_id: Option<Flag>,
}

/// A list of criteria, or one given bare.
#[derive(Debug)]
pub enum Criteria {
    /// Several.
    List(Vec<SearchCriterion>),
    /// One, as published tools send it.
    One(Box<SearchCriterion>),
}

impl<'de> Deserialize<'de> for Criteria {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Criteria;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a criterion or a list of criteria")
            }
            fn visit_map<M: MapAccess<'de>>(self, members: M) -> Result<Criteria, M::Error> {
                SearchCriterion::deserialize(MapAccessDeserializer::new(members))
                    .map(|one| Criteria::One(Box::new(one)))
            }
            fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<Criteria, S::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element::<Criteria>()? {
                    match item {
                        Criteria::One(one) => list.push(*one),
                        // serde would take a list for the members in their order
                        Criteria::List(_) => return Err(de::Error::invalid_type(de::Unexpected::Seq, &"a criterion")),
                    }
                }
                Ok(Criteria::List(list))
            }
        }
        input.deserialize_any(OneOrMany)
    }
}

impl utoipa::PartialSchema for Criteria {
    fn schema() -> RefOr<Schema> {
        let one = Ref::from_schema_name(SearchCriterion::name());
        let list = ArrayBuilder::new().items(one.clone());
        RefOr::T(Schema::OneOf(OneOfBuilder::new().item(list).item(one).build()))
    }
}

impl ToSchema for Criteria {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((SearchCriterion::name().into_owned(), SearchCriterion::schema()));
        SearchCriterion::schemas(schemas);
    }
}

/// One test of one field; the members that are there say which kind.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SearchCriterion {
    /// Which field; every kind but the ID test needs it.
    pub field_name: Option<String>,
    /// `equal` or `not-equal`.
    pub string_test: Option<String>,
    /// What to compare with; `%` stands for any run of characters, `_` for one, a backslash escapes them.
    pub string_value: Option<String>,
    /// False makes `%` and `_` plain.
    pub string_wildcards: Option<Flag>,
    /// One of the six comparisons.
    pub numeric_test: Option<String>,
    /// What to compare with.
    pub numeric_value: Option<Number>,
    /// `equal` or `not-equal`.
    pub choice_test: Option<String>,
    /// One of the field's values.
    pub choice_value: Option<String>,
    /// What the field must be.
    pub boolean_test: Option<Flag>,
    /// The range's beginning, in milliseconds since the epoch.
    pub first_date_value: Option<Number>,
    /// Whether the beginning belongs to it; true when left out.
    pub first_date_inclusive: Option<Flag>,
    /// The range's end, in milliseconds since the epoch.
    pub last_date_value: Option<Number>,
    /// Whether the end belongs to it; true when left out.
    pub last_date_inclusive: Option<Flag>,
    /// Whether the field must be without a value.
    pub null_test: Option<Flag>,
    /// One of the six comparisons.
    pub id_test: Option<String>,
    /// What to compare the ID with.
    pub id_value: Option<Number>,
    /// No field of this server is a version.
    pub version_test: Option<String>,
    /// No field of this server is a version.
    pub version_value: Option<String>,
}
