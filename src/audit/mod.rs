//! What happened, by whom, from where: written in the transaction of the change it speaks of.
//!
//! A second later it is sealed into a chain of MACs ([`chain`], `audit/sealing.rs`), so that what is changed, removed
//! or slipped in behind the server's back is found ([`verify`]).

pub mod chain;
mod change;
pub mod handlers;
mod sealing;
mod store;
pub mod verify;

use std::net::IpAddr;

use serde_json::{Value, json};
use smol_str::SmolStr;

use crate::auth::{Caller, Starter, Who};
use crate::id::{ApiKeyID, TenantID};

pub use change::{mark, record};
pub use sealing::{begin_epoch, head, log_head, retain, seal};
pub use store::Mark;

macro_rules! kinds {
    ($($(#[doc = $about:literal])+ $kind:ident = $number:literal $level:ident $name:literal;)*) => {
        /// What can happen. Numbers below 1000 are Deep Security's own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum EventKind {
            $($(#[doc = $about])+ $kind,)*
        }

        impl EventKind {
            /// Every kind there is.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Its stable number.
            pub const fn number(self) -> i64 {
                match self { $(Self::$kind => $number,)* }
            }

            /// Its name, as reports show it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// `info` or `warning`.
            pub const fn level(self) -> &'static str {
                match self { $(Self::$kind => stringify!($level),)* }
            }
        }
    };
}

kinds! {
    /// A sign-in was refused.
    SignInFailed = 160 warning "Authentication Failed";
    /// A session was opened.
    SignedIn = 600 info "User Signed In";
    /// A session was ended by its owner.
    SignedOut = 601 info "User Signed Out";
    /// A session ended because nobody used it, or because its time was over.
    SessionTimedOut = 602 info "User Timed Out";
    /// An administrator was locked out.
    AdministratorLocked = 603 info "User Locked Out";
    /// A lock was taken off an administrator.
    AdministratorUnlocked = 604 info "User Unlocked";
    /// A session's cookie came without its request ID, or with another's.
    RequestIDRefused = 608 warning "User Session Validation Failed";
    /// An administrator was made.
    AdministratorCreated = 650 info "User Created";
    /// An administrator was removed.
    AdministratorDeleted = 651 info "User Deleted";
    /// An administrator's properties or second factor were changed.
    AdministratorUpdated = 652 info "User Updated";
    /// An administrator's password was set.
    PasswordSet = 653 info "User Password Set";
    /// A role was made.
    RoleCreated = 660 info "Role Created";
    /// A role was removed.
    RoleDeleted = 661 info "Role Deleted";
    /// A role was changed.
    RoleUpdated = 662 info "Role Updated";
    /// A session was ended because its owner opened too many.
    SessionDisplaced = 5001 info "User Session Ended By Limit";
    /// Wrong passwords for one administrator have passed a hundred since the last good one.
    UnderAttack = 5002 warning "User Under Attack";
    /// A key was minted.
    ApiKeyCreated = 5010 info "API Key Created";
    /// A key's properties were changed.
    ApiKeyUpdated = 5011 info "API Key Updated";
    /// A key was revoked for good.
    ApiKeyDeleted = 5012 info "API Key Deleted";
    /// A key's secret was replaced.
    ApiKeySecretReplaced = 5013 info "API Key Secret Replaced";
    /// The older of a key's two secrets ended: by itself, by hand, or with the newer one.
    ApiKeyRotationFinished = 5180 info "API Key Rotation Finished";
    /// The newer of a key's two secrets was taken back.
    ApiKeyRotationUndone = 5181 info "API Key Rotation Undone";
    /// Somebody presented a secret that was replaced.
    ReplacedSecretPresented = 5182 warning "Replaced API Key Secret Presented";
    /// A key was given a new secret and a new life by the rules it lives under.
    ApiKeyRefreshed = 5183 info "API Key Refreshed";
    /// A contact was made.
    ContactCreated = 5040 info "Contact Created";
    /// A contact was changed.
    ContactUpdated = 5041 info "Contact Updated";
    /// A contact was removed.
    ContactDeleted = 5042 info "Contact Deleted";
    /// A tenant was made.
    TenantCreated = 5050 info "Tenant Created";
    /// A tenant was changed.
    TenantUpdated = 5051 info "Tenant Updated";
    /// A tenant was removed, with all it held.
    TenantDeleted = 5052 info "Tenant Deleted";
    /// Settings were changed.
    SettingsUpdated = 5060 info "System Settings Updated";
    /// A webhook was made.
    WebhookCreated = 5100 info "Webhook Created";
    /// A webhook was changed.
    WebhookUpdated = 5101 info "Webhook Updated";
    /// A webhook was removed.
    WebhookDeleted = 5102 info "Webhook Deleted";
    /// What a webhook's messages are signed with was replaced.
    WebhookSecretReplaced = 5103 info "Webhook Secret Replaced";
    /// A webhook is to be told that this is a test.
    WebhookTested = 5104 info "Webhook Tested";
    /// A webhook is called no more, because its receiver answered that it is gone.
    WebhookGone = 5105 warning "Webhook Switched Off By Its Receiver";
    /// A calendar got its secret URL, or another one.
    CalendarMade = 5106 info "Calendar URL Made";
    /// A calendar's URL was taken away.
    CalendarRemoved = 5107 info "Calendar URL Removed";
    /// Attempts to sign in as somebody from one address have begun to be delayed.
    SignInThrottled = 5108 warning "Sign-In Throttled";
    /// Events whose time was over were removed.
    AuditEventsRemoved = 5070 info "Audit Events Removed";
    /// A revoked key was presented with a secret that was right until then.
    RevokedApiKeyPresented = 5140 warning "Revoked API Key Presented";
    /// Work on many keys was begun.
    JobBegun = 5141 info "Job Begun";
    /// Work on many keys came to its end.
    JobDone = 5142 info "Job Done";
    /// Work on many keys stopped before its end.
    JobStopped = 5143 warning "Job Stopped";
    /// Keys were brought from elsewhere.
    ApiKeysImported = 5144 info "API Keys Imported";
    /// A session that was there for making one key has made it, and ended with that.
    OneShotSpent = 5120 info "One-Shot Session Ended";
    /// A code was handed out that a key is made with.
    ClaimCreated = 5121 info "Claim Created";
    /// A code was redeemed, and its key made.
    ClaimRedeemed = 5122 info "Claim Redeemed";
    /// A code came again after its key was made, which is revoked with that.
    ClaimReused = 5123 warning "Claim Used Again";
    /// A claim was withdrawn.
    ClaimDeleted = 5124 info "Claim Deleted";
    /// A key profile was made.
    ProfileCreated = 5160 info "API Key Profile Created";
    /// A key profile was changed, or made the tenant's default.
    ProfileUpdated = 5161 info "API Key Profile Updated";
    /// A key profile was removed.
    ProfileDeleted = 5162 info "API Key Profile Deleted";
    /// An API type was made.
    ApiTypeCreated = 5163 info "API Type Created";
    /// An API type was changed.
    ApiTypeUpdated = 5164 info "API Type Updated";
    /// An API type was removed.
    ApiTypeDeleted = 5165 info "API Type Deleted";
    /// An API type of a key was given the authorization that it waited for.
    AuthorizationGranted = 5166 info "API Key Authorization Granted";
    /// An API type of a key was taken its authorization.
    AuthorizationWithdrawn = 5167 info "API Key Authorization Withdrawn";
    /// Everything that verification needs was read, for somebody who verifies elsewhere.
    SnapshotRead = 5200 info "Snapshot Read";
    /// The server was set up.
    Initialised = 5030 info "Server Initialised";
    /// The master key was replaced; passwords and second factors were reset.
    MasterKeyReplaced = 5031 warning "Master Key Replaced";
}

/// One thing that happened, before its actor is known.
#[derive(Clone, Debug)]
pub struct Event {
    kind: EventKind,
    target: Target,
    details: Value,
    tenant: Option<TenantID>,
}

/// What it happened to.
#[derive(Clone, Debug, Default)]
pub struct Target {
    kind: &'static str,
    id: Option<i64>,
    name: String,
}

impl Target {
    /// A target by kind ("apiKey"), number and name.
    pub fn new(kind: &'static str, id: i64, name: impl Into<String>) -> Self {
        Self { kind, id: Some(id), name: name.into() }
    }

    /// What kind of thing it is ("apiKey"); empty where nothing is named.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Its number.
    pub fn id(&self) -> Option<i64> {
        self.id
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Event {
    /// Something that happened to `target`.
    pub fn new(kind: EventKind, target: Target) -> Self {
        Self { kind, target, details: json!({}), tenant: None }
    }

    /// Adds what is worth knowing besides; never a secret.
    #[must_use]
    pub fn with(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    /// What happened.
    pub fn kind(&self) -> EventKind {
        self.kind
    }

    /// To what.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// What is worth knowing besides.
    pub fn details(&self) -> &Value {
        &self.details
    }

    /// Makes it an event of another tenant than the actor's: there the actor is "the primary tenant" and no more. The
    /// trace ID is the same in both, so that the primary tenant can tell who it was.
    #[must_use]
    pub fn in_tenant(mut self, tenant: TenantID) -> Self {
        self.tenant = Some(tenant);
        self
    }
}

/// What changed, from what to what: of each member its name, how it was and how it is.
pub fn differences_of(members: impl IntoIterator<Item = (&'static str, Value, Value)>) -> Value {
    let changed = members.into_iter().filter(|(_, old, new)| old != new);
    let named = changed.map(|(member, old, new)| (member.to_owned(), json!({ "from": old, "to": new })));
    named.collect::<serde_json::Map<_, _>>().into()
}

/// Where a request came from, as its log line and its events say it.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The other end of the connection.
    pub address: IpAddr,
    /// The request's trace ID.
    pub request_id: SmolStr,
}

/// Who made something happen.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The tenant whose event it is.
    pub tenant: TenantID,
    kind: &'static str,
    id: Option<i64>,
    name: String,
    address: String,
    request_id: String,
}

impl Actor {
    /// The one who makes a call.
    pub fn caller<R, V>(caller: &Caller<R, V>) -> Self {
        Self::known(caller.tenant().id, caller.who(), caller.origin())
    }

    /// An identity that has not become a caller.
    pub fn known(tenant: TenantID, who: &Who, origin: &Origin) -> Self {
        let (kind, id, name) = match who {
            Who::Administrator(session) => ("administrator", session.administrator.get(), session.username.clone()),
            Who::ApiKey(key) => ("apiKey", key.id.get(), key.name.clone()),
        };
        Self {
            tenant,
            kind,
            id: Some(id),
            name,
            address: origin.address.to_string(),
            request_id: origin.request_id.to_string(),
        }
    }

    /// Somebody who signs in, or tries to; `known` when the account exists.
    pub fn signing_in(tenant: TenantID, known: Option<(i64, &str)>, origin: &Origin) -> Self {
        Self {
            tenant,
            kind: if known.is_some() { "administrator" } else { "unknown" },
            id: known.map(|(id, _)| id),
            // What was typed for an unknown name may be a password in the wrong field: it is not kept.
            name: known.map(|(_, name)| name.to_owned()).unwrap_or_default(),
            address: origin.address.to_string(),
            request_id: origin.request_id.to_string(),
        }
    }

    /// `administrator`, `apiKey`, `tenant`, `system` or `unknown`.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Their number.
    pub fn id(&self) -> Option<i64> {
        self.id
    }

    /// Their name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whoever began something that goes on after their call.
    pub fn starter(starter: &Starter) -> Self {
        let (kind, id, _) = starter.stored();
        Self {
            tenant: starter.tenant,
            kind,
            id: Some(id),
            name: starter.name.clone(),
            address: starter.address.clone(),
            request_id: starter.request_id.clone(),
        }
    }

    /// A key that has proved itself and lets nobody in any more.
    pub fn revoked_key(tenant: TenantID, id: ApiKeyID, name: &str, origin: &Origin) -> Self {
        Self {
            tenant,
            kind: "apiKey",
            id: Some(id.get()),
            name: name.to_owned(),
            address: origin.address.to_string(),
            request_id: origin.request_id.to_string(),
        }
    }

    /// Whoever brings the code of a claim.
    pub fn claim(tenant: TenantID, id: i64, key_name: &str, origin: &Origin) -> Self {
        Self {
            tenant,
            kind: "claim",
            id: Some(id),
            name: key_name.to_owned(),
            address: origin.address.to_string(),
            request_id: origin.request_id.to_string(),
        }
    }

    /// The primary tenant, as others see it: neither who it was nor where they sat.
    fn primary_tenant(&self, seen_from: TenantID) -> Self {
        Self {
            tenant: seen_from,
            kind: "tenant",
            id: Some(TenantID::PRIMARY.get()),
            name: "Primary".to_owned(),
            address: String::new(),
            request_id: self.request_id.clone(),
        }
    }

    /// The program itself, in the affairs of one tenant.
    pub fn system_in(tenant: TenantID, doing: &str) -> Self {
        Self { tenant, ..Self::system(doing) }
    }

    /// The program itself: its first start, or a command typed on the host.
    pub fn system(doing: &str) -> Self {
        Self {
            tenant: TenantID::PRIMARY,
            kind: "system",
            id: None,
            name: doing.to_owned(),
            address: String::new(),
            request_id: String::new(),
        }
    }
}
