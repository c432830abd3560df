//! Every route, on one screen. The server is built from this table, the OpenAPI page is written from it,
//! and the test of who may do what walks it.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;

use actix_web::http::Method;
use actix_web::{FromRequest, Handler, HttpResponse, Resource, Responder, web};
use futures_util::future::{CatchUnwind, FutureExt as _, Map};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use crate::administrators::{handlers as administrators, own_account};
use crate::api_key_profiles::handlers as profiles;
use crate::api_keys::{authorizations, bulk, ensure, handlers as api_keys, history, import, secrets};
use crate::api_types::handlers as api_types;
use crate::audit::handlers as audit;
use crate::calendar::handlers as calendar;
use crate::claims::handlers as claims;
use crate::contacts::handlers as contacts;
use crate::error::{Error, Reason};
use crate::jobs::handlers as jobs;
use crate::observe::INTROSPECTION;
use crate::rights::{
    CreateAdministrators, CreateApiKeys, CreateClaims, CreateContacts, CreateRoles, CreateTenants,
    DeleteAdministrators, DeleteApiKeys, DeleteContacts, DeleteRoles, DeleteTenants, Demand, EditAdministrators,
    EditApiKeys, EditContacts, EditRoles, EditSettings, EditTenants, EnsureApiKeys, ImportApiKeys, ManageTenantApiKeys,
    Right, ViewAdministrators, ViewApiKeys, ViewAuditHead, ViewContacts, ViewRoles, ViewSettings,
    ViewSystemInformation, ViewTenants,
};
use crate::roles::handlers as roles;
use crate::sessions::{handlers as sessions, legacy};
use crate::settings::handlers as settings;
use crate::snapshot::handlers as snapshot;
use crate::tenants::handlers as tenants;
use crate::usage::handlers as usage;
use crate::verify::{calls as verify, explain, introspection};
use crate::webhooks::handlers as webhooks;
use crate::wire;

/// Which credentials a route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// None: whoever comes by.
    Open,
    /// A session or a key.
    Any,
    /// A session only.
    Session,
    /// A key only.
    Key,
}

/// A JSON shape by name, with those it is made of.
pub struct Shape {
    /// Its name among the page's schemas.
    pub name: Cow<'static, str>,
    /// Puts its schema together, and those of what it is made of, by name. All of them are megabytes, and wanted by the
    /// page alone.
    pub schemas: fn() -> Vec<(String, RefOr<Schema>)>,
}

impl Shape {
    /// The shape of a type of `wire/`.
    pub fn of<T: ToSchema>() -> Self {
        let schemas = || {
            let mut schemas = vec![(T::name().into_owned(), T::schema())];
            T::schemas(&mut schemas);
            schemas
        };
        Self { name: T::name(), schemas }
    }
}

/// One route.
pub struct Route {
    /// GET, POST, PUT or DELETE; HEAD comes with GET.
    pub method: Method,
    /// The path below `/api`, parameters in braces.
    pub path: &'static str,
    /// The operation's name, as the vendor's SDK spells it where it has one.
    pub operation: &'static str,
    /// What it does, in a few words.
    pub summary: &'static str,
    /// Which credentials it takes.
    pub access: Access,
    /// The right it needs.
    pub right: Option<Right>,
    /// Rights of which one lets the call in too; what it then comes to may need another.
    pub or_right: &'static [Right],
    /// Whether a session with the initial password may use it.
    pub with_initial_password: bool,
    /// Whether only callers of the primary tenant may use it.
    pub primary_only: bool,
    /// What comes in.
    pub request: Option<Shape>,
    /// The status of success, and what is answered with it.
    pub answer: (u16, Option<Shape>),
    make: Box<dyn Fn() -> actix_web::Route>,
}

