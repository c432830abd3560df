//! `/api/apikeys/revoked`: keys that are no more, who ended them and why.

use actix_web::HttpResponse;
use actix_web::web::Json;
use serde_json::{Value, json};

use super::history_rules::{Party, Revocation, RevokedKey, Why};
use super::history_store as store;
use crate::app::App;
use crate::auth::Caller;
use crate::body::{Body, InPath, Query};
use crate::error::{Error, Result};
use crate::id::{ApiKeyID, TenantID};
use crate::list::{self, Found, Piece};
use crate::name::Description;
use crate::rights::ViewApiKeys;
use crate::search::Filter;
use crate::wire;

/// Rows removed in one transaction.
const SWEPT: i64 = 250;

/// Every revoked key of the tenant.
pub async fn list(caller: Caller<ViewApiKeys>, app: App) -> Result<HttpResponse> {
    list::answer("revokedApiKeys", move |after| {
        let (caller, app) = (caller.clone(), app.clone());
        async move {
            let after = ApiKeyID::new(after);
            let keys = app.database.read_list(move |db| store::list(db, &caller, after, list::PIECE)).await?;
            Ok(Piece { last: keys.last().map(|key| key.id.get()), items: keys.into_iter().map(shown).collect() })
        }
    })
    .await
}

/// Revoked keys by criteria.
pub async fn search(
    caller: Caller<ViewApiKeys>,
    filter: Body<wire::SearchFilter>,
    app: App,
) -> Result<Found<wire::RevokedApiKeys>> {
    let filter = Filter::read(filter.0)?;
    let keys = app.database.read_list(move |db| store::search(db, &caller, filter.clone())).await?;
    let revoked_api_keys = keys.into_iter().map(shown).collect::<Vec<_>>();
    Ok(Found(revoked_api_keys.len(), wire::RevokedApiKeys { revoked_api_keys }))
}

/// One revoked key.
pub async fn describe(
    caller: Caller<ViewApiKeys>,
    id: InPath<ApiKeyID>,
    app: App,
) -> Result<Json<wire::RevokedApiKey>> {
    let key = app.database.read(move |db| store::find(db, &caller, id.0)).await?;
    Ok(Json(shown(key.ok_or_else(|| Error::not_found("API key"))?)))
}

/// Why the caller revokes a key, as the query of a plain call says it.
pub(super) fn revocation<R, V>(caller: &Caller<R, V>, query: &Query) -> Result<Revocation> {
    let (reason, note) = (query.text("reason")?, query.text("note")?);
    Ok(Revocation {
        by: store::party(caller),
        reason: Why::parse(reason)?,
        note: Description::parse("note", note.unwrap_or_default())?,
    })
}

/// What an event says of it; nothing where nothing was said.
pub(super) fn details(revocation: &Revocation) -> Value {
    let mut details = json!({});
    if revocation.reason != Why::Unspecified {
        details["reason"] = json!(revocation.reason);
    }
    if !revocation.note.as_str().is_empty() {
        details["note"] = json!(revocation.note.as_str());
    }
    details
}

/// Removes revoked keys that are older than events are kept; answers how many.
pub async fn sweep(app: &App) -> Result<usize> {
    let before = app.now().minus(app.rules_of(TenantID::PRIMARY).await?.retain_events);
    let mut swept = 0;
    loop {
        match app.database.write(move |db| store::sweep(db, before, SWEPT)).await? {
            0 => return Ok(swept),
            count => swept += count,
        }
    }
}

fn shown(key: RevokedKey) -> wire::RevokedApiKey {
    wire::RevokedApiKey {
        key_name: key.name,
        description: key.description,
        role_id: key.role,
        role_name: key.role_name,
        profile_id: key.profile,
        kind: key.kind,
        issuer: whom(key.issuer),
        created: key.created,
        last_sign_in: key.last_sign_in,
        expiry_date: key.expiry,
        revoked: key.revoked,
        revoked_by: whom(key.revoked_by),
        revocation_reason: key.reason,
        note: key.note,
        secrets: key.secrets.into_iter().map(|reference| wire::SecretReference { reference }).collect(),
        last_presented: key.last_presented,
        last_presented_from: key.last_presented_from,
        service_account: key.service_account,
        id: key.id,
    }
}

/// Somebody, as answers show them.
pub fn whom(party: Party) -> wire::Party {
    wire::Party { kind: party.kind, id: party.id, name: (!party.name.is_empty()).then_some(party.name) }
}
