//! Tenants, in the documented order (row DS-39).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Flag, Number};
use crate::clock::Timestamp;
use crate::id::{AdministratorID, RoleID, TenantID};

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tenant {
    /// Kept and answered as given; this server has one database, number 1.
    #[serde(rename = "databaseServerID")]
    pub database_server_id: i64,
    /// The account name: `tenantName` at sign-in.
    pub name: String,
    /// Empty when none was given.
    pub description: String,
    /// As it was given.
    pub time_zone: String,
    /// Language of what the server writes for the tenant.
    pub locale: String,
    /// Kept and answered as given.
    pub demo_mode: bool,
    /// Kept and answered as given; `all` when nothing was said.
    pub modules_visible: Vec<String>,
    /// Kept and answered as given.
    pub hide_unlicensed_modules: bool,
    /// The last time that somebody signed in to the tenant; left out before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_signin_time: Option<Timestamp>,
    /// `active`, or `suspended`: then nobody signs in, and no key of the tenant is taken.
    pub tenant_state: String,
    /// Administrators whom the tenant has marked as its contacts.
    pub primary_contacts: Vec<PrimaryContact>,
    /// The tenant's name for machines, in front of its keys.
    #[schema(format = "uuid")]
    pub guid: String,
    /// 0 is the primary tenant.
    #[serde(rename = "ID")]
    pub id: TenantID,
}

/// An administrator to turn to, as answers about tenants show one.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrimaryContact {
    /// Their number.
    #[serde(rename = "ID")]
    pub id: AdministratorID,
    /// What they may do in their tenant.
    #[serde(rename = "roleID")]
    pub role_id: RoleID,
    /// The name they sign in by.
    pub username: String,
    /// Where to write to.
    pub email_address: String,
}

/// What a new tenant is made of. Anything else a client sends, read-only members included, is ignored.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewTenant {
    /// 0 to 2147483647; kept and answered, no more.
    #[serde(rename = "databaseServerID")]
    pub database_server_id: Option<Number>,
    /// 1 to 128 characters, unique; `Primary` is taken.
    #[schema(min_length = 1, max_length = 128, required, value_type = String)]
    pub name: Option<String>,
    /// At most 1,024 characters.
    #[schema(max_length = 1024)]
    pub description: Option<String>,
    /// An IANA name, or one that Java knows.
    pub time_zone: Option<String>,
    /// Accepted and not kept: this server activates no agents.
    pub agent_initiated_activation_password: Option<String>,
    /// `en-US`, `ja-JP`, `fr-FR` or `nl-NL`.
    pub locale: Option<String>,
    /// Kept and answered, no more.
    pub demo_mode: Option<Flag>,
    /// Names of modules, each once; kept and answered, no more.
    pub modules_visible: Option<Vec<String>>,
    /// Kept and answered, no more.
    pub hide_unlicensed_modules: Option<Flag>,
    /// `active` or `suspended`.
    pub tenant_state: Option<String>,
    /// Accepted and not kept: this server activates no agents.
    pub activation_codes: Option<Vec<String>>,
    /// The tenant's first administrator, who has Full Access there.
    #[schema(required, value_type = FirstAdministrator)]
    pub administrator: Option<FirstAdministrator>,
}

/// Whom a new tenant begins with. Other members of an administrator are ignored.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FirstAdministrator {
    /// 1 to 128 characters.
    #[schema(min_length = 1, max_length = 128, required, value_type = String)]
    pub username: Option<String>,
    /// 15 characters or more, hard to guess.
    #[schema(max_length = 1024, required, value_type = String)]
    pub password: Option<String>,
    /// At most 254 characters, with one `@`.
    #[schema(max_length = 254)]
    pub email_address: Option<String>,
}

/// What is to change of a tenant; what is not sent stays. The first administrator belongs to the making and is
/// ignored here.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantChange {
    /// 0 to 2147483647; kept and answered, no more.
    #[serde(rename = "databaseServerID")]
    pub database_server_id: Option<Number>,
    /// 1 to 128 characters, unique; the primary tenant keeps its name.
    #[schema(min_length = 1, max_length = 128)]
    pub name: Option<String>,
    /// At most 1,024 characters.
    #[schema(max_length = 1024)]
    pub description: Option<String>,
    /// An IANA name, or one that Java knows.
    pub time_zone: Option<String>,
    /// Accepted and not kept: this server activates no agents.
    pub agent_initiated_activation_password: Option<String>,
    /// `en-US`, `ja-JP`, `fr-FR` or `nl-NL`.
    pub locale: Option<String>,
    /// Kept and answered, no more.
    pub demo_mode: Option<Flag>,
    /// Names of modules, each once; kept and answered, no more.
    pub modules_visible: Option<Vec<String>>,
    /// Kept and answered, no more.
    pub hide_unlicensed_modules: Option<Flag>,
    /// `active` or `suspended`; the primary tenant stays active.
    pub tenant_state: Option<String>,
}