/// The table.
#[rustfmt::skip]
pub fn routes() -> Vec<Route> {
    use Access::{Any, Key, Open, Session};
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    const PUT: Method = Method::PUT;
    const DELETE: Method = Method::DELETE;
    vec![
        // sessions
        route(POST, "/sessions", "create_session", "Sign in", sessions::create).to(Open).takes::<wire::SignIn>().gives::<wire::SessionOpened>(),
        route(GET, "/sessions", "list_sessions", "List one's own sessions", sessions::list).to(Session).initial().gives::<wire::Sessions>(),
        route(GET, "/sessions/current", "describe_current_session", "Describe the session of this call", sessions::describe_current).to(Session).initial().gives::<wire::CurrentSession>(),
        route(DELETE, "/sessions/current", "delete_current_session", "Sign out", sessions::delete_current).to(Session).initial(),
        // API keys
        route(GET, "/apikeys", "list_api_keys", "List API keys", api_keys::list).to(Any).needs::<ViewApiKeys>().gives::<wire::ApiKeys>(),
        route(POST, "/apikeys", "create_api_key", "Create an API key", api_keys::create).to(Any).needs::<CreateApiKeys>().takes::<wire::NewApiKey>().gives::<wire::ApiKeyWithSecret>(),
        route(POST, "/apikeys/search", "search_api_keys", "Search API keys", api_keys::search).to(Any).needs::<ViewApiKeys>().takes::<wire::SearchFilter>().gives::<wire::ApiKeys>(),
        route(GET, "/apikeys/current", "describe_current_api_key", "Describe the API key of this call", api_keys::describe_current).to(Key).gives::<wire::ApiKeyCurrent>(),
        route(POST, "/apikeys/current", "modify_current_api_key", "Modify the API key of this call", api_keys::modify_current).to(Key).needs::<EditApiKeys>().takes::<wire::ApiKeyCurrentChange>().gives::<wire::ApiKeyCurrent>(),
        route(POST, "/apikeys/current/secretkey", "replace_current_api_secret_key", "Give the API key of this call a new secret", secrets::replace_current).to(Key).needs::<EditApiKeys>().takes::<wire::RotationWish>().gives::<wire::ApiKeyWithSecret>(),
        route(GET, "/apikeys/{apiKeyID}", "describe_api_key", "Describe an API key", api_keys::describe).to(Any).needs::<ViewApiKeys>().gives::<wire::ApiKey>(),
        route(POST, "/apikeys/{apiKeyID}", "modify_api_key", "Modify an API key", api_keys::modify).to(Any).needs::<EditApiKeys>().takes::<wire::ApiKeyChange>().gives::<wire::ApiKeyChanged>(),
        route(DELETE, "/apikeys/{apiKeyID}", "delete_api_key", "Delete an API key", api_keys::delete).to(Any).needs::<DeleteApiKeys>(),
        route(POST, "/apikeys/{apiKeyID}/secretkey", "replace_api_secret_key", "Give an API key a new secret", secrets::replace).to(Any).needs::<EditApiKeys>().takes::<wire::RotationWish>().gives::<wire::ApiKeyWithSecret>(),
        route(POST, "/apikeys/{apiKeyID}/rotation/finish", "finish_api_key_rotation", "End the older of an API key's two secrets", secrets::finish).to(Any).needs::<EditApiKeys>().gives::<wire::ApiKey>(),
        route(POST, "/apikeys/{apiKeyID}/rotation/undo", "undo_api_key_rotation", "End the newer of an API key's two secrets", secrets::undo).to(Any).needs::<EditApiKeys>().gives::<wire::ApiKey>(),
        route(POST, "/apikeys/{apiKeyID}/refresh", "refresh_api_key", "Give an API key a new secret and a new life", secrets::refresh).to(Any).needs::<EditApiKeys>().takes::<wire::RotationWish>().gives::<wire::ApiKeyWithSecret>(),
        route(GET, "/apikeys/revoked", "list_revoked_api_keys", "List revoked API keys", history::list).to(Any).needs::<ViewApiKeys>().gives::<wire::RevokedApiKeys>(),
        route(POST, "/apikeys/revoked/search", "search_revoked_api_keys", "Search revoked API keys", history::search).to(Any).needs::<ViewApiKeys>().takes::<wire::SearchFilter>().gives::<wire::RevokedApiKeys>(),
        route(GET, "/apikeys/revoked/{revokedKeyID}", "describe_revoked_api_key", "Describe a revoked API key", history::describe).to(Any).needs::<ViewApiKeys>().gives::<wire::RevokedApiKey>(),
        route(POST, "/apikeys/bulk/revoke", "revoke_api_keys", "Revoke many API keys", bulk::revoke).to(Any).needs::<DeleteApiKeys>().takes::<wire::BulkOrder>().gives::<wire::BulkAnswer>(),
        route(POST, "/apikeys/bulk/lock", "lock_api_keys", "Lock many API keys out", bulk::lock).to(Any).needs::<EditApiKeys>().takes::<wire::BulkOrder>().gives::<wire::BulkAnswer>(),
        route(POST, "/apikeys/bulk/unlock", "unlock_api_keys", "Let many API keys in again", bulk::unlock).to(Any).needs::<EditApiKeys>().takes::<wire::BulkOrder>().gives::<wire::BulkAnswer>(),
        route(POST, "/apikeys/bulk/extend", "extend_api_keys", "Let many API keys last longer", bulk::extend).to(Any).needs::<EditApiKeys>().takes::<wire::BulkOrder>().gives::<wire::BulkAnswer>(),
        route(POST, "/apikeys/bulk/rotate", "rotate_api_keys", "Give many API keys new secrets", bulk::rotate).to(Any).needs::<EditApiKeys>().takes::<wire::BulkOrder>().gives::<wire::BulkAnswer>(),
        route(POST, "/apikeys/import", "import_api_keys", "Bring API keys from elsewhere", import::import).to(Any).needs::<ImportApiKeys>().takes::<wire::ImportedApiKeys>().gives::<wire::ImportAnswer>(),
        route(GET, "/jobs/{jobID}", "describe_job", "Describe work that goes on", jobs::describe).to(Any).gives::<wire::Job>(),
        route(GET, "/apikeys/export", "export_api_keys", "Export all API keys", api_keys::export).to(Any).needs::<ViewApiKeys>().gives::<wire::ApiKeys>(),
        route(GET, "/apikeys/counts", "count_api_keys", "Count API keys by status", api_keys::counts).to(Any).needs::<ViewApiKeys>().gives::<wire::ApiKeyCounts>(),
        route(PUT, "/apikeys/by-name/{keyName}", "ensure_api_key", "Make the API key of a name what it is to be", ensure::ensure).to(Any).needs::<EnsureApiKeys>().takes::<wire::WantedApiKey>().gives::<wire::ApiKeyEnsured>(),
        route(POST, "/apikeys/{apiKeyID}/authorizations", "authorize_api_type", "Authorize an API type of an API key", authorizations::give).to(Session).needs::<EditApiKeys>().takes::<wire::AuthorizationGrant>().gives::<wire::KeyApiTypes>(),
        route(DELETE, "/apikeys/{apiKeyID}/authorizations/{apiTypeName}", "withdraw_api_type_authorization", "Take back the authorization of an API type of an API key", authorizations::withdraw).to(Session).needs::<EditApiKeys>(),
        route(POST, "/apikeys/verify", "verify_api_key", "Ask whether an API key is good", verify::one).to(Any).needs::<ViewApiKeys>().takes::<wire::VerificationWish>().gives::<wire::Verification>(),
        route(POST, "/apikeys/verify/batch", "verify_api_keys", "Ask whether many API keys are good", verify::many).to(Any).needs::<ViewApiKeys>().takes::<wire::VerificationWishes>().gives::<wire::Verifications>(),
        route(POST, "/apikeys/explain", "explain_api_key", "Ask why an API key is or would be let in or not", explain::explain).to(Any).needs::<ViewApiKeys>().takes::<wire::ExplanationWish>().gives::<wire::Explanation>(),
        // the rules that keys live under, and what they can be for
        route(GET, "/apikeyprofiles", "list_api_key_profiles", "List API key profiles", profiles::list).to(Any).needs::<ViewSettings>().gives::<wire::Profiles>(),
        route(POST, "/apikeyprofiles", "create_api_key_profile", "Create an API key profile", profiles::create).to(Any).needs::<EditSettings>().takes::<wire::NewProfile>().gives::<wire::Profile>(),
        route(POST, "/apikeyprofiles/search", "search_api_key_profiles", "Search API key profiles", profiles::search).to(Any).needs::<ViewSettings>().takes::<wire::SearchFilter>().gives::<wire::Profiles>(),
        route(GET, "/apikeyprofiles/{profileID}", "describe_api_key_profile", "Describe an API key profile", profiles::describe).to(Any).needs::<ViewSettings>().gives::<wire::Profile>(),
        route(POST, "/apikeyprofiles/{profileID}", "modify_api_key_profile", "Modify an API key profile", profiles::modify).to(Any).needs::<EditSettings>().takes::<wire::ProfileChange>().gives::<wire::Profile>(),
        route(DELETE, "/apikeyprofiles/{profileID}", "delete_api_key_profile", "Delete an API key profile", profiles::delete).to(Any).needs::<EditSettings>(),
        route(GET, "/apitypes", "list_api_types", "List API types", api_types::list).to(Any).needs::<ViewSettings>().gives::<wire::ApiTypes>(),
        route(POST, "/apitypes", "create_api_type", "Create an API type", api_types::create).to(Any).needs::<EditSettings>().takes::<wire::NewApiType>().gives::<wire::ApiType>(),
        route(POST, "/apitypes/search", "search_api_types", "Search API types", api_types::search).to(Any).needs::<ViewSettings>().takes::<wire::SearchFilter>().gives::<wire::ApiTypes>(),
        route(GET, "/apitypes/{apiTypeID}", "describe_api_type", "Describe an API type", api_types::describe).to(Any).needs::<ViewSettings>().gives::<wire::ApiType>(),
        route(POST, "/apitypes/{apiTypeID}", "modify_api_type", "Modify an API type", api_types::modify).to(Any).needs::<EditSettings>().takes::<wire::ApiTypeChange>().gives::<wire::ApiType>(),
        route(DELETE, "/apitypes/{apiTypeID}", "delete_api_type", "Delete an API type", api_types::delete).to(Any).needs::<EditSettings>(),
        // keys that are made when a code is redeemed
        route(GET, "/claims", "list_claims", "List claims", claims::list).to(Any).needs::<ViewApiKeys>().gives::<wire::Claims>(),
        route(POST, "/claims", "create_claim", "Hand out a code that an API key is made with", claims::create).to(Any).needs::<CreateClaims>().takes::<wire::NewClaim>().gives::<wire::ClaimWithCode>(),
        route(POST, "/claims/redeem", "redeem_claim", "Make the API key of a code", claims::redeem).to(Open).takes::<wire::PresentedClaim>().gives::<wire::ApiKeyWithSecret>(),
        route(GET, "/claims/{claimID}", "describe_claim", "Describe a claim", claims::describe).to(Any).needs::<ViewApiKeys>().gives::<wire::Claim>(),
        route(DELETE, "/claims/{claimID}", "delete_claim", "Withdraw a claim", claims::delete).to(Any).needs::<DeleteApiKeys>(),
        // roles, under the two names that clients use
        route(GET, "/administratorroles", "list_administrator_roles", "List roles", roles::list).to(Any).needs::<ViewRoles>().gives::<wire::AdministratorRoles>(),
        route(POST, "/administratorroles", "create_administrator_role", "Create a role", roles::create).to(Any).needs::<CreateRoles>().takes::<wire::NewRole>().gives::<wire::Role>(),
        route(POST, "/administratorroles/search", "search_administrator_roles", "Search roles", roles::search).to(Any).needs::<ViewRoles>().takes::<wire::SearchFilter>().gives::<wire::AdministratorRoles>(),
        route(GET, "/administratorroles/{roleID}", "describe_administrator_role", "Describe a role", roles::describe).to(Any).needs::<ViewRoles>().gives::<wire::Role>(),
        route(POST, "/administratorroles/{roleID}", "modify_administrator_role", "Modify a role", roles::modify).to(Any).needs::<EditRoles>().takes::<wire::RoleChange>().gives::<wire::Role>(),
        route(DELETE, "/administratorroles/{roleID}", "delete_administrator_role", "Delete a role", roles::delete).to(Any).needs::<DeleteRoles>(),
        route(GET, "/roles", "list_roles", "List roles", roles::list).to(Any).needs::<ViewRoles>().gives::<wire::AdministratorRoles>(),
        route(POST, "/roles", "create_role", "Create a role", roles::create).to(Any).needs::<CreateRoles>().takes::<wire::NewRole>().gives::<wire::Role>(),
        route(POST, "/roles/search", "search_roles", "Search roles", roles::search).to(Any).needs::<ViewRoles>().takes::<wire::SearchFilter>().gives::<wire::AdministratorRoles>(),
        route(GET, "/roles/{roleID}", "describe_role", "Describe a role", roles::describe).to(Any).needs::<ViewRoles>().gives::<wire::Role>(),
        route(POST, "/roles/{roleID}", "modify_role", "Modify a role", roles::modify).to(Any).needs::<EditRoles>().takes::<wire::RoleChange>().gives::<wire::Role>(),
        route(DELETE, "/roles/{roleID}", "delete_role", "Delete a role", roles::delete).to(Any).needs::<DeleteRoles>(),
        // administrators, and what each does about their own account
        route(GET, "/administrators", "list_administrators", "List administrators", administrators::list).to(Any).needs::<ViewAdministrators>().gives::<wire::Administrators>(),
        route(POST, "/administrators", "create_administrator", "Create an administrator", administrators::create).to(Any).needs::<CreateAdministrators>().takes::<wire::NewAdministrator>().gives::<wire::Administrator>(),
        route(POST, "/administrators/search", "search_administrators", "Search administrators", administrators::search).to(Any).needs::<ViewAdministrators>().takes::<wire::SearchFilter>().gives::<wire::Administrators>(),
        route(GET, "/administrators/{administratorID}", "describe_administrator", "Describe an administrator", administrators::describe).to(Any).needs::<ViewAdministrators>().gives::<wire::Administrator>(),
        route(POST, "/administrators/{administratorID}", "modify_administrator", "Modify an administrator", administrators::modify).to(Any).needs::<EditAdministrators>().takes::<wire::AdministratorChange>().gives::<wire::Administrator>(),
        route(DELETE, "/administrators/{administratorID}", "delete_administrator", "Delete an administrator", administrators::delete).to(Any).needs::<DeleteAdministrators>(),
        route(POST, "/administrators/{administratorID}/password", "change_password", "Change one's own password", own_account::change_password).to(Session).initial().takes::<wire::NewPassword>(),
        route(POST, "/administrators/{administratorID}/totp", "enrol_totp", "Begin to use MFA", own_account::enrol_totp).to(Session).initial().takes::<wire::PasswordAgain>().gives::<wire::MfaEnrolment>(),
        route(DELETE, "/administrators/{administratorID}/totp", "remove_totp", "Stop using MFA", own_account::remove_totp).to(Session).initial().takes::<wire::MfaRemoval>(),
        route(POST, "/administrators/{administratorID}/totp/confirm", "confirm_totp", "Confirm MFA with the first code", own_account::confirm_totp).to(Session).initial().takes::<wire::MfaConfirmation>(),
        // contacts
        route(GET, "/contacts", "list_contacts", "List contacts", contacts::list).to(Any).needs::<ViewContacts>().gives::<wire::Contacts>(),
        route(POST, "/contacts", "create_contact", "Create a contact", contacts::create).to(Any).needs::<CreateContacts>().takes::<wire::NewContact>().gives::<wire::Contact>(),
        route(POST, "/contacts/search", "search_contacts", "Search contacts", contacts::search).to(Any).needs::<ViewContacts>().takes::<wire::SearchFilter>().gives::<wire::Contacts>(),
        route(GET, "/contacts/{contactID}", "describe_contact", "Describe a contact", contacts::describe).to(Any).needs::<ViewContacts>().gives::<wire::Contact>(),
        route(POST, "/contacts/{contactID}", "modify_contact", "Modify a contact", contacts::modify).to(Any).needs::<EditContacts>().takes::<wire::ContactChange>().gives::<wire::Contact>(),
        route(DELETE, "/contacts/{contactID}", "delete_contact", "Delete a contact", contacts::delete).to(Any).needs::<DeleteContacts>(),
        // tenants, for the primary one
        route(GET, "/tenants", "list_tenants", "List tenants", tenants::list).to(Any).needs::<ViewTenants>().gives::<wire::Tenants>(),
        route(POST, "/tenants", "create_tenant", "Create a tenant", tenants::create).to(Any).needs::<CreateTenants>().takes::<wire::NewTenant>().gives::<wire::Tenant>(),
        route(POST, "/tenants/search", "search_tenants", "Search tenants", tenants::search).to(Any).needs::<ViewTenants>().takes::<wire::SearchFilter>().gives::<wire::Tenants>(),
        route(GET, "/tenants/{tenantID}", "describe_tenant", "Describe a tenant", tenants::describe).to(Any).needs::<ViewTenants>().gives::<wire::Tenant>(),
        route(POST, "/tenants/{tenantID}", "modify_tenant", "Modify a tenant", tenants::modify).to(Any).needs::<EditTenants>().takes::<wire::TenantChange>().gives::<wire::Tenant>(),
        route(DELETE, "/tenants/{tenantID}", "delete_tenant", "Delete a tenant and all it holds", tenants::delete).to(Any).needs::<DeleteTenants>(),
        route(POST, "/tenants/{tenantID}/apikeys", "generate_tenant_api_secret_key", "Create an API key of a tenant", api_keys::create_for_tenant).to(Any).needs::<ManageTenantApiKeys>().takes::<wire::NewTenantApiKey>().gives::<wire::ApiKeyWithSecret>(),
        route(GET, "/about", "describe_about", "Read what serves the caller, and where", tenants::about).to(Any).gives::<wire::About>(),
        // settings
        route(GET, "/systemsettings", "list_system_settings", "List system settings", settings::list).to(Any).needs::<ViewSettings>().gives::<wire::SystemSettings>(),
        route(POST, "/systemsettings", "modify_system_settings", "Modify system settings", settings::modify_all).to(Any).needs::<EditSettings>().takes::<wire::SettingsChange>().gives::<wire::SystemSettings>(),
        route(GET, "/systemsettings/{name}", "describe_system_setting", "Describe a system setting", settings::describe).to(Any).needs::<ViewSettings>().gives::<wire::SettingValue>(),
        route(POST, "/systemsettings/{name}", "modify_system_setting", "Modify a system setting", settings::modify).to(Any).needs::<EditSettings>().takes::<wire::SettingChange>().gives::<wire::SettingValue>(),
        route(DELETE, "/systemsettings/{name}", "reset_system_setting", "Reset a system setting", settings::reset).to(Any).needs::<EditSettings>().gives::<wire::SettingValue>(),
        route(GET, "/signinpage", "describe_sign_in_page", "Read what is to be read before signing in", settings::sign_in_page).to(Open).gives::<wire::SignInPage>(),
        // who is told
        route(GET, "/webhooks", "list_webhooks", "List webhooks", webhooks::list).to(Any).needs::<ViewSettings>().gives::<wire::Webhooks>(),
        route(POST, "/webhooks", "create_webhook", "Create a webhook", webhooks::create).to(Any).needs::<EditSettings>().takes::<wire::NewWebhook>().gives::<wire::WebhookWithSecret>(),
        route(POST, "/webhooks/search", "search_webhooks", "Search webhooks", webhooks::search).to(Any).needs::<ViewSettings>().takes::<wire::SearchFilter>().gives::<wire::Webhooks>(),
        route(GET, "/webhooks/{webhookID}", "describe_webhook", "Describe a webhook", webhooks::describe).to(Any).needs::<ViewSettings>().gives::<wire::Webhook>(),
        route(POST, "/webhooks/{webhookID}", "modify_webhook", "Modify a webhook", webhooks::modify).to(Any).needs::<EditSettings>().takes::<wire::WebhookChange>().gives::<wire::Webhook>(),
        route(DELETE, "/webhooks/{webhookID}", "delete_webhook", "Delete a webhook", webhooks::delete).to(Any).needs::<EditSettings>(),
        route(POST, "/webhooks/{webhookID}/secret", "replace_webhook_secret", "Give a webhook a new signing secret", webhooks::replace_secret).to(Any).needs::<EditSettings>().gives::<wire::WebhookWithSecret>(),
        route(POST, "/webhooks/{webhookID}/test", "test_webhook", "Send a webhook a test message", webhooks::test).to(Any).needs::<EditSettings>(),
        route(GET, "/snapshot", "read_snapshot", "Read what verification needs, signed", snapshot::read).to(Any).needs::<ViewApiKeys>().gives::<wire::SnapshotText>(),
        route(POST, "/calendar", "create_calendar", "Make the secret URL of one's calendar of keys that expire", calendar::make).to(Any).needs::<ViewApiKeys>().gives::<wire::CalendarMade>(),
        route(DELETE, "/calendar", "delete_calendar", "Take the URL of one's calendar away", calendar::remove).to(Any),
        route(GET, "/calendar/{secret}.ics", "read_calendar", "Read the calendar under a secret URL", calendar::read).to(Open).gives::<wire::CalendarText>(),
        // what was called
        route(GET, "/apiusagemetrics", "list_api_usage_metrics", "List API usage metrics", usage::list).to(Any).needs::<ViewSystemInformation>().gives::<wire::ApiUsageMetrics>(),
        route(POST, "/apiusagemetrics/search", "search_api_usage_metrics", "Search API usage metrics", usage::search).to(Any).needs::<ViewSystemInformation>().takes::<wire::SearchFilter>().gives::<wire::ApiUsageMetrics>(),
        // what was changed
        route(GET, "/auditevents", "list_audit_events", "List audit events", audit::list).to(Any).needs::<ViewSystemInformation>().gives::<wire::AuditEvents>(),
        route(POST, "/auditevents/search", "search_audit_events", "Search audit events", audit::search).to(Any).needs::<ViewSystemInformation>().takes::<wire::SearchFilter>().gives::<wire::AuditEvents>(),
        route(GET, "/auditevents/head", "describe_audit_head", "Describe where the audit chain ends", audit::describe_head).to(Any).needs::<ViewAuditHead>().gives::<wire::AuditHead>(),
    ]
}

