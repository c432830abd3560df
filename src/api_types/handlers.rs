//! `/api/apitypes`.

use actix_web::HttpResponse;
use actix_web::web::Json;
use serde_json::{Value, json};

use super::rules::{ApiType, Authorization, Changes, Editor, KeyApiType, Wanted};
use super::store;
use crate::app::App;
use crate::audit::{Event, EventKind, Target, differences_of};
use crate::auth::Caller;
use crate::body::{Body, InPath};
use crate::error::{Error, Result};
use crate::id::ApiTypeID;
use crate::list::{self, Found, Piece};
use crate::rights::{EditSettings, ViewSettings};
use crate::search::Filter;
use crate::wire::{self, Flag};

/// Every API type that the tenant's keys can be for.
pub async fn list(caller: Caller<ViewSettings>, app: App) -> Result<HttpResponse> {
    list::answer("apiTypes", move |after| {
        let (caller, app) = (caller.clone(), app.clone());
        async move {
            let after = ApiTypeID::new(after);
            let kinds = app.database.read(move |db| store::list(db, &caller, after, list::PIECE)).await?;
            let last = kinds.last().map(|kind| kind.id.get());
            Ok(Piece { last, items: kinds.into_iter().map(shown).collect() })
        }
    })
    .await
}

/// API types by criteria.
pub async fn search(
    caller: Caller<ViewSettings>,
    filter: Body<wire::SearchFilter>,
    app: App,
) -> Result<Found<wire::ApiTypes>> {
    let filter = Filter::read(filter.0)?;
    let kinds = app.database.read(move |db| store::search(db, &caller, filter)).await?;
    Ok(Found(kinds.len(), wire::ApiTypes { api_types: kinds.into_iter().map(shown).collect() }))
}

/// One API type.
pub async fn describe(caller: Caller<ViewSettings>, id: InPath<ApiTypeID>, app: App) -> Result<Json<wire::ApiType>> {
    let kind = app.database.read(move |db| store::find(db, &caller, id.0)).await?;
    Ok(Json(shown(kind.ok_or_else(no_such_type)?)))
}

/// Makes an API type.
pub async fn create(
    caller: Caller<EditSettings>,
    body: Body<wire::NewApiType>,
    app: App,
) -> Result<Json<wire::ApiType>> {
    let editor = editor(&caller);
    let wanted = Changes::new(body.0.into())?.into_new()?;
    let kind = app
        .change(&caller, move |db, caller| {
            editor.may_make(&wanted)?;
            let kind = store::insert(db, caller, wanted)?;
            let details = json!({ "needsAuthorization": kind.needs_authorization, "rights": names(&kind) });
            let event = Event::new(EventKind::ApiTypeCreated, target(&kind)).with(details);
            Ok((kind, event))
        })
        .await?;
    Ok(Json(shown(kind)))
}

/// Changes what is sent of an API type; keys that are for it feel it on their next call.
pub async fn modify(
    caller: Caller<EditSettings>,
    id: InPath<ApiTypeID>,
    body: Body<wire::ApiTypeChange>,
    app: App,
) -> Result<Json<wire::ApiType>> {
    let editor = editor(&caller);
    let changes = Changes::new(body.0.into())?;
    let kind = app
        .change(&caller, move |db, caller| {
            let old = store::find_to_change(db, caller, id.0)?.ok_or_else(no_such_type)?;
            let new = changes.applied_to(&old);
            editor.may_change(&old, &new, store::has_keys(db, caller, old.id)?)?;
            store::update(db, caller, &new)?;
            let event = Event::new(EventKind::ApiTypeUpdated, target(&old)).with(differences(&old, &new));
            Ok((new, event))
        })
        .await?;
    Ok(Json(shown(kind)))
}

/// Removes an API type that no key is for.
pub async fn delete(caller: Caller<EditSettings>, id: InPath<ApiTypeID>, app: App) -> Result<HttpResponse> {
    let editor = editor(&caller);
    app.change(&caller, move |db, caller| {
        let kind = store::find_to_change(db, caller, id.0)?.ok_or_else(no_such_type)?;
        editor.may_delete(&kind)?;
        store::delete(db, caller, id.0)?;
        Ok(((), Event::new(EventKind::ApiTypeDeleted, target(&kind))))
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

fn no_such_type() -> Error {
    Error::not_found("API type")
}

fn editor<R, V>(caller: &Caller<R, V>) -> Editor {
    Editor { grant: caller.grant().clone(), limit: caller.limit() }
}

fn target(kind: &ApiType) -> Target {
    Target::new("apiType", kind.id.get(), kind.name.as_str())
}

fn names(kind: &ApiType) -> Vec<String> {
    kind.rights.iter().map(|right| format!("{right:?}")).collect()
}

/// What changed, from what to what.
fn differences(old: &ApiType, new: &ApiType) -> Value {
    differences_of([
        ("name", json!(old.name), json!(new.name)),
        ("title", json!(old.title), json!(new.title)),
        ("description", json!(old.description), json!(new.description)),
        ("needsAuthorization", json!(old.needs_authorization), json!(new.needs_authorization)),
        ("rights", json!(names(old)), json!(names(new))),
    ])
}

fn shown(kind: ApiType) -> wire::ApiType {
    wire::ApiType {
        rights: names(&kind),
        name: kind.name,
        title: kind.title,
        description: kind.description,
        needs_authorization: kind.needs_authorization,
        id: kind.id,
    }
}

/// An API type that a key is for, as answers about keys show it.
pub fn shown_of_key(kind: KeyApiType) -> wire::KeyApiType {
    let authorization = kind.authorization.as_str();
    let (granted, granted_by) = match kind.authorization {
        Authorization::Granted { at, by } => (Some(at), by),
        Authorization::NotNeeded | Authorization::Pending => (None, None),
    };
    let granted_by =
        granted_by.map(|(id, name)| wire::Issuer { kind: "administrator", id: id.get(), name: Some(name) });
    wire::KeyApiType { name: kind.name, authorization, granted, granted_by }
}

macro_rules! wanted_from {
    ($($body:ty),+) => {$(
        impl From<$body> for Wanted {
            fn from(body: $body) -> Self {
                Self {
                    name: body.name,
                    title: body.title,
                    description: body.description,
                    needs_authorization: body.needs_authorization.map(|Flag(on)| on),
                    rights: body.rights,
                }
            }
        }
    )+};
}

wanted_from!(wire::NewApiType, wire::ApiTypeChange);
