//! Somebody who has begun what goes on after their call: as much of them as is kept, and what they may do later.

use super::caller::Caller;
use super::identity::{KeyBounds, Who};
use super::lookup;
use crate::clock::Timestamp;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::id::{AdministratorID, ApiKeyID, TenantID};
use crate::rights::{Demand, Grant};
use crate::secret::SecretDigest;

/// Who began something, and from where.
#[derive(Clone, Debug)]
pub struct Starter {
    /// Where they belong.
    pub tenant: TenantID,
    who: Begun,
    /// Their name, as it was.
    pub name: String,
    /// Where their call came from.
    pub address: String,
    /// Its trace ID.
    pub request_id: String,
}

/// By what they are known again. A new password, or a new secret, makes somebody else of them: the old one may have
/// been in the wrong hands.
#[derive(Clone, Debug)]
enum Begun {
    Administrator { id: AdministratorID, credential_version: i64 },
    ApiKey { id: ApiKeyID, digest: SecretDigest },
}

/// What somebody who has begun something may do at this moment.
#[derive(Clone, Debug)]
pub struct Acting {
    /// What they may hand out or lay hands on.
    pub grant: Grant,
    /// When they end, if they do.
    pub expires: Option<Timestamp>,
    /// What bounds them, where they are a key.
    pub bounds: Option<KeyBounds>,
}

impl Acting {
    /// Whether they have the right that a call of theirs would need.
    pub fn may<D: Demand>(&self) -> bool {
        D::RIGHT.is_none_or(|right| self.grant.rights.contains(right))
    }
}

impl Starter {
    /// Whoever makes the call, in the transaction of its change.
    pub fn of<R, V>(db: &mut Db, caller: &Caller<R, V>) -> Result<Self> {
        let tenant = caller.tenant().id;
        let (who, name) = match caller.who() {
            Who::Administrator(session) => {
                let id = session.administrator;
                let version = lookup::credential_version(db, tenant, id)?;
                let credential_version = version.ok_or_else(|| Error::internal("a caller is not there"))?;
                (Begun::Administrator { id, credential_version }, &session.username)
            }
            Who::ApiKey(key) => (Begun::ApiKey { id: key.id, digest: key.digest }, &key.name),
        };
        let origin = caller.origin();
        Ok(Self {
            tenant,
            who,
            name: name.clone(),
            address: origin.address.to_string(),
            request_id: origin.request_id.to_string(),
        })
    }

    /// Kind, number, and what they are known by, as they are stored.
    pub fn stored(&self) -> (&'static str, i64, String) {
        match &self.who {
            Begun::Administrator { id, credential_version } => {
                ("administrator", id.get(), credential_version.to_string())
            }
            Begun::ApiKey { id, digest } => ("apiKey", id.get(), digest.to_hex()),
        }
    }

    /// Reads what [`Starter::stored`] gave.
    pub fn read(
        tenant: TenantID,
        (kind, id, proof): (&str, i64, &str),
        name: String,
        address: String,
        request_id: String,
    ) -> Result<Self> {
        let who = match kind {
            "administrator" => proof
                .parse()
                .ok()
                .map(|credential_version| Begun::Administrator { id: AdministratorID::new(id), credential_version }),
            _ => SecretDigest::from_hex(proof).map(|digest| Begun::ApiKey { id: ApiKeyID::new(id), digest }),
        };
        let who = who.ok_or_else(|| Error::internal("who began a job cannot be read"))?;
        Ok(Self { tenant, who, name, address, request_id })
    }

    /// Whether the caller is the very one.
    pub fn is<R, V>(&self, caller: &Caller<R, V>) -> bool {
        caller.tenant().id == self.tenant
            && match (&self.who, caller.who()) {
                (Begun::Administrator { id, .. }, Who::Administrator(session)) => *id == session.administrator,
                (Begun::ApiKey { id, .. }, Who::ApiKey(key)) => *id == key.id,
                _ => false,
            }
    }

    /// What they may do now; none where they are gone, locked, ended, or known by something else since. Signing out
    /// changes nothing: what was begun goes on.
    pub fn acting(&self, db: &mut Db, now: Timestamp) -> Result<Option<Acting>> {
        match &self.who {
            Begun::Administrator { id, credential_version } => {
                let grant = lookup::administrator_grant(db, self.tenant, *id, *credential_version)?;
                Ok(grant.map(|grant| Acting { grant, expires: None, bounds: None }))
            }
            Begun::ApiKey { id, digest } => {
                let found = lookup::key_grant(db, self.tenant, *id, digest, now)?;
                Ok(found.map(|(grant, expires, bounds)| Acting { grant, expires, bounds: Some(bounds) }))
            }
        }
    }
}