fn route<H: Handler<A>, A: FromRequest + 'static>(
    method: Method,
    path: &'static str,
    operation: &'static str,
    summary: &'static str,
    handler: H,
) -> Route
where
    H::Output: Responder + 'static,
{
    Route {
        method,
        path,
        operation,
        summary,
        access: Access::Any,
        right: None,
        or_right: &[],
        with_initial_password: false,
        primary_only: false,
        request: None,
        answer: (204, None),
        make: Box::new(move || actix_web::Route::new().to(Guarded(handler.clone()))),
    }
}

impl Route {
    fn to(mut self, access: Access) -> Self {
        self.access = access;
        self.with_initial_password |= access == Access::Open;
        self
    }

    fn needs<D: Demand>(mut self) -> Self {
        self.right = D::RIGHT;
        self.or_right = D::OR;
        self.with_initial_password = D::WITH_INITIAL_PASSWORD;
        self.primary_only = D::PRIMARY_ONLY;
        self
    }

    fn initial(mut self) -> Self {
        self.with_initial_password = true;
        self
    }

    fn takes<T: ToSchema>(mut self) -> Self {
        self.request = Some(Shape::of::<T>());
        self
    }

    fn gives<T: ToSchema>(mut self) -> Self {
        self.answer = (200, Some(Shape::of::<T>()));
        self
    }
}

