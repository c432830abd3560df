//! `/api/apikeys/{id}/authorizations`: somebody answers for an API type that a key waits for.

use actix_web::HttpResponse;
use actix_web::web::Json;
use serde_json::json;

use super::handlers::{maker, no_such_key, role_of, target};
use super::store;
use crate::administrators::own_account;
use crate::api_types::{self, Authorization, KeyApiType, TypeName};
use crate::app::App;
use crate::audit::{Event, EventKind};
use crate::auth::{Caller, ViaSession};
use crate::body::{Body, InPath, TextInPath};
use crate::db::Db;
use crate::error::{Error, Reason, Result};
use crate::id::ApiKeyID;
use crate::rights::EditApiKeys;
use crate::secret::password_member;
use crate::wire;

type Person = Caller<EditApiKeys, ViaSession>;

/// Gives an API type of a key the authorization that it waits for. The key's secret stays.
pub async fn give(
    caller: Person,
    id: InPath<ApiKeyID>,
    body: Body<wire::AuthorizationGrant>,
    app: App,
) -> Result<Json<wire::KeyApiTypes>> {
    let name = body.0.api_type.ok_or_else(|| Error::member("apiType", "a string is needed"))?;
    let name = TypeName::parse("apiType", &name)?;
    let password = password_member("password", body.0.password)?;
    let (now, maker, id, me, wanted) = (app.now(), maker(&caller), id.0, caller.clone(), name.clone());
    // nobody types a password for what cannot be
    app.database.read(move |db| must_wait(&type_of(db, &me, id, &wanted)?.ok_or_else(|| not_for(&wanted))?)).await?;
    own_account::prove_again(&caller, &app, password).await?;
    let types = app
        .change(&caller, move |db, caller| {
            let key = store::find_to_change(db, caller, id)?.ok_or_else(no_such_key)?;
            let kind = type_of(db, caller, id, &name)?.ok_or_else(|| not_for(&name))?;
            let role = role_of(db, caller, &key.properties)?;
            maker.must_cover(&role.grant, "The key's role")?;
            must_wait(&kind)?;
            let session = caller.session();
            let by = (session.administrator, session.username.as_str());
            if !api_types::give_authorization(db, caller.tenant().id, id, kind.id, by, now)? {
                return Err(Error::internal("an API type that waits took no authorization"));
            }
            let event = Event::new(EventKind::AuthorizationGranted, target(&key));
            Ok((types_of(db, caller, id)?, event.with(json!({ "apiType": kind.name }))))
        })
        .await?;
    Ok(Json(wire::KeyApiTypes { api_types: types.into_iter().map(api_types::shown_of_key).collect() }))
}

/// Takes an authorization back: the key has nothing of that API type from its next call on.
pub async fn withdraw(caller: Person, id: InPath<ApiKeyID>, name: TextInPath, app: App) -> Result<HttpResponse> {
    let (maker, id) = (maker(&caller), id.0);
    app.change(&caller, move |db, caller| {
        let key = store::find_to_change(db, caller, id)?.ok_or_else(no_such_key)?;
        let name = TypeName::parse("apiType", &name.0).map_err(|_| no_such_type())?;
        let kind = type_of(db, caller, id, &name)?.ok_or_else(no_such_type)?;
        let role = role_of(db, caller, &key.properties)?;
        maker.must_cover(&role.grant, "The key's role")?;
        if !api_types::withdraw_authorization(db, caller.tenant().id, id, kind.id)? {
            return Err(Error::new(Reason::Conflict, "The API type of the key has no authorization to take back."));
        }
        let event = Event::new(EventKind::AuthorizationWithdrawn, target(&key));
        Ok(((), event.with(json!({ "apiType": kind.name }))))
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

fn types_of<R, V>(db: &mut Db, caller: &Caller<R, V>, id: ApiKeyID) -> Result<Vec<KeyApiType>> {
    api_types::of_key(db, caller.tenant().id, id)
}

/// The API type of that name that the key is for, if it is for it; the key must be there.
fn type_of<R, V>(db: &mut Db, caller: &Caller<R, V>, id: ApiKeyID, name: &TypeName) -> Result<Option<KeyApiType>> {
    store::find(db, caller, id)?.ok_or_else(no_such_key)?;
    let named = |kind: &KeyApiType| kind.name.to_lowercase() == name.folded();
    Ok(types_of(db, caller, id)?.into_iter().find(named))
}

fn not_for(name: &TypeName) -> Error {
    Error::new(Reason::UnknownApiType, format!("apiType: the key is not for {}.", name.as_str()))
}

fn no_such_type() -> Error {
    Error::not_found("API type of the key")
}

fn must_wait(kind: &KeyApiType) -> Result<()> {
    match kind.authorization {
        Authorization::Pending => Ok(()),
        Authorization::NotNeeded => Err(Error::new(Reason::Conflict, format!("{} needs no authorization.", kind.name))),
        Authorization::Granted { .. } => {
            Err(Error::new(Reason::Conflict, format!("{} has been authorized already.", kind.name)))
        }
    }
}
