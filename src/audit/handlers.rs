//! `/api/auditevents`: what was changed, by whom, from where. Nothing here changes anything.

use actix_web::HttpResponse;
use actix_web::web::Json;

use super::{sealing, store};
use crate::app::App;
use crate::auth::Caller;
use crate::body::Body;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::list::{self, Piece};
use crate::rights::{ViewAuditHead, ViewSystemInformation};
use crate::search::Filter;
use crate::wire;

/// Every event of the tenant.
pub async fn list(caller: Caller<ViewSystemInformation>, app: App) -> Result<HttpResponse> {
    list::answer("auditEvents", move |after| {
        let (caller, app) = (caller.clone(), app.clone());
        async move {
            let rows = app.database.read_list(move |db| store::list(db, &caller, after, list::PIECE)).await?;
            let last = rows.last().map(|row| row.id.get());
            Ok(Piece { last, items: rows.into_iter().map(shown).collect() })
        }
    })
    .await
}

/// Events by criteria.
pub async fn search(
    caller: Caller<ViewSystemInformation>,
    filter: Body<wire::SearchFilter>,
    app: App,
) -> Result<Json<wire::AuditEvents>> {
    let filter = Filter::read(filter.0)?;
    let rows = app.database.read_list(move |db| store::search(db, &caller, filter.clone())).await?;
    Ok(Json(wire::AuditEvents { audit_events: rows.into_iter().map(shown).collect() }))
}

/// Where the chain of all tenants' events ends.
pub async fn describe_head(_: Caller<ViewAuditHead>, app: App) -> Result<Json<wire::AuditHead>> {
    let head = app.database.read(sealing::head).await?;
    Ok(Json(wire::AuditHead {
        position: head.as_ref().map_or(0, |seal| seal.last),
        seal: head.as_ref().map(|seal| seal.id),
        time: head.as_ref().map(|seal| Timestamp::from_millis(seal.sealed_at)),
        mac: head.map(|seal| data_encoding::HEXLOWER.encode(&seal.head)),
    }))
}

fn shown(row: store::Row) -> wire::AuditEvent {
    // what is no JSON was not written by this program, and is shown as it is
    let details = serde_json::from_str(&row.details).unwrap_or(serde_json::Value::String(row.details));
    wire::AuditEvent {
        time: row.at,
        number: row.number,
        name: row.name,
        level: row.level,
        actor_type: row.actor_type,
        actor_id: row.actor_id,
        actor_name: row.actor_name,
        address: row.address,
        request_id: row.request_id,
        target_type: row.target_type,
        target_id: row.target_id,
        target_name: row.target_name,
        details,
        id: row.id,
    }
}