/// The table as actix's resources: one for each path, which answers other methods with 405 and what it takes.
pub fn resources() -> Vec<Resource> {
    resources_of(routes())
}

/// The older API below `/rest`, as far as signing in and out goes. No part of the table: it is there only where the
/// configuration asks for it, and answers in another shape.
pub fn legacy_resources() -> Vec<Resource> {
    resources_of(vec![
        route(Method::POST, "/authentication/login", "legacy_login", "Sign in", legacy::login),
        route(Method::POST, "/authentication/login/primary", "legacy_login_primary", "Sign in", legacy::login_primary),
        route(Method::DELETE, "/authentication/logout", "legacy_logout", "Sign out", legacy::logout),
    ])
}

/// What OAuth clients ask. No part of the table either: its path and its refusals are as RFC 7662 has them.
pub fn introspection_resources() -> Vec<Resource> {
    resources_of(vec![route(Method::POST, INTROSPECTION, "introspect_token", "Introspect", introspection::introspect)])
}

fn resources_of(mut routes: Vec<Route>) -> Vec<Resource> {
    let mut resources = Vec::new();
    while let Some(path) = routes.first().map(|route| route.path) {
        let (same, others): (Vec<Route>, Vec<Route>) = routes.into_iter().partition(|route| route.path == path);
        routes = others;
        resources.push(resource(&pattern(path), same.iter().map(|route| (route.method.clone(), &*route.make))));
    }
    resources
}

