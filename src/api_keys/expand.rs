//! What answers about keys add where `?expand=` asks for it: for a whole page of keys with the same few statements.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::rules::{ApiKey, Issuer, Properties};
use super::status::Status;
use super::{secrets, store};
use crate::administrators;
use crate::api_key_profiles::{self, Profile};
use crate::api_types::{self, KeyApiType};
use crate::app::App;
use crate::auth::Caller;
use crate::body::{Expand, Query};
use crate::clock::Timestamp;
use crate::constraints::windows::{DAYS, print_minute};
use crate::constraints::{self, Networks};
use crate::db::Db;
use crate::error::{Error, Result};
use crate::id::{AdministratorID, ApiKeyID, ProfileID, TenantID};
use crate::tenants;
use crate::wire;

/// What is asked for, and what it takes besides the database; cheap to clone into a closure.
#[derive(Clone)]
pub struct Look {
    expand: Expand,
    app: App,
    now: Timestamp,
}

impl Look {
    /// What a request's query asks for.
    pub fn of(query: &Query, app: &App) -> Result<Self> {
        Ok(Self { expand: query.expand()?, app: app.clone(), now: app.now() })
    }

    /// Whether keys' secrets are looked at, which a key that is made along with others does not have yet.
    pub fn reads_secrets(&self) -> bool {
        self.expand.lifecycle
    }

    /// For each of these keys of a tenant, in their order, what was asked for. Nothing asked costs no statement.
    pub fn at<R, V>(
        &self,
        db: &mut Db,
        caller: &Caller<R, V>,
        tenant: TenantID,
        keys: &[ApiKey],
    ) -> Result<Vec<wire::ApiKeyMore>> {
        let lives = if self.expand.lifecycle { Some(Lives::of(db, caller, tenant, keys, self)?) } else { None };
        let ids: Vec<ApiKeyID> = keys.iter().map(|key| key.id).collect();
        let mut types = match self.expand.constraints {
            true => api_types::of_keys(db, tenant, &ids)?,
            false => BTreeMap::new(),
        };
        let more = keys.iter().map(|key| {
            let lifecycle = lives.as_ref().map(|lives| lives.one(key, self)).transpose()?;
            let types = types.remove(&key.id).unwrap_or_default();
            let constraints = self.expand.constraints.then(|| shown(&key.properties, types));
            Ok(wire::ApiKeyMore { lifecycle, constraints })
        });
        more.collect()
    }

    /// [`Look::at`] for one key of the caller's tenant.
    pub fn at_one<R, V>(&self, db: &mut Db, caller: &Caller<R, V>, key: &ApiKey) -> Result<wire::ApiKeyMore> {
        let more = self.at(db, caller, caller.tenant().id, std::slice::from_ref(key))?;
        more.into_iter().next().ok_or_else(|| Error::internal("one key has one life"))
    }
}

/// What the lives of a page of keys depend on.
struct Lives {
    profiles: BTreeMap<ProfileID, Profile>,
    people: BTreeMap<AdministratorID, String>,
    people_who_may: BTreeSet<AdministratorID>,
    keys: BTreeMap<ApiKeyID, String>,
    keys_that_may: BTreeSet<ApiKeyID>,
    secrets: HashMap<ApiKeyID, secrets::Shown>,
    tenant_url: Option<String>,
}

impl Lives {
    fn of<R, V>(
        db: &mut Db,
        caller: &Caller<R, V>,
        tenant: TenantID,
        keys_of_page: &[ApiKey],
        look: &Look,
    ) -> Result<Self> {
        let (mut people, mut issuing_keys) = (BTreeSet::new(), BTreeSet::new());
        for key in keys_of_page {
            match key.issuer {
                Some(Issuer::Administrator(id)) => drop(people.insert(id)),
                Some(Issuer::ApiKey(id)) => drop(issuing_keys.insert(id)),
                None => {}
            }
        }
        let (people, people_who_may) = administrators::issuers(db, tenant, &people)?;
        let (keys, keys_that_may) = store::issuers(db, caller, &issuing_keys)?;
        let tenant_url = tenants::label(db, tenant)?.map(|label| look.app.urls.of(&label));
        let ids: Vec<ApiKeyID> = keys_of_page.iter().map(|key| key.id).collect();
        let secrets = secrets::secrets_of(db, tenant, &ids, &look.app.key_usage, look.now)?;
        Ok(Self {
            profiles: api_key_profiles::all_for(db, tenant)?,
            people,
            people_who_may,
            keys,
            keys_that_may,
            secrets,
            tenant_url,
        })
    }

