//! The search body (seed rows DS-25, DS-26).

use serde::Deserialize;
use utoipa::ToSchema;

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
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected a criterion or a list of criteria, each member of the type its name says")]
pub enum Criteria {
    /// Several.
    List(Vec<SearchCriterion>),
    /// One, as published tools send it.
    One(Box<SearchCriterion>),
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