/// A parameter stands for digits, one called `name` for letters, one called `secret` for upper-case hex digits, one
/// called `apiTypeName` for what such a name is made of, and one called `keyName` for whatever has no slash in it:
/// anything else in its place is no route.
fn pattern(path: &str) -> String {
    let digits = path.replace('}', ":[0-9]+}");
    let names = digits.replace("{name:[0-9]+}", "{name:[A-Za-z]+}").replace("{keyName:[0-9]+}", "{keyName}");
    let names = names.replace("{secret:[0-9]+}", "{secret:[0-9A-F]+}");
    names.replace("{apiTypeName:[0-9]+}", "{apiTypeName:[A-Za-z][A-Za-z0-9._-]*}")
}

/// A resource that knows which methods it takes.
pub fn resource<'a>(
    path: &str,
    routes: impl IntoIterator<Item = (Method, &'a (dyn Fn() -> actix_web::Route + 'static))>,
) -> Resource {
    let mut resource = web::resource(path);
    let mut allowed: Vec<String> = Vec::new();
    for (method, make) in routes {
        if method == Method::GET {
            resource = resource.route(make().method(Method::HEAD));
            allowed.push("HEAD".to_owned());
        }
        allowed.push(method.to_string());
        resource = resource.route(make().method(method));
    }
    allowed.sort();
    let allowed = allowed.join(", ");
    resource.default_service(web::to(move || {
        let message = format!("This route takes {allowed}.");
        let refusal = Error::new(Reason::MethodNotAllowed, message).allow(&allowed);
        async move { Err::<HttpResponse, Error>(refusal) }
    }))
}