    fn one(&self, key: &ApiKey, look: &Look) -> Result<wire::Lifecycle> {
        let profile = self.profiles.get(&key.profile).ok_or_else(|| Error::internal("a key's profile is gone"))?;
        let (last_use, _) = look.app.key_usage.overlay(key.id, key.last_sign_in, key.unsuccessful_sign_in_attempts);
        let status = Status::of(key, last_use, profile, self.issuer_may_sign_in(key), look.now);
        let ahead = |before: &i64| key.properties.expiry.map(|end| end.minus(*before)).filter(|at| *at > look.now);
        Ok(wire::Lifecycle {
            profile_id: profile.id,
            profile: profile.name.clone(),
            status: status.as_str(),
            kind: key.kind.as_str(),
            issuer: self.issuer(key),
            secrets: self.secrets.get(&key.id).map(|(secrets, _)| secrets.clone()).unwrap_or_default(),
            rotation: self.secrets.get(&key.id).and_then(|(_, rotation)| rotation.clone()),
            warnings: profile.warn_before.iter().filter_map(ahead).collect(),
            tenant_url: self.tenant_url.clone(),
        })
    }

    fn issuer_may_sign_in(&self, key: &ApiKey) -> bool {
        match key.issuer {
            Some(Issuer::Administrator(id)) => self.people_who_may.contains(&id),
            Some(Issuer::ApiKey(id)) => self.keys_that_may.contains(&id),
            None => false,
        }
    }

    /// Whoever made a tenant's key from the primary tenant is nobody there.
    fn issuer(&self, key: &ApiKey) -> Option<wire::Issuer> {
        let issuer = key.issuer.filter(|_| !key.service_account)?;
        Some(match issuer {
            Issuer::Administrator(id) => {
                wire::Issuer { kind: "administrator", id: id.get(), name: self.people.get(&id).cloned() }
            }
            Issuer::ApiKey(id) => wire::Issuer { kind: "apiKey", id: id.get(), name: self.keys.get(&id).cloned() },
        })
    }
}

/// What bounds a key's use.
fn shown(properties: &Properties, types: Vec<KeyApiType>) -> wire::Constraints {
    let constraints = &properties.constraints;
    wire::Constraints {
        target: constraints.target.clone(),
        api_types: types.into_iter().map(api_types::shown_of_key).collect(),
        not_before: constraints.not_before,
        networks: (!constraints.networks.is_empty()).then(|| shown_networks(&constraints.networks)),
        remaining_uses: constraints.remaining_uses,
        calls_per_minute: constraints.calls_per_minute,
        windows: constraints.windows.iter().map(shown_window).collect(),
    }
}

/// Networks as they are written; one of a single address is that address.
pub fn shown_networks(networks: &Networks) -> wire::Networks {
    let texts = |list: &[ipnet::IpNet]| {
        let text = |network: &ipnet::IpNet| match network.prefix_len() == network.max_prefix_len() {
            true => network.addr().to_string(),
            false => network.to_string(),
        };
        list.iter().map(text).collect()
    };
    wire::Networks { allow: texts(&networks.allow), deny: texts(&networks.deny) }
}

/// Hours as they are written.
pub fn shown_window(window: &constraints::Window) -> wire::Window {
    let name = |day: &u8| DAYS.get(usize::from(*day)).map(|name| (*name).to_owned());
    wire::Window {
        days: window.days.iter().filter_map(name).collect(),
        from: print_minute(window.from),
        to: print_minute(window.to),
    }
}
