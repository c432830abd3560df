//! API types: what keys can be for, and the authorizations that some of them need.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Flag, KeyApiType};
use crate::id::ApiTypeID;

/// An API type.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiType {
    /// Unique in the tenant; keys and demands name it.
    pub name: String,
    /// For people.
    pub title: String,
    /// Empty when none was given.
    pub description: String,
    /// Whether a key that is for it waits until somebody authorizes it.
    pub needs_authorization: bool,
    /// `group.subGroup.right`, in the order of a role's: a key for it has those of them that its role has.
    pub rights: Vec<String>,
    /// Its number.
    #[serde(rename = "ID")]
    pub id: ApiTypeID,
}

/// A list of API types.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiTypes {
    /// Ordered by ID.
    pub api_types: Vec<ApiType>,
}

/// What a new API type is made of. Anything else a client sends is ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewApiType {
    /// 1 to 64 ASCII letters, digits, dots, hyphens and underscores, a letter first; unique in the tenant.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z][A-Za-z0-9._-]*$", required, value_type = String)]
    pub name: Option<String>,
    /// At most 128 characters; the name when left out.
    #[schema(min_length = 1, max_length = 128)]
    pub title: Option<String>,
    /// At most 1,024 characters.
    #[schema(max_length = 1024)]
    pub description: Option<String>,
    /// Whether a key that is for it waits until somebody authorizes it.
    pub needs_authorization: Option<Flag>,
    /// `group.subGroup.right`, none of which the caller lacks.
    pub rights: Option<Vec<String>>,
}

/// What is to change of an API type; what is not sent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiTypeChange {
    /// 1 to 64 ASCII letters, digits, dots, hyphens and underscores, a letter first; unique in the tenant.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z][A-Za-z0-9._-]*$")]
    pub name: Option<String>,
    /// 1 to 128 characters.
    #[schema(min_length = 1, max_length = 128)]
    pub title: Option<String>,
    /// At most 1,024 characters.
    #[schema(max_length = 1024)]
    pub description: Option<String>,
    /// Whether a key that is for it waits until somebody authorizes it.
    pub needs_authorization: Option<Flag>,
    /// All that belong to it from now on, none of which the caller lacks.
    pub rights: Option<Vec<String>>,
}

/// Gives an API type of a key the authorization that it waits for.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizationGrant {
    /// The API type's name.
    #[schema(required, value_type = String)]
    pub api_type: Option<String>,
    /// The caller's own.
    #[schema(max_length = 1024, required, value_type = String)]
    pub password: Option<String>,
}

/// What a key is for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyApiTypes {
    /// Ordered by ID.
    pub api_types: Vec<KeyApiType>,
}