/// What answers where there is no route.
pub async fn no_such_route() -> Result<HttpResponse, Error> {
    Err(Error::no_such_route())
}

/// A handler whose panic is one answer of 500 and no more: the worker lives on (T-31).
#[derive(Clone)]
struct Guarded<H>(H);

/// What a handler came to, or what it panicked with.
type Outcome<T> = Result<T, Box<dyn std::any::Any + Send>>;

impl<H, A> Handler<A> for Guarded<H>
where
    H: Handler<A>,
    H::Output: Responder + 'static,
{
    type Output = Result<H::Output, Error>;
    type Future = Map<CatchUnwind<AssertUnwindSafe<H::Future>>, fn(Outcome<H::Output>) -> Self::Output>;

    fn call(&self, arguments: A) -> Self::Future {
        AssertUnwindSafe(self.0.call(arguments)).catch_unwind().map(panic_as_error)
    }
}

fn panic_as_error<T>(outcome: Outcome<T>) -> Result<T, Error> {
    outcome.map_err(|_| Error::internal("a handler panicked; the log says where"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::{App, test as http};

    #[actix_web::test]
    async fn a_panic_in_a_handler_is_one_500_and_the_worker_lives_on() {
        async fn faulty() -> HttpResponse {
            panic!("as a test would")
        }
        let route = route(Method::GET, "/faulty", "faulty", "", faulty);
        let app = App::new().wrap(actix_web::middleware::from_fn(crate::observe::observe));
        let app = http::init_service(app.service(resource("/faulty", [(Method::GET, &*route.make)]))).await;
        for _ in 0..2 {
            let answer = http::call_service(&app, http::TestRequest::get().uri("/faulty").to_request()).await;
            assert_eq!(answer.status(), 500);
            let body: serde_json::Value = http::read_body_json(answer).await;
            assert_eq!(body["code"], "internal");
        }
    }

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let mut names: Vec<&str> = routes().iter().map(|route| route.operation).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
